#!/usr/bin/env python3
"""The checks of a device and bench/cuda.py without a GPU: comparisons that must find what is wrong, the fault plugin in the
device's place, what is said where there is no device.

usage: test_check_device.py --library FILE --program FILE --forward FILE --plugin FILE [unittest arguments]
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

try:
    import numpy as np
except ImportError:
    print("test_check_device: left out: there is no numpy")
    sys.exit(0)

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(ROOT / "bench"))
import check_device  # noqa: E402
import cuda  # noqa: E402
import cuda_texts  # noqa: E402
import device_checks  # noqa: E402
import device_compare as dc  # noqa: E402
import device_engine as de  # noqa: E402
import device_models as dm  # noqa: E402
import device_sanitizer  # noqa: E402

PATHS = argparse.Namespace()


def difference(found, expected, dtype, floats, slack=0.0):
    made = dc.CodeDifference()
    made.add(np.asarray(found), np.asarray(expected), dtype, np.asarray(floats, np.float32), slack)
    return made


class Comparisons(unittest.TestCase):
    def test_a_deviation_is_relative_to_the_norm(self):
        self.assertAlmostEqual(dc.deviation(np.array([[3.0, 4.5]]), np.array([[3.0, 4.0]])), 0.1)

    def test_nan_and_other_shapes_are_infinitely_far(self):
        self.assertEqual(dc.deviation(np.array([[np.nan, 1.0]]), np.array([[0.0, 1.0]])), np.inf)
        self.assertEqual(dc.deviation(np.zeros((1, 2)), np.zeros((1, 3))), np.inf)
        self.assertEqual(dc.deviation(np.array([[1e-9, 0.0]]), np.zeros((1, 2))), np.inf)

    def test_cosines_of_nan_are_as_bad_as_can_be(self):
        found = dc.cosines(np.array([[1.0, 0], [np.nan, 0], [0, 0], [0, 0]]), np.array([[2.0, 0], [1, 0], [0, 0], [1, 0]]))
        self.assertEqual(found.tolist(), [1, -1, 1, -1])

    def test_codes_a_step_apart_are_told_from_those_further_off(self):
        floats = [[0.1, 0.2, 0.3]]
        one = difference(np.int8([[13, 25, 39]]), np.int8([[13, 25, 38]]), de.I8, floats)
        self.assertEqual((one.differing, one.too_far), (1, 0))
        self.assertTrue(one.good(0))
        two = difference(np.uint8([[13, 25, 40]]), np.uint8([[13, 25, 38]]), de.U8, floats)
        self.assertEqual((two.differing, two.too_far), (1, 1))
        self.assertFalse(two.good(1))
        self.assertFalse(difference(np.int8([[1]]), np.uint8([[1]]), de.I8, [[0.1]]).good(1))

    def test_a_bit_may_differ_where_its_float_is_zero_but_for_slack(self):
        floats = [[1e-7, -0.5, 0.5]]
        self.assertTrue(difference(np.uint8([[0b00100000]]), np.uint8([[0b10100000]]), de.UBINARY, floats, 1e-6).good(0))
        self.assertFalse(difference(np.uint8([[0b10000000]]), np.uint8([[0b10100000]]), de.UBINARY, floats, 1e-6).good(1))
        filled = difference(np.uint8([[0b10100001]]), np.uint8([[0b10100000]]), de.UBINARY, floats)
        self.assertEqual(filled.too_far, 1)  # a bit past the last element

    def test_halves_are_compared_by_their_unit_in_the_last_place(self):
        one, step = np.float16(0.5), np.spacing(np.float16(0.5))
        self.assertEqual(difference([[one + step]], [[one]], de.F16, [[0.5]]).too_far, 0)
        self.assertEqual(difference([[one + 2 * step]], [[one]], de.F16, [[0.5]]).too_far, 1)
        self.assertEqual(difference([[np.float16("nan")]], [[one]], de.F16, [[0.5]]).too_far, 1)

    def test_lengths_lie_around_tiles(self):
        lengths = device_checks.edge_lengths(160)
        self.assertTrue({1, 15, 16, 17, 31, 33, 63, 65, 127, 128, 129, 159, 160} <= set(lengths))
        self.assertEqual((min(lengths), max(lengths)), (1, 160))
        self.assertEqual(device_checks.edge_lengths(2), [1, 2])

    def test_a_sanitizer_must_have_counted_nothing(self):
        def done(code, text):
            return subprocess.CompletedProcess([], code, "", text)

        for text in ("========= ERROR SUMMARY: 0 errors",
                     "========= RACECHECK SUMMARY: 0 hazards displayed (0 errors, 0 warnings)"):
            self.assertTrue(device_sanitizer.judge("x", done(0, text))[0])
            self.assertFalse(device_sanitizer.judge("x", done(1, text))[0])
        for text in ("========= ERROR SUMMARY: 3 errors", "sutra: no such device", "",
                     "========= RACECHECK SUMMARY: 1 hazard displayed (1 error, 0 warnings)"):
            self.assertFalse(device_sanitizer.judge("x", done(0, text))[0])

    def test_sides_agree_only_where_texts_have_vectors_of_their_own(self):
        class Side:
            def __init__(self, vectors):
                self.vectors = vectors

            def ask(self, save, **_request):
                np.save(save, self.vectors)
                return {"tokens": 9 * len(self.vectors)}

        chance = np.random.default_rng(5)
        vectors = chance.standard_normal((cuda.COMPARED, 32))
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        with tempfile.TemporaryDirectory() as folder:
            rows = cuda.TextRows.__new__(cuda.TextRows)
            rows.folder = Path(folder)

            def compare(ours, theirs):
                rows.sides = {"sutra": Side(ours), "peer": Side(theirs)}
                return rows.compare("passages")

            self.assertAlmostEqual(compare(vectors, vectors)["least_cosine"], 1)
            with self.assertRaisesRegex(cuda.RowFailed, "vectors differ"):
                compare(vectors, np.roll(vectors, 1, 0))
            with self.assertRaisesRegex(cuda.RowFailed, "no text from another"):
                compare(*[np.repeat(vectors[:1], cuda.COMPARED, 0)] * 2)

    def test_no_text_comes_twice(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "texts.txt")
            path.write_text("".join(f"line {i} of a few words and some more of them to cut\n" for i in range(5)) + "\n")
            for kind in ("passages", "short", "query"):
                texts = cuda_texts.Texts(str(path), kind).range(0, 200)
                self.assertEqual(len(set(texts)), 200)
            self.assertEqual({len(text.split()) for text in texts}, {cuda_texts.QUERY_WORDS})


class WithEngines(unittest.TestCase):
    """The fault plugin's device computes as the processor does."""

    def check_device(self, *arguments):
        lines, report = [], dc.Report
        try:
            check_device.Report = lambda _write: report(lines.append)
            status = check_device.main(["--library", PATHS.library, "--program", PATHS.program, *arguments])
        finally:
            check_device.Report = report
        return status, lines

    def test_a_device_that_computes_as_the_processor_passes(self):
        status, lines = self.check_device("--device", "fault:0", "--plugins", str(Path(PATHS.plugin).parent), "--compute",
                                          "fp32", "--only", "wide-bf16")
        self.assertEqual(status, 0, "\n".join(lines))
        self.assertEqual({word for word in ("vectors", "company", "poolings", "int8", "NaN", "lengths")
                          if any(word in line for line in lines)}, {"vectors", "company", "poolings", "int8", "NaN", "lengths"})

    def test_scores_are_checked(self):
        status, lines = self.check_device("--device", "fault:0", "--plugins", str(Path(PATHS.plugin).parent), "--compute",
                                          "fp32", "--only", "reranker bert-saved")
        self.assertEqual(status, 0, "\n".join(lines))
        self.assertTrue(any("21 scores" in line for line in lines), lines)

    def test_limits_are_kept(self):
        status, lines = self.check_device("--device", "cpu", "--compute", "bf16", "--checks", "vectors", "--only", "wide-bf16",
                                          "--tiny-bf16-min", "1.1")
        self.assertEqual(status, 1)
        self.assertTrue(lines[0].startswith("FAILED"), lines)

    def test_other_bytes_in_company_are_found(self):
        with tempfile.TemporaryDirectory() as folder:
            case = dm.golden_case("variants", "wide-bf16", Path(folder))
            report = dc.Report(lambda _line: None)
            arguments = check_device.parse_arguments(["--library", PATHS.library, "--device", "cpu", "--plugins", ""])
            bench, model = check_device.Bench(arguments, report), None
            embed = bench.device.embed

            def spoilt(model, sources, *arguments, **options):
                outcome = embed(model, sources, *arguments, **options)
                return outcome if len(sources) != 2 else outcome._replace(rows=[row + 1e-7 for row in outcome.rows])

            bench.device.embed = spoilt
            model = bench.library.model(case.folder, "fp32")
            device_checks.check_company(bench, case, model)
            model.close()
            bench.close()
        self.assertEqual(report.failed, ["wide-bf16 fp32 company of a batch"])

    def test_other_codes_of_ranges_are_found_in_every_precision(self):
        failed = {}
        with tempfile.TemporaryDirectory() as folder:
            case = dm.golden_case("variants", "wide-bf16", Path(folder))
            arguments = check_device.parse_arguments(["--library", PATHS.library, "--device", "cpu", "--plugins", ""])
            for off in (0, 2):
                report = dc.Report(lambda _line: None)
                bench = check_device.Bench(arguments, report)
                embed = bench.device.embed

                def spoilt(model, sources, *arguments, embed=embed, off=off, **options):
                    outcome = embed(model, sources, *arguments, **options)
                    if options.get("ranges") is None:
                        return outcome
                    return outcome._replace(rows=[row + row.dtype.type(off) for row in outcome.rows])

                bench.device.embed = spoilt
                models = [bench.library.model(case.folder, compute) for compute in ("fp32", "bf16")]
                for model in models:
                    device_checks.check_ranges(bench, case, model, models[0])
                failed[off] = report.failed
                for model in models:
                    model.close()
                bench.close()
        names = [f"wide-bf16 {compute} ranges {dtype}" for compute in ("fp32", "bf16") for dtype in ("int8", "uint8")]
        self.assertEqual(failed, {0: [], 2: names})

    def test_the_sanitizer_does_not_look_at_the_processor_instead(self):
        """`sutra` in the sanitizer's place: a program that says what the sanitizer says, and runs the command."""
        with tempfile.TemporaryDirectory() as folder:
            tool = Path(folder, "compute-sanitizer")
            tool.write_text('#!/bin/sh\nshift 4\n"$@" || exit 1\necho "========= ERROR SUMMARY: 0 errors"\n')
            tool.chmod(0o755)
            case, before = dm.golden_case("variants", "wide-bf16", Path(folder)), os.environ["PATH"]
            found = {}
            for mode in ("", "gone"):
                report = dc.Report(lambda _line: None)
                os.environ.update(PATH=f"{folder}:{before}", FAULT_MODE=mode)
                try:
                    device_sanitizer.check_sanitizer(report, PATHS.program, Path(PATHS.plugin).parent, "fault:0", [case], ["fp32"])
                finally:
                    os.environ["PATH"] = before
                    del os.environ["FAULT_MODE"]
                found[mode] = (report.passed, len(report.failed))
        self.assertEqual(found, {"": (3, 0), "gone": (0, 3)})

    def test_no_device_is_one_line(self):
        for more, status in (([], 77), (["--require"], 1)):
            done = run("tests/cuda/check_device.py", "--library", PATHS.library, "--device", "cuda:0", "--plugins",
                       str(Path(PATHS.plugin).parent), *more)
            self.assertEqual((done.returncode, done.stdout.count("\n"), done.stderr), (status, 1, ""))
            self.assertIn("check_device: no cuda:0: ", done.stdout)

    def test_arguments_that_mean_nothing_are_refused(self):
        self.assertIn('"fp64" is none of', run("tests/cuda/check_device.py", "--compute", "fp64").stderr)
        self.assertIn('no row\'s name has "zebra"', run("bench/cuda.py", "--only", "zebra").stderr)
        self.assertIn("--batches", run("bench/cuda.py", "--batches", "64,x").stderr)
        self.assertEqual(run("bench/cuda.py", "--help").returncode, 0)

    def test_a_row_that_fails_says_why_and_the_next_is_tried(self):
        with tempfile.TemporaryDirectory() as folder:
            output = Path(folder, "cuda.json")
            done = run("bench/cuda.py", "--quick", "--only", "MiniLM forward", "--forward", PATHS.forward, "--plugins", folder,
                       "--output", str(output))
            self.assertEqual(done.returncode, 1, done.stderr)
            rows = json.loads(output.read_text())["rows"]
        self.assertEqual(len(rows), 2)
        for row in rows.values():
            self.assertIn("sutra_cuda.so", row["failed"])
        self.assertEqual(done.stdout.count("failed: cuda_forward: "), 2)


