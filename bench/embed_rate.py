#!/usr/bin/env python3
"""What share of the engine's own rate `sutra embed` reaches, from the start of its process to its end.

usage: bench/embed_rate.py --model FOLDER --data DIR [--texts 4000] [--rounds 3] [--threads 2] [--also PROGRAM]
                           [--program build/release/sutra] [--library build/release/libsutra.so]

Needs numpy. The engine's rate is that of one blocking call with all texts, in a process that has made the model ready. The ways
through the program take turns with it: to a .npy file, to a .jsonl file, JSON lines through a pipe, packed input, and packed
input through zcat. --also: another build of the program, the same ways. Figures are medians of the rounds with their range;
a share is the median of each round's own. Processor time, of all processes of a way, moves less with the machine's other work
than the rate does.
"""

import argparse
import gzip
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "bench/peers"))
from sutra_ctypes import Sutra  # noqa: E402


def ways(program, model, threads, folder, name):
    """{way: shell command}"""
    embed = f"{program} embed -m {model} --threads {threads}"
    made = {"npy file": f"{embed} -i {folder}/texts -o {folder}/x.npy",
            "jsonl file": f"{embed} -i {folder}/texts -o {folder}/x.jsonl",
            "pipe to pipe": f"cat {folder}/texts | {embed} | cat >/dev/null",
            "gzip to npy": f"{embed} -i {folder}/texts.gz -o {folder}/x.npy",
            "zcat to npy": f"zcat {folder}/texts.gz | {embed} -o {folder}/x.npy"}
    if name:
        made.pop("gzip to npy")  # the other build may not read it
    return {f"{name}{way}": command for way, command in made.items()}


def processor_seconds():
    now = os.times()
    return now.user + now.system + now.children_user + now.children_system


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--model", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--texts", type=int, default=4000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--program", default=str(ROOT / "build/release/sutra"))
    parser.add_argument("--also")
    parser.add_argument("--library", default=str(ROOT / "build/release/libsutra.so"))
    args = parser.parse_args()
    texts = Path(args.data, "passages.txt").read_bytes().split(b"\n")[:args.texts]
    engine = Sutra(args.library, args.model, args.threads, 256, 384)
    with tempfile.TemporaryDirectory(prefix="sutra-rate-") as folder:
        data = b"\n".join(texts) + b"\n"
        Path(folder, "texts").write_bytes(data)
        Path(folder, "texts.gz").write_bytes(gzip.compress(data))
        commands = ways(args.program, args.model, args.threads, folder, "")
        if args.also:
            commands.update(ways(args.also, args.model, args.threads, folder, "other build, "))
        engine.encode([text.decode() for text in texts[:64]])
        decoded = [text.decode() for text in texts]
        rates = {way: [] for way in ("engine", *commands)}
        spent = {way: [] for way in rates}
        for turn in range(args.rounds):
            order = ["engine", *commands]
            for way in order[turn % len(order):] + order[:turn % len(order)]:
                start, before = time.perf_counter(), processor_seconds()
                if way == "engine":
                    engine.encode(decoded)
                else:
                    subprocess.run(["bash", "-o", "pipefail", "-c", commands[way]], check=True, stderr=subprocess.DEVNULL)
                rates[way].append(len(texts) / (time.perf_counter() - start))
                spent[way].append(processor_seconds() - before)
    print(f"{len(texts)} passages, {args.threads} threads, {args.rounds} rounds\n\n"
          "| way | texts/s | of the engine's rate | processor s | beside the engine's |\n|---|---|---|---|---|")
    for way, values in rates.items():
        share = statistics.median(a / b for a, b in zip(values, rates["engine"]))
        cost = statistics.median(a / b for a, b in zip(spent[way], spent["engine"]))
        print(f"| {way} | {statistics.median(values):.1f} ({min(values):.1f}-{max(values):.1f}) | {100 * share:.1f} % | "
              f"{statistics.median(spent[way]):.2f} | {cost:.3f} |")


if __name__ == "__main__":
    main()
