#!/usr/bin/env bash
# tokenizers 0.23.3: a regular expression of Split. Guess: \w and [\w] match the same characters, and a class matches one
# character. Seen: the quarter sign is a word character outside of brackets and none inside; and where case does not
# count, a class that holds \w matches the two letters ss at once, as what the sharp s folds to, which \w alone does not.
# usage: findings/word_class_differs_in_brackets.sh     needs python3 with venv and pip; makes a temporary folder and removes it
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet tokenizers==0.23.3
seen=$("$folder/venv/bin/python" - 2>"$folder/log" <<'END'
from tokenizers import Regex, pre_tokenizers


def kept(pattern, text):
    """What is left where matches are removed."""
    split = pre_tokenizers.Split(Regex(pattern), "removed")
    return "".join(piece for piece, _ in split.pre_tokenize_str(text))


for pattern, text in ((r"\w", "a\u00bcb"), (r"[\w]", "a\u00bcb"), (r"(?i:\A\w\z)", "ss"), (r"(?i:\A[\w-]\z)", "ss"),
                      (r"\A[\w-]\z", "ss")):
    print(ascii(pattern), ascii(text), "leaves", ascii(kept(pattern, text)))
END
) || { cat "$folder/log" >&2; exit 1; }
expected=$(cat <<'END'
'\\w' 'a\xbcb' leaves ''
'[\\w]' 'a\xbcb' leaves '\xbc'
'(?i:\\A\\w\\z)' 'ss' leaves 'ss'
'(?i:\\A[\\w-]\\z)' 'ss' leaves ''
'\\A[\\w-]\\z' 'ss' leaves 'ss'
END
)
printf '%s\n' "$seen"
[ "$seen" = "$expected" ] || { printf 'this has changed; it was:\n%s\n' "$expected" >&2; exit 1; }
