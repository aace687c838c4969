#!/usr/bin/env python3
"""Model.encode beside the C API and, with --reference, SentenceTransformer.encode: passages in one call, and one query.

    PYTHON_WITH_SUTRA bench/python_encode.py --model FOLDER --passages passages.txt [--reference] [--precision bf16] [--rounds 7]

The C API is sutra_embed_into by the package's own native module, with inputs that were prepared before: what Model adds
is all but that. Both also from the engine's cache, where its own time is small beside what
Model adds. Everything in turns, the order reversed every other round; medians. The overhead is the
median of the differences within a round, so that drift of the machine's clock falls out. SentenceTransformer is in a
process of its own, as in a program that has one of the two, so that neither meets the other's threads; before each turn
there is a pause in which what still spins falls asleep.
"""
import argparse
import logging
import multiprocessing
import time

import numpy as np
import sutra
from sutra import runtime
from sutra._native import ffi, lib
from sutra.inputs import Texts

QUERY = "how does photosynthesis turn light into chemical energy?"
QUERIES = 50  # calls a round
PAUSE = 0.3  # seconds


class Direct:
    """sutra_embed_into again and again."""

    def __init__(self, model, texts):
        self.texts = Texts(tuple(texts))
        self.rows = np.empty((len(texts), model.dimension), np.float32)
        self.items = ffi.new("SutraItem[]", len(texts))
        self.options = model._embed_options(lib.SUTRA_OUT_POOLED, lib.SUTRA_F32, 0, False, "model")
        self.call = (runtime.engine(model._settings), model.handle, self.texts.inputs, len(texts), self.options,
                     ffi.from_buffer(self.rows), self.rows.nbytes, self.items, ffi.new("SutraError *"))

    def __call__(self):
        assert lib.sutra_embed_into(*self.call) == 0


class Reference:
    """SentenceTransformer.encode in a child; called it answers what seconds() says there."""

    def __init__(self, model, texts):
        self.ours, theirs = multiprocessing.Pipe()
        arguments = (model, texts, theirs)
        multiprocessing.get_context("spawn").Process(target=self.serve, args=arguments, daemon=True).start()
        self.ours.recv()

    @staticmethod
    def serve(model, texts, pipe):
        from sentence_transformers import SentenceTransformer
        reference = SentenceTransformer(model, device="cpu")
        pipe.send(None)
        while True:
            times = pipe.recv()
            pipe.send(seconds(lambda: reference.encode(texts), times))

    def seconds(self, times):
        self.ours.send(times)
        return self.ours.recv()


def seconds(call, times):
    """(wall time, processor time of all threads) of a call"""
    if isinstance(call, Reference):
        return call.seconds(times)
    wall, processor = time.perf_counter(), time.process_time()
    for _ in range(times):
        call()
    return (time.perf_counter() - wall) / times, (time.process_time() - processor) / times


def measure(contestants, rounds, times):
    """{name: [rounds, 2]}: seconds of a call, wall and processor"""
    taken = {name: [] for name in contestants}
    for i in range(rounds + 1):
        order = list(contestants)[::1 if i % 2 else -1]
        for name in order:
            time.sleep(PAUSE)
            spent = seconds(contestants[name], times)
            if i:  # the first round warms up
                taken[name].append(spent)
    return {name: np.array(each) for name, each in taken.items()}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--passages", required=True)
    parser.add_argument("--reference", action="store_true")
    parser.add_argument("--precision")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--number", type=int, default=2000)
    options = parser.parse_args()
    with open(options.passages, encoding="utf-8") as file:
        passages = file.read().splitlines()[: options.number]
    logging.getLogger("sutra").setLevel(logging.ERROR)  # texts that are cut
    model = sutra.Model(options.model)
    batch = {"C API": Direct(model, passages), "Model.encode": lambda: model.encode(passages)}
    query = {"C API": Direct(model, [QUERY]), "Model.encode": lambda: model.encode(QUERY)}
    if options.precision:
        less = sutra.Model(options.model, precision=options.precision)
        batch["Model.encode, " + options.precision] = lambda: less.encode(passages)
        query["Model.encode, " + options.precision] = lambda: less.encode(QUERY)
    if options.reference:
        batch["SentenceTransformer.encode"] = Reference(options.model, passages)
        query["SentenceTransformer.encode"] = Reference(options.model, QUERY)
    cached_model = sutra.Model(options.model, cache_bytes=1 << 26)
    cached = {"C API": Direct(cached_model, [QUERY]), "Model.encode": lambda: cached_model.encode(QUERY)}
    cached_batch = {"C API": Direct(cached_model, passages), "Model.encode": lambda: cached_model.encode(passages)}
    for title, contestants, times in (("one query from the cache", cached, 100 * QUERIES), ("one query", query, QUERIES),
                                      (f"{len(passages)} passages from the cache", cached_batch, 5),
                                      (f"{len(passages)} passages", batch, 1)):
        taken = measure(contestants, options.rounds, times)
        print(f"{title}, {options.rounds} rounds: wall, processor time")
        for name, each in taken.items():
            print("  {:28} {:10.3f} ms {:10.3f} ms".format(name, *np.median(each, axis=0) * 1e3))
        extra = np.median(taken["Model.encode"] - taken["C API"], axis=0)
        base = np.median(taken["C API"], axis=0)
        print("  overhead of Model.encode     {:10.1f} us {:10.1f} us".format(*extra * 1e6))
        print("                               {:10.2f} %  {:10.2f} %".format(*100 * extra / base))


if __name__ == "__main__":
    main()
