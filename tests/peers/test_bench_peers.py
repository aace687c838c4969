#!/usr/bin/env python3
"""bench/peers with engines whose times and vectors are made up: the sweep's choice, the order of the rounds, medians,
ratios, shares of the ceiling, precisions kept apart, and that an engine that cannot be used is named.

usage: test_bench_peers.py [unittest arguments]
"""

import os
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "bench/peers"))
import engines  # noqa: E402
import measure  # noqa: E402
import report  # noqa: E402
import run  # noqa: E402
import text_sets  # noqa: E402


class FakeRow:
    def __init__(self, name, texts, flops):
        self.name, self.file, self.sweep_file, self.texts, self.flops = name, name, name + " some", texts, flops


ROWS = [FakeRow("long", ["a"] * 4, 8e9), FakeRow("short", ["b"] * 10, 1e9)]
QUERIES = FakeRow("queries", ["c"] * 2, 2e6)


class FakeServer:
    """seconds: {(mode, file, batch): seconds}, or a list that is used up; latencies: {mode: seconds of each query}."""

    def __init__(self, name, mode, seconds, latencies, calls=None, vectors=None):
        self.name, self.mode, self.seconds, self.latency, self.calls = name, mode, seconds, latencies, calls
        self.vectors = vectors

    def encode(self, file, batch, save=None):
        if self.calls is not None:
            self.calls.append((self.name, file))
        if save:
            np.save(save, self.vectors)
        seconds = self.seconds[self.mode, file, batch]
        return seconds.pop(0) if isinstance(seconds, list) else seconds

    def latencies(self, _file):
        return self.latency[self.mode]

    def close(self):
        pass


def fake_peers(**peers):
    return mock.patch.dict(engines.PEERS, {n: engines.Peer(None, **p) for n, p in peers.items()}, clear=True)


class Sweep(unittest.TestCase):
    MODES = {"slow": {}, "fast": {}}
    BATCHES = (1, 2, 4, 8)

    def seconds(self):
        """`fast` wins `long` with batch 2, though its sweep prefers 4; `slow` wins `short` with batch 8."""
        table = {(m, f, b): 9.0 for m in self.MODES for r in ROWS for f in (r.file, r.sweep_file) for b in self.BATCHES}
        table.update({("fast", "long some", 2): 3.0, ("fast", "long some", 4): 2.0, ("fast", "long", 2): 4.0,
                      ("fast", "long", 4): 5.0, ("slow", "short some", 8): 1.0, ("slow", "short", 8): 1.0})
        return table

    def tune(self, start, names=("x",), **peer):
        with fake_peers(x={"modes": {"fp32": self.MODES, "bf16": {"fast": {}}, "int8": "has none"},
                           "batches": self.BATCHES, **peer}):
            return measure.tune(start, names, ROWS, QUERIES)

    def test_best_mode_and_batch_of_each_row(self):
        latencies = {"slow": [1.0, 1.0, 9.0], "fast": [0.5, 2.0, 2.0]}
        choices, failures = self.tune(lambda n, m: FakeServer(n, m, self.seconds(), latencies))
        self.assertEqual(choices, {"x": {"long": ("fast", 2), "short": ("slow", 8), "queries": ("slow", 1)}})
        self.assertEqual(failures, {})

    def test_the_best_pass_of_a_batch_counts(self):
        table = self.seconds()
        table["slow", "long some", 1] = [50.0, 0.1]  # the first pass compiles something
        table["slow", "long", 1] = 0.2
        choices, _ = self.tune(lambda n, m: FakeServer(n, m, table, {"slow": [1.0], "fast": [1.0]}))
        self.assertEqual(choices["x"]["long"], ("slow", 1))

    def test_each_precision_has_its_own_modes_or_a_reason(self):
        started = []

        def start(name, mode):
            started.append((name, mode))
            return FakeServer(name, mode, self.seconds(), {"slow": [1.0], "fast": [2.0]})
        choices, failures = self.tune(start, ("x", "x bf16", "x int8"))
        self.assertEqual(started, [("x", "slow"), ("x", "fast"), ("x bf16", "fast")])
        self.assertEqual((choices["x"]["queries"], choices["x bf16"]["queries"]), (("slow", 1), ("fast", 1)))
        self.assertEqual(choices["x bf16"]["long"], ("fast", 2))
        self.assertEqual(failures, {"x int8": "has none"})

    def test_a_mode_that_fails_is_named_and_the_other_used(self):
        def start(name, mode):
            if mode == "fast":
                raise measure.PeerFailed(name, "no such mode")
            return FakeServer(name, mode, self.seconds(), {"slow": [1.0]})
        choices, failures = self.tune(start)
        self.assertEqual(choices["x"]["short"], ("slow", 8))
        self.assertEqual(failures, {"x, fast": "no such mode"})

    def test_an_engine_without_its_python_is_named(self):
        with tempfile.TemporaryDirectory() as folder:
            bench = measure.Bench({"work": folder, "threads": 1}, "sutra")
            for value, reason in ((None, "X_PYTHON names no Python that has it"),
                                  ("/nowhere/python", "X_PYTHON: /nowhere/python cannot be run")):
                variables = {"X_PYTHON": value} if value else {}
                with mock.patch.dict(os.environ, variables):
                    choices, failures = self.tune(bench.start, python="X_PYTHON")
                self.assertEqual((choices, failures), ({}, {"x": reason}))

    def test_an_engine_that_cannot_load_is_named_with_its_error(self):
        with tempfile.TemporaryDirectory() as folder:
            bench = measure.Bench({"work": folder, "threads": 1, "model": folder}, "sutra")
            with self.assertRaisesRegex(measure.PeerFailed, "^nobody: KeyError: 'nobody'$"), \
                    mock.patch.dict(engines.PEERS, nobody=engines.Peer(None)):
                bench.start("nobody", "")  # the process has no such engine


