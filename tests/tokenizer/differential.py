#!/usr/bin/env python3
"""Our tokenizer beside the reference `tokenizers` library: ids, type ids and offsets must be equal.

    python tests/tokenizer/differential.py --program build/release/tokenizer_dump [--model DIR] [--share N]

DIR holds a tokenizer.json of a WordPiece model; without it, a vocabulary that the reference trains here
stands in for it. The shared texts are found through SUTRA_SHARED_DATA, else beside the source tree.
Every case names its tokenizer; the first differing input of each is shown, and the exit status is 1.
"""

import argparse
import itertools
import json
import os
import random
import struct
import subprocess
import sys
import time
import unicodedata

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import differential_bpe  # noqa: E402
import differential_decoders  # noqa: E402
import differential_kinds  # noqa: E402
import differential_patterns  # noqa: E402
import differential_seams  # noqa: E402
import differential_unigram  # noqa: E402
import differential_windows  # noqa: E402
import tokenizers  # noqa: E402
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers  # noqa: E402

WHOLE = ("every code point", "model, shared inputs")  # cases that take all of their texts, whatever the share
LEFT, NO_SPECIAL, PAIR, OFFSETS, SLOW = 1, 2, 4, 8, 16
SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


# ---- our side ----

def word(value):
    return struct.pack("<I", value)


def string(data):
    return word(len(data)) + data


class Request:
    def __init__(self, text, pair=None, max_tokens=0, left=False, no_special=False, prefix=""):
        self.text, self.pair, self.max_tokens, self.left = text, pair, max_tokens, left
        self.no_special, self.prefix = no_special, prefix

    def encoded(self, flags):
        flags |= LEFT * self.left | NO_SPECIAL * self.no_special | PAIR * (self.pair is not None)
        return (b"E" + word(flags) + word(self.max_tokens) + string(self.prefix.encode())
                + string(self.text.encode()) + string((self.pair or "").encode()))

    def __repr__(self):
        return ", ".join(f"{k}={v!r}" for k, v in vars(self).items() if v)


class Answers:
    def __init__(self, data):
        self.data, self.at = data, 0

    def words(self, count):
        values = struct.unpack_from(f"<{count}I", self.data, self.at)
        self.at += 4 * count
        return values

    def message(self):
        status, size = self.words(2)
        text = self.data[self.at:self.at + size].decode()
        self.at += size
        return status, text


def ask_ours(program, build, requests, flags):
    """The answers as they come."""
    data = build + b"".join(r.encoded(flags) for r in requests)
    return subprocess.run([program], input=data, stdout=subprocess.PIPE, check=True).stdout


def read_ours(data, requests, flags):
    """[(ids, type ids, offsets or None, tokens seen)]"""
    answers = Answers(data)
    status, message = answers.message()
    if status:
        sys.exit(f"differential: the tokenizer was not built: {message}")
    results = []
    for request in requests:
        if answers.words(1)[0]:
            answers.at -= 4
            sys.exit(f"differential: {request}: {answers.message()[1]}")
        count, seen = answers.words(2)
        ids, types = answers.words(count), answers.words(count)
        offsets = list(zip(answers.words(count), answers.words(count))) if flags & OFFSETS else None
        results.append((list(ids), list(types), offsets, seen))
    return results


# ---- the reference ----

def run_reference(tokenizer, requests):
    results = [None] * len(requests)
    groups = {}
    for i, r in enumerate(requests):
        groups.setdefault((r.max_tokens, r.left, r.no_special), []).append(i)
    for (max_tokens, left, no_special), members in groups.items():
        inputs = [requests[i].prefix + requests[i].text for i in members]
        inputs = [t if requests[i].pair is None else (t, requests[i].pair) for t, i in zip(inputs, members)]
        tokenizer.no_truncation()
        whole = tokenizer.encode_batch(inputs, add_special_tokens=not no_special)
        cut = whole
        if max_tokens:
            tokenizer.enable_truncation(max_tokens, direction="left" if left else "right")
            cut = tokenizer.encode_batch(inputs, add_special_tokens=not no_special)
        for i, full, kept in zip(members, whole, cut):
            results[i] = (kept.ids, kept.type_ids, kept.offsets, len(full.ids))
    return results


