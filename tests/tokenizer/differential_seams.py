"""The cases of differential.py for places where words are cut, cached, merged in place, and passed over by normalisers.

Models are random, their tokens taken from texts of the same characters: one to four bytes, marks, letters that compose,
so that tokens begin and end inside characters and reach over what looks like a seam."""

import json
import random

from differential_kinds import METASPACE, added, byte_level, file_of, metaspace, replace, sequence, split
from tokenizers import Tokenizer

CHARACTERS = ["a", "b", "A", "1", ",", ".", " ", " ", "\n", METASPACE, "e", "\u0301", "\u00e9", "\u00df", "\u0130", "\u03c3",
              "\u4e2d", "\u56fd", "\u3042", "\ud55c", "\u1112", "\u1161", "\u11ab", "\u0915", "\u094d", "\u0e01", "\u2603", "\ufb01",
              "\u200d", "\U0001f600", "\U0001f468", "\U00020000", "\u0323", "\u30ab", "\u3099", "\x01", "\xa0", "\u2028"]


SHOWN = {*range(33, 127), *range(161, 173), *range(174, 256)}  # bytes that ByteLevel leaves as they are
BYTES = {b: chr(b) for b in SHOWN} | {b: chr(256 + i) for i, b in enumerate(sorted(set(range(256)) - SHOWN))}


def random_text(rng, characters):
    """Words of many lengths, those about the cache's longest often, and some that come again."""
    parts, words = [], []
    for _ in range(rng.choice((1, 1, 2, 3, 6))):
        if words and rng.random() < 0.3:
            parts.append(rng.choice(words))
            continue
        some = rng.sample(characters, rng.randint(1, min(6, len(characters))))
        kind = rng.random()
        if kind < 0.4:
            word = "".join(rng.choices(some, k=rng.randint(1, 12)))
        elif kind < 0.75:  # of so many bytes, about
            word, size = "", rng.choice((14, 15, 16, 17, 22, 23, 24, 25, 63, 64, 65))
            while len(word.encode()) < size:
                word += rng.choice(some)
        elif kind < 0.9:
            word = rng.choice(some) * rng.randint(1, 90)
        else:
            word = "".join(rng.choices(some, k=rng.randint(60, 700)))
        words.append(word)
        parts.append(word + rng.choice(("", "", " ")))
    return "".join(parts)


def random_merges(rng, samples, vocab, count):
    """samples: lists of symbols, which merge as the merges are made."""
    merges = []
    for _ in range(count):
        symbols = rng.choice(samples)
        if len(symbols) < 2:
            continue
        at = rng.randrange(len(symbols) - 1)
        left, right = symbols[at], symbols[at + 1]
        if [left, right] in merges or len(left + right) > 40:
            continue
        merges.append([left, right])
        vocab.setdefault(left + right, len(vocab))
        for sample in samples:
            out, i = [], 0
            while i < len(sample):
                if i + 1 < len(sample) and sample[i] == left and sample[i + 1] == right:
                    out.append(left + right)
                    i += 2
                else:
                    out.append(sample[i])
                    i += 1
            sample[:] = out
    if rng.random() < 0.3:
        rng.shuffle(merges)
    return merges


def bpe(rng, characters, as_bytes, texts):
    unk = rng.choice((None, "<unk>", "a", METASPACE)) if not as_bytes or rng.random() < 0.3 else None
    fallback = not as_bytes and rng.random() < 0.4
    vocab = {}
    if unk:
        vocab[unk] = 0
    if as_bytes:
        missing = rng.random() < 0.15 and unk is not None
        for symbol in BYTES.values():
            if not (missing and rng.random() < 0.02):
                vocab.setdefault(symbol, len(vocab))
        samples = [[BYTES[b] for b in t.encode() if BYTES[b] in vocab] for t in texts]
    else:
        if fallback:
            for b in range(256):
                vocab.setdefault(f"<0x{b:02X}>", len(vocab))
        known = [c for c in characters + [METASPACE] if rng.random() < 0.85]
        for c in known:
            vocab.setdefault(c, len(vocab))
        samples = [[c for c in t.replace(" ", METASPACE) if c in vocab] for t in texts]
    samples = [s[:120] for s in samples if s] or [list(vocab)[:2]]
    merges = random_merges(rng, samples, vocab, rng.choice((0, 5, 20, 60)))
    for _ in range(rng.choice((0, 0, 3))):  # tokens that no merge makes
        sample = rng.choice(samples)
        at = rng.randrange(len(sample))
        vocab.setdefault("".join(sample[at:at + 3]), len(vocab))
    return {"type": "BPE", "dropout": None, "unk_token": unk, "continuing_subword_prefix": None, "end_of_word_suffix": None,
            "fuse_unk": rng.random() < 0.5, "byte_fallback": fallback, "ignore_merges": rng.random() < 0.2, "vocab": vocab,
            "merges": merges}


