#!/usr/bin/env bash
# sqlite-vec 0.1.9: vec_quantize_binary beside bit vectors as numpy.packbits makes them, which is how sentence-transformers packs its
# "ubinary" vectors. Guess: a vector's bits are the same bytes either way, and their Hamming distance is 0. Seen: element 0 is the
# lowest bit of the first byte, with packbits it is the highest; the distance of a vector to itself is 6 of 16 here, and the nearest of
# four stored vectors is another one. With packbits' bitorder="little" they agree.
# usage: findings/vec_bits_start_at_the_other_end.sh     needs python3 with venv and pip; makes a temporary folder and removes it
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet sqlite-vec==0.1.9 apsw==3.54.1.0 numpy==2.4.6
seen=$("$folder/venv/bin/python" - <<'END'
import apsw
import numpy
import sqlite_vec

db = apsw.Connection(":memory:")
db.enable_load_extension(True)
db.load_extension(sqlite_vec.loadable_path())


def ask(sql, *values):
    return db.execute(sql, values).fetchall()[0][0]


# Four vectors of 16 elements, by the elements that are positive.
vectors = numpy.full((4, 16), -1.0, numpy.float32)
for row, positive in enumerate(((0, 8, 9), (7, 14, 15), (0, 1, 2), (5, 6, 7))):
    vectors[row, list(positive)] = 1.0
query = ask("SELECT vec_quantize_binary(?)", vectors[0].tobytes())
for order in ("big", "little"):
    stored = [numpy.packbits(vector > 0, bitorder=order).tobytes() for vector in vectors]
    distances = [int(ask("SELECT vec_distance_hamming(vec_bit(?), vec_bit(?))", query, row)) for row in stored]
    print(f"{order}: query {query.hex()}, row 0 {stored[0].hex()}, distances {distances}, nearest {distances.index(min(distances))}")
END
)
printf '%s\n' "$seen"
expected="big: query 0103, row 0 80c0, distances [6, 0, 6, 4], nearest 1
little: query 0103, row 0 0103, distances [0, 6, 4, 6], nearest 0"
[ "$seen" = "$expected" ] || { echo "this has changed; it was:"; printf '%s\n' "$expected"; exit 1; }