class Check:
    def __init__(self, program, share=1):
        self.program, self.share, self.failures, self.inputs, self.cases = program, share, 0, 0, 0

    def case(self, name, description, requests, build=None):
        """description: the contents of tokenizer.json; build overrides what ours is built from."""
        if not name.startswith(WHOLE):
            requests = list(requests)[self.cases % self.share::self.share]
        self.cases += 1
        requests = [r if isinstance(r, Request) else Request(r) for r in requests]
        text = json.dumps(description, ensure_ascii=False)
        reference = Tokenizer.from_str(text)
        reference.no_padding()
        build = build or b"J" + string(text.encode())
        expected = run_reference(reference, requests)
        self.inputs += len(requests)
        read = set()
        image = b"I" + build[1:] if build.startswith(b"J") else build
        for path, flags in (("", OFFSETS), (" (slow path)", OFFSETS | SLOW), (" (no offsets)", 0), (" (image)", OFFSETS)):
            if path and len(requests) > 10000:
                continue
            data = ask_ours(self.program, image if path == " (image)" else build, requests, flags)
            if data in read:
                continue
            read.add(data)
            for request, a, b in zip(requests, read_ours(data, requests, flags), expected):
                if a[:2] == b[:2] and a[3] == b[3] and (a[2] is None or a[2] == b[2]):
                    continue
                self.failures += 1
                print(f"FAILED {name}{path}: {request}\n  ours      {a}\n  reference {b}")
                break


# ---- inputs ----

def shared_lines(name):
    folder = os.environ.get("SUTRA_SHARED_DATA") or os.path.join(SOURCE, "..", "shared", "data")
    path = os.path.join(folder, name)
    if not os.path.exists(path):
        print(f"differential: {path} is not there, its texts are left out")
        return []
    with open(path, "rb") as file:
        return [line.decode() for line in file.read().split(b"\n")]


POOLS = {
    "ascii": [chr(c) for c in range(128)],
    "word": list("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"),
    "space": [" "] * 4 + list("\t\n\r\x0b\x0c\x85\xa0\u1680\u2003\u2028\u2029\u202f\u3000\ufeff\u200b\u200d"),
    "punctuation": list("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~¿‘’“”…—、。「」٪।𐄀"),
    "latin": [chr(c) for c in itertools.chain(range(0xC0, 0x250), range(0x1E00, 0x1F00))],
    "greek": [chr(c) for c in itertools.chain(range(0x370, 0x400), range(0x1F00, 0x2000))],
    "marks": [chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000 and unicodedata.combining(chr(c))],
    "other_marks": [chr(c) for c in range(0x30000) if unicodedata.category(chr(c)) in ("Mn", "Mc", "Me")],
    "hangul": [chr(c) for c in itertools.chain(range(0xAC00, 0xD7A4, 7), range(0x1100, 0x1200))],
    "ideographs": [chr(c) for c in itertools.chain(range(0x4E00, 0x9FFF, 97), range(0xF900, 0xFB00), (0x3400, 0x20000,
                   0x2F800, 0x2A6E0, 0x2CEB0, 0x3007))],
    "indic": [chr(c) for c in itertools.chain(range(0x900, 0xE00), range(0xF00, 0x1000))],
    "decomposing": [chr(c) for c in range(0x30000)
                    if not 0xAC00 <= c < 0xE000 and unicodedata.normalize("NFD", chr(c)) != chr(c)],
    "case": [chr(c) for c in range(0x20000)
             if not 0xD800 <= c < 0xE000 and (chr(c).lower() != chr(c) or chr(c).upper() != chr(c))],
    "control": [chr(c) for c in itertools.chain(range(32), range(127, 160), (0xAD, 0x61C, 0x200E, 0x2066, 0xFFFD, 0xFFFF,
                0xE000, 0xF0000, 0x10FFFF, 0xE0001, 0xFDD0))],
    "any": None,
    "special": SPECIAL + ["[pad]", "[CLS", "[[SEP]]", "[UNK][UNK]", "##", "##a", "[mask]", "[MASK]s"],
}


