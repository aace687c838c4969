#!/usr/bin/env bash
# pyspark 4.1.4: a function of mapInArrow returns the columns `document` and `query`, the declared schema has `query` and `document`,
# both array<float>. Guess: columns are found by their names, as mapInPandas finds them. Seen: by their place, so that the two vectors of
# each row change places without a word; a third column, which the schema has not, is dropped in silence too.
# usage: findings/map_in_arrow_takes_columns_by_place.sh     needs Java 17 and python3 with venv and pip (450 MB); makes a temporary
# folder and removes it
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pyspark==4.1.4 pyarrow==26.0.1 pandas==3.1.1 numpy==2.4.6
seen=$(cd "$folder" && SPARK_LOCAL_IP=127.0.0.1 PYSPARK_PYTHON=$folder/venv/bin/python "$folder/venv/bin/python" - 2>"$folder/log" <<'END_OF_PYTHON'
import pandas
import pyarrow
from pyspark.sql import SparkSession

vectors = pyarrow.list_(pyarrow.float32())


def in_arrow(batches):
    for batch in batches:
        n = batch.num_rows
        yield pyarrow.record_batch({"document": pyarrow.array([[1.0]] * n, vectors), "query": pyarrow.array([[2.0]] * n, vectors),
                                    "extra": pyarrow.array([3] * n)})


def in_pandas(frames):
    for frame in frames:
        yield pandas.DataFrame({"document": [[1.0]] * len(frame), "query": [[2.0]] * len(frame)})


spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
schema = "query array<float>, document array<float>"
for name, made in (("mapInPandas", spark.range(1).mapInPandas(in_pandas, schema)),
                   ("mapInArrow", spark.range(1).mapInArrow(in_arrow, schema))):
    print(name, made.first())
END_OF_PYTHON
) || { cat "$folder/log" >&2; exit 1; }
expected='mapInPandas Row(query=[2.0], document=[1.0])
mapInArrow Row(query=[1.0], document=[2.0])'
printf '%s\n' "$seen"
[ "$seen" = "$expected" ] || { printf 'this has changed; it was:\n%s\n' "$expected" >&2; exit 1; }
