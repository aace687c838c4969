#!/usr/bin/env python3
"""Vectors for a column of a SQLite table: in batches, a text at a time, and by `sutra embed`, in turn in one run.

usage: bench/sqlite_fill.py TEXTS [--program build/release/sutra] [--extension build/release/sutra0] [--texts 20000]
                            [--rounds 3]

TEXTS has a text a line. Prints texts a second and processor time of each round (the program's start and the opening of
the model included), and what one short query costs by the extension and by sutra_embed_into of libsutra.so beside it, in
microseconds.
"""
import argparse
import ctypes
import os
import resource
import sqlite3
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

FILL = {
    "sutra_embed_rows": "INSERT INTO v SELECT id, vector FROM sutra_embed_rows('SELECT id, text FROM t');",
    "sutra_embed": "INSERT INTO v SELECT id, sutra_embed(text) FROM t;",
}
QUERIES = 500


def shell(database, *lines):
    ran = subprocess.run(["sqlite3", "-bail", database], input="\n".join(lines), capture_output=True, text=True)
    if ran.returncode or ran.stderr:
        raise SystemExit(ran.stderr)
    return ran.stdout


def seconds(action, *arguments):
    start = time.perf_counter()
    action(*arguments)
    return time.perf_counter() - start


def rate(count, action, *arguments):
    """Texts a second, and the milliseconds of processors that one took in the program that was run."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    passed = seconds(action, *arguments)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return f"{count / passed:.0f} texts/s ({used / count * 1e3:.2f} ms of processors a text)"


def by_program(program, texts, out):
    subprocess.run([program, "embed", "--input", texts, "--format", "npy", "-o", out], check=True, capture_output=True)


class Input(ctypes.Structure):
    _fields_ = [("text", ctypes.c_char_p), ("text_size", ctypes.c_size_t), ("pair", ctypes.c_char_p),
                ("pair_size", ctypes.c_size_t), ("token_ids", ctypes.c_void_p), ("num_token_ids", ctypes.c_size_t),
                ("prompt_name", ctypes.c_char_p), ("reserved", ctypes.c_uint64 * 2)]


class Library:
    def __init__(self, path, model):
        self.lib = ctypes.CDLL(path)
        self.model, self.engine = ctypes.c_void_p(), ctypes.c_void_p()
        assert self.lib.sutra_model_open(model.encode(), None, ctypes.byref(self.model), None) == 0
        assert self.lib.sutra_engine_create(None, ctypes.byref(self.engine), None) == 0
        self.row = ctypes.create_string_buffer(1536)

    def embed(self, text):
        data = text.encode()
        given = Input(text=data, text_size=len(data))
        assert self.lib.sutra_embed_into(self.engine, self.model, ctypes.byref(given), ctypes.c_size_t(1), None,
                                         self.row, ctypes.c_size_t(1536), None, None) == 0


def query_costs(extension, library):
    """Medians of alternating turns: microseconds a query by the extension, and by the library."""
    texts = [f"how tall is tower number {number}" for number in range(QUERIES)]
    values = ", ".join(f"('{text}')" for text in texts)
    line = f"SELECT sum(length(sutra_embed(column1))) FROM (VALUES {values});"
    clock = "SELECT 'at', (julianday('now') - 2440587.5) * 86400.0;"
    by_extension, by_library = [], []
    for _ in range(5):
        out = shell(":memory:", f".load {extension}", "SELECT length(sutra_embed('warm'));", clock, line, clock)
        start, end = (float(row.split("|")[1]) for row in out.splitlines() if row.startswith("at|"))
        by_extension.append((end - start) / QUERIES * 1e6)
        library.embed("warm")
        by_library.append(seconds(lambda: [library.embed(text) for text in texts]) / QUERIES * 1e6)
    return statistics.median(by_extension), statistics.median(by_library)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file")
    parser.add_argument("--program", default="build/release/sutra")
    parser.add_argument("--extension", default="build/release/sutra0")
    parser.add_argument("--texts", type=int, default=20000)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    lines = Path(args.file).read_text(encoding="utf-8").split("\n")[:args.texts]
    extension = os.path.abspath(args.extension)
    with tempfile.TemporaryDirectory() as folder:
        texts, database = f"{folder}/texts.txt", f"{folder}/texts.db"
        Path(texts).write_text("\n".join(lines) + "\n", encoding="utf-8")
        with sqlite3.connect(database) as made:
            made.execute("CREATE TABLE t(id INTEGER PRIMARY KEY, text)")
            made.executemany("INSERT INTO t(text) VALUES(?)", ((line,) for line in lines))
        for turn in range(args.rounds):
            rates = {"sutra embed": rate(len(lines), by_program, args.program, texts, f"{folder}/v.npy")}
            for name, statement in FILL.items():
                rates[name] = rate(len(lines), shell, database, f".load {extension}", "DROP TABLE IF EXISTS v;",
                                   "CREATE TABLE v(id INTEGER PRIMARY KEY, v BLOB);", statement)
            for name, rated in rates.items():
                print(f"round {turn + 1}: {name} {rated}")
        library = Library(f"{os.path.dirname(extension)}/libsutra.so", ".cache/model")
        ours, theirs = query_costs(extension, library)
        print(f"one query, microseconds: sutra_embed {ours:.0f}, sutra_embed_into {theirs:.0f}")


if __name__ == "__main__":
    main()
