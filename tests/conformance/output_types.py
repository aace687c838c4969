#!/usr/bin/env python3
"""Sutra's int8, uint8, binary and ubinary vectors against sentence-transformers' quantize_embeddings, byte for byte. Run
by `make conformance`.

usage: output_types.py [--model DIR] [--program BIN] [--data DIR] [--passages N]
The reference quantises the float32 vectors that the program gives: of the first N lines of passages.txt, the first
third of which calibrates. Ranges go both ways: saved by the program, and by numpy.save. The stored goldens of
tests/encoder are made again and compared. Prints a Markdown row a check, for docs/TESTING.md, and "N passed, N failed".
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from conformance_case import ROOT, Results, parse_arguments, sutra
from sentence_transformers.util import quantize_embeddings

DIMS = 384, 100, 12, 1
args = parse_arguments(passages=600)
results = Results()


def record(name, different):
    results.record(f"{name}, elements that differ", different, 0, different == 0)


def differences(ours, theirs):
    if ours.shape != theirs.shape or ours.dtype != theirs.dtype:
        sys.exit(f"{ours.dtype} {ours.shape}, the reference has {theirs.dtype} {theirs.shape}")
    return int((ours != theirs).sum())


class Texts:
    def __init__(self, folder, texts):
        self.folder, self.all, self.some = folder, folder / "all.txt", folder / "some.txt"
        self.all.write_bytes(b"".join(text + b"\n" for text in texts))
        self.some.write_bytes(b"".join(text + b"\n" for text in texts[:len(texts) // 3]))

    def embed(self, source, dim, *more):
        out = self.folder / "out.npy"
        sutra(args.program, "embed", "-m", args.model, "-i", source, "-o", out, "--dim", str(dim), "--max-tokens", "64",
              *more)
        return np.load(out)


def compare(texts, dim):
    floats, calibration = texts.embed(texts.all, dim), texts.embed(texts.some, dim)
    saved, theirs = texts.folder / "saved.npy", texts.folder / "theirs.npy"
    ranges = np.vstack((calibration.min(0), calibration.max(0)))
    np.save(theirs, ranges)
    for kind in "int8", "uint8":
        expected = quantize_embeddings(floats, kind, calibration_embeddings=calibration)
        record(f"{kind} of dim {dim}, calibrated", differences(
            texts.embed(texts.all, dim, "--output-dtype", kind, "--calibrate", texts.some, "--save-ranges", saved), expected))
        record(f"{kind} of dim {dim}, ranges of numpy", differences(
            texts.embed(texts.all, dim, "--output-dtype", kind, "--ranges", theirs), expected))
    record(f"ranges of dim {dim}", differences(np.load(saved), ranges))
    for kind in "binary", "ubinary":
        record(f"{kind} of dim {dim}", differences(texts.embed(texts.all, dim, "--output-dtype", kind),
                                                  quantize_embeddings(floats, kind)))


passages = (args.data / "passages.txt").read_bytes().split(b"\n")[:args.passages]
with tempfile.TemporaryDirectory() as name:
    written = Texts(Path(name), passages)
    for width in DIMS:
        compare(written, width)
goldens = subprocess.run([sys.executable, ROOT / "tests/encoder/make_output_goldens.py", "--check"], check=False)
record("stored goldens", int(goldens.returncode != 0))
results.finish()
