#!/usr/bin/env python3
"""What sutra embed writes: formats, element types, and the files they go to."""

import json
import math
import os
import shutil
import struct
import subprocess
from pathlib import Path

from cli_case import (FORMATS, MODEL, PROGRAM, TEXTS, Base, as_f32, embed, lines, main, read_csv, read_jsonl, read_npy,
                       read_safetensors, sutra)


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
        for name in ("int8", "uint8"):
            expected[f"{name}-fixed"] = expected[name]
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

    def test_binary_rows_end_in_zero_bits(self):
        for dim in (1, 12, 15, 17):
            rows = [packed(row) for row in self.vectors("--dim", dim, *TEXTS)]
            self.assertEqual(len(rows[0]), -(-dim // 8))
            for kind, less in (("ubinary", 0), ("binary", 128)):
                args = "--dim", dim, "--output-dtype", kind, *TEXTS
                expected = [[x - less for x in row] for row in rows]
                npy, header = read_npy(embed("--format", "npy", *args))
                self.assertEqual((npy, header["shape"]), (expected, (len(TEXTS), len(rows[0]))))
                self.assertEqual(read_safetensors(embed("--format", "safetensors", *args))[0], expected)
                self.assertEqual([r["embedding"] for r in read_jsonl(embed(*args))], expected)
                self.assertEqual(as_f32(read_csv(embed("--format", "csv", *args))), as_f32(expected))

    def test_ranges(self):
        """Calibrated by the first texts, kept, read back; the last text lies outside."""
        source, kept = self.write("a.txt", "\n".join(TEXTS[:3]) + "\n"), self.dir / "ranges.npy"
        for more in ((), ("--dim", 20), ("--no-normalize",)):
            floats = self.vectors(*more, *TEXTS)
            low, high = ([pick(column) for column in zip(*floats[:3])] for pick in (min, max))
            codes = [[code(x, least, most) for x, least, most in zip(row, low, high)] for row in floats]
            self.assertEqual({0, 255} & {c for row in codes for c in row}, {0, 255})
            for kind, less in (("uint8", 0), ("int8", 128)):
                rows = [[c - less for c in row] for row in codes]
                args = *more, "--output-dtype", kind, "--format", "npy", *TEXTS
                got, header = read_npy(embed("--calibrate", source, "--save-ranges", kept, *args))
                self.assertEqual((got, header["descr"]), (rows, "|i1" if less else "|u1"))
                ranges, header = read_npy(kept.read_bytes())
                self.assertEqual((ranges, header["descr"]), ([low, high], "<f4"))
                self.assertEqual(read_npy(embed("--ranges", kept, *args))[0], rows)

    def test_ranges_of_a_model_that_cuts(self):
        """Without --dim, ranges are of as many elements as the model's truncate_dim leaves."""
        model = self.dir / "model"
        shutil.copytree(MODEL, model)
        (model / "config_sentence_transformers.json").write_text('{"truncate_dim": 20}', encoding="ascii")
        source, kept = self.write("a.txt", lines(TEXTS[:3])), self.dir / "ranges.npy"
        for more in ((), ("--no-normalize",), ("--dim", 12)):
            def run(*args):
                return read_npy(sutra("embed", "-m", model, "--format", "npy", *more, *args, *TEXTS))[0]
            floats = run()
            self.assertEqual(len(floats[0]), 12 if "--dim" in more else 20)
            low, high = ([pick(column) for column in zip(*floats[:3])] for pick in (min, max))
            codes = [[code(x, least, most) for x, least, most in zip(row, low, high)] for row in floats]
            self.assertEqual(run("--output-dtype", "uint8", "--calibrate", source, "--save-ranges", kept), codes)
            self.assertEqual(read_npy(kept.read_bytes())[0], [low, high])
            self.assertEqual(run("--output-dtype", "uint8", "--ranges", kept), codes)

    def test_saved_ranges_outlast_a_failure(self):
        """They are whole before the first vector is made; of the vectors nothing is left."""
        good, bad, kept = self.write("a.txt", lines(TEXTS)), self.write("b.txt", b"x\xff\n"), self.dir / "ranges.npy"
        embed("-i", bad, "-o", self.dir / "x.npy", "--output-dtype", "uint8", "--calibrate", good, "--save-ranges", kept,
              code=1, stderr="b.txt:1: .*UTF-8")
        self.assertEqual(sorted(os.listdir(self.dir)), ["a.txt", "b.txt", "ranges.npy"])
        floats = self.vectors(*TEXTS)
        self.assertEqual(read_npy(kept.read_bytes())[0], [[pick(column) for column in zip(*floats)] for pick in (min, max)])

    def test_every_instruction_set_gives_the_same_bytes(self):
        message = subprocess.run([PROGRAM, "embed", "-m", MODEL, "a"], env={**os.environ, "SUTRA_ISA": "none"},
                                 capture_output=True, text=True, check=False).stderr
        names = message.rstrip().partition("is not known: ")[2].replace(" or ", ", ").split(", ")
        self.assertIn("scalar", names)
        source, texts = self.write("a.txt", lines(TEXTS[:3])), self.write("b.txt", lines(TEXTS))
        types = [(kind,) for kind in ("float32", "float16", "int8-fixed", "uint8-fixed", "binary", "ubinary")]
        types += [(kind, "--calibrate", source) for kind in ("int8", "uint8")]
        for args in types:
            expected = None
            for name in names:
                done = subprocess.run([PROGRAM, "embed", "-m", MODEL, "-i", texts, "--format", "npy", "--output-dtype", *args],
                                      env={**os.environ, "SUTRA_ISA": name}, capture_output=True, check=False)
                if done.returncode and b"this machine has only" in done.stderr:
                    continue
                self.assertEqual((done.returncode, done.stderr), (0, b""))
                expected = expected or done.stdout
                self.assertEqual(done.stdout, expected, f"{args[0]} by {name}")

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
    return [sum((x > 0) << (7 - j) for j, x in enumerate(row[i:i + 8])) for i in range(0, len(row), 8)]


def f32(x):
    return struct.unpack("<f", struct.pack("<f", x))[0]


def code(x, least, most):
    """As sentence-transformers has it, each operation in float32."""
    step = f32(f32(most - least) / 255) or 1.0
    return min(max(math.floor(f32(f32(x - least) / step)), 0), 255)


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


if __name__ == "__main__":
    main()