def random_text(rng, length):
    names = rng.sample(sorted(POOLS), rng.randint(1, 4)) + rng.choices(["word", "space", "marks", "word"], k=2)
    parts = []
    for _ in range(rng.randint(0, length)):
        pool = POOLS[rng.choice(names)]
        if pool is None:
            c = rng.randrange(0x110000 - 0x800)
            parts.append(chr(c if c < 0xD800 else c + 0x800))
        else:
            parts.append(rng.choice(pool))
    return "".join(parts)


def every_code_point():
    """Texts that hold each code point once, next to letters, alone, and followed by a mark."""
    points = [chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000]
    for i in range(0, len(points), 256):
        yield "".join(f"a{c}b {c}\u0301 " if c < "\U00030000" else c for c in points[i:i + 256])


# ---- tokenizers ----

def bert_json(vocab, added=None, normalizer=None, post="template", **model):
    cls, sep = vocab["[CLS]"], vocab["[SEP]"]
    token = {"[CLS]": {"id": "[CLS]", "ids": [cls], "tokens": ["[CLS]"]},
             "[SEP]": {"id": "[SEP]", "ids": [sep], "tokens": ["[SEP]"]}}

    def piece(kind, name, type_id):
        return {kind: {"id": name, "type_id": type_id}}
    first = [piece("SpecialToken", "[CLS]", 0), piece("Sequence", "A", 0), piece("SpecialToken", "[SEP]", 0)]
    processors = {
        "template": {"type": "TemplateProcessing", "single": first, "special_tokens": token,
                     "pair": first + [piece("Sequence", "B", 1), piece("SpecialToken", "[SEP]", 1)]},
        "odd": {"type": "TemplateProcessing", "single": [piece("Sequence", "A", 3), piece("SpecialToken", "[SEP]", 2)],
                "pair": [piece("Sequence", "B", 1), piece("SpecialToken", "two", 5), piece("Sequence", "A", 4)],
                "special_tokens": {**token, "two": {"id": "two", "ids": [sep, cls], "tokens": ["[SEP]", "[CLS]"]}}},
        "bert": {"type": "BertProcessing", "sep": ["[SEP]", sep], "cls": ["[CLS]", cls]},
        "none": None,
    }
    bert = {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None,
            "lowercase": True}
    if added is None:
        added = [added_token(t, special=True, normalized=False) for t in SPECIAL]
    size = len(vocab)
    for i, t in enumerate(added):
        t["id"] = vocab[t["content"]] if t["content"] in vocab else size
        size += t["content"] not in vocab
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": added,
            "normalizer": None if normalizer == "none" else {**bert, **(normalizer or {})},
            "pre_tokenizer": {"type": "BertPreTokenizer"}, "post_processor": processors[post], "decoder": None,
            "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                      "max_input_chars_per_word": 100, "vocab": vocab, **model}}


def added_token(content, **flags):
    return {"id": 0, "content": content, "single_word": False, "lstrip": False, "rstrip": False, "normalized": True,
            "special": False, **flags}


def trained_vocab(texts, size, lowercase):
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=size, special_tokens=SPECIAL, show_progress=False,
                                        limit_alphabet=2500)
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer.get_vocab(with_added_tokens=False) | {t: i for i, t in enumerate(SPECIAL)}


# ---- the cases ----

def options_cases(check, vocabs, texts):
    variants = itertools.product((True, False), (True, False), (None, True, False), (True, False))
    for (name, vocab), (i, (clean, chinese, strip, lower)) in itertools.product(vocabs.items(), enumerate(variants)):
        options = dict(clean_text=clean, handle_chinese_chars=chinese, strip_accents=strip, lowercase=lower)
        check.case(f"{name} {options}", bert_json(vocab, normalizer=options), texts[i::6] if name == "model" else texts)
    for name, vocab in vocabs.items():
        check.case(f"{name} without a normalizer", bert_json(vocab, normalizer="none"), texts)
        description = bert_json(vocab)
        description["pre_tokenizer"] = None
        check.case(f"{name} without a pre_tokenizer", description, texts)


