"""The cases of differential.py for BPE's short cuts: words that are cut where no token goes over, and words encoded before.
Models are small and random, of few characters, so that merges meet unknown tokens, bytes and U+2581 in every way."""

import json
import random

from tokenizers import Tokenizer

CHARACTERS = ["a", "b", ",", ".", "1", "\u2581", "\u00e9", "\u2603", "\u4e2d", "\n", "\x01"]


def random_model(rng):
    unk = rng.choice((None, "<unk>", "?", "\u2581", "a"))
    vocab = {unk or ",": 0}
    byte_fallback = rng.random() < 0.5
    missing = rng.choice((0, 0.005))
    for byte in range(256 * byte_fallback):
        if rng.random() >= missing:
            vocab.setdefault(f"<0x{byte:02X}>", len(vocab))
    pool = [c for c in CHARACTERS if rng.random() < 0.75] or ["a"]
    for token in pool:
        vocab.setdefault(token, len(vocab))
    merges = []
    for _ in range(rng.randint(0, 14)):
        left, right = rng.choice(pool if rng.random() < 0.97 else list(vocab)), rng.choice(pool)
        if [left, right] not in merges:
            merges.append([left, right])
            vocab.setdefault(left + right, len(vocab))
            pool.append(left + right)
    vocab.setdefault("".join(rng.choices(CHARACTERS, k=2)), len(vocab))  # a token that no merge makes
    return {"type": "BPE", "dropout": None, "unk_token": unk,
            "continuing_subword_prefix": None, "end_of_word_suffix": None, "fuse_unk": rng.random() < 0.6,
            "byte_fallback": byte_fallback, "ignore_merges": rng.random() < 0.25, "vocab": vocab, "merges": merges}


def random_case(rng):
    space = {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": rng.choice(("always", "first", "never")),
             "split": rng.random() < 0.3}
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None,
            "pre_tokenizer": rng.choice((None, space)), "post_processor": None, "decoder": None, "model": random_model(rng)}


def all_cases(check, count):
    """count: models."""
    rng = random.Random(count)
    while count > 0:
        case = random_case(rng)
        texts = ["".join(rng.choices(CHARACTERS + [" ", "x"], k=rng.randint(1, 40))) for _ in range(40)]
        try:
            Tokenizer.from_str(json.dumps(case)).encode_batch(texts)
        except Exception:  # the reference has no token for what is unknown
            continue
        check.case("BPE of few characters", case, texts)
        count -= 1
