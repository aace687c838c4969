#!/usr/bin/env bash
# usearch 2.26.6: an Index of metric "ip" (or "l2sq") and dtype "i8" that is given float32 vectors which are not of unit length, such as
# those of models made for dot products. Guess: elements are scaled by one factor and cut off at 127, so that of two rows the longer one
# has the larger product, as with dtype "f32". Seen: each vector is first divided by its own length, then multiplied by 127 and cut to
# integers; the order is that of cosines, whatever the metric, and the distance is 1 less the product of the integers. int8 vectors
# are taken as they are.
# usage: findings/i8_index_forgets_lengths.sh     needs python3 with venv and pip; makes a temporary folder and removes it
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet usearch==2.26.6 numpy==2.4.6
seen=$("$folder/venv/bin/python" - <<'END'
import numpy
from usearch.index import Index

rows = numpy.array([[0.9, 0.3, 0, 0], [0.3, 0, 0, 0]], numpy.float32)
query = numpy.array([1, 0, 0, 0], numpy.float32)
print("products", [round(float(row @ query), 2) for row in rows])
for metric in ("ip", "l2sq"):
    for dtype in ("f32", "i8"):
        index = Index(ndim=4, metric=metric, dtype=dtype)
        for key, row in enumerate(rows):
            index.add(key, row)
        found = index.search(query, 2)
        stored = [index.get(key).tolist() for key in range(2)] if dtype == "i8" else []
        print(metric, dtype, "order", [int(key) for key in found.keys],
              "distances", [round(float(distance), 2) for distance in found.distances], *stored)
index = Index(ndim=4, metric="ip", dtype="i8")
index.add(0, (rows[0] * 100).astype(numpy.int8))
print("int8 is kept:", index.get(0).tolist())
END
)
printf '%s\n' "$seen"
expected="products [0.9, 0.3]
ip f32 order [0, 1] distances [0.1, 0.7]
ip i8 order [1, 0] distances [-16128.0, -15239.0] [120, 40, 0, 0] [127, 0, 0, 0]
l2sq f32 order [0, 1] distances [0.1, 0.49]
l2sq i8 order [1, 0] distances [0.0, 1649.0] [120, 40, 0, 0] [127, 0, 0, 0]
int8 is kept: [90, 30, 0, 0]"
[ "$seen" = "$expected" ] || { echo "this has changed; it was:"; printf '%s\n' "$expected"; exit 1; }
