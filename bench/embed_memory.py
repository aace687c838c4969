#!/usr/bin/env python3
"""The largest resident size of `sutra embed` on little and on much input, of every form of input and output.

usage: bench/embed_memory.py [--model FOLDER] [--small-mb 50] [--large-mb 5000] [--program build/release/sutra] [--from N]

The model is a tiny one of the tests, so that reader, queue, writer and output file are what is measured. Texts are of 4 KB and
cut to 8 tokens; for "short texts", of 6 bytes, sizes are a hundredth: what counts there is rows. Input comes through a pipe and
is made on the way; "file" is one of that size in TMPDIR. Peaks are VmHWM, as --stats says it. Ends with 1 if one grew by
more than 10 %.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import zlib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TEXT = (" ".join(f"a green garden of stone {i}" for i in range(170)) + "\n").encode()
RECORD = b'{"id": 1, "text": ' + json.dumps(TEXT.decode()[:-1]).encode() + b"}\n"
SHORT = b"music\n"


def pieces(text, size):
    piece = text * max(1, (1 << 20) // len(text))
    for _ in range(size // len(piece) + 1):
        yield piece


def packed(text, size):
    """Members of gzip, each packed once."""
    piece = text * max(1, (1 << 20) // len(text))
    engine = zlib.compressobj(1, zlib.DEFLATED, 31)
    member = engine.compress(piece) + engine.flush()
    for _ in range(size // len(piece) + 1):
        yield member


def one_member(text, size):
    engine = zlib.compressobj(1, zlib.DEFLATED, 31)
    for piece in pieces(text, size):
        yield engine.compress(piece)
    yield engine.flush()


CASES = [  # name, texts, how they come, share of the size, arguments, ending of the output
    ("file, npy", TEXT, None, 1, (), ".npy"),
    ("pipe, npy", TEXT, pieces, 1, (), ".npy"),
    ("pipe, jsonl", TEXT, pieces, 1, (), ".jsonl"),
    ("pipe, csv", TEXT, pieces, 1, (), ".csv"),
    ("pipe, safetensors", TEXT, pieces, 1, (), ".safetensors"),
    ("pipe, int8 npy", TEXT, pieces, 1, ("--output-dtype", "int8"), ".npy"),
    ("pipe to pipe, jsonl", TEXT, pieces, 1, ("--format", "jsonl"), None),
    ("pipe to pipe, npy", TEXT, pieces, 1, ("--format", "npy"), None),
    ("JSON lines, npy", RECORD, pieces, 1, ("--field", "text"), ".npy"),
    ("gzip, npy", TEXT, packed, 1, (), ".npy"),
    ("gzip, one member, npy", TEXT, one_member, 1, (), ".npy"),
    ("short texts, npy", SHORT, pieces, 100, (), ".npy"),
    ("short texts, jsonl", SHORT, pieces, 100, (), ".jsonl"),
]


def write_all(run, make, text, size):
    for piece in make(text, size):
        run.stdin.write(piece)
    run.stdin.close()


def measure(args, folder, case, size):
    """(peak bytes, seconds)"""
    _name, text, make, share, extra, ending = case
    size //= share
    command = [args.program, "embed", "-m", args.model, "--max-tokens", "8", "--stats", *extra]
    if make is None:
        with open(folder / "texts", "wb") as file:
            for piece in pieces(text, size):
                file.write(piece)
        command += ["-i", folder / "texts"]
    if ending:
        command += ["--json", "-o", folder / f"x{ending}"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:
        writer = threading.Thread(target=write_all, args=(run, make or (lambda _text, _size: ()), text, size))
        writer.start()
        printed, message = [], []
        listener = threading.Thread(target=lambda: message.append(run.stderr.read()))
        listener.start()
        for block in iter(lambda: run.stdout.read(1 << 20), b""):
            if ending:
                printed.append(block)
        writer.join()
        listener.join()
        if run.wait() != 0:
            raise SystemExit(message[0].decode())
    for path in folder.iterdir():
        os.unlink(path)
    if ending:
        stats = json.loads(b"".join(printed))["stats"]
        return stats["peak_bytes"], stats["wall"]
    words = message[0].decode().split()
    return float(words[words.index("memory") + 1]) * 1e6, float(words[words.index("in") + 1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--model", default=str(ROOT / "tests/data/golden/models/base"))
    parser.add_argument("--small-mb", type=int, default=50)
    parser.add_argument("--large-mb", type=int, default=5000)
    parser.add_argument("--program", default=str(ROOT / "build/release/sutra"))
    parser.add_argument("--from", type=int, default=0, dest="first", help="rows to leave out at the start")
    args = parser.parse_args()
    print(f"| input, output | peak MB, {args.small_mb} MB of text | {args.large_mb} MB | growth | seconds |\n|---|---|---|---|---|")
    grew = False
    with tempfile.TemporaryDirectory(prefix="sutra-memory-") as folder:
        for case in CASES[args.first:]:
            (small, _), (large, took) = (measure(args, Path(folder), case, mb * 1000000) for mb in (args.small_mb, args.large_mb))
            grew = grew or large > 1.1 * small
            print(f"| {case[0]} | {small * 1e-6:.1f} | {large * 1e-6:.1f} | {100 * (large / small - 1):+.1f} % | {took:.1f} |", flush=True)
    return 1 if grew else 0


if __name__ == "__main__":
    sys.exit(main())