class Rounds(unittest.TestCase):
    CHOICES = {"sutra": {"long": ("", 0), "queries": ("", 1)}, "x": {"long": ("m", 4), "queries": ("m", 1)}}

    def setUp(self):
        patch = mock.patch.object(measure, "SETTLE_SECONDS", 0)
        patch.start()
        self.addCleanup(patch.stop)

    def test_seconds_by_round_and_turns_rotate(self):
        calls, between = [], []
        servers = {("sutra", ""): FakeServer("sutra", "", {("", "long", 0): [1.0, 2.0]}, {"": [0.1]}, calls),
                   ("x", "m"): FakeServer("x", "m", {("m", "long", 4): [3.0, 4.0]}, {"m": [0.2, 0.3]}, calls)}
        seconds = measure.run_rounds(servers, self.CHOICES, ROWS[:1], QUERIES, 2, between.append)
        self.assertEqual(seconds["long"], {"sutra": [1.0, 2.0], "x": [3.0, 4.0]})
        self.assertEqual(seconds["queries"], {"sutra": [[0.1]] * 2, "x": [[0.2, 0.3]] * 2})
        self.assertEqual([name for name, _ in calls], ["sutra", "x", "x", "sutra"])
        self.assertEqual(len(between), 2)

    def vectors(self, *lists):
        return [FakeServer("", "m", dict.fromkeys([("m", "long", b) for b in (0, 4)] + [("m", "short", 0)]
                                                  + [("m", "sts", b) for b in (0, 4)], 1.0), {},
                           vectors=np.array(vectors, np.float32)) for vectors in lists]

    def test_agreement_with_another_process(self):
        reference, ours, theirs = self.vectors([[1, 0], [0, 1]], [[1, 0], [0, 1]], [[1, 0], [0.6, 0.8]])
        servers = {("sutra", ""): ours, ("x", "m"): theirs}
        ours.mode = theirs.mode = reference.mode = "m"
        with tempfile.TemporaryDirectory() as folder:
            found = measure.compare(servers, self.CHOICES, ROWS[:1], Path(folder), reference)
        self.assertEqual(found["sutra"], {"min_cosine": 1.0, "max_difference": 0.0, "row": "long", "row_mean": 1.0,
                                          "row_min": 1.0})
        self.assertAlmostEqual(found["x"]["min_cosine"], 0.8, places=6)
        self.assertAlmostEqual(found["x"]["row_mean"], 0.9, places=6)
        self.assertAlmostEqual(found["x"]["max_difference"], 0.6, places=6)

    def test_the_last_row_s_cosines_and_the_smallest_of_all(self):
        reference, theirs = self.vectors([[1, 0], [0, 1]], [[1, 0], [0.6, 0.8]])
        encode = theirs.encode

        def exact_on_the_last(file, batch, save=None):
            encode(file, batch, save)
            if file == "short":
                np.save(save, reference.vectors)
        with tempfile.TemporaryDirectory() as folder, mock.patch.object(theirs, "encode", exact_on_the_last):
            found = measure.compare({("x", "m"): theirs}, {"x": {"long": ("m", 4), "short": ("m", 0)}}, ROWS,
                                    Path(folder), reference)["x"]
        self.assertEqual((found["row"], found["row_mean"], found["row_min"]), ("short", 1.0, 1.0))
        self.assertAlmostEqual(found["min_cosine"], 0.8, places=6)

    def test_spearman(self):  # expected: scipy.stats.spearmanr
        self.assertAlmostEqual(measure.spearman([1, 2, 3, 4, 5], [5, 6, 7, 8, 7]), 0.8207826816681233)
        self.assertAlmostEqual(measure.spearman([3, 1, 2], [1, 3, 2]), -1)
        self.assertEqual(list(measure.ranks([7, 5, 7, 9])), [1.5, 0, 1.5, 3])

    def test_sts_of_pairs_and_what_is_lost(self):
        pairs = mock.Mock(file="sts", scores=[3.0, 2.0, 1.0])
        first = [[1, 0]] * 3  # then the second sentences
        reference, theirs = self.vectors(first + [[1, 0], [1, 1], [0, 1]], first + [[1, 1], [1, 0], [0, 1]])
        with tempfile.TemporaryDirectory() as folder:
            found = measure.sts({("x", "m"): theirs}, {"x": {"long": ("m", 4)}}, "long", pairs, Path(folder), reference)
        self.assertAlmostEqual(found["x"]["sts"], 50)
        self.assertAlmostEqual(found["x"]["sts_drop"], 50)

    def test_peaks(self):
        samples = [{"threads": 2, "fp32_gflops": rate, "bf16_gflops": {"A": rate, "B": 1.0}, "int8_gops": {},
                    "read": [{"kb_per_core": 16, "gbs": read}]}
                   for rate, read in ((100.0, 5.0), (300.0, 4.0), (200.0, 9.0))]
        peak = measure.median_peak(samples)
        self.assertEqual((peak["fp32_gflops"], peak["fp32_range"]), (200.0, [100.0, 300.0]))
        self.assertEqual((peak["bf16_gflops"], peak["int8_gops"]), ({"A": 200.0, "B": 1.0}, {}))
        self.assertEqual(peak["read"], [{"kb_per_core": 16, "gbs": 5.0}])
        self.assertEqual(peak["samples"], samples)


