#!/usr/bin/env python3
"""Ours beside the reference library, one thread each, on one file of texts (one a line).

    python tests/tokenizer/bench_tokenizer.py --tokenizer DIR/tokenizer.json --program build/release/bench_tokenizer FILE
"""

import argparse
import os
import subprocess
import time

os.environ["RAYON_NUM_THREADS"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import tokenizers  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tokenizer", required=True)
    parser.add_argument("--program", required=True)
    parser.add_argument("file")
    arguments = parser.parse_args()
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
            start = time.perf_counter()
            encodings = getattr(tokenizer, name)(lines)
            seconds = time.perf_counter() - start
            best = max(best, sum(len(e) for e in encodings) / seconds / 1e6)
        print(f"tokenizers {tokenizers.__version__} {name}: {best:.2f} M tokens/s")


if __name__ == "__main__":
    main()
