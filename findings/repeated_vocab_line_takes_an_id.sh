#!/usr/bin/env bash
# transformers 5.24.0, tokenizers 0.23.3: a vocab.txt that holds one token twice (published ones do). Guess: a special
# token that the vocabulary lacks gets the id after the last line. Seen: it gets the number of different tokens, which is
# the id of the last line: two texts, one id, and no word about it.
# usage: findings/repeated_vocab_line_takes_an_id.sh     needs python3 with venv and pip; makes a temporary folder and removes it
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet transformers==5.24.0 tokenizers==0.23.3
seen=$(HF_HUB_OFFLINE=1 TRANSFORMERS_VERBOSITY=error "$folder/venv/bin/python" - "$folder" 2>"$folder/log" <<'END'
import json
import os
import sys

from transformers import AutoTokenizer

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "red", "green", "blue", "sea"]


def tokenizer(name, lines=WORDS, **files):
    folder = os.path.join(sys.argv[1], name)
    os.makedirs(folder)
    for file, content in {"config": {"model_type": "bert"}, **files}.items():
        with open(f"{folder}/{file}.json", "w") as out:
            json.dump(content, out)
    with open(f"{folder}/vocab.txt", "w") as out:
        out.write("".join(line + "\n" for line in lines))
    return AutoTokenizer.from_pretrained(folder)


made = tokenizer("repeated", WORDS + ["red", "black"], tokenizer_config={"additional_special_tokens": ["[ENT]"]})
print(len(WORDS) + 2, "lines;", made.convert_tokens_to_ids(["[ENT]", "black"]))
print(made("[ENT] black")["input_ids"])
END
) || { cat "$folder/log" >&2; exit 1; }
expected='11 lines; [10, 10]
[2, 10, 10, 3]'
printf '%s\n' "$seen"
[ "$seen" = "$expected" ] || { printf 'this has changed; it was:\n%s\n' "$expected" >&2; exit 1; }
