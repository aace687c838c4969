#!/usr/bin/env python3
"""A query and 100 passages through a reranker: Sutra beside sentence-transformers' CrossEncoder.predict.

usage: bench/rerank.py --tokenizer FOLDER --passages FILE [--layers 6,12] [--pairs 100] [--rounds 5] [--threads 2]
                       [--compute fp32] [--library build/release/libsutra.so]

Needs torch and sentence-transformers. The model has random weights in the shape of ms-marco-MiniLM (384 wide, 12 heads) with
the vocabulary of FOLDER, and is the same for both. CrossEncoder first finds its best batch size: all sizes once, the best
two again. Then rounds of both take turns, from texts to scores, with as many threads each. Figures are medians of the rounds
with their range, a ratio is the median of each round's own: of wall time, and of the processor time of all threads, which
other work on the machine moves less. GFLOP/s is the encoder's arithmetic on real tokens by the median; the cores' peak is what
`sutra bench breakdown` shows. The largest difference between the scores is shown too.
"""

import argparse
import ctypes as C
import json
import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from sentence_transformers import CrossEncoder
from transformers import BertConfig, BertForSequenceClassification

from peers import sutra_ctypes

ROOT = Path(__file__).resolve().parent.parent
BATCHES = (1, 2, 4, 8, 16, 32, 64)
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "special_tokens_map.json")


def write_model(folder, tokenizer, layers):
    """A classifier with one label; logits as they are."""
    source = Path(tokenizer)
    vocab = json.loads((source / "config.json").read_text(encoding="utf-8"))["vocab_size"]
    torch.manual_seed(1)
    config = BertConfig(vocab_size=vocab, hidden_size=384, num_hidden_layers=layers, num_attention_heads=12,
                        intermediate_size=1536, num_labels=1)
    config.sentence_transformers = {"activation_fn": "torch.nn.modules.linear.Identity"}
    BertForSequenceClassification(config).save_pretrained(folder)
    for name in TOKENIZER_FILES:
        if (source / name).exists():
            shutil.copy(source / name, folder)
    settings = json.loads((source / "tokenizer_config.json").read_text(encoding="utf-8"))
    (Path(folder) / "tokenizer_config.json").write_text(json.dumps({**settings, "model_max_length": 512}), encoding="utf-8")


class SutraReranker(sutra_ctypes.Sutra):
    def __init__(self, library, path, threads, compute):
        super().__init__(library, path, threads, 0, 1, compute, output=sutra_ctypes.OUT_SCORES)

    def predict(self, pairs):
        inputs = (sutra_ctypes.Input * len(pairs))()
        borrowed = [(a.encode(), b.encode()) for a, b in pairs]
        for i, (text, pair) in enumerate(borrowed):
            inputs[i].text, inputs[i].text_size = text, len(text)
            inputs[i].pair, inputs[i].pair_size = pair, len(pair)
        scores = np.empty(len(pairs), np.float32)
        self._check(self.lib.sutra_embed_into(self.engine, self.model, inputs, C.c_size_t(len(pairs)), C.byref(self.options),
                                              scores.ctypes.data_as(C.c_void_p), C.c_size_t(scores.nbytes), None,
                                              C.byref(self.error)))
        return scores


def seconds(run):
    """Wall time, and processor time of all threads."""
    wall, processor = time.perf_counter(), time.process_time()
    run()
    return time.perf_counter() - wall, time.process_time() - processor


def best_batch(model, pairs):
    run = lambda size: seconds(lambda: model.predict(pairs, batch_size=size, show_progress_bar=False))[0]
    model.predict(pairs[:8], show_progress_bar=False)
    times = {size: run(size) for size in BATCHES}
    best = sorted(times, key=times.get)[:2]
    return min(best, key=lambda size: min(times[size], run(size)))


def measure(options, layers, pairs):
    with tempfile.TemporaryDirectory(prefix="sutra-rerank-") as folder:
        write_model(folder, options.tokenizer, layers)
        peer = CrossEncoder(folder, device="cpu")
        batch = best_batch(peer, pairs)
        ours = SutraReranker(options.library, folder, options.threads, options.compute)
        peer_run = lambda: peer.predict(pairs, batch_size=batch, show_progress_bar=False)
        difference = float(np.abs(ours.predict(pairs) - peer_run()).max())
        times = {"sutra": [], "peer": []}
        for _ in range(options.rounds):
            times["peer"].append(seconds(peer_run))
            times["sutra"].append(seconds(lambda: ours.predict(pairs)))
        ours.close()
        work = gflop(peer, layers, pairs)
    return batch, times, difference, work


def gflop(peer, layers, pairs):
    """Of the encoder, for all pairs together: linear layers and attention."""
    lengths = [len(ids) for ids in peer.tokenizer([p[0] for p in pairs], [p[1] for p in pairs], truncation=True)["input_ids"]]
    return sum(layers * (2 * n * (4 * 384 * 384 + 2 * 384 * 1536) + 4 * n * n * 384) for n in lengths) / 1e9


def shown(values, scale=1e3, digits=0):
    low, middle, high = (f"{scale * value:.{digits}f}" for value in (min(values), statistics.median(values), max(values)))
    return f"{middle} ({low}-{high})"


def ratios(times, what):
    return [peer[what] / ours[what] for peer, ours in zip(times["peer"], times["sutra"])]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--tokenizer", required=True)
    parser.add_argument("--passages", required=True)
    parser.add_argument("--layers", default="6,12")
    parser.add_argument("--pairs", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--compute", default="fp32", choices=sorted(sutra_ctypes.COMPUTES))
    parser.add_argument("--library", default=str(ROOT / "build/release/libsutra.so"))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    passages = Path(options.passages).read_text(encoding="utf-8").split("\n")[:options.pairs]
    pairs = [["how do cells repair damaged dna", passage] for passage in passages]
    print(f"{len(pairs)} pairs, {options.threads} threads, {options.rounds} rounds, {options.compute}\n")
    print("| layers | Sutra, ms | CrossEncoder, ms | its batch size | Sutra is faster by | the same of processor time | "
          "largest difference | GFLOP/s of both |")
    print("|---|---|---|---|---|---|---|---|")
    for layers in map(int, options.layers.split(",")):
        batch, times, difference, work = measure(options, layers, pairs)
        ours, peer = ([pair[0] for pair in times[who]] for who in ("sutra", "peer"))
        print(f"| {layers} | {shown(ours)} | {shown(peer)} | {batch} | {shown(ratios(times, 0), 1, 2)} | "
              f"{shown(ratios(times, 1), 1, 2)} | {difference:.1e} | "
              f"{work / statistics.median(ours):.0f}, {work / statistics.median(peer):.0f} |", flush=True)


if __name__ == "__main__":
    main()
