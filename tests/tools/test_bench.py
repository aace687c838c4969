#!/usr/bin/env python3
"""The reports of sutra bench, with few and short samples of a tiny model: what they hold, not how fast anything is.

usage: test_bench.py --program build/release/sutra [unittest arguments]
"""

import argparse
import json
import math
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent.parent
PROGRAM = None
MODEL = SOURCE / "tests/data/golden/models/base"
CONFIG = json.loads((MODEL / "config.json").read_text(encoding="utf-8"))
HIDDEN, FFN, HEADS = CONFIG["hidden_size"], CONFIG["intermediate_size"], CONFIG["num_attention_heads"]
LAYERS = CONFIG["num_hidden_layers"]


def run(*args):
    env = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "SUTRA_"))}
    done = subprocess.run([PROGRAM, "bench", *map(str, args), "--quick"], capture_output=True, env=env, check=False)
    if done.returncode or done.stderr:
        raise AssertionError(f"{args}: exit code {done.returncode}: {done.stderr.decode()}")
    return done.stdout.decode()


def strict(text):
    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")
    return json.loads(text, parse_constant=refuse)


def report(*args):
    text = run(*args, "--json")
    assert text.count("\n") == 1, text
    return strict(text)


def text_flops(tokens):
    linear = 2 * tokens * (4 * HIDDEN * HIDDEN + 2 * HIDDEN * FFN)
    return LAYERS * (linear + 4 * tokens * tokens * HIDDEN)


