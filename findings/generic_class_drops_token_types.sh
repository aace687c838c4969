#!/usr/bin/env bash
# transformers 5.24.0: the same tokenizer.json, whose template gives a second text the type 1, by two class names.
# Guess: PreTrainedTokenizerFast, which obeys tokenizer.json, passes the types on to a BERT. Seen: it returns none, so that
# both texts reach the encoder as type 0, unless tokenizer_config.json lists token_type_ids under model_input_names.
# usage: findings/generic_class_drops_token_types.sh     needs python3 with venv and pip; makes a temporary folder and removes it
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


for name, settings in (("BertTokenizer", {}), ("PreTrainedTokenizerFast", {}),
                       ("PreTrainedTokenizerFast", {"model_input_names": ["input_ids", "token_type_ids"]})):
    config = {"tokenizer_class": name, **settings}
    loaded = tokenizer(name + str(len(settings)), tokenizer=json.loads(saved().to_str()), tokenizer_config=config)
    print(name, *settings, loaded("red", "green").get("token_type_ids"))
END
) || { cat "$folder/log" >&2; exit 1; }
expected='BertTokenizer [0, 0, 0, 1, 1]
PreTrainedTokenizerFast None
PreTrainedTokenizerFast model_input_names [0, 0, 0, 1, 1]'
printf '%s\n' "$seen"
[ "$seen" = "$expected" ] || { printf 'this has changed; it was:\n%s\n' "$expected" >&2; exit 1; }
