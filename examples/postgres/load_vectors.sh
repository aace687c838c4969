#!/usr/bin/env bash
# Texts and their vectors into a table of PostgreSQL: passages(id, body, vector), which must not be there yet.
#
# usage: load_vectors.sh CORPUS.jsonl [OPTION OF sutra embed ...]
#
# CORPUS.jsonl has an object a line, with the fields id and body. PGHOST, PGDATABASE and so on say which database; SUTRA
# which program (default: sutra). Everything is there afterwards, or nothing.
set -euo pipefail
[ $# -gt 0 ] || { sed -n '4s/^# //p' "$0" >&2; exit 2; }
corpus=$1
shift
here=$(dirname "$0")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"${SUTRA:-sutra}" embed "$corpus" --field body --id id "$@" -o "$work/vectors.jsonl"
# {"index": 0, "id": …, "embedding": [0.1, …], …}: its numbers are the elements of a vector
dim=$(head -n 1 "$work/vectors.jsonl" | python3 -c 'import json, sys; print(len(json.loads(sys.stdin.readline())["embedding"]))')

# COPY takes a line as one value of JSON: neither of these two characters is ever in one, nor is a carriage return, but
# at the end of lines.
copy() {
    printf "COPY %s(line) FROM STDIN WITH (FORMAT csv, QUOTE E'\\\\x01', DELIMITER E'\\\\x02');\n" "$1"
    tr -d '\r' <"$2"
    printf '\n\\.\n'
}
{
    cat "$here/table.sql"
    copy arriving_texts "$corpus"
    copy arriving_vectors "$work/vectors.jsonl"
    cat "$here/fill.sql"
} | psql --no-psqlrc --quiet --single-transaction -v ON_ERROR_STOP=1 -v "dim=$dim"