class Bench(unittest.TestCase):
    def positive(self, row, *names):
        for name in names:
            self.assertIsInstance(row[name], (int, float), (name, row))
            self.assertTrue(math.isfinite(row[name]) and row[name] > 0, (name, row))

    def noted(self, row, share="share %"):
        """A share that cannot be is never printed without its note."""
        if isinstance(row[share], (int, float)) and row[share] > 105:
            self.assertIn("untrustworthy", row["note"])
        if not row["note"]:
            self.assertTrue(row[share] == "-" or row[share] <= 105.0001, row)

    def check_kernel(self, row, peak):
        rows, n, k = row["rows"], row["n"], row["k"]
        residual = "residual" in row["use"]
        flops, read, written = {
            "gemm_f32": (2 * rows * n * k, rows * k + n * k + n + residual * rows * n, rows * n),
            "gemm_f16": (2 * rows * n * k, rows * k + n * k / 2 + n + residual * rows * n, rows * n),
            "attention_f32": (4 * rows * n * k, (rows + 2 * n) * k, rows * k),
            "layer_norm_f32": (8 * rows * n, (rows + 2) * n, rows * n),
            "embed_norm_f32": (10 * rows * n, (2 * rows + 3) * n, rows * n),
            "pool_f32": ((rows + 1) * n, rows * n, n),
            "activate_f32": (32 * rows * n, rows * n, rows * n),
            "sum_of_squares_f32": (2 * n, n, 0),
            "dot_f32": (2 * n, 2 * n, 0),
            "scale_f32": (n, n, n),
            "output_f32": (3 * n, n, n),
            "output_f16": (3 * n, n, n / 2),
            "output_u8": (3 * n, n, n / 4),
            "output_ranged_u8": (5 * n, 3 * n, n / 4),
            "output_bits": (3 * n, n, n / 32),
            "widen_f16": (0, n / 2, n),
            "widen_bf16": (0, n / 2, n),
        }[row["kernel"]]
        self.assertEqual((row["flops"], row["bytes"]), (flops, 4 * (read + written)), row)
        self.positive(row, "us", "bytes", "GB/s", "read GB/s", "share %", "ran %")
        self.assertEqual(row["copy GB/s"] > 0, written > 0, row)
        traffic = max(row["read GB/s"], row["copy GB/s"])
        self.assertAlmostEqual(row["FLOP/byte"], flops / row["bytes"])
        ceiling = min(peak, row["FLOP/byte"] * traffic)
        self.assertTrue(math.isclose(row["ceiling GFLOP/s"], ceiling, rel_tol=1e-9), row)
        share = row["GFLOP/s"] / ceiling if flops else row["GB/s"] / traffic
        self.assertTrue(math.isclose(row["share %"], 100 * share, rel_tol=1e-9), row)
        self.assertEqual(row["limit"], "memory" if row["FLOP/byte"] * traffic < peak else "fma")
        self.assertIn(row["level"], ("L1", "L2", "L3", "memory"))
        self.noted(row)

    def test_kernels(self):
        for threads in (1, 2):
            found = report("kernels", "-m", MODEL, "--threads", threads)
            self.assertEqual(found["benchmark"], "kernels")
            facts = {row["what"]: row["value"] for row in found["machine"]}
            self.assertEqual(facts["threads at once"], threads)
            for row in found["roofline"]:
                self.check_kernel(row, facts["fma peak"])
            # a sample of the peak before and after each sample of each kernel
            self.assertGreaterEqual(facts["samples of the peak, of which the best"], 4 * len(found["roofline"]))
            for kernel in ("gemm_f32", "gemm_f16"):
                gemms = {(row["use"], row["n"], row["k"]) for row in found["roofline"] if row["kernel"] == kernel}
                self.assertEqual(gemms, {("qkv", 3 * HIDDEN, HIDDEN), ("attention out + residual", HIDDEN, HIDDEN),
                                         ("up + activation", FFN, HIDDEN), ("down + residual", HIDDEN, FFN)})

    def test_kernels_without_a_model(self):
        found = report("kernels")
        self.assertEqual(found["machine"][0]["value"], "all-MiniLM-L6-v2")
        self.assertTrue({(1152, 384), (1536, 384), (384, 1536)} <= {(r["n"], r["k"]) for r in found["roofline"]})

    def test_throughput(self):
        found = report("-m", MODEL, "--threads", 2)
        self.assertEqual(found["benchmark"], "throughput")
        lengths = [row["tokens each"] for row in found["throughput"]]
        limit = CONFIG["max_position_embeddings"]
        self.assertEqual(lengths, [n for n in (16, 64, 128, 256, 512) if n <= limit] or [min(16, limit)])
        for row in found["throughput"]:
            self.positive(row, "texts/s", "tokens/s", "GFLOP/s", "share %", "p50 ms", "p50 share %")
            self.assertTrue(row["p50 ms"] <= row["p90 ms"] <= row["p99 ms"], row)
            flops = text_flops(row["tokens each"]) * row["texts/s"]
            self.assertTrue(math.isclose(row["GFLOP/s"] * 1e9, flops, rel_tol=1e-6), row)
            self.noted(row)
        start = found["warm sessions"][0]
        self.positive(start, "starts", "open ms", "warm-up ms", "first ms", "p50 ms", "first / p50")
        self.assertGreaterEqual(start["largest"], start["first / p50"])

    def check_breakdown(self, name, rows, whole):
        operations = [row["operation"] for row in rows]
        self.assertEqual(operations, ["tokenise", "embed + norm", "qkv", "attention",
                                      "attention out + residual", "attention norm", "up + activation",
                                      "down + residual", "feed-forward norm", "rows converted", "pooling + output",
                                      "everything else", "all"], name)
        by_name = {row["operation"]: row for row in rows}
        parts = [row for row in rows if row["operation"] != "all"]
        self.assertTrue(math.isclose(sum(row["ms"] for row in parts), by_name["all"]["ms"], rel_tol=1e-6), name)
        self.assertTrue(math.isclose(by_name["all"]["ms"], whole["ms with clocks"], rel_tol=1e-9))
        for operation in ("qkv", "attention", "attention out + residual", "up + activation", "down + residual",
                          "attention norm", "feed-forward norm", "embed + norm", "pooling + output"):
            self.positive(by_name[operation], "ms", "part %", "calls", "GFLOP/s", "share %")
            self.noted(by_name[operation])
        # every token passes two norms a layer and one of the embeddings
        tokens = round(whole["texts"] * whole["tokens each"])
        self.assertEqual(by_name["attention norm"]["calls"], LAYERS * tokens)
        self.assertEqual(by_name["feed-forward norm"]["calls"], LAYERS * tokens)
        # the products of the operations are those of the texts
        products = sum(row["GFLOP/s"] * row["ms"] for row in parts
                       if row["operation"] in ("qkv", "attention", "attention out + residual", "up + activation",
                                               "down + residual"))
        self.assertTrue(math.isclose(products, by_name["all"]["GFLOP/s"] * by_name["all"]["ms"], rel_tol=1e-6), name)

    def test_breakdown(self):
        with tempfile.TemporaryDirectory() as folder:
            texts = Path(folder, "texts.txt")
            texts.write_text("a green garden\nthe river at night\nmusic\n", encoding="utf-8")
            for threads in (1, 2):
                found = report("breakdown", "-m", MODEL, "--threads", threads, "-i", texts)
                rows = {row["row"]: row for row in found["rows"]}
                self.assertEqual(list(rows), ["128 tokens", "16 tokens", "query of 11 tokens", "given texts"])
                self.assertEqual(rows["given texts"]["texts"], 3)
                self.assertEqual(rows["query of 11 tokens"]["tokens each"], 11)
                for name, whole in rows.items():
                    self.positive(whole, "ms", "texts/s", "GFLOP/s", "share %")
                    self.check_breakdown(name, [row for row in found["breakdown"] if row["row"] == name], whole)

    def test_shares_of_other_precisions(self):
        """Each precision has the ceiling of its own instruction."""
        names = {"fp32": "fma", "fp16": "fma", "bf16": "fma|vdpbf16ps|tdpbf16ps", "int8": "fma|vpmaddwd|vpdpbusd|tdpbusd|smull|sdot"}
        for compute, instructions in names.items():
            found = report("breakdown", "-m", MODEL, "--compute", compute)
            (peak, rate), = [(row["what"], row["value"]) for row in found["machine"] if "peak" in row["what"]]
            self.assertRegex(peak, f"^({instructions}) peak, all threads at once$")
            for row in found["rows"]:
                self.positive(row, "ms", "share %")
                self.assertAlmostEqual(row["share %"], 100 * row["GFLOP/s"] / rate, delta=1e-6 * row["share %"])

    def test_requests(self):
        found = report("requests", "-m", MODEL, "--threads", "2")
        rows = found["requests of one text each, beside one call"]
        self.assertEqual([(row["way"], row["threads"], row["texts"]) for row in rows],
                         [("one call", 1, "passages"), ("jobs", 1, "passages"), ("jobs", 8, "passages"),
                          ("jobs", 64, "passages"), ("calls", 64, "passages"), ("one call", 1, "queries"), ("calls of 64 texts", 1, "queries"),
                          ("calls", 8, "queries"), ("calls", 64, "queries")])
        base = {}
        for row in rows:
            self.positive(row, "number", "texts/s", "beside one call", "tokens a batch")
            if row["way"] == "one call":
                base[row["texts"]] = row["texts/s"]
                self.assertEqual((row["beside one call"], row["lowest"], row["highest"]), (1, 1, 1))
            # one round: a ratio is that of the rates
            self.assertAlmostEqual(row["beside one call"], row["texts/s"] / base[row["texts"]], places=6)
        lone = found["a lone query"]
        self.assertEqual([row["way"] for row in lone],
                         ["sutra_embed_into", "sutra_embed", "sutra_submit, sutra_job_wait"])
        for row in lone:
            self.positive(row, "p50 us")
            self.assertLessEqual(row["p50 us"], row["p99 us"])
            self.assertAlmostEqual(row["over the first us"], row["p50 us"] - lone[0]["p50 us"], places=6)

    def test_ablation(self):
        found = report("ablation", "-m", MODEL, "--threads", 2)
        facts = {row["what"]: row["value"] for row in found["sample"]}
        self.assertGreater(facts["tokens"], facts["texts"])
        names = [row["variant"] for row in found["steps"]]
        self.assertEqual(names[:4], ["naive", "+ model kept loaded", "+ packing, no padding", "+ batching"])
        self.assertEqual(names[-4:], ["+ fusion", "+ flash attention", "+ threads", "the engine itself"])
        for row in found["steps"] + found["without"]:
            self.positive(row, "ms", "texts/s", "attention MB")
            self.assertGreater(row["least cosine"], 0.99999, row)
        self.assertEqual(found["steps"][0]["times naive"], 1)
        without = [row["variant"] for row in found["without"]]
        for word in ("loaded", "packing", "batching", "fusion", "flash", "threads"):
            self.assertTrue(any(word in name for name in without), word)
        self.assertEqual([row["from"] for row in found["start"]], ["folder", "folder, making the bundle", "bundle"])
        types = ["float32", "float16", "int8, fixed", "uint8, fixed", "int8, ranges", "uint8, ranges", "binary", "ubinary"]
        self.assertEqual([(row["dim"], row["type"]) for row in found["output"]],
                         [(dim, kind) for dim in (384, 1024) for kind in types])
        for row in found["output"]:
            self.positive(row, "fused ns", "separate ns", "times")
        for row in found["flash"]:
            self.positive(row, "tokens", "flash ms", "window ms", "all scores ms", "flash MB")
            scores = row["all scores MB"] - row["flash MB"]
            self.assertTrue(math.isclose(scores, 4e-6 * HEADS * row["tokens"] ** 2, rel_tol=1e-6), row)
        short, long = found["flash"]  # memory grows with the tokens, not with their square
        self.assertLess(short["flash MB"], long["flash MB"])
        self.assertLessEqual(long["flash MB"] / short["flash MB"], long["tokens"] / short["tokens"])

    def test_no_bundle_is_left_behind(self):
        with tempfile.TemporaryDirectory() as folder:
            env = dict(os.environ, TMPDIR=folder)
            subprocess.run([PROGRAM, "bench", "ablation", "-m", MODEL, "--quick"], check=True, capture_output=True,
                           env=env)
            self.assertEqual(os.listdir(folder), [])

    def interrupt(self, folder, number, pattern, pause):
        """Exit code of a run that gets the signal `pause` seconds after a file of that pattern is there."""
        def listen():  # a shell's background jobs ignore SIGINT
            signal.signal(number, signal.SIG_DFL)
        args = [PROGRAM, "bench", "ablation", "-m", MODEL]
        with subprocess.Popen(args, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=listen,
                              env=dict(os.environ, TMPDIR=folder)) as run:
            while run.poll() is None and not list(Path(folder).glob(pattern)):
                time.sleep(0.001)
            time.sleep(pause)
            run.send_signal(number)
        return run.returncode

    def test_no_bundle_is_left_behind_by_a_signal(self):
        with tempfile.TemporaryDirectory() as folder:
            for number in (signal.SIGINT, signal.SIGTERM):
                for pattern in ("sutra-bench-*", "sutra-bench-*/*", "sutra-bench-*/*.sutra"):
                    codes = []
                    while 128 + number not in codes[-3:]:  # a run may end before the signal is there
                        codes.append(self.interrupt(folder, number, pattern, 0.003 * len(codes) % 0.01))
                        self.assertIn(codes[-1], (0, 128 + number))
                        self.assertEqual(os.listdir(folder), [], codes)

    def test_table(self):
        lines = run("kernels", "-m", MODEL).splitlines()
        for title in ("machine", "roofline"):
            self.assertIn(title, lines)
        header = lines[lines.index("roofline") + 1]
        self.assertTrue(header.startswith("kernel") and "share %" in header, header)


def main():
    global PROGRAM
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True)
    options, rest = parser.parse_known_args()
    PROGRAM = os.path.abspath(options.program)
    unittest.main(argv=[sys.argv[0], *rest])


if __name__ == "__main__":
    main()
