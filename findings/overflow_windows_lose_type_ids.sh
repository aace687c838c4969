#!/usr/bin/env bash
# tokenizers 0.23.3: a long text, cut with truncation, whose other windows lie in `overflowing`; a TemplateProcessing that
# gives special tokens and text the type id 1. Guess: every window has the type ids of the template, as the whole text does.
# Seen: only the first window has; in the others the text's tokens have type id 0, and the special tokens around them 1.
# usage: findings/overflow_windows_lose_type_ids.sh     needs python3 with venv and pip; makes a temporary folder and removes it
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet tokenizers==0.23.3
seen=$("$folder/venv/bin/python" - 2>"$folder/log" <<'END'
from tokenizers import Tokenizer, models, pre_tokenizers, processors

words = ["[UNK]", "[CLS]", "[SEP]", "a", "b", "c", "d", "e", "f"]
tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="[UNK]"))
tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
tokenizer.post_processor = processors.TemplateProcessing(
    single="[CLS]:1 $A:1 [SEP]:1", special_tokens=[("[CLS]", 1), ("[SEP]", 2)])
print("whole", tokenizer.encode("a b c d e f").type_ids)
tokenizer.enable_truncation(4)
first = tokenizer.encode("a b c d e f")
for window in [first, *first.overflowing]:
    print(*window.tokens, window.type_ids)
END
) || { cat "$folder/log" >&2; exit 1; }
expected=$(cat <<'END'
whole [1, 1, 1, 1, 1, 1, 1, 1]
[CLS] a b [SEP] [1, 1, 1, 1]
[CLS] c d [SEP] [1, 0, 0, 1]
[CLS] e f [SEP] [1, 0, 0, 1]
END
)
printf '%s\n' "$seen"
[ "$seen" = "$expected" ] || { printf 'this has changed; it was:\n%s\n' "$expected" >&2; exit 1; }
