#!/usr/bin/env bash
# `make demo`, last part: a vector and a table of similarities from the default model.
set -euo pipefail
cd "$(dirname "$0")/.."

sutra=build/release/sutra
model=all-MiniLM-L6-v2
texts=(
    "How do I change the oil of my car?"
    "Engine oil replacement, step by step"
    "The cat sat on the mat."
    "A kitten is sleeping on the rug."
    "Interest rates rose again this quarter."
)

echo
echo "\$ sutra embed -m $model \"${texts[2]}\""
"$sutra" embed -m "$model" "${texts[2]}" | cut -c 1-100 | sed 's/$/ …/'
echo
echo "\$ sutra similarity -m $model TEXT ..."
"$sutra" similarity -m "$model" "${texts[@]}"
