#!/usr/bin/env python3
"""Students of sutra distill --method static beside their teacher and what model2vec makes of the same teacher, on STSb-test
and SciFact, as a table for docs/DISTILLATION.md.

usage: bench/static_quality.py --program build/release/sutra --teacher FOLDER --data DIR --work DIR [--dim 256]
                               [--compute bf16] [OPTION of sutra distill ...]

DIR of --data is that of bench/distill_curve.py, and so are the texts; "without SciFact" leaves out the corpus and the
passages that are of it. The teacher's vectors are computed once into --work by --compute. model2vec distils the teacher's
vocabulary with its defaults and --dim dimensions. `sutra eval` evaluates all. Needs model2vec[distill]; run it with the
Python that has it.
"""

import argparse
import json
import re
import shutil
import subprocess
import time
from pathlib import Path

from model2vec.distill import distill

parser = argparse.ArgumentParser()
for name in ("--program", "--teacher", "--data", "--work"):
    parser.add_argument(name, type=Path, required=True)
parser.add_argument("--dim", type=int, default=256)
parser.add_argument("--compute", default="bf16")
args, distill_options = parser.parse_known_args()


def lines_of(path):
    return Path(path).read_bytes().decode().removesuffix("\n").split("\n")


def words(text):
    return " ".join(text.split())


def texts():
    """With the corpus of SciFact, and without it."""
    dev = [text for line in lines_of(args.data / "stsb-dev.tsv")[1:] for text in line.split("\t")[1:3]]
    passages = lines_of(args.data / "passages.txt")
    documents = [json.loads(line) for line in lines_of(args.data / "retrieval-scifact/corpus.jsonl")]
    corpus = [words(f"{d['title']} {d['text']}") for d in documents]
    starts = {text[:80] for text in corpus} | {words(d["text"])[:80] for d in documents}
    others = [text for text in passages if words(text)[:80] not in starts]
    return {"all": passages + dev + corpus, "without SciFact": others + dev}


def run(*command):
    return subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True).stdout


def scores(model):
    found = [run(args.program, "eval", *task, "-m", model) for task in
             (("sts", args.data / "stsb-test.tsv"), ("retrieval", args.data / "retrieval-scifact"))]
    return [float(re.search(r"(?m)^(?:spearman|ndcg@10) +(\S+)$", text)[1]) for text in found]


def size(path):
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return sum(file.stat().st_size for file in files) / 1e6


def row(name, model, seconds=""):
    sts, retrieved = scores(model)
    print(f"| {name} | {sts:.2f} | {retrieved:.2f} | {size(model):.1f} | {seconds} |", flush=True)


def student(name, given):
    """A folder, from the teacher's vectors of these texts, and the seconds that the training took."""
    source, vectors = args.work / f"{name}.jsonl", args.work / f"{name}.npy"
    source.write_text("".join(json.dumps({"text": text}) + "\n" for text in given), encoding="utf-8")
    run(args.program, "embed", "-m", args.teacher, "--compute", args.compute, "--field", "text", "-i", source, "-o", vectors)
    folder = args.work / f"student-{name}"
    shutil.rmtree(folder, ignore_errors=True)
    report = json.loads(run(args.program, "distill", "--teacher", args.teacher, "--method", "static", "--dim", args.dim,
                            "--texts", source, "--field", "text", "--vectors", vectors, "-o", folder, "--json",
                            *distill_options))
    return folder, f"{ {fact['what']: fact['value'] for fact in report['totals']}['training, this run']:.0f}"


def main():
    args.work.mkdir(parents=True, exist_ok=True)
    print("| model | STSb-test | SciFact nDCG@10 | MB | training s |\n|---|---|---|---|---|")
    row("teacher", args.teacher)
    for name, given in texts().items():
        folder, seconds = student(name.split()[0], given)
        row(f"static, {args.dim}, {name} ({len(given):,} texts)", folder, seconds)
        quantised = args.work / f"student-{name.split()[0]}.sutra"
        run(args.program, "quantize", folder, "--compute", "int8", "-o", quantised)
        row("the same in int8", quantised)
    begin = time.monotonic()
    peer = args.work / "model2vec"
    distill(model_name=str(args.teacher), pca_dims=args.dim).save_pretrained(peer)
    row(f"model2vec, {args.dim}", peer, f"{time.monotonic() - begin:.0f}")


if __name__ == "__main__":
    main()
