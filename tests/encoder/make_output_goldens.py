#!/usr/bin/env python3
"""Makes tests/encoder/output_goldens: vectors, and the bytes that sentence-transformers' quantize_embeddings makes of them.

usage: make_output_goldens.py [--check]

--check compares with what is committed instead. Needs sentence-transformers; the versions are written to VERSIONS.

    NAME.bin   little-endian: u32 dim, u32 rows; float x [rows, dim], ranges [2, dim], calibrated [2, dim] (of x);
               the codes, each [rows, bytes]: int8 and uint8 with ranges, int8 and uint8 calibrated from x,
               binary, ubinary
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import sentence_transformers
from sentence_transformers.util import quantize_embeddings

FOLDER = Path(__file__).resolve().parent / "output_goldens"
ROWS = 9


def unit_rows(random, rows, dim):
    x = random.standard_normal((rows, dim)).astype(np.float32)
    return x / np.linalg.norm(x, axis=1, keepdims=True).astype(np.float32)


def ordinary(dim):
    """Unit vectors in the ranges of others: some lie outside."""
    random = np.random.default_rng(dim)
    others = unit_rows(random, 200, dim)
    return unit_rows(random, ROWS, dim), np.vstack((others.min(0), others.max(0)))


def edges(dim):
    """Values on the edges of steps, one float beside them, at the ends, outside, zeros of both signs; ranges without
    width, of denormal width, and so wide that differences nearly overflow."""
    random = np.random.default_rng(dim + 1)
    low = random.uniform(-1, 0, dim).astype(np.float32)
    high = low + random.uniform(0, 1, dim).astype(np.float32)
    widths = [(0.25, 0.25), (0.0, 0.0), (-0.0, 0.0), (0.0, 1e-45), (0.0, 1e-41), (-1.0, 1.0), (0.0, 255.0),
              (-1.6e38, -1e38), (-1.6e38, 1.7e38)]
    for i, (least, most) in enumerate(widths):
        low[i], high[i] = least, most
    step = (high - low) / np.float32(255)
    codes = random.integers(0, 256, dim).astype(np.float32)
    x = np.empty((ROWS, dim), np.float32)
    x[0], x[1] = low, high
    x[2] = low + codes * step
    x[3], x[4] = np.nextafter(x[2], np.float32(-np.inf)), np.nextafter(x[2], np.float32(np.inf))
    x[5] = low + (codes + np.float32(0.5)) * step
    x[6], x[7] = np.float32(1.6e38), np.float32(-1.6e38)
    x[8] = np.where(np.arange(dim) % 2, np.float32(-0.0), np.float32(1e-45) * (np.arange(dim) % 3 - 1))
    x[:, 0] = [0.25, 0.2, -1, 1.25, 2.5, 300, 0, -0.0, 1e-45]
    return x, np.vstack((low, high))


def golden(x, ranges):
    rows, dim = x.shape
    assert x.dtype == np.float32 and ranges.dtype == np.float32
    parts = [np.array([dim, rows], np.uint32), x, ranges, np.vstack((x.min(0), x.max(0)))]
    with np.errstate(over="ignore", invalid="raise"):  # infinity is the end of the range, NaN has no code
        parts += [quantize_embeddings(x, kind, ranges=ranges) for kind in ("int8", "uint8")]
        parts += [quantize_embeddings(x, kind, calibration_embeddings=x) for kind in ("int8", "uint8")]
    parts += [quantize_embeddings(x, kind) for kind in ("binary", "ubinary")]
    return b"".join(part.tobytes() for part in parts)


parser = argparse.ArgumentParser()
parser.add_argument("--check", action="store_true")
check = parser.parse_args().check
files = {"ordinary_12.bin": golden(*ordinary(12)), "ordinary_384.bin": golden(*ordinary(384)),
         "edges_12.bin": golden(*edges(12)), "edges_67.bin": golden(*edges(67)),
         "VERSIONS": f"sentence-transformers {sentence_transformers.__version__}\nnumpy {np.__version__}\n".encode()}
if check:
    different = [name for name, data in files.items() if (FOLDER / name).read_bytes() != data]
    sys.exit(f"different: {', '.join(different)}" if different else 0)
FOLDER.mkdir(exist_ok=True)
for name, data in files.items():
    (FOLDER / name).write_bytes(data)
