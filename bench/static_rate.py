#!/usr/bin/env python3
"""Passages a minute of a static model on one core: Sutra beside model2vec.

usage: bench/static_rate.py --data DIR --tokenizer tokenizer.json [--dim 256] [--texts 20000] [--rounds 5] [--core 0]
                            [--library build/release/libsutra.so]

Needs numpy and model2vec. The model has random vectors, one for each token of the tokenizer; its folder is temporary. Both read
the same folder in this one process, bound to one core, and take turns; what both compute is compared first. model2vec runs in
batches of 1024 with its threads off and the tokenizer's parallelism off, and on: on one core the better of the two counts.
Figures are medians of the rounds with their range.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "bench/peers"))


def make_model(tokenizer_path, dim, folder):
    import numpy as np
    from model2vec import StaticModel
    from tokenizers import Tokenizer
    tokenizer = Tokenizer.from_file(tokenizer_path)
    rows = np.random.default_rng(1).standard_normal((tokenizer.get_vocab_size(), dim)).astype(np.float32)
    config = {"model_type": "model2vec", "normalize": True}
    StaticModel(rows, tokenizer, config=config, normalize=True).save_pretrained(folder)
    os.remove(os.path.join(folder, "modules.json"))  # so that both follow model2vec
    return StaticModel.from_pretrained(folder, force_download=False)


def peer(model, texts, parallel):
    os.environ["TOKENIZERS_PARALLELISM"] = "true" if parallel else "false"
    return model.encode(texts, use_multiprocessing=False)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--tokenizer", required=True)
    parser.add_argument("--dim", type=int, default=256)
    parser.add_argument("--texts", type=int, default=20000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--core", type=int, default=0)
    parser.add_argument("--library", default=str(ROOT / "build/release/libsutra.so"))
    args = parser.parse_args()
    os.sched_setaffinity(0, {args.core})
    import numpy as np
    from sutra_ctypes import Sutra
    passages = Path(args.data, "passages.txt").read_text(encoding="utf-8").split("\n")
    passages = [text for text in passages if text]
    texts = (passages * (args.texts // len(passages) + 1))[:args.texts]
    with tempfile.TemporaryDirectory(prefix="sutra-static-") as folder:
        model = make_model(args.tokenizer, args.dim, folder)
        engine = Sutra(args.library, folder, 1, 512, args.dim)
        tokens = statistics.fmean(len(ids) for ids in model.tokenize(texts[:2000]))
        difference = np.abs(engine.encode(texts[:2000]) - model.encode(texts[:2000], use_multiprocessing=False)).max()
        print(f"{len(texts)} texts, {tokens:.0f} tokens in the mean, largest difference {difference:.2e}")
        ways = {"sutra": lambda: engine.encode(texts),
                "model2vec, parallelism off": lambda: peer(model, texts, False),
                "model2vec, parallelism on": lambda: peer(model, texts, True)}
        rates = {name: [] for name in ways}
        for _ in range(args.rounds):
            for name, run in ways.items():
                start = time.perf_counter()
                run()
                rates[name].append(60 * len(texts) / (time.perf_counter() - start))
        for name, values in rates.items():
            print(f"{name:<28} {statistics.median(values):10,.0f} a minute ({min(values):,.0f} … {max(values):,.0f})")
        best = max(statistics.median(values) for name, values in rates.items() if name != "sutra")
        engine.close()
        print(f"ratio {statistics.median(rates['sutra']) / best:.1f}")


if __name__ == "__main__":
    main()
