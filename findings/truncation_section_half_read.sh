#!/usr/bin/env bash
# tokenizers 0.23.3 and transformers 5.24.0 on one tokenizer.json whose truncation section says: 4 tokens, from the left.
# Guess: transformers, which loads that file, cuts as the tokenizers library does, or not at all until asked, and then to 4.
# Seen: the length is dropped, even with truncation=True; the direction is kept, and applies once a caller gives a length
# (the default would be right).
# usage: findings/truncation_section_half_read.sh     needs python3 with venv and pip; makes a temporary folder and removes it
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet transformers==5.24.0 tokenizers==0.23.3
seen=$(HF_HUB_OFFLINE=1 TRANSFORMERS_VERBOSITY=error "$folder/venv/bin/python" - "$folder" 2>"$folder/log" <<'END'
import json
import os
import sys

from tokenizers import Tokenizer, models, pre_tokenizers, processors
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



def saved():
    made = Tokenizer(models.WordPiece({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0", pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    made.enable_truncation(4, direction="left")
    return made


made = saved()
text = "red green blue sea"
print("tokenizers", made.encode(text).ids)
loaded = tokenizer("half", tokenizer=json.loads(made.to_str()), tokenizer_config={"tokenizer_class": "BertTokenizer"})
print("transformers", loaded(text)["input_ids"], loaded(text, truncation=True)["input_ids"])
print("transformers, max_length", loaded(text, truncation=True, max_length=4)["input_ids"])
END
) || { cat "$folder/log" >&2; exit 1; }
expected='tokenizers [2, 7, 8, 3]
transformers [2, 5, 6, 7, 8, 3] [2, 5, 6, 7, 8, 3]
transformers, max_length [2, 7, 8, 3]'
printf '%s\n' "$seen"
[ "$seen" = "$expected" ] || { printf 'this has changed; it was:\n%s\n' "$expected" >&2; exit 1; }
