#!/usr/bin/env python3
"""Writes golden/tokenizer.json: what the reference makes of a few dozen texts, for test_tokenizer_golden.c.

Needs tokenizers 0.23 and transformers 5 (which builds the tokenizers of vocab.txt).
"""

import json
import os
import random
import tempfile

os.environ["HF_HUB_OFFLINE"] = "1"

from tokenizers import Tokenizer  # noqa: E402
from transformers import BertTokenizerFast  # noqa: E402

from differential import SPECIAL, added_token, bert_json, random_text  # noqa: E402

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "golden")
TEXTS = [
    "", " ", "a", "Hello, world! It's 12:30.", "unaffable", "UNAFFABLE unaffableness", "x" * 100, "x" * 101,
    "abcdefghijk abcdefghijkl", "hello\u0000world \ufffd\u200b\ufeff", "tab\tnew\nline\rvt\u000bnel\u0085nbsp\u00a0ls\u2028",
    "Élan vital, ÀÉÎ; e\u0301a\u0300\u0323 \u1e9b\u0323", "İstanbul ıI ΑΣ ς", "한국어 \u1112\u1161\u11ab", "東京tower\u3000京、都。",
    "\uf900\U0002f800", "a\u0345\u0301\u0323b \u0344\u0316", "\u0301abc", "don\u2019t \u201cquote\u201d \u2014 …",
    "[CLS] hello [SEP][MASK] [mask] [UNK]x", "\U0001f600\U0001f468\u200d\U0001f469 \u00ad\u061c", "\u0958\u09cb\u0f73 \u1d15e",
    "\ue000\U000f0000\U0010ffff\ufdd0", "a" * 15 + " " + "a" * 16 + " " + "a" * 17, "word\u0301 word\u00a0word\u2014word é",
    "a\u302e\U0001d165b\u0301 \u302e\u0323\U0001d165\u0344\U0001d16d b\u302e\u0001\U0001d165",
    "é" * 60 + " " + "é" * 100 + " " + "é" * 101, "x" * 90 + "\u0436 " + "x" * 64 + " " + "x" * 65,
    "zebra ZEBRA a{z}[Z]@A`a/0:9",
]


def vocabulary():
    pieces = ["hello", "world", "un", "aff", "able", "ness", "it", "s", "don", "t", "quote", "elan", "vital", "abcdefghijk",
              "abcdefghijkl", "tokyo", "tower", "istanbul", "12", "30", "word", "Hello", "É", "é", "aaaaaaaaaaaaaaa"]
    letters = list("abcdefghijklmnopqrstuvwxyz,.!':;[]…—“”’東京都、。한") + ["ᄒ", "ᅡ", "ᆫ", "α", "σ", "ς", "\u0301", "\u0300",
                                                                         "\u0323", "豈", "丽", "ı", "\u302e", "\U0001d165",
                                                                         "\U0001d16d"]
    tokens = SPECIAL + sorted(set(pieces + letters)) + ["##" + p for p in sorted(set(pieces + letters)) if p not in ",.!':;[]"]
    return {t: i for i, t in enumerate(tokens)}


def answer(tokenizer, text, pair=None, max_tokens=0, left=False, no_special=False):
    inputs = (text,) if pair is None else (text, pair)
    tokenizer.no_truncation()
    seen = len(tokenizer.encode(*inputs, add_special_tokens=not no_special).ids)
    if max_tokens:
        tokenizer.enable_truncation(max_tokens, direction="left" if left else "right")
    e = tokenizer.encode(*inputs, add_special_tokens=not no_special)
    case = {"text": text, "ids": e.ids, "types": e.type_ids, "begin": [b for b, _ in e.offsets],
            "end": [e for _, e in e.offsets], "seen": seen}
    optional = {"pair": pair, "max_tokens": max_tokens, "left": left, "no_special": no_special}
    return {**case, **{k: v for k, v in optional.items() if v not in (None, 0, False)}}


def from_json(name, description, texts):
    tokenizer = Tokenizer.from_str(json.dumps(description))
    return {"name": name, "json": description, "cases": [answer(tokenizer, t) for t in texts]}


