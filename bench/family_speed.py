#!/usr/bin/env python3
"""Every family's share of the cores' arithmetic at one width, beside BERT's: `sutra bench breakdown` in turns.

usage: bench/family_speed.py [--model DIR] [--program BIN] [--compute fp32] [--layers 3] [--rounds 5] [--texts 16]
                         [--threads 2] [--passages FILE]

Needs transformers and torch, which draw the weights: the shapes of tests/conformance/families.py (768 wide), all with as
many layers and the tokenizer of --model, on the first --texts lines of --passages. A round runs every family once; a ratio is
the median of each round's own, family beside bert. Goal: at least 0.9.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests/conformance"))
import families  # noqa: E402


def share(arguments, folder, texts):
    done = subprocess.run([arguments.program, "bench", "breakdown", "-m", folder, "-i", texts, "--compute", arguments.compute,
                           "--threads", str(arguments.threads), "--quick", "--json"], capture_output=True, text=True, check=True)
    row = json.loads(done.stdout)["rows"][0]
    return row["GFLOP/s"], row["share %"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default=str(ROOT / ".cache/model"))
    parser.add_argument("--program", default=str(ROOT / "build/release/sutra"))
    parser.add_argument("--compute", default="fp32")
    parser.add_argument("--layers", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--texts", type=int, default=16)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--passages", type=Path, default=ROOT.parent / "shared/data/passages.txt")
    arguments = parser.parse_args()
    lines = arguments.passages.read_text(encoding="utf-8").split("\n")
    measured = {name: [] for name in families.FAMILIES}
    with tempfile.TemporaryDirectory() as scratch:
        texts = Path(scratch, "texts.txt")
        texts.write_text("\n".join(lines[:arguments.texts]) + "\n", encoding="utf-8")
        for name, (config, _) in families.FAMILIES.items():
            families.make_folder(name, {**config, "num_hidden_layers": arguments.layers}
                                 if name != "distilbert" else {**config, "n_layers": arguments.layers},
                                 Path(scratch, name), arguments.model)
        for _ in range(arguments.rounds):
            for name, rows in measured.items():
                rows.append(share(arguments, str(Path(scratch, name)), str(texts)))
    print("| family | GFLOP/s | share of the peak % | beside bert |\n|---|---|---|---|")
    for name, rows in measured.items():
        ratios = [mine[1] / bert[1] for mine, bert in zip(rows, measured["bert"], strict=True)]
        print(f"| {name} | {statistics.median(r[0] for r in rows):.0f} | {statistics.median(r[1] for r in rows):.1f} | "
              f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}) |", flush=True)


if __name__ == "__main__":
    main()
