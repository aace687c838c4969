#!/usr/bin/env bash
# ray 2.60.0 (Ray Data): a folder of 16 Parquet files with 256 texts each is read with override_num_blocks=16, then mapped by a pool of two
# actors. Guess: 16 blocks, of which each actor gets some. Seen: one block of 4,096 rows, so that one actor does all of the work, batch
# after batch, and the other one none; repartition(target_num_rows_per_block=256) gives 16.
# usage: findings/many_files_become_one_block.sh     needs python3 with venv and pip (200 MB); makes a temporary folder and removes it
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet 'ray[data]==2.60.0' pyarrow==26.0.1 pandas==3.1.1 numpy==2.4.6
seen=$(cd "$folder" && RAY_USAGE_STATS_ENABLED=0 "$folder/venv/bin/python" - 2>"$folder/log" <<'END_OF_PYTHON'
import os

import pyarrow
import pyarrow.parquet
import ray

os.mkdir("texts")
for i in range(16):
    pyarrow.parquet.write_table(pyarrow.table({"text": [f"text {i} {j}" for j in range(256)]}), f"texts/{i:02}.parquet")
ray.init(num_cpus=4, include_dashboard=False, log_to_driver=False, object_store_memory=200 << 20)


class Named:
    def __call__(self, batch):
        return {"pid": [os.getpid()] * len(batch["text"])}


def shown(name, dataset):
    blocks = dataset.materialize().num_blocks()
    pool = ray.data.ActorPoolStrategy(size=2)
    actors = len(set(row["pid"] for row in dataset.map_batches(Named, batch_size=256, compute=pool).take_all()))
    print(name, blocks, "blocks,", actors if blocks == 1 else "any number of", "actors at work")


shown("override_num_blocks=16:", ray.data.read_parquet("texts", override_num_blocks=16))
shown("and repartition:", ray.data.read_parquet("texts", override_num_blocks=16).repartition(target_num_rows_per_block=256))
END_OF_PYTHON
) || { cat "$folder/log" >&2; exit 1; }
expected='override_num_blocks=16: 1 blocks, 1 actors at work
and repartition: 16 blocks, any number of actors at work'
printf '%s\n' "$seen"
[ "$seen" = "$expected" ] || { printf 'this has changed; it was:\n%s\n' "$expected" >&2; exit 1; }
