#!/usr/bin/env python3
"""What fewer dimensions cost: students of sutra distill --method projection beside truncation and PCA, on STSb-test and
SciFact, as a table for docs/DISTILLATION.md.

usage: bench/distill_curve.py --program build/release/sutra --teacher FOLDER --data DIR --work DIR
                              [--dims 256,128,64] [--compute bf16] [--dev] [OPTION of sutra distill ...]

DIR of --data holds passages.txt, stsb-dev.tsv, stsb-test.tsv and retrieval-scifact/. Learnt on: the passages, the
sentences of STSb-dev and the corpus of SciFact, without scores and without queries. The teacher's vectors are computed
once into --work, and used again when they are there. A student's vector is the teacher's by its matrix, as
tests/train/test_cli_distill.py checks. --dev: STSb-dev alone, which options are chosen by. Needs numpy.
"""

import argparse
import json
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np

parser = argparse.ArgumentParser()
for name in ("--program", "--teacher", "--data", "--work"):
    parser.add_argument(name, type=Path, required=True)
parser.add_argument("--dims", default="256,128,64")
parser.add_argument("--compute", default="bf16")
parser.add_argument("--dev", action="store_true")
args, distill_options = parser.parse_known_args()


def lines_of(path):
    return Path(path).read_bytes().decode().removesuffix("\n").split("\n")


def read_sts(name):
    rows = [line.split("\t") for line in lines_of(args.data / name)]
    rows = [row for row in rows if row[0].replace(".", "").isdigit()]
    return [float(row[0]) for row in rows], [text for row in rows for text in row[1:3]]


def read_scifact():
    folder = args.data / "retrieval-scifact"
    corpus = [json.loads(line) for line in lines_of(folder / "corpus.jsonl")]
    queries = [json.loads(line) for line in lines_of(folder / "queries.jsonl")]
    judged = {}
    for line in lines_of(folder / "qrels.tsv")[1:]:
        query, document, score = line.split("\t")
        judged.setdefault(query, {})[document] = float(score)
    queries = [q for q in queries if q["_id"] in judged]
    return ([d["_id"] for d in corpus], [f"{d.get('title', '')} {d['text']}" for d in corpus],
            [judged[q["_id"]] for q in queries], [q["text"] for q in queries])


def embed(name, texts):
    """Vectors [texts, dim], from --work when they are there."""
    source, vectors = args.work / f"{name}.jsonl", args.work / f"{name}.npy"
    content = "".join(json.dumps({"text": text}) + "\n" for text in texts)
    if not vectors.exists() or not source.exists() or source.read_text(encoding="utf-8") != content:
        source.write_text(content, encoding="utf-8")
        subprocess.run([args.program, "embed", "-m", args.teacher, "--compute", args.compute, "--field", "text", "-i",
                        source, "-o", vectors], check=True)
    return np.load(vectors).astype(np.float64)


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def ranks(values):
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return (ends - (counts - 1) / 2)[inverse]


def spearman(gold, pairs, matrix):
    pairs = unit(pairs @ matrix.T)
    return 100 * np.corrcoef(ranks(gold), ranks((pairs[::2] * pairs[1::2]).sum(1)))[0, 1]


def ndcg(found, judged, k=10):
    """As sutra_ndcg; of equal scores the greater id is first."""
    def gain(values):
        return sum(value / np.log2(i + 2) for i, value in enumerate(values[:k]) if value > 0)
    return gain([judged.get(document, 0) for document in found]) / gain(sorted(judged.values(), reverse=True))


def retrieval(ids, documents, judged, queries, matrix):
    scores = unit(queries @ matrix.T) @ unit(documents @ matrix.T).T
    total = 0
    for row, relevant in zip(scores, judged, strict=True):
        best = sorted(np.argpartition(-row, 20)[:20], key=lambda d: (row[d], ids[d]), reverse=True)
        total += ndcg([ids[d] for d in best], relevant)
    return 100 * total / len(judged)


def train(dim, texts):
    """A student's matrix [dim, teacher's dim] and the report."""
    student = args.work / f"student-{dim}"
    shutil.rmtree(student, ignore_errors=True)
    done = subprocess.run([args.program, "distill", "--teacher", args.teacher, "--texts", args.work / "train.jsonl",
                           "--field", "text", "--vectors", args.work / "train.npy", "--dim", str(dim), "-o", student,
                           "--json", *distill_options], check=True, stdout=subprocess.PIPE)
    file, = student.glob("*_Dense/model.safetensors")
    data = file.read_bytes()
    size, = struct.unpack("<Q", data[:8])
    return np.frombuffer(data[8 + size:], "<f4").reshape(dim, -1).astype(np.float64), json.loads(done.stdout)


def main():
    args.work.mkdir(parents=True, exist_ok=True)
    ids, corpus, judged, queries = read_scifact()
    dev_gold, dev = read_sts("stsb-dev.tsv")
    gold, test = (dev_gold, dev) if args.dev else read_sts("stsb-test.tsv")
    passages = lines_of(args.data / "passages.txt")
    known = embed("train", passages + dev + corpus)
    dev_rows = slice(len(passages), len(passages) + len(dev))
    pairs = known[dev_rows] if args.dev else embed("stsb-test", test)
    documents, asked = known[dev_rows.stop:], None if args.dev else embed("queries", queries)
    learnt = unit(known)
    eigen = np.linalg.eigh(learnt.T @ learnt)[1][:, ::-1].T
    full = np.eye(known.shape[1])

    def row(dim, method, matrix, seconds, whole=[]):
        figures = [spearman(gold, pairs, matrix)]
        figures += [] if args.dev else [retrieval(ids, documents, judged, asked, matrix)]
        whole.append(figures)
        shown = " | ".join(f"{value:.2f} | {100 * value / first:.1f} %" for value, first in zip(figures, whole[0]))
        print(f"| {dim} | {method} | {shown} | {seconds} |", flush=True)

    name = "STSb-dev" if args.dev else "STSb-test"
    share = "of the teacher's |"
    retrieved = "" if args.dev else f" SciFact nDCG@10 | {share}"
    print(f"| dim | method | {name} | {share}{retrieved} training s |")
    print(f"|---|---|---|---|{'' if args.dev else '---|---|'}---|")
    row(known.shape[1], "teacher", full, "")
    for dim in map(int, args.dims.split(",")):
        row(dim, "truncation", full[:dim], "")
        row(dim, "PCA", eigen[:dim], "")
        matrix, report = train(dim, args.work / "train.jsonl")
        seconds = {fact["what"]: fact["value"] for fact in report["totals"]}["training, this run"]
        row(dim, "projection", matrix, f"{seconds:.0f}")


if __name__ == "__main__":
    sys.exit(main())
