#!/usr/bin/env python3
"""Sutra beside its peers on this machine: same texts, same threads, text to normalised fp32 vector, interleaved.

usage: run.py [--peers a,b] [--rows TEXT] [--batch N] [--rounds N] [--threads N] [--small] [--model DIR] [--out DIR]

Each engine is a process of its own that stays loaded; the rounds go over all of them in turn, in an order that
rotates, so that a slow minute of the machine meets every one. Before that each finds its best batch size on each row.
Reported are medians and ranges over the rounds. The share of the ceiling is the encoder's arithmetic on real tokens
over what bench/peak.c measures with the same threads. Vectors are compared with sentence-transformers'.
Writes peers.json and peers.md to build/bench.
"""

import argparse
import datetime
import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE))
from engines import ENGINES  # noqa: E402
from text_sets import make_rows  # noqa: E402

REFERENCE = "st-torch"
PACKAGES = {"st-torch": ("sentence-transformers", "torch", "transformers"), "onnxruntime": ("onnxruntime",),
            "openvino": ("openvino",), "ctranslate2": ("ctranslate2",), "llama.cpp": ("llama-cpp-python",)}
MAX_TOKENS = 256
DIM = 384


class Server:
    """A peer's process."""

    def __init__(self, name, settings_file, log_folder):
        self.name = name
        log = open(log_folder / f"{name}.log", "w", encoding="utf-8")
        self.process = subprocess.Popen([sys.executable, str(HERE / "server.py"), name, settings_file],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True)
        self.receive()

    def receive(self):
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"{self.name} ended; see its log in build/bench")
        return json.loads(line)

    def ask(self, **request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return self.receive()

    def encode(self, row, batch, save=None):
        return self.ask(op="encode", texts=row.file, batch=batch, save=save)["seconds"]

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def measure_peak(work, threads):
    program = work / "peak"
    subprocess.run(["cc", "-O3", "-march=native", "-ffp-contract=fast", "-pthread", str(ROOT / "bench/peak.c"), "-o",
                    str(program)], check=True)
    return json.loads(subprocess.run([str(program), str(threads)], check=True, capture_output=True).stdout)


def tune(servers, rows):
    """(engine, row) -> batch size: the best of two passes each."""
    best = {}
    for server in servers:
        for row in rows:
            sizes = ENGINES[server.name][1]
            times = {size: min(server.encode(row, size) for _ in range(2)) for size in sizes}
            best[server.name, row.name] = min(times, key=times.get)
    return best


def rounds_of(servers, rows, batches, rounds):
    """(engine, row) -> seconds of each round."""
    seconds = {(s.name, r.name): [] for s in servers for r in rows}
    for number in range(rounds):
        for row in rows:
            for shift in range(len(servers)):
                server = servers[(number + shift) % len(servers)]
                seconds[server.name, row.name].append(server.encode(row, batches[server.name, row.name]))
        print(f"round {number + 1} of {rounds}", file=sys.stderr, flush=True)
    return seconds


def latencies_of(servers, queries, rounds):
    """engine -> seconds of every query of every round, after one round that does not count."""
    seconds = {s.name: [] for s in servers}
    for number in range(rounds + 1):
        for server in servers:
            took = server.ask(op="latency", texts=queries.file)["seconds"]
            if number:
                seconds[server.name] += took
    return seconds


def compare(servers, rows, batches, work):
    """engine -> over all rows: smallest cosine to and largest difference from the reference."""
    facts = {s.name: {"min_cosine": 1.0, "max_difference": 0.0} for s in servers}
    if not any(s.name == REFERENCE for s in servers):
        return {}
    for row in rows:
        for server in sorted(servers, key=lambda s: s.name != REFERENCE):
            file = str(work / f"vectors-{server.name}.npy")
            server.encode(row, batches[server.name, row.name], save=file)
            vectors = np.load(file)
            if server.name == REFERENCE:
                expected = vectors
            fact = facts[server.name]
            fact["min_cosine"] = min(fact["min_cosine"], float((vectors * expected).sum(1).min()))
            fact["max_difference"] = max(fact["max_difference"], float(np.abs(vectors - expected).max()))
    return facts


FIRST_VECTOR = ("import json,sys;sys.path.insert(0,sys.argv[3]);from engines import ENGINES,limit_threads;"
                "s=json.load(open(sys.argv[2]));limit_threads(s['threads']);"
                "ENGINES[sys.argv[1]][0](s).encode(['The cat sat on the mat.'],1)")


def first_vector(name, settings, settings_file):
    """Seconds from the start of a process to its first vector. Sutra is its program, as a user would start it."""
    command = [sys.executable, "-c", FIRST_VECTOR, name, settings_file, str(HERE)]
    if name == "sutra":
        command = [str(ROOT / "build/release/sutra"), "embed", "-m", settings["model"], "--threads",
                   str(settings["threads"]), "The cat sat on the mat."]
    start = time.perf_counter()
    environment = {**os.environ, "SUTRA_CACHE": settings["work"] + "/cache"}  # not the user's
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        sys.exit(f"{name}: {done.stderr}")
    return time.perf_counter() - start


def start_times(names, settings, settings_file, rounds):
    """engine -> seconds of each round; the page cache is warm."""
    seconds = {n: [] for n in names}
    for _ in range(rounds):
        for name in names:
            seconds[name].append(first_vector(name, settings, settings_file))
    return seconds


def version_of(name):
    if name == "sutra":
        described = subprocess.run(["git", "-C", str(ROOT), "describe", "--always", "--dirty"], capture_output=True,
                                   text=True)
        return described.stdout.strip()
    return ", ".join(f"{p} {importlib.metadata.version(p)}" for p in PACKAGES[name])


def processor():
    for line in open("/proc/cpuinfo", encoding="utf-8"):
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def throughput_table(report):
    lines = ["| work | engine | texts/s, median (range) | of Sutra's time | share of fp32 ceiling | batch |",
             "|---|---|---|---|---|---|"]
    for row in report["rows"]:
        for name in report["engines"]:
            entry = row["engines"][name]
            ratio = f"{entry['relative_time']:.2f}x" if entry["relative_time"] else ""
            lines.append(f"| {row['name']} | {name} | {entry['median']:.1f} ({entry['low']:.1f}-{entry['high']:.1f}) "
                         f"| {ratio} | {100 * entry['ceiling_share']:.0f} % | {entry['batch'] or ''} |")
    return lines


def other_table(report):
    lines = ["| engine | 11-token query p50 / p99, ms | process start to first vector, ms | peak memory, MB "
             "| smallest cosine | largest difference | version |", "|---|---|---|---|---|---|---|"]
    for name in report["engines"]:
        query, agree = report["queries"][name], report["agreement"].get(name)
        close = f"{agree['min_cosine']:.7f} | {agree['max_difference']:.1e}" if agree else "|"
        lines.append(f"| {name} | {query['p50_ms']:.2f} / {query['p99_ms']:.2f} | {report['start_ms'][name]:.0f} "
                     f"| {report['peak_mb'][name]:.0f} | {close} | {report['versions'][name]} |")
    return lines


def markdown(report):
    head = [f"{report['date']}, {report['processor']}, {report['threads']} threads, model {report['model']}, fp32, "
            f"{report['rounds']} rounds, load average {report['load']}; ceiling {report['peak']['fp32_gflops']:.0f} "
            "GFLOP/s fp32.", "Command: `make bench`."]
    return "\n".join(head + [""] + throughput_table(report) + [""] + other_table(report)) + "\n"


def row_report(row, names, seconds, batches, peak):
    engines = {}
    sutra = statistics.median(seconds["sutra", row.name]) if "sutra" in names else None
    for name in names:
        took = seconds[name, row.name]
        middle = statistics.median(took)
        engines[name] = {
            "median": len(row.texts) / middle, "low": len(row.texts) / max(took), "high": len(row.texts) / min(took),
            "relative_time": middle / sutra if sutra else None, "batch": batches[name, row.name],
            "ceiling_share": row.flops / middle / (peak["fp32_gflops"] * 1e9), "seconds": took}
    return {"name": row.name, "texts": len(row.texts), "tokens": sum(row.lengths), "engines": engines}


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", default=",".join(ENGINES), help="of: " + ", ".join(ENGINES))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--rows", default="", help="only rows whose name holds this, e.g. 128")
    parser.add_argument("--batch", type=int, help="this batch size for every peer instead of a sweep")
    parser.add_argument("--small", action="store_true", help="an eighth of the texts")
    parser.add_argument("--model", default=str(ROOT / ".cache/model"))
    parser.add_argument("--passages", default=os.environ.get("SUTRA_SHARED_DATA", str(ROOT.parent / "shared/data"))
                        + "/passages.txt")
    parser.add_argument("--library", default=str(ROOT / "build/release/libsutra.so"))
    parser.add_argument("--out", type=Path, default=ROOT / "build/bench")
    arguments = parser.parse_args()
    unknown = set(arguments.peers.split(",")) - set(ENGINES)
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}")
    return arguments


