#!/usr/bin/env bash
# transformers 5.24.0: one list of additional_special_tokens, two meanings. A BERT folder has vocab.txt and an
# added_tokens.json that gives "[ENT]" its id. Guess: it makes no difference whether tokenizer_config.json or
# special_tokens_map.json calls "[ENT]" an additional special token. Seen: named in tokenizer_config.json it is matched as
# written; named in special_tokens_map.json it is an ordinary added token, which a lower-casing tokenizer also finds in
# "[ent]" (the map's list gets its new name only after added_tokens.json has been read).
# usage: findings/added_tokens_named_in_special_map.sh     needs python3 with venv and pip; makes a temporary folder and removes it
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


for where in ("tokenizer_config", "special_tokens_map"):
    files = {"added_tokens": {"[ENT]": 9}, where: {"additional_special_tokens": ["[ENT]"]}}
    print(where, tokenizer(where, **files)("[ENT] [ent]")["input_ids"])
END
) || { cat "$folder/log" >&2; exit 1; }
expected='tokenizer_config [2, 9, 1, 1, 1, 3]
special_tokens_map [2, 9, 9, 3]'
printf '%s\n' "$seen"
[ "$seen" = "$expected" ] || { printf 'this has changed; it was:\n%s\n' "$expected" >&2; exit 1; }
