#!/usr/bin/env python3
"""bench/peers with engines whose times and vectors are made up: the sweep's choice, the order of the rounds, medians,
ratios, shares of the ceiling, and that an engine that cannot be used is named.

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

    def tune(self, start, **peer):
        with fake_peers(x={"modes": self.MODES, "batches": self.BATCHES, **peer}):
            return measure.tune(start, ["x"], ROWS, QUERIES)

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
            bench = measure.Bench({"work": folder, "threads": 1, "model": folder, "bundle": "m.sutra"}, "sutra")
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

    def test_agreement(self):
        ours = np.array([[1, 0], [0, 1]], np.float32)
        theirs = np.array([[1, 0], [0.6, 0.8]], np.float32)
        servers = {("sutra", ""): FakeServer("sutra", "", {("", "long", 0): 1.0}, {}, vectors=ours),
                   ("x", "m"): FakeServer("x", "m", {("m", "long", 4): 1.0}, {}, vectors=theirs)}
        with tempfile.TemporaryDirectory() as folder:
            found = measure.compare(servers, self.CHOICES, ROWS[:1], Path(folder), "sutra")
        self.assertEqual(found["sutra"], {"min_cosine": 1.0, "max_difference": 0.0})
        self.assertAlmostEqual(found["x"]["min_cosine"], 0.8, places=6)
        self.assertAlmostEqual(found["x"]["max_difference"], 0.6, places=6)

    def test_peaks(self):
        samples = [{"threads": 2, "fp32_gflops": rate, "read": [{"kb_per_core": 16, "gbs": read}]}
                   for rate, read in ((100.0, 5.0), (300.0, 4.0), (200.0, 9.0))]
        peak = measure.median_peak(samples)
        self.assertEqual((peak["fp32_gflops"], peak["fp32_range"]), (200.0, [100.0, 300.0]))
        self.assertEqual(peak["read"], [{"kb_per_core": 16, "gbs": 5.0}])
        self.assertEqual(peak["samples"], samples)


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

    def test_markdown(self):
        facts = {n: {"peak_mb": 30, "interpreter_mb": 10, "version": f"{n} 1", "query_p99_ms": 7.0,
                     "agreement": {"min_cosine": cosine, "max_difference": 0}}
                 for n, cosine in (("sutra", 1.0), ("x", 1.0), ("y", 0.99))}
        text = report.markdown({
            "date": "D", "processor": "P", "threads": 2, "model": "M", "rounds": 3, "load": "0", "reference": "sutra",
            "command": "make bench", "failures": {"z": "no module named z"}, "engines": facts,
            "peak": {"threads": 2, "fp32_gflops": 8, "fp32_range": [7, 9],
                     "read": [{"kb_per_core": 16, "gbs": 50}, {"kb_per_core": 2048, "gbs": 20}]},
            "measures": [self.throughput(), report.plain("memory", "MB", {"sutra": [20], "x": [40]}).report(8)]})
        for line in ("Not measured: z: no module named z",
                     "| long | texts/s | 2.0 (1.0-4.0) | x | 1.0 (0.7-1.3) | 1.50 (1.50-4.00) | 50 % | 25 % |",
                     "| memory | MB | 20.0 | x | 40.0 | 2.00 |  |  |",
                     "| long | x | 1.0 (0.7-1.3) texts/s | 1.50 (1.50-4.00) | 25 % | m, batch 4 |",
                     "|  | 16 KB | 2 MB |", "| GB/s | 50 | 20 |",
                     "| y | 7.00 | 10 | 0.9900000 **differs** | 0.0e+00 | y 1 |"):
            self.assertIn(line, text.splitlines())


if __name__ == "__main__":
    unittest.main()