def unigram(rng, characters, texts):
    scores = rng.choice(([-1, -2, -3, -4], [-0.1, -0.2, -0.3, -0.7], [-1.5, -2.25, -7.125], [0.0], None, [-1e7, -3.0],
                         [-0.1, -0.1000000001]))

    def score():
        return rng.choice(scores) if scores else -rng.random() * 12
    vocab = [["<unk>", score()]]
    vocab += [[c, score()] for c in characters + [METASPACE] if rng.random() < 0.7]
    for _ in range(rng.choice((3, 15, 60))):
        text = rng.choice(texts).replace(" ", METASPACE) or "a"
        at = rng.randrange(len(text))
        vocab.append([text[at:at + rng.choice((1, 2, 2, 3, 4, 9, 24))], score()])
    if rng.random() < 0.4:
        vocab += [[f"<0x{b:02X}>", score()] for b in (range(256) if rng.random() < 0.8 else rng.sample(range(256), 200))]
    last = {text: i for i, (text, _) in enumerate(vocab)}
    unk = last[vocab[rng.choice((0, 0, 0, 1, len(vocab) - 1))][0]]
    return {"type": "Unigram", "unk_id": unk, "vocab": vocab, "byte_fallback": rng.random() < 0.5}


def random_normalizer(rng):
    steps = [{"type": "NFC"}, {"type": "NFC"}, {"type": "NFD"}, {"type": "NFKC"}, {"type": "NFKD"}, {"type": "Lowercase"},
             {"type": "StripAccents"}, {"type": "Nmt"},
             {"type": "Strip", "strip_left": True, "strip_right": rng.random() < 0.5},
             {"type": "Prepend", "prepend": rng.choice((METASPACE, "ab", "\u0301"))},
             replace(" ", METASPACE), replace(" ", ""), replace("\n", rng.choice(("", " ", "ab", "\u4e2d\u56fd\u4e2d\u56fd"))),
             replace("e", "\u0301\u0301\u0301\u0301"), replace("aa", "b"), replace("\u4e2d", rng.choice(("", "x", METASPACE))),
             {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "},
             {"type": "Replace", "pattern": {"Regex": "a{3,}"}, "content": ""},
             {"type": "Replace", "pattern": {"Regex": "\\A +| +\\z"}, "content": ""},
             {"type": "Replace", "pattern": {"Regex": "\\Aa"}, "content": rng.choice(("", "xyz"))},
             {"type": "Replace", "pattern": {"Regex": "\\A "}, "content": METASPACE},
             {"type": "Replace", "pattern": {"Regex": "[ab]+"}, "content": rng.choice(("", "\u00e9"))}]
    chosen = [rng.choice(steps) for _ in range(rng.choice((0, 0, 1, 1, 2, 3)))]
    return sequence("normalizer", *chosen) if chosen else None


def random_pre_tokenizer(rng, as_bytes):
    steps = [metaspace(rng.choice(("always", "first", "never")), rng.random() < 0.5) for _ in range(3)]
    steps += [{"type": "WhitespaceSplit"}, {"type": "Punctuation", "behavior": "Isolated"},
              {"type": "Digits", "individual_digits": True}, {"type": "UnicodeScripts"}, {"type": "Whitespace"},
              {"type": "BertPreTokenizer"},
              split(" ", rng.choice(("Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous")), rng.random() < 0.3)]
    level = byte_level(rng.random() < 0.5, use_regex=rng.random() < 0.5)
    chosen = [rng.choice(steps) for _ in range(rng.choice((0, 0, 1, 2)))]
    if as_bytes:
        chosen.append(level)
    elif rng.random() < 0.6:
        chosen.append(rng.choice(steps[:3]))
    if rng.random() < 0.15:
        chosen.insert(rng.randint(0, len(chosen)), rng.choice(steps[:3] + [level]))
    return sequence("pre_tokenizer", *chosen) if len(chosen) > 1 else chosen[0] if chosen else None


def random_case(rng):
    characters = rng.sample(CHARACTERS, rng.randint(3, len(CHARACTERS)))
    texts = [random_text(rng, characters) for _ in range(40)]
    sources = rng.sample(texts, 12)
    kind = rng.choice(("bytes", "bytes", "characters", "unigram"))
    model = unigram(rng, characters, sources) if kind == "unigram" else bpe(rng, characters, kind == "bytes", sources)
    size = len(model["vocab"])
    tokens = []
    for _ in range(rng.choice((0, 0, 1, 3))):
        content = "".join(rng.choices(characters, k=rng.choice((1, 1, 2, 4)))).strip()
        if content and content not in [t["content"] for t in tokens]:
            known = model["vocab"].get(content) if isinstance(model["vocab"], dict) else next(
                (i for i, (t, _) in reversed(list(enumerate(model["vocab"]))) if t == content), None)
            flags = {f: rng.random() < 0.3 for f in ("lstrip", "rstrip", "single_word")}
            tokens.append(added(content, size if known is None else known, special=rng.random() < 0.5,
                                normalized=rng.random() < 0.5, **flags))
            size += known is None
    return file_of(model, random_normalizer(rng), random_pre_tokenizer(rng, kind == "bytes"), None, tokens), texts


def all_cases(check, count):
    """count: models; those that the reference cannot encode with are left out."""
    for number in range(count):
        case, texts = random_case(random.Random(f"seams {number}"))
        try:
            Tokenizer.from_str(json.dumps(case)).encode_batch(texts)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException:  # it has no token for what is unknown; panics, which it reports, are no Exceptions
            continue
        check.case(f"seams {number}", case, texts)