def model_cases(check, vocab, texts):
    for limit in (0, 1, 3, 10, 200, 1 << 40):
        check.case(f"max_input_chars_per_word {limit}", bert_json(vocab, max_input_chars_per_word=limit), texts)
    bare = {t[2:] if t.startswith("##") else t: 0 for t in vocab}
    bare = {t: i for i, t in enumerate(SPECIAL + [t for t in bare if t not in SPECIAL])}
    check.case("continuing_subword_prefix ''", bert_json(bare, continuing_subword_prefix=""), texts)
    letters = {t: i for i, t in enumerate(t.replace("##", "zz") for t in vocab)}
    letters = {t: i for i, t in enumerate(letters)}
    check.case("continuing_subword_prefix 'zz'", bert_json(letters, continuing_subword_prefix="zz"), texts)
    long = SPECIAL + ["a" * n for n in range(1, 90, 3)] + ["##" + "a" * n for n in range(2, 90, 5)] + [
        "é" * n for n in range(1, 60, 7)] + ["##" + "é" * n for n in (1, 2, 30, 31, 32, 33, 40)]
    long = {t: i for i, t in enumerate(long)}
    check.case("long tokens", bert_json(long, normalizer={"strip_accents": False}, max_input_chars_per_word=1000),
               ["a" * n for n in range(300)] + ["é" * n for n in range(200)] + ["a" * n + "é" * n for n in range(99)])


def added_cases(check, vocab, rng, count):
    contents = ["foo", "Foo Bar", "[x]", "##", "é", "e\u0301x", "A", " ", "\u4e00", "'", "\u1d00ar"]
    glue = ["", " ", "  ", "\u3000", "\u00a0", "_", "-", "x", "9", "\u0301", "É", "中", "\n", "\x00", "\u200d", "B", "foo"]
    flags = ["single_word", "lstrip", "rstrip", "normalized"]
    for bits in itertools.product((False, True), repeat=4):
        texts = []
        for _ in range(count):
            k = rng.randint(1, 6)
            parts = [rng.choice(contents + ["FOO", "foo bar", "É", "[X]", "a"]) if i % 2 else rng.choice(glue) + rng.choice(glue)
                     for i in range(2 * k + 1)]
            texts.append("".join(parts))
        # A space that strips, and tokens equal once normalised, are left out: the reference panics or is random.
        used = [c for c in contents if c != " " or not (bits[1] or bits[2])]
        added = [added_token(t, special=True, normalized=False) for t in SPECIAL]
        added += [added_token(c, **dict(zip(flags, bits))) for c in used]
        check.case(f"added tokens {dict(zip(flags, bits))}", bert_json(vocab, added), texts)
        mixed = [added_token(t, special=True, normalized=False) for t in SPECIAL]
        for c in ["foo", "Foo Bar", "[x]", "##", "é", "A"]:
            mixed.append(added_token(c, special=rng.random() < 0.5, **{f: rng.random() < 0.5 for f in flags}))
        check.case(f"added tokens {mixed[5:]}", bert_json(vocab, mixed), texts)


def random_requests(rng, texts, least, lone):
    """Texts and pairs, cut to `least` tokens or more; lone: no pair is cut to one token."""
    requests = []
    for _ in range(400):
        a, b = rng.choice(texts), rng.choice(texts)
        requests.append(Request(a, b if rng.random() < 0.7 else None, max_tokens=rng.choice(
            [0, least, least + 1, rng.randint(least, 12), rng.randint(least, 40), 512]), left=rng.random() < 0.5))
    requests += [Request(r.text, r.pair, r.max_tokens, r.left, no_special=True) for r in requests[:150]]
    requests += [Request("", ""), Request(""), Request("a", ""), Request("", "b", 5), Request(" ", None, 5, True)]
    requests += [Request(r.text, r.pair, r.max_tokens, r.left, prefix=rng.choice(texts)[:9]) for r in requests[:150]]
    return [r for r in requests if r.max_tokens != 1 or r.pair is None] if lone else requests


def truncation_cases(check, vocab, rng, texts):
    for post in ("template", "bert", "none", "odd"):
        least = {"template": 3, "bert": 3, "none": 1, "odd": 2}[post]
        requests = random_requests(rng, texts, least, post == "none")
        check.case(f"truncation, {post}", bert_json(vocab, post=post), requests)
    long = [Request(" ".join(rng.choices(texts, k=400)), None, n, left) for n in (3, 64, 512) for left in (True, False)]
    check.case("truncation of long texts", bert_json(vocab), long)


