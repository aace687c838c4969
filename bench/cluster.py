#!/usr/bin/env python3
"""Ray Data and Spark on this machine beside `sutra embed` of the same texts, in turns.

    build/cluster/venv/bin/python bench/cluster.py --model FOLDER --passages passages.txt [--texts 4000] [--rounds 3]
                                                   [--ways ray1,ray2,spark1,spark2] [--cpus 2] [--batch 4096]

tools/cluster.sh makes the environment, with WHEELS=FOLDER without a network. rayN and sparkN: N nodes of cpus / N processors
each, simulated as processes: what they show is what the frameworks cost, not a network. Texts are numbered, so that no two
are the same. Each way reads texts from files and writes vectors to files: the program lines and .npy, the frameworks Parquet, a file a batch.

Of a framework: "steady" is its rate from the first batch's beginning to the last one's end, "busy" the share of that time in
which an actor or worker had a batch, "start-up" from the job's start to the first batch, "cluster" what came before the job
(of Spark a JVM, which later rounds find running).
The program's rate is that of its whole run, start included. Shares are medians of each round's own.
"""
import argparse
import logging
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.update(RAY_USAGE_STATS_ENABLED="0", RAY_DEDUP_LOGS="0", SPARK_LOCAL_IP="127.0.0.1", PYSPARK_PYTHON=sys.executable)

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

ROOT = Path(__file__).resolve().parent.parent


def by_program(args, folder):
    command = [args.program, "embed", "-m", args.model, "--threads", str(args.cpus), "-i", f"{folder}/texts.txt", "-o", f"{folder}/v.npy"]
    start = time.perf_counter()
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    whole = time.perf_counter() - start
    return {"rate": args.texts / whole, "whole": whole}


