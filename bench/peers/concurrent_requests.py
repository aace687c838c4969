#!/usr/bin/env python3
"""Many clients with one text a request: Sutra's blocking calls beside what people put in their place.

  sutra      each client calls sutra_embed_into (ctypes gives up Python's lock meanwhile)
  st-pool-W  sentence-transformers behind a pool of W threads, each with its share of the cores
  infinity   infinity-emb's AsyncEmbeddingEngine, its clients coroutines of one loop

usage: concurrent_requests.py --library libsutra.so --model FOLDER --texts FILE [--limit N] [--clients 1,8,64]
                              [--threads N] [--rounds N] [--engines sutra,st-pool-1,infinity]

All of them take turns in one process, and the first round, which warms up, is not counted. Prints requests/s (the
median of the rounds, and their range) and the p50 and p99 of a request's time over all rounds. Needs
sentence-transformers, and infinity-emb and requests for the last.
"""

import argparse
import asyncio
import ctypes as C
import os
import statistics
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import sutra_ctypes


class SutraClients(sutra_ctypes.Sutra):
    """Each call with an error of its own: many threads call at once."""

    def __init__(self, options):
        super().__init__(options.library, options.model, options.threads, 0, 384)
        self.options.max_tokens = 0

    def one(self, text):
        inputs, _borrowed = self.inputs([text])
        out, error = np.empty(self.dim, np.float32), sutra_ctypes.Error()
        status = self.lib.sutra_embed_into(self.engine, self.model, inputs, C.c_size_t(1), C.byref(self.options),
                                           out.ctypes.data_as(C.c_void_p), C.c_size_t(out.nbytes), None,
                                           C.byref(error))
        sutra_ctypes.check(status, error)
        return out

    def run(self, texts, clients):
        return run_threads(self.one, texts, clients)


class PooledSentenceTransformers:
    """Clients wait for a pool of workers: as many as keep the cores busy best is for the caller to try."""

    def __init__(self, options, workers):
        import torch
        from sentence_transformers import SentenceTransformer
        torch.set_num_threads(max(1, options.threads // workers))
        self.model = SentenceTransformer(options.model, device="cpu")
        self.pool = ThreadPoolExecutor(workers)
        self.torch, self.share = torch, max(1, options.threads // workers)

    def encode(self, text):
        return self.model.encode(text, normalize_embeddings=True, show_progress_bar=False)

    def one(self, text):
        return self.pool.submit(self.encode, text).result()

    def run(self, texts, clients):
        self.torch.set_num_threads(self.share)
        return run_threads(self.one, texts, clients)


class Infinity:
    """Its own batching; the loop runs in a thread of its own, as a server's would."""

    def __init__(self, options):
        import torch
        from infinity_emb import AsyncEmbeddingEngine, EngineArgs
        self.torch, self.threads = torch, options.threads
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()
        self.engine = AsyncEmbeddingEngine.from_args(
            EngineArgs(model_name_or_path=options.model, engine="torch", device="cpu", dtype="float32",
                       bettertransformer=False, compile=False, model_warmup=False))
        self.wait(self.engine.astart())

    def wait(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result()

    async def clients(self, texts, clients):
        left, times, rows = iter(enumerate(texts)), [0.0] * len(texts), [None] * len(texts)

        async def client():
            for i, text in left:
                start = time.perf_counter()
                rows[i] = (await self.engine.embed(sentences=[text]))[0][0]
                times[i] = time.perf_counter() - start

        await asyncio.gather(*(client() for _ in range(clients)))
        return times, rows

    def run(self, texts, clients):
        self.torch.set_num_threads(self.threads)
        return self.wait(self.clients(texts, clients))


def run_threads(one, texts, clients):
    """Seconds of each request, and its row."""
    lock, left = threading.Lock(), iter(range(len(texts)))
    times, rows = [0.0] * len(texts), [None] * len(texts)

    def client():
        while True:
            with lock:
                i = next(left, None)
            if i is None:
                return
            start = time.perf_counter()
            rows[i] = one(texts[i])
            times[i] = time.perf_counter() - start

    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return times, rows


def make(name, options):
    if name == "sutra":
        return SutraClients(options)
    if name == "infinity":
        return Infinity(options)
    return PooledSentenceTransformers(options, int(name.removeprefix("st-pool-")))


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] * 1e3


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--library", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--texts", required=True)
    parser.add_argument("--limit", type=int, default=500)
    parser.add_argument("--clients", default="1,8,64")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--engines", default="sutra,st-pool-1,st-pool-2,infinity")
    options = parser.parse_args()
    with open(options.texts, encoding="utf-8") as file:
        texts = [line.rstrip("\n") for line, _ in zip(file, range(options.limit))]
    engines = {name: make(name, options) for name in options.engines.split(",")}
    first = next(iter(engines))
    for clients in map(int, options.clients.split(",")):
        rates = {name: [] for name in engines}
        times = {name: [] for name in engines}
        rows = {}
        for turn in range(options.rounds + 1):
            for name, engine in engines.items():
                start = time.perf_counter()
                taken, rows[name] = engine.run(texts, clients)
                if turn:
                    rates[name].append(len(texts) / (time.perf_counter() - start))
                    times[name] += taken
        for name in engines:
            ratio = statistics.median(a / b for a, b in zip(rates[first], rates[name]))
            off = float(np.abs(np.array(rows[name], np.float32) - np.array(rows[first], np.float32)).max())
            print(f"{clients:3} clients  {name:10} {statistics.median(rates[name]):8.1f} requests/s "
                  f"({min(rates[name]):.1f} to {max(rates[name]):.1f})  p50 {percentile(times[name], .5):8.2f} ms  "
                  f"p99 {percentile(times[name], .99):8.2f} ms  {first} is {ratio:.2f} times as fast  "
                  f"largest difference {off:.1e}", flush=True)


if __name__ == "__main__":
    main()
