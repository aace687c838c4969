#!/usr/bin/env bash
# model2vec 0.10.0: what max_length (512 unless given) counts.
# Guess: tokens, of which its documentation speaks: a text of 300 tokens is embedded whole.
# Seen: the text is first cut to 512 times the median length, in characters, of the vocabulary's tokens, the special ones among
# them, and only then tokenised. A text of 300 tokens that are longer than most loses almost half of them without a word, and other
# words there change nothing; of the word in which the cut falls, what is left is unknown and dropped. With max_length=2 a text
# of two words that are both known is given the vector of no words: zeros.
# usage: findings/static_text_cut_before_its_tokens.sh     needs python3 with venv and pip; makes a temporary folder and removes it
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet model2vec==0.10.0 tokenizers==0.23.3 numpy==2.4.6
seen=$("$folder/venv/bin/python" - 2>"$folder/log" <<'END'
import itertools

import numpy as np
from model2vec import StaticModel
from tokenizers import Tokenizer, models, pre_tokenizers

SHORT = ["".join(letters) for letters in itertools.product("abcdef", repeat=3)][:100]
LONG = ["".join(letters) + "ility" for letters in itertools.product("xyz", repeat=3)]  # of 8 letters
WORDS = ["[UNK]", "[PAD]", *SHORT, *LONG]
tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
vectors = np.random.default_rng(1).normal(size=(len(WORDS), 8)).astype(np.float32)
model = StaticModel(vectors, tokenizer, config={"normalize": False})
words = [LONG[i % 20] for i in range(300)]


def mean(some):
    return vectors[[WORDS.index(word) for word in some]].mean(0)


def holds(what, condition):
    print(f"{what}: {'yes' if condition else 'no'}")


vector = model.encode(" ".join(words))
print("median letters of a token:", model.median_token_length)
holds("a text of 300 tokens is the mean of its words", np.allclose(vector, mean(words), atol=1e-5))
kept = [n for n in range(1, 301) if np.allclose(vector, mean(words[:n]), atol=1e-6)]
print("it is the mean of the first", *kept)
other = model.encode(" ".join(words[:200] + [LONG[21]] * 100))
holds("other words behind the 200th change it", not np.array_equal(vector, other))
holds("without a limit it is the mean of all", np.allclose(model.encode(" ".join(words), max_length=None), mean(words), atol=1e-5))
holds("two words, max_length=2: zeros", not model.encode(" ".join(LONG[:2]), max_length=2).any())
END
) || { cat "$folder/log" >&2; exit 1; }
expected='median letters of a token: 3
a text of 300 tokens is the mean of its words: no
it is the mean of the first 170
other words behind the 200th change it: no
without a limit it is the mean of all: yes
two words, max_length=2: zeros: yes'
printf '%s\n' "$seen"
[ "$seen" = "$expected" ] || { printf 'this has changed; it was:\n%s\n' "$expected" >&2; exit 1; }