def by_ray(args, folder, nodes):
    import ray
    import sutra.ray
    from ray.cluster_utils import Cluster

    class Timed(sutra.ray.Embedder):
        def __call__(self, batch):
            begin = time.time()
            made = super().__call__(batch)
            for name, value in (("begin", begin), ("end", time.time())):
                made = made.append_column(name, pa.array(np.full(len(made), value)))
            return made

    start = time.time()
    node = {"num_cpus": args.cpus // nodes, "object_store_memory": 200 << 20}
    cluster = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
    for _ in range(nodes - 1):
        cluster.add_node(**node)
    ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
    ray.data.DataContext.get_current().enable_progress_bars = False
    logging.getLogger("ray.data").setLevel("ERROR")
    given, sutra.ray.Embedder = sutra.ray.Embedder, Timed
    try:
        ready = time.time()
        texts = ray.data.read_parquet(f"{folder}/texts")
        sutra.ray.embed(texts, args.model, batch_size=args.batch).write_parquet(f"{folder}/out")
        return figures(args, f"{folder}/out", start, ready, nodes)
    finally:
        sutra.ray.Embedder = given
        ray.shutdown()
        cluster.shutdown()


def by_spark(args, folder, nodes):
    import sutra.spark
    from pyspark.sql import SparkSession
    from pyspark.sql.types import DoubleType, StructType

    def timed(batches):
        begun = []

        def noted():
            for batch in batches:
                begun.append(time.time())
                yield batch

        for made in embedder(noted()):
            for name, value in (("begin", begun[-1]), ("end", time.time())):
                made = made.append_column(name, pa.array(np.full(len(made), value)))
            yield made

    start = time.time()
    cpus = args.cpus // nodes
    settings = {"spark.driver.host": "127.0.0.1", "spark.ui.enabled": "false", "spark.executor.memory": "768m",
                "spark.task.cpus": cpus, "spark.sql.execution.arrow.maxRecordsPerBatch": args.batch,
                "spark.ui.showConsoleProgress": "false", "spark.log.level": "OFF",
                "spark.sql.files.openCostInBytes": 0,  # a task for each file
                "spark.sql.files.maxPartitionBytes": max(file.stat().st_size for file in Path(folder, "texts").iterdir())}
    builder = SparkSession.builder.master(f"local-cluster[{nodes},{cpus},1024]")
    for name, value in settings.items():
        builder = builder.config(name, str(value))
    spark = builder.getOrCreate()
    embedder = sutra.spark.embedder(args.model)
    try:
        ready = time.time()
        df = spark.read.parquet(f"{folder}/texts")
        schema = StructType(sutra.spark.embed(df, args.model).schema.fields).add("begin", DoubleType()).add("end", DoubleType())
        df.mapInArrow(timed, schema).write.mode("overwrite").parquet(f"{folder}/out")
        return figures(args, f"{folder}/out", start, ready, nodes)
    finally:
        spark.stop()


def figures(args, folder, start, ready, nodes):
    """What the written rows tell; the vectors must be all there."""
    done = time.time()
    table = pq.read_table(folder, columns=["id", "begin", "end"]).sort_by("id")
    assert table["id"].to_pylist() == list(range(args.texts)), "rows are lost or doubled"
    vectors = pq.read_table(folder, columns=["id", "vector"]).sort_by("id")["vector"].combine_chunks().flatten().to_numpy()
    assert vectors.tobytes() == np.load(Path(folder).parent / "v.npy").tobytes(), "the vectors are not the program's"
    subprocess.run(["rm", "-rf", folder], check=True)
    spans = np.unique(np.stack([table["begin"].to_numpy(), table["end"].to_numpy()], 1), axis=0)
    first, last = spans[:, 0].min(), spans[:, 1].max()
    return {"rate": args.texts / (last - first), "busy": (spans[:, 1] - spans[:, 0]).sum() / (last - first) / nodes,
            "startup": first - ready, "whole": done - ready, "cluster": ready - start}


def write_texts(args, folder):
    passages = Path(args.passages).read_text("utf-8").split("\n")[:-1]
    texts = [f"{i} {passages[i % len(passages)]}" for i in range(args.texts)]
    Path(folder, "texts.txt").write_text("\n".join(texts) + "\n", "utf-8")
    Path(folder, "texts").mkdir()
    table = pa.table({"id": range(args.texts), "text": texts})
    for first in range(0, args.texts, args.batch):
        pq.write_table(table.slice(first, args.batch), f"{folder}/texts/{first:09}.parquet")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--model", required=True)
    parser.add_argument("--passages", required=True)
    parser.add_argument("--texts", type=int, default=4000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch", type=int, default=4096)
    parser.add_argument("--cpus", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--ways", default="ray1,ray2,spark1,spark2")
    parser.add_argument("--program", default=str(ROOT / "build/release/sutra"))
    args = parser.parse_args()
    args.model = os.path.abspath(args.model)
    ways = {"sutra embed": None, **{way: (by_ray if way.startswith("ray") else by_spark, int(way.lstrip("rayspk")))
                                    for way in args.ways.split(",")}}
    seen = {way: [] for way in ways}
    with tempfile.TemporaryDirectory(prefix="sutra-cluster-") as folder:
        write_texts(args, folder)
        for _ in range(args.rounds):
            for way, run in ways.items():
                seen[way].append(run[0](args, folder, run[1]) if run else by_program(args, folder))
                print(way, {name: round(float(value), 3) for name, value in seen[way][-1].items()}, file=sys.stderr, flush=True)
    print(f"{args.texts} passages, {args.cpus} processors, batches of {args.batch}, {args.rounds} rounds\n\n"
          "| way | texts/s, steady | of sutra embed's | busy | cluster s | start-up s | whole job s |\n|---|---|---|---|---|---|---|")
    for way, rounds in seen.items():
        middle = {name: statistics.median(each[name] for each in rounds) for name in rounds[0]}
        share = statistics.median(a["rate"] / b["rate"] for a, b in zip(rounds, seen["sutra embed"]))
        rates = [each["rate"] for each in rounds]
        print(f"| {way} | {middle['rate']:.1f} ({min(rates):.1f}-{max(rates):.1f}) | {100 * share:.1f} % | "
              + (f"{100 * middle['busy']:.1f} % | {middle['cluster']:.1f} | {middle['startup']:.1f} | " if "busy" in middle else "| | | ")
              + f"{middle['whole']:.1f} |")


if __name__ == "__main__":
    main()
