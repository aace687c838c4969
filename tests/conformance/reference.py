#!/usr/bin/env python3
"""Sutra against sentence-transformers in fp32, on the shared data. Run by `make conformance`.

usage: reference.py [--model DIR] [--program BIN] [--data DIR] [--passages N]
 - vectors: the first 2,000 lines of passages.txt, largest |difference| of an element at most 2e-6
 - stsb: `sutra eval sts` on stsb-test.tsv, Spearman x100 82.03 +- 0.01, and equal to the reference's to 0.01
 - scifact: `sutra eval retrieval`, nDCG@10 x100 64.51 +- 0.15
Prints a Markdown row a check, for docs/TESTING.md, and "N passed, N failed".
"""

import os
import re
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np  # noqa: E402
from conformance_case import Results, parse_arguments, sutra  # noqa: E402
from scipy.stats import spearmanr  # noqa: E402
from sentence_transformers import SentenceTransformer  # noqa: E402

LARGEST_DIFFERENCE = 2e-6
SPEARMAN, SPEARMAN_MARGIN = 82.03, 0.01
NDCG, NDCG_MARGIN = 64.51, 0.15

args = parse_arguments(passages=2000)


def figure_after(word, text):
    found = re.search(rf"^{re.escape(word)}\s+([0-9.]+)", text, re.M)
    if not found:
        sys.exit(f"no line '{word} NUMBER' in: {text}")
    return float(found.group(1))


def lines_of(path):
    return path.read_bytes().decode().split("\n")[:-1]


def compare_vectors(reference, folder):
    texts = lines_of(args.data / "passages.txt")[:args.passages]
    source, out = Path(folder, "texts.txt"), Path(folder, "vectors.npy")
    source.write_bytes(("\n".join(texts) + "\n").encode())
    sutra(args.program, "embed", "-m", args.model, "-i", str(source), "-o", str(out), "--format", "npy")
    ours = np.load(out)
    theirs = reference.encode(texts, batch_size=32, normalize_embeddings=True, convert_to_numpy=True,
                              show_progress_bar=False)
    if ours.shape != theirs.shape:
        results.record(f"vectors of {len(texts)} passages", f"shape {ours.shape}", f"shape {theirs.shape}", False)
        return
    difference = np.abs(ours.astype(np.float64) - theirs).max()
    results.record(f"vectors of {len(texts)} passages, largest difference", f"{difference:.2e}",
                   f"at most {LARGEST_DIFFERENCE:g}", bool(difference <= LARGEST_DIFFERENCE))


def reference_spearman(reference):
    rows = [line.split("\t") for line in lines_of(args.data / "stsb-test.tsv")[1:]]
    first, second = (reference.encode([row[i] for row in rows], batch_size=64, normalize_embeddings=True,
                                      show_progress_bar=False) for i in (1, 2))
    return 100 * spearmanr([float(row[0]) for row in rows], (first * second).sum(1)).statistic


def compare_sts(reference):
    output = sutra(args.program, "eval", "sts", "-m", args.model, str(args.data / "stsb-test.tsv"))
    ours = figure_after("spearman", output)
    theirs = reference_spearman(reference)
    results.record("STS benchmark test, Spearman x100", f"{ours:.2f}", f"{SPEARMAN} +- {SPEARMAN_MARGIN}",
                   abs(ours - SPEARMAN) <= SPEARMAN_MARGIN + 1e-9)
    results.record("the same, from the reference here", f"{ours:.2f}", f"{theirs:.2f} +- 0.01",
                   abs(ours - theirs) <= 0.01 + 5e-3)


def compare_retrieval():
    output = sutra(args.program, "eval", "retrieval", "-m", args.model, str(args.data / "retrieval-scifact"))
    ours = figure_after("ndcg@10", output)
    results.record("SciFact test, nDCG@10 x100", f"{ours:.2f}", f"{NDCG} +- {NDCG_MARGIN}",
                   abs(ours - NDCG) <= NDCG_MARGIN)


model = SentenceTransformer(os.path.realpath(args.model), device="cpu")
results = Results()
with tempfile.TemporaryDirectory() as folder:
    compare_vectors(model, folder)
compare_sts(model)
compare_retrieval()
results.finish()
