#!/usr/bin/env python3
"""Sutra beside its peers on this machine: same texts, same threads, text to normalised fp32 vector, interleaved.

usage: run.py [--compute fp32,bf16,int8] [--peers a,b] [--rows TEXT] [--batch N] [--rounds N] [--threads N] [--small]
              [--model DIR] [--out DIR]

Each engine is a process of its own that stays loaded; the rounds go over all of them in turn, in an order that
rotates, so that a slow minute of the machine meets every one. Before that each finds its best mode and batch size on
each row. Reported are medians and ranges over the rounds; a ratio is the median of each round's own. The share of the
ceiling is the encoder's arithmetic on real tokens over what bench/peak.c measures with the same threads between the
rounds, in the precision. Vectors are compared with Sutra's of fp32. With several precisions the engines of all take
turns in one run, and each precision has its own tables. No text occurs twice in a row's, and no engine caches vectors.
Writes peers.json and peers.md to build/bench; the logs of the engines' processes are there too.
"""

import argparse
import datetime
import json
import os
import platform
import shlex
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE))
from engines import COMPUTES, PEERS, TOKENIZERS, bundle, entry, parts  # noqa: E402
from measure import (Bench, PeerFailed, compare, compile_peak, median_peak, run_rounds, start_chosen,  # noqa: E402
                     sts, tune)
from report import (MAIN, Measure, ceiling, markdown, milliseconds, percentile, plain, throughput)  # noqa: E402
from sutra_ctypes import save_bundle  # noqa: E402
from text_sets import SentencePairs, make_rows  # noqa: E402

MAX_TOKENS = 256
DIM = 384


class Between:
    """What is measured once a round, besides the rows: the ceilings, the tokenizers, a start of every engine."""

    def __init__(self, bench, starts, tokenizers, texts, peak):
        self.bench, self.tokenizers, self.texts, self.peak = bench, tokenizers, texts, peak
        self.peaks = []
        self.starts = {name: (mode, []) for name, mode in starts.items()}
        self.token_seconds = {name: [] for name in tokenizers}  # of a million tokens

        for name, mode in starts.items():
            bench.first_vector(name, mode)  # fills the caches

    def __call__(self, settle):
        settle()
        threads = str(self.bench.settings["threads"])
        done = subprocess.run([str(self.peak), threads], check=True, capture_output=True)
        self.peaks.append(json.loads(done.stdout))
        for name, server in self.tokenizers.items():
            took = server.ask(op="tokenize", texts=self.texts.file)
            self.token_seconds[name].append(1e6 * took["seconds"] / took["tokens"])
        for name, (mode, seconds) in self.starts.items():
            seconds.append(self.bench.first_vector(name, mode))


def processor():
    for line in open("/proc/cpuinfo", encoding="utf-8"):
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()


def model_name(path):
    """Of a folder in the hub's cache the model's name."""
    real = Path(os.path.realpath(path))
    return next((p.split("--")[-1] for p in real.parts if p.startswith("models--")), real.name)


def sutra_version():
    described = subprocess.run(["git", "-C", str(ROOT), "describe", "--always", "--dirty"], capture_output=True,
                               text=True, check=False)
    return described.stdout.strip()


