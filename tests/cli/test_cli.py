#!/usr/bin/env python3
"""What the program does: formats, inputs, commands, help, completions. Failures have a table of their own, errors.tsv.

usage: test_cli.py --program build/release/sutra [--model FOLDER] [--hub] [unittest arguments]

By default the model is a tiny one of tests/data/golden. --hub: the program was built with libsutra-hub. With
SUTRA_TEST_MODEL naming the folder of all-MiniLM-L6-v2 and the shared data there, its published figure is checked too.
"""

import argparse
import csv
import io
import json
import math
import os
import pty
import re
import select
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent.parent
PROGRAM = MODEL = None
HUB = False
TEXTS = ["a green garden", "", "the paper is new", "héllo wörld", "silver music at night in the house over the river"]
FORMATS = ("npy", "jsonl", "csv", "safetensors")
TYPES = {"<f4": ("f", 4), "<f2": ("e", 2), "|i1": ("b", 1), "|u1": ("B", 1),
         "F32": ("f", 4), "F16": ("e", 2), "I8": ("b", 1), "U8": ("B", 1)}


def sutra(*args, stdin=b"", code=0, env=None, cwd=None, stderr=None):
    """Runs the program; returns standard output. stderr: a pattern it must match; None: it must be empty."""
    if isinstance(stdin, str):
        stdin = stdin.encode()
    variables = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "SUTRA_")) or k == "SUTRA_CACHE"}
    variables.update(env or {})
    done = subprocess.run([PROGRAM, *map(str, args)], input=stdin, capture_output=True, env=variables, cwd=cwd,
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


class Formats(Base):
    def test_all_hold_the_same_bits(self):
        source = self.write("texts.txt", lines(TEXTS))
        files = {}
        for name in FORMATS:
            self.assertEqual(embed("-i", source, "-o", self.dir / f"x.{name}"), b"")
            files[name] = (self.dir / f"x.{name}").read_bytes()
        npy, header = read_npy(files["npy"])
        self.assertEqual(header["descr"], "<f4")
        self.assertEqual(header["shape"][0], len(TEXTS))
        objects = read_jsonl(files["jsonl"])
        for i, row in enumerate(objects):
            self.assertEqual(list(row), ["index", "embedding", "tokens", "truncated"])
            self.assertEqual(row["index"], i)
            self.assertIs(row["truncated"], False)
        self.assertEqual(as_f32(row["embedding"] for row in objects), as_f32(npy))
        self.assertEqual(as_f32(read_csv(files["csv"])), as_f32(npy))
        tensors, header = read_safetensors(files["safetensors"])
        self.assertEqual(as_f32(tensors), as_f32(npy))
        self.assertEqual(header["__metadata__"]["model"], Path(MODEL).name)
        self.assertEqual(sorted(os.listdir(self.dir)), sorted(["texts.txt", *(f"x.{f}" for f in FORMATS)]))

    def test_tokens_are_counted(self):
        for text, row in zip(TEXTS, read_jsonl(embed(*TEXTS))):
            tokens = json.loads(sutra("tokenize", "-m", MODEL, "--json", text))
            self.assertEqual(row["tokens"], len(tokens["ids"]))

    def test_numpy_reads_them(self):
        try:
            import numpy
        except ImportError:
            print("numpy is not installed: the formats were read by this test's own readers only")
            return
        source = self.write("texts.txt", lines(TEXTS))
        for name in ("npy", "csv"):
            embed("-i", source, "-o", self.dir / f"x.{name}")
        array = numpy.load(self.dir / "x.npy", allow_pickle=False)
        text = numpy.loadtxt(self.dir / "x.csv", delimiter=",", dtype=numpy.float64).astype(numpy.float32)
        self.assertEqual(array.dtype, numpy.float32)
        self.assertEqual(array.tobytes(), text.tobytes())

    def test_standard_output_is_the_file(self):
        source = self.write("texts.txt", lines(TEXTS))
        for name in FORMATS:
            embed("-i", source, "-o", self.dir / "out", "--format", name)
            expected = (self.dir / "out").read_bytes()
            self.assertEqual(embed("-i", source, "--format", name), expected)
            self.assertEqual(embed("-i", source, "-o", "-", "--format", name), expected)
            self.assertEqual(embed("--format", name, "--", *TEXTS), expected)
            with open(self.dir / "redirected", "wb") as file:
                subprocess.run([PROGRAM, "embed", "-m", MODEL, "-i", source, "--format", name], stdout=file, check=True)
            self.assertEqual((self.dir / "redirected").read_bytes(), expected)

    def test_appending_to_a_file(self):
        """A header is not written over what stood there before."""
        path = self.write("log", "before\n")
        with open(path, "ab") as file:
            subprocess.run([PROGRAM, "embed", "-m", MODEL, "-i", "-", "--format", "npy"], input=b"a\n", stdout=file,
                           check=True)
        self.assertEqual(path.read_bytes(), b"before\n" + embed("a", "--format", "npy"))

    def test_element_types(self):
        floats = self.vectors(*TEXTS)
        expected = {
            "float16": ("<f2", [[struct.unpack("<e", struct.pack("<e", x))[0] for x in row] for row in floats]),
            "int8": ("|i1", [[max(-127, min(127, rint(127 * x))) for x in row] for row in floats]),
            "uint8": ("|u1", [[max(-127, min(127, rint(127 * x))) + 128 for x in row] for row in floats]),
            "ubinary": ("|u1", [packed(row) for row in floats]),
            "binary": ("|i1", [[x - 128 for x in packed(row)] for row in floats]),
        }
        for name, (descr, rows) in expected.items():
            with self.subTest(name):
                npy, header = read_npy(embed("--output-dtype", name, "--format", "npy", *TEXTS))
                self.assertEqual(header["descr"], descr)
                self.assertEqual(npy, rows)
                objects = read_jsonl(embed("--output-dtype", name, *TEXTS))
                self.assertEqual(as_f32(r["embedding"] for r in objects), as_f32(rows))
                text = read_csv(embed("--output-dtype", name, "--format", "csv", *TEXTS))
                self.assertEqual(as_f32(text), as_f32(rows))
                tensors = read_safetensors(embed("--output-dtype", name, "--format", "safetensors", *TEXTS))[0]
                self.assertEqual(tensors, rows)

    def test_no_texts_no_rows(self):
        source = self.write("empty.txt", b"")
        width = len(self.vectors("a")[0])
        self.assertEqual(read_npy(embed("-i", source, "--format", "npy"))[1]["shape"], (0, width))
        self.assertEqual(read_safetensors(embed("-i", source, "--format", "safetensors"))[1]["embeddings"]["shape"],
                         [0, width])
        self.assertEqual(embed("-i", source), b"")
        self.assertEqual(embed("-i", source, "--format", "csv"), b"")
        self.assertEqual(read_npy(embed("-i", source, "--format", "npy", "--dim", "8"))[1]["shape"], (0, 8))

    def test_format_by_ending(self):
        for name, begin in (("a.NPY", b"\x93NUMPY"), ("b.ndjson", b'{"index":0'), ("c.npy.csv", b"-0.|0.")):
            embed("a", "-o", self.dir / name)
            self.assertTrue((self.dir / name).read_bytes().startswith(tuple(begin.split(b"|"))))
        embed("a", "-o", self.dir / "d.npy", "--format", "csv")
        self.assertEqual(len(read_csv((self.dir / "d.npy").read_bytes())), 1)


def rint(x):
    """Nearest, half to even, as the library rounds."""
    return round(struct.unpack("<f", struct.pack("<f", x))[0])


def packed(row):
    return [sum((row[i + j] > 0) << (7 - j) for j in range(8)) for i in range(0, len(row), 8)]


class Files(Base):
    def test_old_file_is_replaced_and_keeps_its_mode(self):
        path = self.write("x.csv", "old")
        os.chmod(path, 0o640)
        embed("a", "-o", path)
        self.assertEqual(path.stat().st_mode & 0o777, 0o640)
        self.assertEqual(path.read_bytes(), embed("a", "--format", "csv"))

    def test_new_file_follows_umask(self):
        old = os.umask(0o027)
        try:
            embed("a", "-o", self.dir / "x.csv")
        finally:
            os.umask(old)
        self.assertEqual((self.dir / "x.csv").stat().st_mode & 0o777, 0o640)

    def test_link_stays_a_link(self):
        (self.dir / "real").mkdir()
        target = self.write("real/x.csv", "old")
        (self.dir / "x.csv").symlink_to("real/x.csv")
        embed("a", "-o", self.dir / "x.csv")
        self.assertTrue((self.dir / "x.csv").is_symlink())
        self.assertEqual(target.read_bytes(), embed("a", "--format", "csv"))
        self.assertEqual(os.listdir(self.dir / "real"), ["x.csv"])

    def test_fifo_is_written_to_not_replaced(self):
        path = self.dir / "pipe.npy"
        os.mkfifo(path)
        source = self.write("a.txt", "a\n")
        with subprocess.Popen(["cat", path], stdout=subprocess.PIPE) as reader:
            embed("-i", source, "-o", path)
            data = reader.stdout.read()
        self.assertEqual(data, embed("a", "--format", "npy"))
        self.assertTrue(path.is_fifo())

    def test_name_without_folder(self):
        embed("a", "-o", "x.csv", cwd=self.dir)
        self.assertEqual(os.listdir(self.dir), ["x.csv"])

    def test_long_name(self):
        name = "x" * 251 + ".csv"
        embed("a", "-o", self.dir / name)
        self.assertEqual(os.listdir(self.dir), [name])


class Inputs(Base):
    def test_all_ways_give_the_same(self):
        expected = embed(*TEXTS)
        source = self.write("texts.txt", lines(TEXTS))
        records = self.write("texts.jsonl", lines(json.dumps({"id": 1, "body": t}) for t in TEXTS))
        self.assertEqual(embed("-i", source), expected)
        self.assertEqual(embed("-i", "-", stdin=lines(TEXTS)), expected)
        self.assertEqual(embed(stdin=lines(TEXTS)), expected)
        self.assertEqual(embed(stdin=lines(TEXTS)[:-1]), expected)
        self.assertEqual(embed("-i", records, "--field", "body"), expected)
        self.assertEqual(embed("--field=body", stdin=records.read_bytes()), expected)

    def test_rows_are_in_order_and_independent(self):
        texts = [f"{'garden ' * (i * 7 % 23)}{'music' if i % 3 else 'water'}" for i in range(300)]
        together = self.vectors("-i", self.write("a.txt", lines(texts)))
        backwards = self.vectors("-i", self.write("b.txt", lines(texts[::-1])), "--threads", "1")
        self.assertEqual(as_f32(backwards[::-1]), as_f32(together))
        for i in (0, 1, 150, 299):
            self.assertEqual(as_f32(self.vectors(texts[i])), as_f32([together[i]]))

    def test_more_texts_than_a_block(self):
        texts = [f"water {i}" for i in range(9000)]
        data = embed("-i", self.write("a.txt", lines(texts)))
        rows = read_jsonl(data)
        self.assertEqual([row["index"] for row in rows], list(range(9000)))
        for i in (0, 4095, 4096, 8999):
            self.assertEqual(rows[i]["embedding"], read_jsonl(embed(texts[i]))[0]["embedding"])

    def test_only_line_feed_ends_a_line(self):
        odd = "a\u2028b\u2029c\u0085d\u000be\u000cf\rg\x1ch\x00i"
        rows = read_jsonl(embed("-i", self.write("a.txt", f"{odd}\nnext\r\n")))
        self.assertEqual(len(rows), 2)
        again = read_jsonl(embed("--field", "t", stdin=json.dumps({"t": odd})))
        self.assertEqual(rows[0], again[0])

    def test_a_slow_writer_is_answered(self):
        with subprocess.Popen([PROGRAM, "embed", "-m", MODEL], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as run:
            for i in range(3):
                run.stdin.write(f"water {i}\n".encode())
                run.stdin.flush()
                self.assertTrue(select.select([run.stdout], [], [], 60)[0], "no answer")
                self.assertEqual(json.loads(run.stdout.readline())["index"], i)
            run.stdin.close()
            self.assertEqual(run.wait(), 0)


class Options(Base):
    def test_dim(self):
        whole, short = self.vectors("--no-normalize", "a green garden"), self.vectors("--dim", "8", "a green garden")
        self.assertEqual(len(short[0]), 8)
        length = math.sqrt(sum(x * x for x in whole[0][:8]))
        for a, b in zip(whole[0], short[0]):
            self.assertAlmostEqual(a / length, b, delta=1e-6)

    def test_normalize(self):
        unit, raw = self.vectors("a green garden")[0], self.vectors("--no-normalize", "a green garden")[0]
        self.assertAlmostEqual(math.hypot(*unit), 1, delta=1e-6)
        self.assertGreater(abs(math.hypot(*raw) - 1), 1e-3)
        self.assertAlmostEqual(raw[0] / math.hypot(*raw), unit[0], delta=1e-6)

    def test_poolings_differ(self):
        seen = {str(self.vectors("--pooling", name, "a green garden"))
                for name in ("cls", "mean", "max", "mean-sqrt", "weighted-mean", "last", "mean")}
        # Normalised, mean-sqrt is mean but for rounding.
        self.assertGreaterEqual(len(seen), 5)

    def test_truncation_is_reported_once(self):
        texts = ["a", "a green garden of stone", "the house is over the river at night"]
        data = embed("--max-tokens", "4", *texts,
                     stderr=r"^sutra: warning: 2 of 3 texts were truncated to 4 tokens \(the longest has \d+\)\n$")
        rows = read_jsonl(data)
        self.assertEqual([row["truncated"] for row in rows], [False, True, True])
        self.assertEqual([row["tokens"] for row in rows], [3, 4, 4])
        embed("--max-tokens", "4", "--long-text", "error", *texts, code=1, stderr="^sutra: text 2: .* more than 4\n$")
        self.assertEqual(embed("--max-tokens", "4", "--long-text", "truncate", "a"), embed("a"))

    def test_prompts(self):
        model = self.dir / "with-prompts"
        shutil.copytree(MODEL, model)
        prompts = {"query": "the green ", "document": "stone "}
        self.write("with-prompts/config_sentence_transformers.json",
                   json.dumps({"prompts": prompts, "default_prompt_name": "document"}))

        def rows(*args):
            return read_npy(sutra("embed", "-m", model, "--format", "npy", *args))[0]

        self.assertEqual(rows("--prompt-name", "query", "water"), self.vectors("the green water"))
        self.assertEqual(rows("water"), self.vectors("stone water"))
        self.assertEqual(rows("--prompt-name", "", "water"), self.vectors("water"))
        facts = json.loads(sutra("info", "--json", model))
        self.assertEqual((facts["prompts"], facts["default_prompt"]), (prompts, "document"))
        pairs = self.write("sts.tsv", "".join(f"{i}\t{a}\t{b}\n" for i, (a, b) in enumerate(
            [("water", "night"), ("music", "house"), ("river", "river water"), ("paper", "vector"), ("garden", "the")])))
        prompted = self.write("prompted.tsv", re.sub(r"\t", r"\tthe green ", pairs.read_text()))
        self.assertEqual(json.loads(sutra("eval", "--json", "sts", pairs, "-m", model, "--prompt-name", "query"))["score"],
                         json.loads(sutra("eval", "--json", "sts", prompted, "-m", MODEL))["score"])
        sutra("embed", "-m", model, "--prompt-name", "quary", "a", code=1, stderr="it has: query, document|document, query")

    def test_lines_are_counted_over_blocks(self):
        source = self.write("a.txt", "water\n" * 5000 + "a green garden of stone\n" + "water\n")
        embed("-i", source, "-o", self.dir / "x.npy", "--long-text", "error", "--max-tokens", "4", code=1,
              stderr=r"a\.txt:5001: the text has")
        source = self.write("b.txt", b"water\n" * 5000 + b"\xff\n")
        sutra("tokenize", "-m", MODEL, "-i", source, code=1, stderr=r"b\.txt:5001: invalid UTF-8 at byte 1\n")

    def test_summary(self):
        output = self.dir / "x.npy"
        facts = json.loads(embed("--json", "-o", output, "--max-tokens", "4", "--dim", "8", *TEXTS, stderr="truncated"))
        self.assertEqual((facts["texts"], facts["dim"], facts["output"]), (len(TEXTS), 8, str(output)))
        self.assertEqual(facts["model"], Path(MODEL).name)
        self.assertGreater(facts["tokens_seen"], facts["tokens_used"])
        self.assertGreater(facts["truncated"], 0)
        self.assertEqual(embed("--json", "a"), embed("a"))

    def test_environment(self):
        expected = embed("a")
        self.assertEqual(sutra("embed", "a", env={"SUTRA_MODEL": MODEL, "SUTRA_THREADS": "1"}), expected)
        self.assertEqual(sutra("embed", "-m", MODEL, "a", env={"SUTRA_MODEL": "nowhere"}), expected)

    def test_default_model_is_never_a_folder_that_happens_to_be_here(self):
        (self.dir / "all-MiniLM-L6-v2").symlink_to(MODEL)
        sutra("embed", "a", cwd=self.dir, env={"HF_HUB_CACHE": str(self.dir / "cache")}, code=1,
              stderr="sutra pull all-MiniLM-L6-v2")

    def test_no_progress_but_on_a_terminal(self):
        source = self.write("a.txt", "water\n" * 9000)
        ours, theirs = pty.openpty()
        with subprocess.Popen([PROGRAM, "embed", "-m", MODEL, "-i", source, "-o", self.dir / "x.npy"], stderr=theirs,
                              stdin=subprocess.DEVNULL) as run:
            os.close(theirs)
            shown = b""
            while True:
                try:
                    data = os.read(ours, 4096)
                except OSError:  # the other end is closed
                    break
                if not data:
                    break
                shown += data
            self.assertEqual(run.wait(), 0)
        os.close(ours)
        self.assertIn(b" texts ", shown)
        self.assertEqual(embed("-i", source, "-o", self.dir / "x.npy"), b"")


class Tokenize(Base):
    def tokens(self, *args, **options):
        return read_jsonl(sutra("tokenize", "-m", MODEL, "--json", *args, **options))

    def test_json(self):
        with open(SOURCE / "tests/data/golden/models/base/tokenizer.json", encoding="utf-8") as file:
            vocabulary = json.load(file)["model"]["vocab"]
        if MODEL != str(SOURCE / "tests/data/golden/models/base"):
            return
        row, = self.tokens("the green")
        self.assertEqual(row["ids"], [vocabulary[t] for t in ("[CLS]", "the", "green", "[SEP]")])
        self.assertEqual(row["offsets"], [[0, 0], [0, 3], [4, 9], [0, 0]])

    def test_untruncated_unless_asked(self):
        text = "water " * 3000
        self.assertEqual(len(self.tokens(text)[0]["ids"]), 3002)
        self.assertEqual(len(self.tokens("--max-tokens", "10", text)[0]["ids"]), 10)

    def test_offsets_count_code_points(self):
        row, = self.tokens("😀é the")
        self.assertEqual(row["offsets"][-2], [3, 6])

    def test_one_line_a_text(self):
        source = self.write("a.txt", lines(TEXTS * 500))
        rows = self.tokens("-i", source)
        self.assertEqual(len(rows), len(TEXTS) * 500)
        self.assertEqual(rows[:len(TEXTS)], self.tokens(*TEXTS))
        self.assertEqual(rows[-1], self.tokens(TEXTS[-1])[0])
        self.assertEqual(self.tokens(stdin=lines(TEXTS)), rows[:len(TEXTS)])

    def test_readable(self):
        shown = sutra("tokenize", "-m", MODEL, "--max-tokens", "4", "the green\tpaper", "é").decode().splitlines()
        self.assertRegex(shown[0], r"^text 1: 4 tokens, truncated from 5$")
        self.assertRegex(shown[1], r"^ +\d+  special$")
        self.assertRegex(shown[3], r"^ +\d+  4-9  green$")
        self.assertRegex(shown[5], r"^text 2: ")
        self.assertRegex(shown[7], r"0-1  é$")


class Similarity(Base):
    def test_values(self):
        a, b = self.vectors("a green garden", "the paper is new")
        result = json.loads(sutra("similarity", "-m", MODEL, "--json", "a green garden", "the paper is new"))
        self.assertEqual(result["rows"], ["a green garden", "the paper is new"])
        self.assertEqual(result["columns"], result["rows"])
        self.assertAlmostEqual(result["similarity"][0][1], sum(x * y for x, y in zip(a, b)), delta=1e-6)
        self.assertAlmostEqual(result["similarity"][0][0], 1, delta=1e-6)
        self.assertEqual(result["similarity"][0][1], result["similarity"][1][0])

    def test_table(self):
        shown = sutra("similarity", "-m", MODEL, "a green garden", "é" * 100, "line\nbreak").decode().splitlines()
        self.assertEqual(len(shown), 4)
        self.assertEqual(shown[0].split(), ["1", "2", "3"])
        self.assertIn("…", shown[2])
        self.assertIn("line break", shown[3])
        self.assertEqual(len({len(line) for line in shown}), 1, shown)
        self.assertEqual(shown[1].split()[-3], "1.0000")

    def test_json_strings(self):
        texts = ['say "no"', "back\\slash", "\t\r\x01\x7f", "😀 é", ""]
        result = json.loads(sutra("similarity", "-m", MODEL, "--json", *texts))
        self.assertEqual(result["rows"], texts)
        records = self.write("nul.jsonl", lines([json.dumps({"t": "a\0b\nc"})]))
        result = json.loads(sutra("similarity", "-m", MODEL, "--json", "-i", records, "--field", "t"))
        self.assertEqual(result["rows"], ["a\0b\nc"])

    def test_two_files(self):
        rows, columns = self.write("a.txt", lines(TEXTS * 30)), self.write("b.txt", "water\nmusic\n")
        result = json.loads(sutra("similarity", "-m", MODEL, "-i", rows, "--with", columns, "--json"))
        self.assertEqual(result["rows"], TEXTS * 30)
        self.assertEqual(result["columns"], ["water", "music"])
        self.assertEqual([len(row) for row in result["similarity"]], [2] * 150)
        self.assertEqual(result["similarity"][:5], result["similarity"][145:])
        one = json.loads(sutra("similarity", "-m", MODEL, "--json", TEXTS[2], "music"))
        self.assertEqual(one["similarity"][0][1], result["similarity"][2][1])
        shown = sutra("similarity", "-m", MODEL, "--with", columns, "water").decode()
        self.assertRegex(shown, r"column 2: music")

    def test_other_types(self):
        for name in ("int8", "ubinary"):
            result = json.loads(sutra("similarity", "-m", MODEL, "--json", "--output-dtype", name, "water", "music"))
            self.assertAlmostEqual(result["similarity"][0][0], 1, delta=1e-6)


def average_ranks(values):
    order = sorted(range(len(values)), key=values.__getitem__)
    ranks, first = [0.0] * len(values), 0
    while first < len(order):
        end = first
        while end < len(order) and values[order[end]] == values[order[first]]:
            end += 1
        for i in order[first:end]:
            ranks[i] = (first + 1 + end) / 2
        first = end
    return ranks


def spearman(x, y):
    x, y = average_ranks(x), average_ranks(y)
    mx, my = sum(x) / len(x), sum(y) / len(y)
    return sum((a - mx) * (b - my) for a, b in zip(x, y)) / math.sqrt(
        sum((a - mx) ** 2 for a in x) * sum((b - my) ** 2 for b in y))


class Eval(Base):
    WORDS = "water music paper house garden night stone silver river green engine vector".split()

    def test_sts(self):
        pairs = [(i * 5 % 7 / 2, f"{self.WORDS[i]} {self.WORDS[i * 5 % 12]}", self.WORDS[i * 7 % 12]) for i in range(12)]
        table = [f"{score}\t{a}\t{b}" for score, a, b in pairs]
        source = self.write("sts.tsv", lines(["score\tsentence1\tsentence2", *table]))
        cosines = [json.loads(sutra("similarity", "-m", MODEL, "--json", a, b))["similarity"][0][1] for _, a, b in pairs]
        expected = 100 * spearman([p[0] for p in pairs], cosines)
        facts = json.loads(sutra("eval", "sts", source, "-m", MODEL, "--json"))
        self.assertAlmostEqual(facts["score"], expected, delta=1e-9)
        self.assertEqual((facts["metric"], facts["items"]), ("spearman", 12))
        self.assertEqual(sutra("eval", "sts", source, "-m", MODEL), f"spearman {expected:.2f}\n".encode())
        headless = self.write("headless.tsv", lines(table)[:-1])
        self.assertEqual(json.loads(sutra("eval", "-m", MODEL, "--json", "sts", headless)), facts)

    def beir(self, documents, queries, judgements, qrels="qrels.tsv"):
        folder = self.dir / "beir"
        (folder / "qrels").mkdir(parents=True, exist_ok=True)
        self.write("beir/corpus.jsonl", lines(map(json.dumps, documents)))
        self.write("beir/queries.jsonl", lines(map(json.dumps, queries)))
        self.write(f"beir/{qrels}", lines(["query-id\tcorpus-id\tscore", *("\t".join(map(str, j)) for j in judgements)]))
        return folder

    def ndcg(self, folder, *args):
        return json.loads(sutra("eval", "retrieval", folder, "-m", MODEL, "--json", *args))

    def test_retrieval(self):
        documents = [{"_id": f"d{i}", "title": w if i % 2 else "", "text": self.WORDS[i * 5 % 12]}
                     for i, w in enumerate(self.WORDS * 3)]
        queries = [{"_id": f"q{i}", "text": w} for i, w in enumerate(self.WORDS)]
        judgements = [(f"q{i}", f"d{i * j % 36}", j % 3) for i in range(0, 12, 2) for j in (1, 5, 7, 11)]
        judgements.append(("q0", "not-in-the-corpus", 1))
        texts = [f"{d['title']} {d['text']}" if d["title"] else d["text"] for d in documents]
        judged = sorted({j[0] for j in judgements})
        self.write("queries.txt", lines(q["text"] for q in queries if q["_id"] in judged))
        self.write("documents.txt", lines(texts))
        cosines = json.loads(sutra("similarity", "-m", MODEL, "-i", self.dir / "queries.txt", "--with",
                                   self.dir / "documents.txt", "--json"))["similarity"]
        expected = 0
        for query, row in zip([q["_id"] for q in queries if q["_id"] in judged], cosines):
            relevance = {d: r for q, d, r in judgements if q == query}
            # Of equal scores the greater id is first.
            ranking = sorted(((s, d["_id"]) for s, d in zip(row, documents)), reverse=True)
            gain = sum(relevance.get(d, 0) / math.log2(i + 2) for i, (_, d) in enumerate(ranking[:10]))
            best = sum(r / math.log2(i + 2) for i, r in enumerate(sorted(relevance.values(), reverse=True)[:10]))
            expected += gain / best / len(judged) if best else 0
        facts = self.ndcg(self.beir(documents, queries, judgements))
        self.assertAlmostEqual(facts["score"], 100 * expected, delta=1e-9)
        self.assertEqual((facts["items"], facts["documents"]), (6, 36))
        self.assertRegex(sutra("eval", "retrieval", self.dir / "beir", "-m", MODEL).decode(), r"^ndcg@10 \d+\.\d\d\n$")
        (self.dir / "beir/qrels.tsv").rename(self.dir / "beir/qrels/test.tsv")
        self.assertEqual(self.ndcg(self.dir / "beir"), facts)

    def test_equal_scores_greater_id_first(self):
        documents = [{"_id": i, "text": "water"} for i in ("b", "a", "c", "10", "9")]
        for relevant, rank in (("c", 1), ("b", 2), ("a", 3), ("9", 4), ("10", 5)):
            folder = self.beir(documents, [{"_id": "q", "text": "water"}], [("q", relevant, 1)])
            self.assertAlmostEqual(self.ndcg(folder)["score"], 100 / math.log2(rank + 1), delta=1e-9)

    def test_own_id_is_left_out(self):
        documents = [{"_id": "q", "text": "water"}, {"_id": "d", "text": "water night"}]
        folder = self.beir(documents, [{"_id": "q", "text": "water"}], [("q", "d", 1)])
        self.assertEqual(self.ndcg(folder)["score"], 100)

    def test_tokens_that_share_a_character(self):
        model = os.environ.get("SUTRA_TEST_MODEL", "")
        if not Path(model, "tokenizer.json").exists():
            print("no SUTRA_TEST_MODEL: tokens that share a character were not shown")
            return
        shown = sutra("tokenize", "-m", model, "한국").decode()
        self.assertEqual(re.findall(r"(0-1|1-2)  (.)$", shown, re.M), [("0-1", "한")] * 3 + [("1-2", "국")] * 3)

    def test_published_figure(self):
        model = os.environ.get("SUTRA_TEST_MODEL", "")
        data = Path(os.environ.get("SUTRA_SHARED_DATA", SOURCE.parent / "shared/data"), "stsb-test.tsv")
        if not Path(model, "model.safetensors").exists() or not data.exists():
            print("no SUTRA_TEST_MODEL or no shared data: the published STS figure was not checked")
            return
        score = float(sutra("eval", "sts", data, "-m", model).split()[1])
        self.assertAlmostEqual(score, 82.03, delta=0.0101)


class Models(Base):
    def test_info(self):
        config = json.loads(Path(MODEL, "config.json").read_text(encoding="utf-8"))
        facts = json.loads(sutra("info", "--json", MODEL))
        self.assertEqual(facts["path"], MODEL)
        self.assertEqual(facts["hidden_size"], config["hidden_size"])
        self.assertEqual(facts["num_layers"], config["num_hidden_layers"])
        self.assertEqual(facts["family"], config["model_type"])
        self.assertEqual(json.loads(sutra("info", "--json", "-m", MODEL)), facts)
        self.assertEqual(json.loads(sutra("info", "--json", env={"SUTRA_MODEL": MODEL})), facts)
        self.assertRegex(sutra("info", MODEL).decode(), rf"(?m)^dimensions +{config['hidden_size']}$")
        sutra("info", MODEL, MODEL, code=2, stderr="takes one model")

    def test_list_of_an_empty_cache(self):
        cache = {"HF_HUB_CACHE": str(self.dir / "cache")}
        models = read_jsonl(sutra("list", "--json", env=cache))
        self.assertIn("all-MiniLM-L6-v2", [m["name"] for m in models])
        self.assertFalse(any(m["present"] for m in models))
        self.assertEqual(len(sutra("list", env=cache).decode().splitlines()), len(models) + 1)

    def test_pull_from_a_folder(self):
        if not HUB:
            print("built without libsutra-hub: pull was not tried")
            return
        cache = {"HF_HUB_CACHE": str(self.dir / "cache")}
        folder = sutra("pull", "some-org/Tiny", "--from", MODEL, env=cache).decode().strip()
        self.assertTrue(folder.startswith(cache["HF_HUB_CACHE"]))
        facts = json.loads(sutra("pull", "some-org/Tiny", "--from", MODEL, "--json", env=cache))
        self.assertEqual((facts["path"], facts["received"]), (folder, 0))
        self.assertEqual(sutra("embed", "-m", "some-org/Tiny", "a", env=cache), embed("a"))
        mine, = [m for m in read_jsonl(sutra("list", "--json", env=cache)) if m["present"]]
        self.assertEqual((mine["name"], mine["path"]), ("some-org/Tiny", folder))
        self.assertIn("some-org/Tiny", sutra("list", env=cache).decode())
        self.assertEqual(json.loads(sutra("info", "--json", "some-org/Tiny", env=cache))["revision"], facts["revision"])
        # The registry's digest holds, wherever the bytes come from.
        sutra("pull", "all-MiniLM-L6-v2", "--from", MODEL, env=cache, code=1, stderr="model.safetensors")


class Help(Base):
    def commands(self):
        overview = sutra("--help").decode()
        return re.findall(r"^  (\w+) +\S", overview.split("Commands:")[1].split("\n\n")[0], re.M)

    def options(self, command):
        return re.findall(r"^  (?:-(\w), |    )--([\w-]+)", sutra(command, "--help").decode(), re.M)

    def test_every_command_has_help(self):
        commands = self.commands()
        self.assertEqual(commands, ["embed", "tokenize", "similarity", "eval", "bench", "pull", "list", "info",
                                    "convert", "verify"])
        for command in commands:
            shown = sutra(command, "--help").decode()
            self.assertTrue(shown.startswith(f"Usage: sutra {command} "), shown)
            self.assertEqual(sutra(command, "-h").decode(), shown)
            self.assertEqual(sutra("help", command).decode(), shown)
            self.assertEqual(sutra(command, "x", "--help", "--unknown").decode(), shown)
            for line in shown.splitlines():
                self.assertLessEqual(len(line), 100, line)
                self.assertEqual(line.rstrip(), line)
        self.assertEqual(sutra("help"), sutra("-h"))

    def test_version(self):
        shown = sutra("--version").decode().splitlines()
        self.assertRegex(shown[0], r"^sutra \d+\.\d+\.\d+$")
        self.assertIn("isa", json.loads(shown[1]))

    def test_completions_list_every_option(self):
        done = subprocess.run([sys.executable, SOURCE / "completions/generate.py", "--program", PROGRAM, "--check"],
                              capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stdout), (0, ""), done.stderr)
        completion = (SOURCE / "completions/sutra.bash").read_text(encoding="utf-8")
        for command in self.commands():
            words = re.search(rf'^    {command}\) words="([^"]*)"', completion, re.M)[1].split()
            for letter, name in self.options(command):
                self.assertIn(f"--{name}", words)
                if letter:
                    self.assertIn(f"-{letter}", words)

    def test_bash_completes(self):
        script = (f'source "{SOURCE}/completions/sutra.bash"; complete_words() {{ COMP_WORDS=("$@"); '
                  'COMP_CWORD=$(($# - 1)); _sutra; echo "${COMPREPLY[*]}"; }; ')
        for words, expected in ((("em",), "embed"), (("embed", "--form"), "--format"), (("embed", "--format", "j"), "jsonl"),
                                (("eval", "ret"), "retrieval"), (("bench", "br"), "breakdown"), (("help", "li"), "list"), (("info", "all-mp"), "all-mpnet-base-v2")):
            quoted = " ".join(f"'{w}'" for w in words)
            env = {"PATH": f"{Path(PROGRAM).resolve().parent}:{os.environ['PATH']}", "HF_HUB_CACHE": str(self.dir)}
            done = subprocess.run(["bash", "-c", script + f"complete_words sutra {quoted}"], capture_output=True, text=True,
                                  cwd=self.dir, env=env, check=False)
            self.assertEqual(done.stdout.strip(), expected, done.stderr)

    def test_man_page_has_every_option(self):
        page = (SOURCE / "docs/sutra.1").read_text(encoding="utf-8")
        entries = " ".join(re.findall(r"^\.TP\n(.+)$", page, re.M))
        for command in self.commands():
            self.assertIn(f"\\fBsutra {command}\\fR", page)
            for _, name in self.options(command):
                self.assertRegex(entries, rf"--{name}\b")
        self.assertIn(f"sutra {sutra('--version').decode().split()[1]}", page)


def main():
    global PROGRAM, MODEL, HUB
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True)
    parser.add_argument("--model", default=str(SOURCE / "tests/data/golden/models/base"))
    parser.add_argument("--hub", action="store_true")
    options, rest = parser.parse_known_args()
    PROGRAM, MODEL, HUB = os.path.abspath(options.program), os.path.abspath(options.model), options.hub
    with tempfile.TemporaryDirectory(prefix="sutra-cli-cache-") as cache:
        os.environ["SUTRA_CACHE"] = cache  # never the user's own
        unittest.main(argv=[sys.argv[0], *rest])


if __name__ == "__main__":
    main()
