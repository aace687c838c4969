#!/usr/bin/env python3
"""Ours beside the reference library, one thread each, on one file of texts (one a line).

    python tests/tokenizer/bench_tokenizer.py --tokenizer DIR/tokenizer.json --program build/release/bench_tokenizer FILE

Without --tokenizer one is trained on the file: by the reference a byte-level BPE of 30,000 tokens; with --train Unigram
by the package sentencepiece a Unigram model of 32,000, with SentencePiece's nmt_nfkc, written as transformers writes
those of XLM-RoBERTa.
"""

import argparse
import json
import os
import subprocess
import tempfile
import time

os.environ["RAYON_NUM_THREADS"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import tokenizers  # noqa: E402
from tokenizers import models, pre_tokenizers, trainers  # noqa: E402


def train_bpe(path, to):
    tokenizer = tokenizers.Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(vocab_size=30000, show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train([path], trainer)
    tokenizer.save(to)


def train_unigram(path, to):
    import differential_unigram
    with open(path, encoding="utf-8") as file:
        vocab, blob = differential_unigram.sentencepiece_model(file.read().split("\n"), "nmt_nfkc", 32000)
    with open(to, "w", encoding="utf-8") as file:
        json.dump(differential_unigram.as_converted(vocab, blob, "old"), file, ensure_ascii=False)


TRAINERS = {"BPE": train_bpe, "Unigram": train_unigram}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tokenizer")
    parser.add_argument("--train", choices=TRAINERS, default="BPE")
    parser.add_argument("--program", required=True)
    parser.add_argument("file")
    arguments = parser.parse_args()
    if not arguments.tokenizer:
        with tempfile.TemporaryDirectory() as folder:
            arguments.tokenizer = os.path.join(folder, "tokenizer.json")
            TRAINERS[arguments.train](arguments.file, arguments.tokenizer)
            compare(arguments)
    else:
        compare(arguments)


def compare(arguments):
    subprocess.run([arguments.program, arguments.tokenizer, arguments.file], check=True)
    tokenizer = tokenizers.Tokenizer.from_file(arguments.tokenizer)
    tokenizer.no_truncation()
    tokenizer.no_padding()
    with open(arguments.file, "rb") as file:
        lines = file.read().decode().split("\n")
    if lines[-1] == "":
        lines.pop()
    for name in ("encode_batch", "encode_batch_fast"):
        best = 0
        for _ in range(2):
            start = time.process_time()
            encodings = getattr(tokenizer, name)(lines)
            seconds = time.process_time() - start
            best = max(best, sum(len(e) for e in encodings) / seconds / 1e6)
        print(f"tokenizers {tokenizers.__version__} {name}: {best:.2f} M tokens/s")


if __name__ == "__main__":
    main()