def main():
    args = parse_arguments()
    work = args.out
    work.mkdir(parents=True, exist_ok=True)
    names = args.peers.split(",")
    settings = {"model": os.path.realpath(args.model), "library": args.library, "work": str(work),
                "threads": args.threads, "max_tokens": MAX_TOKENS, "dim": DIM}
    settings_file = str(work / "settings.json")
    Path(settings_file).write_text(json.dumps(settings))
    rows, queries = make_rows(settings["model"], args.passages, MAX_TOKENS, work, args.small)

    load = os.getloadavg()[0]
    peak = measure_peak(work, args.threads)
    for name in names:  # makes the peers' own model files, in processes that are not measured
        first_vector(name, settings, settings_file)
    servers = [Server(name, settings_file, work) for name in names]
    rows = [row for row in rows if args.rows in row.name]
    batches = {(s.name, r.name): args.batch for s in servers for r in rows} if args.batch else tune(servers, rows)
    seconds = rounds_of(servers, rows, batches, args.rounds)
    latencies = latencies_of(servers, queries, 3)
    agreement = compare(servers, rows, batches, work)
    memory = {s.name: s.ask(op="memory")["peak_mb"] for s in servers}
    for server in servers:
        server.close()
    starts = start_times(names, settings, settings_file, args.rounds)

    report = {
        "date": datetime.date.today().isoformat(), "processor": processor(), "threads": args.threads,
        "model": os.path.basename(args.model), "rounds": args.rounds, "load": f"{load:.2f}", "peak": peak,
        "engines": names, "versions": {n: version_of(n) for n in names},
        "rows": [row_report(r, names, seconds, batches, peak) for r in rows],
        "queries": {n: {"p50_ms": 1e3 * percentile(v, 0.5), "p99_ms": 1e3 * percentile(v, 0.99)}
                    for n, v in latencies.items()},
        "start_ms": {n: 1e3 * statistics.median(v) for n, v in starts.items()},
        "peak_mb": memory, "agreement": agreement,
    }
    (work / "peers.json").write_text(json.dumps(report, indent=1))
    (work / "peers.md").write_text(markdown(report))
    print(markdown(report), end="")


if __name__ == "__main__":
    main()
