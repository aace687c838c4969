#!/usr/bin/env python3
"""Sutra on a GPU beside sentence-transformers and torch in fp16, interleaved in one run.

usage: bench/cuda.py [--texts FILE] [--tokenizer FOLDER] [--quick] [--only ROW] [--rounds 3] [--seconds 10] [--output FILE]

Prints a Markdown table, and writes build/bench/cuda.json with all figures. Needs torch, transformers and
sentence-transformers (SUTRA_PEERS_PYTHON of the Makefile); libsutra, cuda_forward and the plugin lie in build/release.

Rows (--only: a part of the name):
  passages   MiniLM's shape, --texts one a line: texts to vectors in host memory, all distinct, at least --seconds a round
  short      the same with texts of 12 words
  query      one short text at a time: median and 99th percentile over distinct ones
  MiniLM, base, large  forward passes of random token ids: 1024 texts of 128 tokens, 256 of 512; base: one of 128
The model of the text rows has random weights; the vectors of both sides are compared. The peers have the best of several
batch sizes. Medians of the rounds. Ends with 1 if a row failed.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

try:
    import numpy as np
except ImportError:
    sys.exit(f"bench/cuda.py: {sys.executable} has no numpy; SUTRA_PEERS_PYTHON names a Python with it, torch, transformers and "
             "sentence-transformers")

from cuda_model import SHAPES

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
SHARED = Path(os.environ.get("SUTRA_SHARED_DATA", ROOT.parent / "shared/data"))
BATCHES = (64, 128, 256, 512, 1024, 2048)
TEXT_ROWS = {"passages": "passages, MiniLM shape", "short": "12-word texts, MiniLM shape", "query": "one query, MiniLM shape"}
FORWARD_ROWS = [(shape, texts, tokens) for shape in SHAPES for texts, tokens in ((1024, 128), (256, 512))] + [("base", 1, 128)]
LEAST_COSINE = 0.999
COMPARED = 256


class RowFailed(Exception):
    """Why, in one line."""


def last_line(text):
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else "ended without a word"


class Worker:
    """A script that answers a line of JSON with another, ready."""

    def __init__(self, side, script, arguments, folder):
        self.side, self.log = side, Path(folder, f"{side}.log")
        with open(self.log, "w", encoding="utf-8") as log:
            self.process = subprocess.Popen([sys.executable, str(HERE / script), *arguments], stdin=subprocess.PIPE,
                                            stdout=subprocess.PIPE, stderr=log, text=True)
        self.first = self.receive()

    def receive(self):
        line = self.process.stdout.readline()
        if not line:
            self.close()
            raise RowFailed(f"{self.side}: {last_line(self.log.read_text(encoding='utf-8', errors='replace'))}")
        return json.loads(line)

    def ask(self, **request):
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # receive() says why
        return self.receive()

    def close(self):
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass
        self.process.wait()


class TextRows:
    """Both sides, loaded; each text number is asked for once a side and kind."""

    def __init__(self, arguments, folder):
        from cuda_model import write_model
        layers, hidden, ffn, heads = SHAPES["MiniLM"]
        self.arguments, self.folder, self.used = arguments, folder, {}
        model = folder / "model"
        try:
            write_model(model, arguments.tokenizer, (arguments.layers or layers, hidden, ffn, heads), 256)
        except (OSError, KeyError, ValueError) as error:
            raise RowFailed(f"the model could not be made: {error}") from error
        if not Path(arguments.texts).is_file():
            raise RowFailed(f"no texts at {arguments.texts} (--texts)")
        settings = {"library": arguments.library, "plugins": arguments.plugins, "device": arguments.device,
                    "compute": arguments.compute, "threads": arguments.threads, "model": str(model), "max_tokens": 256,
                    "dim": hidden, "texts": str(Path(arguments.texts).resolve()), "call": arguments.call,
                    "peer_device": arguments.peer_device, "peer_dtype": arguments.peer_dtype}
        file = folder / "settings.json"
        file.write_text(json.dumps(settings), encoding="utf-8")
        self.sides = {side: Worker(side, "cuda_worker.py", [side, str(file)], folder) for side in ("sutra", "peer")}

    def close(self):
        for worker in self.sides.values():
            worker.close()

    def numbers(self, side, kind, count):
        begin = self.used.get((side, kind), COMPARED)  # the first are those that are compared
        self.used[side, kind] = begin + count
        return {"kind": kind, "begin": begin, "end": begin + count}

    def rate(self, side, kind, count, batch):
        """Texts a second."""
        done = self.sides[side].ask(op="rate", batch=batch, **self.numbers(side, kind, count))
        return done["texts"] / done["seconds"]

    def compare(self, kind):
        """(least cosine of the sides' vectors, tokens a text)"""
        files = {side: str(self.folder / f"{side}.npy") for side in self.sides}
        tokens = {side: self.sides[side].ask(op="vectors", kind=kind, begin=0, end=COMPARED, save=file)["tokens"]
                  for side, file in files.items()}
        a, b = (np.load(file).astype(np.float64) for file in files.values())
        least = float(np.min(np.sum(a * b, 1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)))
        others = float(np.median(np.sum(a * np.roll(b, 1, 0), 1)))
        if not least >= LEAST_COSINE:
            raise RowFailed(f"the sides' vectors differ: least cosine {least:.5f}")
        if not others < least:
            raise RowFailed(f"the vectors tell no text from another, cosine {others:.5f}: that the sides agree says nothing")
        return {"least_cosine": least, "cosine_of_others": others, "tokens_a_text": tokens["peer"] / COMPARED}

    def throughput(self, kind):
        facts, quick = self.compare(kind), self.arguments.quick
        rates = {batch: self.rate("peer", kind, max(4 * batch, 64 if quick else 8192), batch) for batch in self.arguments.batches}
        batch = max(rates, key=rates.get)
        rate = {"sutra": self.rate("sutra", kind, 64 if quick else 8192, 0), "peer": rates[batch]}
        rate["sutra"] = self.rate("sutra", kind, max(64, int(rate["sutra"] * self.arguments.seconds / 4)), 0)  # warm
        found = {"sutra": [], "peer": []}
        for _ in range(self.arguments.rounds):
            for side in found:
                count = max(64, int(1.1 * rate[side] * self.arguments.seconds))
                found[side].append(self.rate(side, kind, count, batch))
                rate[side] = found[side][-1]
        return {"unit": "texts/s", **medians(found), **facts, "peer_batch": batch,
                "peer_by_batch": {str(b): r for b, r in rates.items()}}

    def latency(self, kind):
        facts, found = self.compare(kind), {"sutra": [], "peer": []}
        count = 20 if self.arguments.quick else 500
        for side in found:
            self.sides[side].ask(op="latency", **self.numbers(side, kind, count))
        for _ in range(self.arguments.rounds):
            for side in found:
                found[side] += self.sides[side].ask(op="latency", **self.numbers(side, kind, count))["seconds"]
        p50 = {side: 1e3 * statistics.median(times) for side, times in found.items()}
        p99 = {side: 1e3 * float(np.percentile(times, 99)) for side, times in found.items()}
        return {"unit": "ms", **p50, **facts, "p99": p99, "queries": len(found["sutra"])}


def medians(found):
    return {**{side: statistics.median(values) for side, values in found.items()},
            "range": {side: [min(values), max(values)] for side, values in found.items()}}


def run_json(command):
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode:
        raise RowFailed(f"{Path(command[0]).name}: {last_line(done.stderr)}")
    return json.loads(done.stdout.splitlines()[-1])


def forward(arguments, shape, texts, tokens):
    layers, hidden, ffn, heads = SHAPES[shape]
    layers, seconds = arguments.layers or layers, 0.3 if arguments.quick else 2.0
    plugin = arguments.plugin or str(Path(arguments.plugins, f"sutra_{arguments.device.split(':')[0]}.so"))
    number = arguments.device.split(":")[1] if ":" in arguments.device else "0"
    ours = [arguments.forward, plugin, "--device", number, "--compute", arguments.compute, "--layers", str(layers), "--hidden",
            str(hidden), "--heads", str(heads), "--ffn", str(ffn), "--texts", str(texts), "--tokens", str(tokens),
            "--seconds", str(seconds), "--tokens-per-run", arguments.tokens_per_run]
    batches = [texts // part for part in (8, 4, 2, 1) if texts // part] if not arguments.quick else [min(texts, 8)]
    theirs = json.dumps({"shape": shape, "tokens": tokens, "batches": batches, "seconds": seconds / len(batches),
                         "layers": arguments.layers, "device": arguments.peer_device, "dtype": arguments.peer_dtype})
    found, details = {"sutra": [], "peer": []}, []
    figure = "p50_ms" if texts == 1 else "texts_per_s"
    run_json([*ours[:-3], "0.05", *ours[-2:]])  # says at once where there is no device
    with tempfile.TemporaryDirectory(prefix="sutra-cuda-") as folder:
        worker = Worker("torch", "cuda_torch.py", [theirs], folder)
        try:
            for _ in range(arguments.rounds):
                mine, other = run_json(ours), worker.ask()
                found["sutra"].append(mine["measured"][0][figure])  # the first size is what the engine would take
                found["peer"].append(other[figure])
                details.append({"sutra": mine, "peer": other})
        finally:
            worker.close()
    return {"unit": "ms" if texts == 1 else "texts/s", **medians(found), "details": details, **worker.first,
            "peer_batch": details[-1]["peer"]["batch"], "peer_way": details[-1]["peer"]["way"]}


def versions(arguments):
    found = {"time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "python": platform.python_version(),
             "cores": len(os.sched_getaffinity(0)), "compute": arguments.compute, "rounds": arguments.rounds,
             "seconds": arguments.seconds}
    for name in ("torch", "transformers", "sentence_transformers"):
        try:
            found[name] = __import__(name).__version__
        except ImportError as error:
            found[name] = f"not there: {error}"
    try:
        gpu = subprocess.run(["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"], capture_output=True,
                             text=True, check=True).stdout.splitlines()[0]
        found["gpu"], found["driver"] = (part.strip() for part in gpu.rsplit(",", 1))
    except (OSError, subprocess.CalledProcessError, IndexError, ValueError):
        found["gpu"] = found["driver"] = "unknown: nvidia-smi says nothing"
    return found


def table_line(name, row):
    if "failed" in row:
        return f"| {name} | failed: {row['failed']} | | |"
    digits, faster = (3, row["peer"] / row["sutra"]) if row["unit"] == "ms" else (0, row["sutra"] / row["peer"])
    sides = []
    for side in ("sutra", "peer"):
        text = f"{row[side]:,.{digits}f} {row['unit']}"
        if "p99" in row:
            text += f" (p99 {row['p99'][side]:.3f})"
        sides.append(text)
    notes = [f"batch {row['peer_batch']}" if "peer_batch" in row else "", row.get("peer_way", ""),
             f"cosine {row['least_cosine']:.5f}, {row['tokens_a_text']:.0f} tokens a text" if "least_cosine" in row else ""]
    return f"| {name} | {sides[0]} | {sides[1]} | {faster:.2f} | {', '.join(filter(None, notes))} |"


def parse_arguments(argv):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    release = ROOT / "build/release"
    parser.add_argument("--texts", default=str(SHARED / "passages.txt"))
    parser.add_argument("--tokenizer", default=os.environ.get("SUTRA_TEST_MODEL", str(ROOT / ".cache/model")))
    parser.add_argument("--library", default=str(release / "libsutra.so"))
    parser.add_argument("--plugins", default=str(release / "plugins"))
    parser.add_argument("--plugin", help="the file for cuda_forward (default: by --plugins and --device)")
    parser.add_argument("--forward", default=str(release / "cuda_forward"))
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--compute", default="fp16", choices=("fp32", "fp16", "bf16"))
    parser.add_argument("--threads", type=int, default=0, help="0: every core")
    parser.add_argument("--peer-device", default="cuda")
    parser.add_argument("--peer-dtype", default="float16", choices=("float16", "bfloat16", "float32"))
    parser.add_argument("--tokens-per-run", default="0", help="of cuda_forward; the first is the row's figure")
    parser.add_argument("--call", type=int, default=131072, help="texts of a call")
    parser.add_argument("--batches", default=None, help="of the peer")
    parser.add_argument("--layers", type=int, default=0, help="other than the shape's, to try this script out")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--quick", action="store_true", help="a smoke run: short, its figures mean nothing")
    parser.add_argument("--only", default="")
    parser.add_argument("--output", default=str(ROOT / "build/bench/cuda.json"))
    arguments = parser.parse_args(argv)
    arguments.rounds = arguments.rounds or (1 if arguments.quick else 3)
    arguments.seconds = arguments.seconds or (0.5 if arguments.quick else 10.0)
    try:
        arguments.batches = [int(word) for word in arguments.batches.split(",")] if arguments.batches else list(BATCHES)
    except ValueError:
        parser.error(f"--batches: \"{arguments.batches}\" is no list of numbers")
    if arguments.quick:
        arguments.batches = arguments.batches[:1]
    if min(arguments.batches) < 1:
        parser.error("--batches: at least 1")
    return parser, arguments


def measure(rows, name, work):
    try:
        rows[name] = work()
    except (RowFailed, OSError, ValueError, KeyError) as error:
        rows[name] = {"failed": str(error).split("\n", 1)[0]}
    print(table_line(name, rows[name]), flush=True)


def main(argv=None):
    parser, arguments = parse_arguments(argv)
    wanted = lambda *names: any(arguments.only.lower() in name.lower() for name in names)  # noqa: E731
    texts = [kind for kind, name in TEXT_ROWS.items() if wanted(kind, name)]
    shapes = [(row, name) for row in FORWARD_ROWS if wanted(name := f"{row[0]} forward, {row[1]} x {row[2]} tokens")]
    if not texts and not shapes:
        parser.error(f"--only: no row's name has \"{arguments.only}\"")
    facts, rows = versions(arguments), {}
    print(f"{facts['gpu']}, driver {facts['driver']}, {facts['cores']} cores, torch {facts['torch']}, sentence-transformers "
          f"{facts['sentence_transformers']}, {arguments.compute}, {arguments.rounds} rounds\n\n"
          "| row | Sutra | peer | times faster | notes |\n|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory(prefix="sutra-cuda-") as folder:
        sides = None
        for kind in texts:
            def row(kind=kind):
                nonlocal sides
                sides = sides or TextRows(arguments, Path(tempfile.mkdtemp(dir=folder)))
                return sides.latency(kind) if kind == "query" else sides.throughput(kind)
            measure(rows, TEXT_ROWS[kind], row)
            if "failed" in rows[TEXT_ROWS[kind]] and sides:
                sides.close()  # a side may be gone: the next row starts them anew
                sides = None
        if sides:
            sides.close()
        for (shape, count, tokens), name in shapes:
            measure(rows, name, lambda s=shape, c=count, t=tokens: forward(arguments, s, c, t))
    output = Path(arguments.output)
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps({**facts, "rows": rows}, indent=1) + "\n", encoding="utf-8")
    return 1 if any("failed" in row for row in rows.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