def parse_arguments(words=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", default=",".join(PEERS), help="of: " + ", ".join(PEERS) + "; Sutra always runs")
    parser.add_argument("--compute", default="fp32", help="a comma list of: " + ", ".join(COMPUTES))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--rows", default="", help="only rows whose name holds this, e.g. 128")
    parser.add_argument("--batch", type=int, help="this batch size for every peer instead of a sweep")
    parser.add_argument("--small", action="store_true", help="an eighth of the texts")
    parser.add_argument("--model", default=str(ROOT / ".cache/model"))
    data = os.environ.get("SUTRA_SHARED_DATA", str(ROOT.parent / "shared/data"))
    parser.add_argument("--passages", default=data + "/passages.txt")
    parser.add_argument("--sts", default=data + "/stsb-test.tsv")
    parser.add_argument("--library", default=str(ROOT / "build/release/libsutra.so"))
    parser.add_argument("--program", default=str(ROOT / "build/release/sutra"))
    parser.add_argument("--out", type=Path, default=ROOT / "build/bench")
    arguments = parser.parse_args(words)
    for given, known in ((arguments.peers, PEERS), (arguments.compute, COMPUTES)):
        unknown = set(given.split(",")) - set(known)
        if unknown:
            parser.error(f"unknown: {', '.join(sorted(unknown))}")
    return arguments


def entries(args):
    """Of every precision Sutra first."""
    names = [MAIN, *(n for n in args.peers.split(",") if n != MAIN)]
    return [entry(n, c) for c in dict.fromkeys(args.compute.split(",")) for n in dict.fromkeys(names)]


def how(mode, batch):
    return ", ".join(filter(None, (mode, f"batch {batch}" if batch else "")))


def measures_of(rows, queries, choices, seconds, starts, memory):
    """In the order of the report."""
    found = [throughput(row, seconds[row.name], {n: how(*c[row.name]) for n, c in choices.items()}) for row in rows]
    modes = {n: c[queries.name][0] for n, c in choices.items()}
    medians = {n: [statistics.median(times) for times in lists] for n, lists in seconds[queries.name].items()}
    found.append(milliseconds("11-token queries, p50", medians, modes, queries.flops / len(queries.texts)))
    starts = {n: times for n, (_, times) in starts.items()}
    found.append(milliseconds("process start to first vector", starts, {**modes, MAIN: "the program"}, digits=0))
    found.append(plain("peak resident memory, less Python's", "MB", memory))
    return found


def engine_facts(servers, choices, latencies, agreement):
    """{engine: version, memory, agreement}. Memory is that of its largest process."""
    facts = {}
    for name in choices:
        largest = max((s.ask(op="facts") for (n, _), s in servers.items() if n == name), key=lambda f: f["peak_mb"])
        facts[name] = {**largest, "agreement": agreement[name],
                       "query_p99_ms": 1e3 * percentile(sum(latencies[name], []), 0.99)}
        if parts(name)[0] == MAIN:
            facts[name]["version"] = sutra_version()
    return facts


def of_compute(compute, found):
    """Of what was found for entries that of a precision, by the peers' names. A failed mode is "entry, mode"."""
    split = {(*parts(key.partition(", ")[0]), *key.partition(", ")[1:]): value for key, value in found.items()}
    return {name + comma + mode: value for (name, c, comma, mode), value in split.items() if c == compute}


def part_of(compute, rows, queries, found, peak):
    """The tables of one precision. found: by entry."""
    choices, facts = of_compute(compute, found["choices"]), of_compute(compute, found["facts"])
    seconds = {row: of_compute(compute, times) for row, times in found["seconds"].items()}
    memory = {n: [f["peak_mb"] - f["interpreter_mb"]] for n, f in facts.items()}
    measures = measures_of(rows, queries, choices, seconds, of_compute(compute, found["starts"]), memory)
    return {"compute": compute, "ceiling": ceiling(peak, compute), "failures": of_compute(compute, found["failures"]),
            "engines": facts, "measures": [m.report(ceiling(peak, compute)) for m in measures]}


def run(args):
    computes = list(dict.fromkeys(args.compute.split(",")))
    settings = {"model": os.path.realpath(args.model), "library": args.library, "work": str(args.out),
                "threads": args.threads, "max_tokens": MAX_TOKENS, "dim": DIM,
                "calibration": str(args.out / "calibration.json")}
    for compute in {"fp32", *computes}:
        save_bundle(args.library, settings["model"], compute, bundle({**settings, "compute": compute}))
    bench = Bench(settings, args.program)
    rows, queries, tokenizer_texts = make_rows(settings["model"], args.passages, MAX_TOKENS, args.out, args.small)
    rows = [row for row in rows if args.rows in row.name]
    pairs = SentencePairs(args.sts, args.out)
    load = os.getloadavg()[0]
    choices, failures = tune(bench.start, entries(args), rows, queries, args.batch)
    ours = [entry(MAIN, c) for c in computes]
    if any(name in failures for name in ours):
        sys.exit("; ".join(f"{name}: {failures[name]}" for name in ours if name in failures))
    servers = start_chosen(bench.start, choices)
    tokenizers = {MAIN: bench.start(MAIN, ""), **{f"{name} {mode}": bench.start(name, mode) for name in TOKENIZERS
                                                  for mode in TOKENIZERS[name].modes["fp32"]}}
    between = Between(bench, {n: c[queries.name][0] for n, c in choices.items()}, tokenizers, tokenizer_texts,
                      compile_peak(args.out))
    agreement = compare(servers, choices, rows, args.out, tokenizers[MAIN])
    for name, score in sts(servers, choices, rows[-1].name, pairs, args.out, tokenizers[MAIN]).items():
        agreement[name].update(score)
    seconds = run_rounds(servers, choices, rows, queries, args.rounds, between)
    facts = engine_facts(servers, choices, seconds[queries.name], agreement)
    for server in {**servers, **tokenizers}.values():
        server.close()

    peak = median_peak(between.peaks)
    found = {"choices": choices, "failures": failures, "seconds": seconds, "facts": facts, "starts": between.starts}
    tables = [part_of(compute, rows, queries, found, peak) for compute in computes]
    tokenizing = Measure("tokenizer, one core", "M tokens/s", between.token_seconds, lambda cost: 1 / cost, digits=2)
    tables[0]["measures"].append(tokenizing.report(0))
    return {
        "date": datetime.date.today().isoformat(), "processor": processor(), "threads": args.threads,
        "model": model_name(args.model), "rounds": args.rounds, "load": f"{load:.2f}", "reference": MAIN,
        "command": f"make bench ARGS={shlex.quote(shlex.join(sys.argv[1:]))}" if sys.argv[1:] else "make bench",
        "peak": peak, "parts": tables,
    }


def main():
    args = parse_arguments()
    args.out.mkdir(parents=True, exist_ok=True)
    try:
        report = run(args)
    except PeerFailed as failure:
        sys.exit(f"{failure}; the processes' logs are in {args.out}")
    (args.out / "peers.json").write_text(json.dumps(report, indent=1), encoding="utf-8")
    (args.out / "peers.md").write_text(markdown(report), encoding="utf-8")
    print(markdown(report), end="")


if __name__ == "__main__":
    main()