def vocab_txt_case(check, vocab, texts):
    lines = "\n".join(t for t, _ in sorted(vocab.items(), key=lambda item: item[1])) + "\n"
    check.case("vocab.txt", bert_json(vocab), texts, b"V" + string(lines.encode()) + string(b""))
    config = b'{"do_lower_case": false, "strip_accents": true, "tokenize_chinese_chars": false}'
    description = bert_json(vocab, normalizer=dict(lowercase=False, strip_accents=True, handle_chinese_chars=False))
    check.case("vocab.txt, options", description, texts,
               b"V" + string(lines.replace("\n", " \r\n").encode()) + string(config))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", required=True)
    parser.add_argument("--model", help="folder with tokenizer.json")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--texts", type=int, default=400, help="random texts a case")
    parser.add_argument("--share", type=int, default=1, metavar="N",
                        help="a case takes each N-th of its texts, the next case begins with the next one")
    arguments = parser.parse_args()
    if not tokenizers.__version__.startswith("0.23."):
        sys.exit(f"differential: tokenizers {tokenizers.__version__} is installed; the reference is 0.23")
    start, rng, check = time.monotonic(), random.Random(arguments.seed), Check(arguments.program, arguments.share)
    inputs, passages = shared_lines("tokenizer-inputs.txt"), shared_lines("passages.txt")
    texts = [random_text(rng, rng.choice((5, 30, 200))) for _ in range(arguments.texts)]
    vocab = trained_vocab(texts + inputs + passages[:2000], 12000, True)
    vocabs = {"trained": vocab, "trained, cased": trained_vocab(texts + inputs, 9000, False)}
    if arguments.model:
        with open(os.path.join(arguments.model, "tokenizer.json"), encoding="utf-8") as file:
            description = json.load(file)
        for section in ("truncation", "padding"):
            description[section] = None
        vocabs["model"] = description["model"]["vocab"]
    else:
        print("differential: no --model, a vocabulary trained here stands in for it")
        description = bert_json(vocab)
    check.case("model, shared inputs", description, inputs)
    check.case("model, passages", description, passages)
    check.case("model, random texts", description, texts)
    check.case("every code point", bert_json(vocab), list(every_code_point()))
    check.case("every code point, accents kept", bert_json(vocab, normalizer=dict(strip_accents=False)),
               list(every_code_point()))
    options_cases(check, vocabs, texts + inputs[::8])
    model_cases(check, vocab, texts[::2] + inputs[::8])
    added_cases(check, vocab, rng, arguments.texts // 2)
    truncation_cases(check, vocab, rng, texts + passages[:200])
    vocab_txt_case(check, vocab, texts + inputs[::8])
    special = {"template": 2, "bert": 2, "none": 0, "odd": 1}
    differential_windows.all_cases(check, rng, texts + passages[:200],
                                   {post: (bert_json(vocab, post=post), n) for post, n in special.items()})
    # The reference makes every pair of the parts that truncation cuts off: texts are short.
    starts = [t[:40] for t in texts + passages[:200]]
    differential_kinds.all_cases(check, texts[::4] + inputs[::16], texts + inputs + passages[:3000],
                                 lambda least, lone: random_requests(rng, starts, least, lone))
    differential_bpe.all_cases(check, 240 // arguments.share)
    differential_seams.all_cases(check, 240 // arguments.share)
    differential_patterns.all_cases(check, texts[::4] + inputs[::16], texts + inputs + passages[:3000],
                                    differential_kinds.many_code_points(), 3 * arguments.texts)
    differential_unigram.all_cases(check, texts + inputs[::8], texts + inputs + passages[:3000], list(every_code_point()),
                                   lambda least, lone: random_requests(rng, starts, least, lone),
                                   [pool for pool in POOLS.values() if pool])
    differential_decoders.all_cases(check, rng, string)
    print(f"differential: {check.inputs} inputs, {check.failures} failures, {time.monotonic() - start:.0f} s")
    sys.exit(1 if check.failures else 0)


if __name__ == "__main__":
    main()
