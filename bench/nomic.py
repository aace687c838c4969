#!/usr/bin/env python3
"""The shape of nomic-embed-text with random weights: Sutra beside llama.cpp, whose engine Ollama has, on the same weights.

usage: bench/nomic.py --tokenizer FOLDER --data DIR [--compute fp32,fp16] [--passages 200] [--rounds 3] [--threads 2]
                      [--library build/release/libsutra.so]

Needs numpy, torch, safetensors, gguf and llama-cpp-python. The vocabulary is that of FOLDER. Text to normalised vector: one
sentence of the STS benchmark at a time, eight of them, and passages, of which llama.cpp first finds its best batch size. The
rounds of both take turns; figures are medians with their range, a ratio is the median of each round's own. GFLOP/s is the
encoder's arithmetic on real tokens by the median; the cores' peak is what `sutra bench breakdown` shows. The cosines between
the two are shown.
"""

import argparse
import json
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from safetensors.torch import save_file
from tokenizers import Tokenizer

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "bench/peers")]
from engines import LlamaCpp  # noqa: E402
from golden_models import NOMIC_PUBLISHED, gated_weights  # noqa: E402
from sutra_ctypes import Sutra  # noqa: E402

MAX_TOKENS, DIM = 512, 768
CONFIG = {"activation_function": "swiglu", "architectures": ["NomicBertModel"], "layer_norm_epsilon": 1e-12,
          "model_type": "nomic_bert", "n_embd": DIM, "n_head": 12, "n_inner": 3072, "n_layer": 12, "n_positions": 2048,
          "rotary_emb_base": 1000, "rotary_emb_fraction": 1.0, "type_vocab_size": 2}


def write_model(folder, tokenizer):
    folder.mkdir()
    vocabulary = (tokenizer / "vocab.txt").read_text(encoding="utf-8").rstrip("\n").split("\n")
    config = {**CONFIG, "vocab_size": len(vocabulary)}
    sizes = {"hidden_size": DIM, "intermediate_size": config["n_inner"], "num_hidden_layers": config["n_layer"]}
    save_file(gated_weights(1, {**config, **sizes}, NOMIC_PUBLISHED), folder / "model.safetensors")
    for name in ("tokenizer.json", "vocab.txt"):
        shutil.copy(tokenizer / name, folder)
    for name, value in (("config.json", config), ("tokenizer_config.json", {"tokenizer_class": "BertTokenizer"})):
        (folder / name).write_text(json.dumps(value), encoding="utf-8")


def make_works(data, passages):
    """[(name, lists of texts of a call)]"""
    rows = [line.split("\t")[1] for line in (data / "stsb-test.tsv").read_text(encoding="utf-8").split("\n")[1:-1]]
    lines = (data / "passages.txt").read_text(encoding="utf-8").split("\n")[:-1]
    chosen = lines[::len(lines) // passages][:passages]
    return [("one sentence, ms", [[row] for row in rows[:40]]), ("8 sentences, ms", [rows[i:i + 8] for i in range(40, 120, 8)]),
            (f"{passages} passages, texts/s", [chosen])]


def seconds_a_call(engine, calls, batch):
    start = time.perf_counter()
    for texts in calls:
        engine.encode(texts, batch)
    return (time.perf_counter() - start) / len(calls)


class Ours:
    def __init__(self, library, folder, threads, compute):
        self.sutra = Sutra(library, str(folder), threads, MAX_TOKENS, DIM, compute)

    def encode(self, texts, batch):
        del batch
        return self.sutra.encode(texts)


def best_batch(engine, calls):
    some = [calls[0][:40]]
    times = {}
    for batch in (1, 2, 4, 8):
        engine.prepare(batch)
        engine.encode(some[0][:batch], batch)
        times[batch] = seconds_a_call(engine, some, batch)
    return min(times, key=times.get)


def gflop(tokenizer, texts):
    """Of the encoder, for all texts together: linear layers and attention."""
    hidden, ffn = DIM, CONFIG["n_inner"]
    lengths = [len(encoding.ids) for encoding in tokenizer.encode_batch(texts)]
    return sum(CONFIG["n_layer"] * (2 * n * (4 * hidden * hidden + 3 * hidden * ffn) + 4 * n * n * hidden)
               for n in lengths) / 1e9


def show(name, compute, ours, theirs, batch, work):
    rate = name.endswith("texts/s")
    count = int(name.split()[0]) if rate else 0
    figures = [[count / t if rate else 1e3 * t for t in times] for times in (ours, theirs)]
    speeds = [work / statistics.median(times) for times in (ours, theirs)]
    texts = [f"{statistics.median(f):.1f} ({min(f):.1f}-{max(f):.1f}), {speed:.0f} GFLOP/s"
             for f, speed in zip(figures, speeds)]
    ratios = [b / a for a, b in zip(ours, theirs)]
    print(f"| {name} | {compute} | {texts[0]} | {texts[1]} (batch {batch}) | {statistics.median(ratios):.2f} "
          f"({min(ratios):.2f}-{max(ratios):.2f}) |", flush=True)


def run(folder, compute, args):
    works = make_works(args.data, args.passages)
    ours = Ours(args.library, folder, args.threads, compute)
    theirs = LlamaCpp({"model": str(folder), "work": str(folder), "compute": compute, "max_tokens": MAX_TOKENS, "dim": DIM,
                       "threads": args.threads}, "")
    batches = [1, 8, best_batch(theirs, works[2][1])]
    times = [([], []) for _ in works]
    for _ in range(args.rounds):
        for (name, calls), batch, (a, b) in zip(works, batches, times):
            theirs.prepare(batch)
            theirs.encode(calls[0][:1], batch)
            a.append(seconds_a_call(ours, calls, batch))
            b.append(seconds_a_call(theirs, calls, batch))
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(MAX_TOKENS)
    for (name, calls), batch, (a, b) in zip(works, batches, times):
        show(name, compute, a, b, batch, sum(gflop(tokenizer, texts) for texts in calls) / len(calls))
    some = works[2][1][0][:32]
    cosines = (ours.encode(some, 1) * theirs.encode(some, 1)).sum(1)
    print(f"cosines of {len(some)} passages, {compute}: mean {np.mean(cosines):.7f}, smallest {np.min(cosines):.7f}",
          flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokenizer", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--compute", default="fp32,fp16")
    parser.add_argument("--passages", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--library", default=str(ROOT / "build/release/libsutra.so"))
    args = parser.parse_args()
    print("| work | precision | Sutra | llama.cpp | better by |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch, "nomic")
        write_model(folder, args.tokenizer)
        for compute in args.compute.split(","):
            run(folder, compute, args)


if __name__ == "__main__":
    main()