class Precisions(unittest.TestCase):
    def test_entries_of_the_argument(self):
        args = run.parse_arguments(["--compute", "bf16,fp32,bf16", "--peers", "openvino,sutra"])
        self.assertEqual(run.entries(args), ["sutra bf16", "openvino bf16", "sutra", "openvino"])
        self.assertEqual(run.entries(run.parse_arguments(["--peers", "openvino"])), ["sutra", "openvino"])
        with self.assertRaises(SystemExit), mock.patch("sys.stderr"):
            run.parse_arguments(["--compute", "fp32,int4"])

    def test_every_entry_has_modes_or_a_reason(self):
        for name in engines.PEERS:
            for compute in engines.COMPUTES:
                entry = engines.entry(name, compute)
                self.assertEqual(engines.parts(entry), (name, compute))
                modes = engines.modes_of(entry)
                self.assertTrue(modes and isinstance(modes, (dict, str)), entry)
        self.assertEqual(list(engines.modes_of("openvino int8")),
                         ["latency, bf16", "latency, f32", "throughput, bf16", "throughput, f32"])

    def test_found_by_precision(self):
        found = {"x": 1, "x int8": 2, "y bf16": 3, "x int8, latency, f32": 4, "y, eager": 5}
        self.assertEqual(run.of_compute("int8", found), {"x": 2, "x, latency, f32": 4})
        self.assertEqual(run.of_compute("fp32", found), {"x": 1, "y, eager": 5})

    def test_a_part_is_of_its_precision_alone(self):
        choices = {name: {"long": ("m", 4), "queries": ("m", 1)}
                   for name in ("sutra", "x", "sutra bf16", "x bf16")}
        base = {"sutra": 2.0, "x": 4.0, "sutra bf16": 1.0, "x bf16": 8.0}
        found = {"choices": choices, "failures": {"y bf16": "no", "z": "neither"},
                 "seconds": {"long": {n: [t] for n, t in base.items()},
                             "queries": {n: [[t, t]] for n, t in base.items()}},
                 "facts": {n: {"peak_mb": t, "interpreter_mb": 0} for n, t in base.items()},
                 "starts": {n: ("m", [t]) for n, t in base.items()}}
        peak = {"fp32_gflops": 8, "bf16_gflops": {"A": 16.0}, "int8_gops": {}}
        part = run.part_of("bf16", ROWS[:1], QUERIES, found, peak)
        self.assertEqual((part["compute"], part["failures"], part["ceiling"]), ("bf16", {"y": "no"}, 16))
        long = part["measures"][0]["engines"]
        self.assertEqual(list(long), ["sutra", "x"])
        self.assertEqual((long["x"]["ratio"]["median"], long["sutra"]["ceiling_share"]), (8, 0.5))
        self.assertEqual([m["engines"]["x"]["ratio"]["median"] for m in part["measures"]], [8] * 4)
        fp32 = run.part_of("fp32", ROWS[:1], QUERIES, found, peak)
        self.assertEqual((fp32["measures"][0]["engines"]["x"]["ratio"]["median"], fp32["ceiling"]), (2, 8))

    def test_ceiling(self):
        peak = {"fp32_gflops": 10, "bf16_gflops": {"A": 7, "B": 30}, "int8_gops": {"C": 9}}
        self.assertEqual([report.ceiling(peak, c) for c in engines.COMPUTES], [10, 30, 10])
        self.assertEqual(report.ceiling({**peak, "bf16_gflops": {}}, "bf16"), 10)

    def test_calibration_texts_are_not_measured(self):
        lines = [f"line {i}." for i in range(1000)]
        found = text_sets.calibration_texts(lines, ["line 998", "line 7", "line 1."])
        self.assertEqual((len(found), found[-2:]), (300, ["line 997.", "line 999."]))
        self.assertFalse([line for line in found if line.startswith(("line 998", "line 7"))])

    def test_sentence_pairs(self):
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "pairs.tsv").write_text("score\ta\tb\n1.5\tfirst\tsecond\n4\tthird\tfourth\n")
            pairs = text_sets.SentencePairs(Path(folder, "pairs.tsv"), Path(folder))
            self.assertEqual(pairs.scores, [1.5, 4.0])
            self.assertEqual(Path(pairs.file).read_text(), '["first", "third", "second", "fourth"]')


