"""What the tests of the program share: running it, and reading what it writes.

usage of each: test_cli_….py --program build/release/sutra [--model FOLDER] [--hub] [--plugins FOLDER] [--libraries FOLDER]
                             [unittest arguments]

By default the model is a tiny one of tests/data/golden. --hub: the program was built with libsutra-hub. With
SUTRA_TEST_MODEL naming the folder of all-MiniLM-L6-v2 and the shared data there, figures of that model are checked too.
"""

import argparse
import csv
import io
import json
import os
import re
import struct
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent.parent
SANITIZED = "SUTRA_TEST_SANITIZED" in os.environ  # the program takes ten times as long, and keeps memory that it freed
TEXTS = ["a green garden", "", "the paper is new", "héllo wörld", "silver music at night in the house over the river"]
FORMATS = ("npy", "jsonl", "csv", "safetensors")
TYPES = {"<f4": ("f", 4), "<f2": ("e", 2), "|i1": ("b", 1), "|u1": ("B", 1),
         "F32": ("f", 4), "F16": ("e", 2), "I8": ("b", 1), "U8": ("B", 1)}

parser = argparse.ArgumentParser()
parser.add_argument("--program", required=True)
parser.add_argument("--model", default=str(SOURCE / "tests/data/golden/models/base"))
parser.add_argument("--hub", action="store_true")
parser.add_argument("--plugins", help="the folder of sutra_fault.so")
parser.add_argument("--libraries", help="the library folder of an installation, from that of its programs")
options, unittest_arguments = parser.parse_known_args()
PLUGINS, LIBRARIES = os.path.abspath(options.plugins or ""), options.libraries
PROGRAM, MODEL, HUB = os.path.abspath(options.program), os.path.abspath(options.model), options.hub


def sutra(*args, stdin=b"", code=0, env=None, cwd=None, stderr=None, program=PROGRAM):
    """Runs the program; returns standard output. stderr: a pattern it must match; None: it must be empty."""
    if isinstance(stdin, str):
        stdin = stdin.encode()
    variables = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "SUTRA_")) or k == "SUTRA_CACHE"}
    variables.update(env or {})
    done = subprocess.run([program, *map(str, args)], input=stdin, capture_output=True, env=variables, cwd=cwd,
                          check=False)
    message = done.stderr.decode()
    if done.returncode != code:
        raise AssertionError(f"{args}: exit code {done.returncode}, message: {message}")
    if stderr is None and message:
        raise AssertionError(f"{args}: message: {message}")
    if stderr is not None and not re.search(stderr, message):
        raise AssertionError(f"{args}: {stderr} is not in: {message}")
    return done.stdout


def embed(*args, **options):
    return sutra("embed", "-m", MODEL, *args, **options)


def rows_of(data, letter, size, shape):
    count, width = shape
    assert len(data) == count * width * size, (len(data), shape, size)
    return [list(struct.unpack_from(f"<{width}{letter}", data, i * width * size)) for i in range(count)]


def read_npy(data):
    assert data[:8] == b"\x93NUMPY\x01\x00"
    size, = struct.unpack("<H", data[8:10])
    assert (10 + size) % 64 == 0 and data[9 + size:10 + size] == b"\n"
    header = eval(data[10:10 + size], {"__builtins__": {}})
    assert header["fortran_order"] is False
    return rows_of(data[10 + size:], *TYPES[header["descr"]], header["shape"]), header


def read_safetensors(data):
    size, = struct.unpack("<Q", data[:8])
    assert size % 8 == 0
    header = json.loads(data[8:8 + size])
    tensor = header["embeddings"]
    first, end = tensor["data_offsets"]
    assert first == 0 and end == len(data) - 8 - size
    return rows_of(data[8 + size:], *TYPES[tensor["dtype"]], tensor["shape"]), header


def read_jsonl(data):
    return [json.loads(line) for line in data.decode().splitlines()]


def read_csv(data):
    return [[float(x) for x in row] for row in csv.reader(io.StringIO(data.decode()))]


def as_f32(rows):
    """Values as a reader gets them that parses to double and rounds to float."""
    return [struct.pack(f"<{len(row)}f", *row) for row in rows]


def lines(texts):
    return "".join(t + "\n" for t in texts).encode()


class Base(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="sutra-cli-")
        self.addCleanup(folder.cleanup)
        self.dir = Path(folder.name)

    def write(self, name, data):
        path = self.dir / name
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return path

    def vectors(self, *args, **options):
        return read_npy(embed(*args, "--format", "npy", **options))[0]


def main():
    with tempfile.TemporaryDirectory(prefix="sutra-cli-cache-") as cache:
        os.environ["SUTRA_CACHE"] = cache  # never the user's own
        unittest.main(argv=[sys.argv[0], *unittest_arguments])