class Forward(unittest.TestCase):
    def forward(self, *arguments):
        return subprocess.run([PATHS.forward, *arguments], capture_output=True, text=True, check=False)

    def test_it_measures_each_size_of_a_run(self):
        small = ["--compute", "fp32", "--layers", "1", "--hidden", "64", "--heads", "2", "--ffn", "128", "--vocab", "100",
                 "--texts", "6", "--tokens", "16", "--seconds", "0.05"]
        for weights in ("fp16", "fp32"):
            done = self.forward(PATHS.plugin, *small, "--weights", weights, "--tokens-per-run", "0,32,1000", "--contexts", "2")
            self.assertEqual(done.returncode, 0, done.stderr)
            found = json.loads(done.stdout)
            self.assertEqual([row["texts_per_run"] for row in found["measured"]], [4, 2, 6])
            self.assertTrue(all(row["texts_per_s"] > 0 and row["p50_ms"] > 0 for row in found["measured"]))

    def test_what_cannot_be_is_one_line(self):
        for arguments, words in (([], "usage"), (["/nowhere/sutra_cuda.so"], "/nowhere/sutra_cuda.so"),
                                 ([PATHS.library], "sutra_backend_entry"), ([PATHS.plugin, "--device", "99"], "--device"),
                                 ([PATHS.plugin, "--compute", "fp8"], "--compute"), ([PATHS.plugin, "--heads", "7"], "--heads"),
                                 ([PATHS.plugin, "--zebra", "1"], "--zebra"), ([PATHS.plugin, "--texts"], "--texts"),
                                 ([PATHS.plugin, "--tokens-per-run", ","], "--tokens-per-run")):
            done = self.forward(*arguments)
            self.assertEqual((done.returncode, done.stdout, done.stderr.count("\n")), (1, "", 1), arguments)
            self.assertIn(words, done.stderr)


def run(script, *arguments):
    return subprocess.run([sys.executable, "-B", str(ROOT / script), *arguments], capture_output=True, text=True, check=False,
                          env={**os.environ, "SUTRA_TEST_MODEL": "/nowhere"})


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for option in ("library", "program", "forward", "plugin"):
        parser.add_argument(f"--{option}", required=True)
    PATHS, rest = parser.parse_known_args()
    os.environ["SUTRA_TEST_MODEL"] = "/nowhere"
    unittest.main(argv=[sys.argv[0], *rest])
