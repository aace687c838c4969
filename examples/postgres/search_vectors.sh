#!/usr/bin/env bash
# The passages nearest to a query, of a table that load_vectors.sh made: distance, id, body.
#
# usage: search_vectors.sh QUERY [OPTION OF sutra embed ...]
set -euo pipefail
[ $# -gt 0 ] || { sed -n '4s/^# //p' "$0" >&2; exit 2; }
query=$1
shift
vector=$("${SUTRA:-sutra}" embed "$@" --format csv -- "$query")
psql --no-psqlrc --quiet --csv --tuples-only -v ON_ERROR_STOP=1 -v "vector=$vector" <<'SQL'
SELECT count(*) > 0 AS has_pgvector FROM pg_extension WHERE extname = 'vector' \gset
\if :has_pgvector
    \set distance 'vector <=> (\'[\' || :\'vector\' || \']\')::vector'
\else
    \set distance 'cosine_distance(vector, (\'{\' || :\'vector\' || \'}\')::sutra_vector)'
\endif
SELECT round((:distance)::numeric, 4) AS distance, id, body FROM passages ORDER BY :distance, id LIMIT 5;
SQL