class Report(unittest.TestCase):
    COSTS = {"sutra": [2.0, 1.0, 4.0], "x": [3.0, 4.0, 6.0], "y": [8.0, 8.0, 2.0]}

    def throughput(self):
        return report.throughput(ROWS[0], self.COSTS, {"x": "m, batch 4"}).report(gflops=8)

    def test_throughput(self):
        found = self.throughput()
        self.assertEqual(found["best_peer"], "x")
        sutra, x = found["engines"]["sutra"], found["engines"]["x"]
        self.assertEqual((sutra["median"], sutra["low"], sutra["high"]), (2.0, 1.0, 4.0))
        self.assertIsNone(sutra["ratio"])
        self.assertEqual(sutra["ceiling_share"], 0.5)  # 8 GFLOP in 2 s of 8 GFLOP/s
        self.assertEqual((x["median"], x["low"], x["high"]), (1.0, 4 / 6, 4 / 3))
        self.assertEqual(x["ratio"], {"median": 1.5, "low": 1.5, "high": 4.0})  # each round's own
        self.assertEqual((x["ceiling_share"], x["how"]), (0.25, "m, batch 4"))
        self.assertEqual(found["engines"]["y"]["ratio"]["median"], 4.0)

    def test_rates_and_times(self):
        tokens = report.Measure("t", "M tokens/s", {"sutra": [0.05], "x": [1.0]}, lambda cost: 1 / cost).report(1)
        self.assertEqual((tokens["engines"]["sutra"]["median"], tokens["engines"]["x"]["ratio"]["median"]), (20, 20))
        self.assertIsNone(tokens["engines"]["x"]["ceiling_share"])
        time = report.milliseconds("q", {"sutra": [0.001], "x": [0.0025]}, {}).report(1)
        self.assertEqual((time["engines"]["x"]["median"], time["engines"]["x"]["ratio"]["median"]), (2.5, 2.5))

    def test_percentile(self):
        self.assertEqual(report.percentile(list(range(200, 0, -1)), 0.99), 199)

    def part(self, compute, cosine):
        agreement = {"min_cosine": cosine, "max_difference": 0, "row": "passages", "row_mean": cosine,
                     "row_min": cosine, "sts": 82.034, "sts_drop": 0.125}
        facts = {n: {"peak_mb": 30, "interpreter_mb": 10, "version": f"{n} 1", "query_p99_ms": 7.0,
                     "agreement": agreement if n == "y" else {**agreement, "min_cosine": 1.0, "row_mean": 1.0}}
                 for n in ("sutra", "x", "y")}
        return {"compute": compute, "ceiling": 8, "failures": {"z": "no module named z"}, "engines": facts,
                "measures": [self.throughput(), report.plain("memory", "MB", {"sutra": [20], "x": [40]}).report(8)]}

    def markdown(self, *parts):
        return report.markdown({
            "date": "D", "processor": "P", "threads": 2, "model": "M", "rounds": 3, "load": "0", "reference": "sutra",
            "command": "make bench", "parts": parts,
            "peak": {"threads": 2, "fp32_gflops": 8, "fp32_range": [7, 9], "bf16_gflops": {"AMX": 80}, "int8_gops": {},
                     "read": [{"kb_per_core": 16, "gbs": 50}, {"kb_per_core": 2048, "gbs": 20}]}}).splitlines()

    def test_markdown(self):
        lines = self.markdown(self.part("fp32", 0.99))
        for line in ("## fp32", "Not measured: z: no module named z",
                     "| long | texts/s | 2.0 (1.0-4.0) | x | 1.0 (0.7-1.3) | 1.50 (1.50-4.00) | 50 % | 25 % |",
                     "| memory | MB | 20.0 | x | 40.0 | 2.00 |  |  |",
                     "| long | x | 1.0 (0.7-1.3) texts/s | 1.50 (1.50-4.00) | 25 % | m, batch 4 |",
                     "|  | 16 KB | 2 MB |", "| GB/s | 50 | 20 |",
                     "| y | 0.990000 **differs** | 0.990000 | 0.990000 | 0.0e+00 | 82.03 | 0.12 | 7.00 | 10 | y 1 |"):
            self.assertIn(line, lines)
        self.assertTrue([line for line in lines if "GFLOP/s (7-9); bf16 dot product AMX 80 GFLOP/s. " in line])

    def test_markdown_of_precisions(self):
        lines = self.markdown(self.part("bf16", 0.99), self.part("int8", 0.99))
        bf16, int8 = lines.index("## bf16"), lines.index("## int8")
        marked = [i for i, line in enumerate(lines) if "**differs**" in line]
        self.assertEqual(len(marked), 1)  # of int8 less is asked
        self.assertTrue(bf16 < marked[0] < int8)
        self.assertTrue(report.differs({"row_mean": float("nan")}, "int8"))


if __name__ == "__main__":
    unittest.main()