def truncated(rng, description):
    tokenizer = Tokenizer.from_str(json.dumps(description))
    cases = []
    for _ in range(60):
        pair = rng.choice(TEXTS) if rng.random() < 0.6 else None
        cases.append(answer(tokenizer, rng.choice(TEXTS), pair, rng.choice((0, 3, 4, 5, 8, 13)), rng.random() < 0.5,
                            rng.random() < 0.2))
    post = (description["post_processor"] or {"type": "none"})["type"]
    return {"name": f"truncation and pairs, {post}", "json": description, "cases": cases}


def from_vocab(name, lines, config, texts):
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "vocab.txt"), "wb") as file:
            file.write(lines.encode())
        if config is not None:
            with open(os.path.join(folder, "tokenizer_config.json"), "w", encoding="utf-8") as file:
                json.dump(config, file)
        tokenizer = Tokenizer.from_str(BertTokenizerFast.from_pretrained(folder).backend_tokenizer.to_str())
    group = {"name": name, "vocab": lines, "cases": [answer(tokenizer, t) for t in texts]}
    return {**group, "config": config} if config is not None else group


def main():
    rng, vocab = random.Random(3), vocabulary()
    strange = [random_text(rng, 20) for _ in range(20)]
    flags = [added_token(t, special=True, normalized=False) for t in SPECIAL] + [
        added_token("Elan"), added_token("world", single_word=True), added_token("<l>", lstrip=True, normalized=False),
        added_token("<r>", rstrip=True, normalized=False), added_token("<lr", lstrip=True, rstrip=True),
        added_token("<lr>", normalized=False, single_word=True)]
    flagged = ["hello élan ÉLAN\u0301s", "world worlds world_ world\u0301 (world)", "a <l>b <r> c  <l>  <r>  <l>", "x<lr>x <lr> <LR >",
               "\u3000<r>\u3000\u3000a", "<l><r><lr", "  <lr  \u00a0a"]
    groups = [
        from_json("default", bert_json(vocab), TEXTS + strange),
        from_json("cased", bert_json(vocab, normalizer={"lowercase": False}), TEXTS + strange),
        from_json("lower case, accents kept", bert_json(vocab, normalizer={"strip_accents": False}), TEXTS),
        from_json("cased, accents stripped", bert_json(vocab, normalizer={"lowercase": False, "strip_accents": True}), TEXTS),
        from_json("nothing cleaned", bert_json(vocab, normalizer={"clean_text": False, "handle_chinese_chars": False}), TEXTS),
        from_json("added tokens", bert_json(vocab, flags), flagged + TEXTS),
        from_json("tokens of white space", bert_json(vocab, flags + [added_token(" ", lstrip=True, normalized=False)]),
                  ["<r> a", "<r>\ta <r> ", "a<r> <r> <l>"]),
        truncated(rng, bert_json(vocab)), truncated(rng, bert_json(vocab, post="bert")),
        truncated(rng, bert_json(vocab, post="none")),
        from_vocab("vocab.txt", "\n".join(vocab) + "\n", None, TEXTS),
        from_vocab("vocab.txt with options", " \r\n".join(vocab), {
            "do_lower_case": False, "strip_accents": True, "tokenize_chinese_chars": False,
            "mask_token": {"__type": "AddedToken", "content": "<m>", "lstrip": True, "normalized": False, "rstrip": False,
                           "single_word": False}, "cls_token": "<c>", "additional_special_tokens": ["<x>", "word"]},
            TEXTS + ["a <m> <x>b<c> [CLS] words"]),
        from_vocab("vocab.txt with added_tokens_decoder", "\n".join(vocab) + "\nhello\n\nlast", {"added_tokens_decoder": {
            "0": {"content": "[PAD]", "special": True}, "3": {"content": "[SEP]", "special": True, "lstrip": True},
            str(vocab["word"]): {"content": "word", "single_word": True, "normalized": True}}},
            TEXTS + ["word words WORD hello last", "a  [SEP] b [CLS]"]),
    ]
    os.makedirs(FOLDER, exist_ok=True)
    with open(os.path.join(FOLDER, "tokenizer.json"), "w", encoding="utf-8") as file:
        file.write("[\n" + ",\n".join(json.dumps(g, ensure_ascii=True, separators=(",", ":")) for g in groups) + "\n]\n")


if __name__ == "__main__":
    main()
