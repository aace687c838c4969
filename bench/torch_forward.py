#!/usr/bin/env python3
"""Sutra from text to vector beside torch's forward pass alone, a BERT of the model's shape in bf16, in turns.

usage: bench/torch_forward.py --model FOLDER --passages FILE [--library build/release/libsutra.so] [--threads N]
           [--rounds 2] [--compile] [--batch-tokens N,N,…]

torch: transformers' BertModel with random weights, inference mode, rows of one length, no tokens to make, no pooling, no
copy of the vectors; the best of batches from 8 to 1,024 rows, eager or compiled as well. Sutra: the C API with bf16 and
int8 files of the model, texts cut to 128 and to 16 tokens, the better of two runs. Figures are texts a second, medians of
the rounds. --batch-tokens: SutraEngineOptions.max_batch_tokens to try in Sutra instead of its own.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path

import torch
from transformers import BertConfig, BertModel

from peers import sutra_ctypes

ROOT = Path(__file__).resolve().parent.parent
LENGTHS = {128: 512, 16: 4096}  # tokens: texts
BATCHES = (8, 32, 64, 256, 1024)
SECONDS = 2.0  # of a batch size in torch


def read_texts(path):
    """Passages long enough to be cut: four characters a token are more than there are."""
    lines = Path(path).read_text(encoding="utf-8").split("\n")
    found = {}
    for tokens, count in LENGTHS.items():
        fitting = [line[:8 * tokens] for line in lines if len(line) >= 7 * tokens][:count]
        found[tokens] = fitting * (count // len(fitting)) + fitting[:count % len(fitting)]
    return found


def forward_rate(forward, tokens):
    best = (0, 0)
    for batch in BATCHES:
        ids = torch.randint(1000, 20000, (batch, tokens))
        mask = torch.ones_like(ids)
        with torch.inference_mode():
            for _ in range(2):
                forward(input_ids=ids, attention_mask=mask)
            end, count, start = time.perf_counter() + SECONDS, 0, time.perf_counter()
            while time.perf_counter() < end:
                forward(input_ids=ids, attention_mask=mask)
                count += batch
            best = max(best, (count / (time.perf_counter() - start), batch))
    return best


def sutra_rate(engine, texts, tokens):
    engine.options.max_tokens = tokens
    engine.encode(texts[:64])
    best = 0
    for _ in range(2):
        start = time.perf_counter()
        engine.encode(texts)
        best = max(best, len(texts) / (time.perf_counter() - start))
    return best


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", required=True)
    parser.add_argument("--passages", required=True)
    parser.add_argument("--library", default=str(ROOT / "build/release/libsutra.so"))
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--batch-tokens", default="0")
    arguments = parser.parse_args()
    texts, rates = read_texts(arguments.passages), {}
    config = json.loads(Path(arguments.model, "config.json").read_text(encoding="utf-8"))
    torch.manual_seed(1)
    torch.set_num_threads(arguments.threads)
    model = BertModel(BertConfig(**{k: v for k, v in config.items() if k != "architectures"}), add_pooling_layer=False)
    forwards = {"torch eager": model.eval().to(torch.bfloat16)}
    if arguments.compile:
        forwards["torch compiled"] = torch.compile(forwards["torch eager"])
    with tempfile.TemporaryDirectory() as folder:
        for compute in ("bf16", "int8"):
            sutra_ctypes.save_bundle(arguments.library, arguments.model, compute, f"{folder}/{compute}.sutra")
        for _ in range(arguments.rounds):
            for compute in ("bf16", "int8"):
                for batch in map(int, arguments.batch_tokens.split(",")):
                    engine = sutra_ctypes.Sutra(arguments.library, f"{folder}/{compute}.sutra", arguments.threads, 128,
                                                config["hidden_size"], compute, batch_tokens=batch)
                    name = f"sutra {compute}" + (f", {batch} tokens a batch" if batch else "")
                    for tokens, some in texts.items():
                        rates.setdefault((name, tokens), []).append(sutra_rate(engine, some, tokens))
                    engine.close()
            for name, forward in forwards.items():
                for tokens in LENGTHS:
                    rate, batch = forward_rate(forward, tokens)
                    rates.setdefault((name, tokens), []).append(rate)
                    print(f"  {name}, {tokens} tokens: best batch {batch}", flush=True)
    print(f"{arguments.threads} threads, {arguments.rounds} rounds, torch {torch.__version__}")
    for (name, tokens), found in sorted(rates.items(), key=lambda item: -item[0][1]):
        print(f"{tokens:4d} tokens  {name:36s} {statistics.median(found):9.1f} texts/s ({min(found):.1f}-{max(found):.1f})")


if __name__ == "__main__":
    main()
