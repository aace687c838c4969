#!/usr/bin/env python3
"""Several devices of one processor: what the hand-over costs, and who gets how much when half of the cores are busy.

usage: device_balance.py --library libsutra.so --model FOLDER --texts FILE [--limit N] [--rounds N]

The cores that this process may run on are halved: "cpu" with all of them, the two halves as two devices, and the same
while other processes keep the second half busy (as many as it has cores), by each policy. Ways take turns; texts/s are
medians of the rounds, with their range, and the shares of texts those of the devices over all of them. One process a
core is the load: a device on the second half has about half of its cores' time.
"""

import argparse
import ctypes as C
import json
import multiprocessing
import os
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "peers"))
import sutra_ctypes  # noqa: E402

POLICIES = ("fastest", "least-loaded", "round-robin", "random")


class Engine(sutra_ctypes.Sutra):
    """An engine with devices."""

    def __init__(self, options, devices, policy):  # noqa: super() makes one without
        self.lib, self.error, self.engine = C.CDLL(options.library), sutra_ctypes.Error(), C.c_void_p()
        self.dim = 384
        self.options = sutra_ctypes.EmbedOptions(struct_size=C.sizeof(sutra_ctypes.EmbedOptions))
        self.model = sutra_ctypes.open_model(self.lib, options.model, "fp32", self.error)
        given = sutra_ctypes.EngineOptions(struct_size=C.sizeof(sutra_ctypes.EngineOptions),
                                           devices=devices.encode(), policy=policy)
        self._check(self.lib.sutra_engine_create(C.byref(given), C.byref(self.engine), C.byref(self.error)))
        self._check(self.lib.sutra_model_warmup(self.engine, self.model, C.byref(self.options), C.byref(self.error)))

    def texts_of_devices(self):
        json_text, size = C.create_string_buffer(1 << 16), C.c_size_t()
        self._check(self.lib.sutra_engine_stats(self.engine, json_text, C.c_size_t(1 << 16), C.byref(size),
                                                C.byref(self.error)))
        return [device["texts"] for device in json.loads(json_text.value)["devices"]]


def core_list(cores):
    return "+".join(map(str, cores))


def burn(core):
    os.sched_setaffinity(0, {core})
    while True:
        pass


def measure(ways, texts, rounds):
    rates, shares = {name: [] for name in ways}, {name: [0, 0] for name in ways}
    for turn in range(rounds + 1):
        for name, engine in ways.items():
            before, start = engine.texts_of_devices(), time.perf_counter()
            engine.encode(texts)
            seconds = time.perf_counter() - start
            if not turn:
                continue
            rates[name].append(len(texts) / seconds)
            for d, (now, then) in enumerate(zip(engine.texts_of_devices(), before)):
                shares[name][d] += now - then
    return rates, shares


def report(title, rates, shares):
    print(title)
    for name, values in rates.items():
        total = sum(shares[name])
        split = " : ".join(f"{share / total:.2f}" for share in shares[name]) if total else "-"
        print(f"  {name:12} {statistics.median(values):8.1f} texts/s ({min(values):.1f} to {max(values):.1f})  {split}",
              flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--library", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--texts", required=True)
    parser.add_argument("--limit", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with open(options.texts, encoding="utf-8") as file:
        texts = [line.rstrip("\n") for line, _ in zip(file, range(options.limit))]
    cores = sorted(os.sched_getaffinity(0))
    half = len(cores) // 2
    first, second = cores[:half], cores[half:2 * half]
    two = f"cpu@{core_list(first)},cpu@{core_list(second)}"
    ways = {"cpu": Engine(options, "cpu", 0)}
    ways |= {policy: Engine(options, two, i) for i, policy in enumerate(POLICIES)}
    report(f"{len(cores)} cores, idle", *measure(ways, texts, options.rounds))
    burners = [multiprocessing.Process(target=burn, args=(core,), daemon=True) for core in second]
    for burner in burners:
        burner.start()
    report(f"the second {half} busy", *measure(ways, texts, options.rounds))
    for burner in burners:
        burner.kill()


if __name__ == "__main__":
    main()
