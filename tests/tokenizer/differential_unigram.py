"""The cases of differential.py for Unigram tokenizers: the model, and the normaliser Precompiled, beside the reference.

Vocabularies are trained by the reference, maps of characters are built here; with the package `sentencepiece` its own
models, with their maps, are trained and compared too."""

import base64
import collections
import itertools
import json
import os
import random
import struct
import tempfile
import unicodedata

from differential_kinds import METASPACE, added, file_of, metaspace, replace, sequence
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

try:
    import sentencepiece
except ImportError:
    sentencepiece = None

XLM = ["<s>", "<pad>", "</s>", "<unk>"]
SPLIT = {"type": "WhitespaceSplit"}
RULES = ["nmt_nfkc", "nfkc", "nmt_nfkc_cf", "nfkc_cf"]
SHARED_RULES = ["nfkc", "nmt_nfkc_cf"]


# ---- maps of characters ----

def charsmap(mapping):
    """The blob of a map from texts to texts. A node with children has 256 units of its own."""
    root, texts, places = {}, bytearray(), {}
    for key, value in mapping.items():
        node, data = root, value.encode()
        if data not in places:
            places[data] = len(texts)
            texts += data + b"\0"
        for byte in key.encode():
            node = node.setdefault(byte, {})
        node[None] = places[data]
    blocks, values = [root], []
    for node in blocks:
        for byte, child in node.items():
            if byte is not None and any(b is not None for b in child):
                blocks.append(child)
    number = {id(node): i + 1 for i, node in enumerate(blocks)}
    units = [0] * (256 * (len(blocks) + 1))

    def offset(at, to):
        assert (at ^ to) < 1 << 21
        return (at ^ to) << 10
    units[0] = offset(0, 256)
    for node in blocks:
        base = 256 * number[id(node)]
        if None in node:
            units[base] = node[None] | 1 << 31
        for byte, child in node.items():
            if byte is None:
                continue
            to = 256 * number[id(child)] if id(child) in number else len(units) + len(values)
            if id(child) not in number:
                values.append(child[None] | 1 << 31)
            units[base ^ byte] = offset(base ^ byte, to) | byte | (1 << 8 if None in child else 0)
    units += values + [0] * (-len(values) % 256)
    return struct.pack(f"<I{len(units)}I", 4 * len(units), *units) + bytes(texts)


def precompiled(blob):
    return {"type": "Precompiled", "precompiled_charsmap": base64.b64encode(blob).decode()}


def compatibility_map(fold):
    """What SentencePiece's nmt_nfkc does to single characters, as far as Python's Unicode knows."""
    mapping = {}
    for c in itertools.chain(range(1, 0xD800), range(0xE000, 0x30000)):
        form = unicodedata.normalize("NFKC", chr(c))
        form = unicodedata.normalize("NFKC", form.casefold()) if fold else form
        if c in (9, 10, 13) or unicodedata.category(chr(c)) == "Zs":
            form = " "
        elif unicodedata.category(chr(c)) in ("Cc", "Cf"):
            form = ""
        if form != chr(c):
            mapping[chr(c)] = form
        parts = unicodedata.normalize("NFD", chr(c))
        if len(parts) > 1 and not 0xAC00 <= c < 0xD7A4:
            mapping[parts] = form
    return mapping


def random_map(rng, pools):
    """Few keys of few characters, so that keys begin keys, and short and long replacements."""
    alphabet = [rng.choice(rng.choice(pools)) for _ in range(30)] + list("ab \r\n\u0301\u200d")
    keys = ["".join(rng.choices(alphabet, k=rng.choice((1, 1, 1, 2, 2, 3)))).replace("\0", "") for _ in range(40)]
    return {key: "".join(rng.choices(alphabet, k=rng.choice((0, 1, 1, 2, 3, 9)))).replace("\0", "")
            for key in keys if key}, alphabet


# ---- models ----

def without_rare(texts):
    """Trainers give every character a token. Without "<" there are no tokens that are special too."""
    counts = collections.Counter(itertools.chain(*texts))
    rare = {ord(c): " " for c, count in counts.items() if count < 20 or c == "<"}
    return [text.translate(rare) for text in texts]


def trained_unigram(texts, size, **options):
    texts = without_rare(texts)
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.train_from_iterator(texts, trainers.UnigramTrainer(
        vocab_size=size, special_tokens=XLM, unk_token="<unk>", show_progress=False))
    return {**json.loads(tokenizer.to_str())["model"], **options}


def characters(texts):
    """A model that shows every character of normalised text, and where it comes from."""
    vocab = {"<unk>": 0}
    for text in texts:
        for character in text.replace("\0", ""):  # names in our JSON files hold no NUL
            vocab.setdefault(character, len(vocab))
    return {"type": "BPE", "dropout": None, "unk_token": "<unk>", "continuing_subword_prefix": None,
            "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "vocab": vocab, "merges": []}


def random_model(rng):
    """Scores that are often equal in sum; tokens of two letters, some twice, some of a part of a character's text."""
    pieces = ["".join(rng.choices("ab\u00e9" + METASPACE, k=rng.randint(1, 4))) for _ in range(rng.randint(1, 25))]
    scores = rng.choice(([-1, -2, -3, -4], [-0.1, -0.2, -0.3, -0.7], [5, 3.25, 1, -1], [0.0]))
    vocab = [["<unk>", rng.choice(scores)]] + [[p, rng.choice(scores)] for p in pieces]
    if rng.random() < 0.5:
        vocab += [[f"<0x{b:02X}>", rng.choice(scores)] for b in rng.sample(range(256), 200)]
    last = {text: i for i, (text, _) in enumerate(vocab)}  # of equal tokens
    return {"type": "Unigram", "unk_id": last[vocab[rng.choice((0, 0, 0, len(vocab) - 1, 1))][0]], "vocab": vocab,
            "byte_fallback": rng.random() < 0.5}


def tie_cases(check, rng, count):
    texts = ["".join(rng.choices("aaabb\u00e9xyz" + METASPACE, k=rng.randint(1, 40))) for _ in range(60)]
    texts += ["<unk>", "a<unk>b", "x<unk>", "xyzxy", "ab" * 3000, "a" * 2500, "x" * 3000, "a<0x41>"]
    for number in range(count):
        check.case(f"Unigram {number} with equal sums", file_of(random_model(rng)), texts)


def model_cases(check, model, texts):
    vocab = model["vocab"]
    special = [added(t, i) for i, t in enumerate(XLM)] + [added("<mask>", len(vocab), lstrip=True)]
    for scheme, whole in itertools.product(("always", "never", "first"), (True, False)):
        for name, steps in {"": [], "WhitespaceSplit, ": [SPLIT]}.items():
            check.case(f"Unigram, {name}Metaspace {scheme} {whole}",
                       file_of(model, pre_tokenizer=sequence("pre_tokenizer", *steps, metaspace(scheme, whole)),
                               added_tokens=special), texts)
    known = {p for p, _ in vocab}
    bytes_too = vocab + [[f"<0x{b:02X}>", -20.5] for b in range(256)]
    fewer = [pair for pair in vocab if len(pair[0]) != 1 or pair[0] in "abcdefghi"]
    for name, changed in {"byte_fallback": {"vocab": bytes_too, "byte_fallback": True},
                          "byte_fallback without bytes": {"byte_fallback": True},
                          "few characters": {"vocab": fewer},
                          "few characters, bytes": {"vocab": fewer + bytes_too[len(vocab):], "byte_fallback": True},
                          "another unk_id": {"unk_id": 40},
                          "tokens twice": {"vocab": vocab[:50] + vocab[20:60:3] + vocab[50:] + [[t, s - 0.5] for t, s in vocab[::9]]},
                          "unknown token twice": {"vocab": vocab + [vocab[model["unk_id"]], ["e", -1.5]]},
                          "unknown token a letter, twice": {"vocab": [["e", -3.0]] + vocab, "unk_id": 0},
                          }.items():
        check.case(f"Unigram, {name}", file_of({**model, **changed}, pre_tokenizer=metaspace()), texts)
        check.case(f"Unigram, {name}, long words", file_of({**model, **changed}),
                   ["".join(texts[i:i + 20]) for i in range(0, len(texts), 20)])
    letters = sorted({c for t in texts for c in t.replace(" ", METASPACE)} - known - {METASPACE})
    all_known = vocab + [[c, -15 - i / 7] for i, c in enumerate([*letters, METASPACE])]
    check.case("Unigram without an unknown token", file_of({**model, "vocab": all_known, "unk_id": None},
                                                           pre_tokenizer=metaspace()), texts)


def map_cases(check, maps, model, texts, code_points):
    strip = {"type": "Strip", "strip_left": False, "strip_right": True}
    left = {"type": "Strip", "strip_left": True, "strip_right": True}
    spaces = {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": METASPACE}
    shown = characters([*texts, METASPACE, *map(chr, range(32, 0x500))])
    marked = [added("<mask>", len(shown["vocab"]), lstrip=True), added("ab", len(shown["vocab"]) + 1)]
    for number, (name, blob) in enumerate(maps.items()):
        step = precompiled(blob)
        normalizers = {"alone": step, "as transformers converts": sequence("normalizer", step, strip, spaces)}
        if number == 0:
            normalizers["after others"] = sequence("normalizer", left, replace("e", "ee"), step, {"type": "Lowercase"})
            normalizers["twice"] = sequence("normalizer", step, step)
        for how, normalizer in normalizers.items():
            check.case(f"{name} {how}", file_of(shown, normalizer=normalizer, added_tokens=marked),
                       texts + [f"{t}ab{t}<mask>" for t in texts[:200]])
            for words in (metaspace(), metaspace("first"), sequence("pre_tokenizer", SPLIT, metaspace())):
                check.case(f"Unigram, {name} {how}", file_of(model, normalizer=normalizer, pre_tokenizer=words), texts)
        check.case(f"every code point, {name}", file_of(shown, normalizer=step), code_points)


def random_map_cases(check, rng, count, pools, texts):
    for number in range(count):
        mapping, alphabet = random_map(rng, pools)
        own = ["".join(rng.choices(alphabet, k=rng.randint(0, 30))) for _ in range(150)]
        check.case(f"random map {number}: {mapping}", file_of(characters([*own, *alphabet]), normalizer=precompiled(
            charsmap(mapping))), own + texts[number::count])


def repeat_cases(check, texts):
    spaced = texts + ["a  b", "   ", " a   b    c ", "aa aaa a", "\u00e9\u00e9x"]
    shown = characters([*spaced, METASPACE])
    for regex, content in ((" {2,}", METASPACE), (" {2,}", " "), (" {3,}", ""), ("a+", "xyz"), ("\u00e9{2,}", "\u00e9")):
        step = {"type": "Replace", "pattern": {"Regex": regex}, "content": content}
        check.case(f"Replace {regex!r} {content!r}", file_of(shown, normalizer=step), spaced)


# ---- models of sentencepiece ----

def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def message(data):
    """(field, value) of a protobuf message; floats and texts as bytes."""
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        size = {1: 8, 5: 4}.get(key & 7)
        if key & 7 == 0:
            value, at = varint(data, at)
            yield key >> 3, value
            continue
        if size is None:
            size, at = varint(data, at)
        yield key >> 3, data[at:at + size]
        at += size


def sentencepiece_model(texts, rule, size, **options):
    """(pieces with scores, the map) of a model trained here."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model")
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(without_rare(texts)), model_prefix=path, vocab_size=size, model_type="unigram",
            normalization_rule_name=rule, hard_vocab_limit=False, minloglevel=2, **options)
        with open(path + ".model", "rb") as file:
            data = file.read()
    vocab, blob = [], b""
    for field, value in message(data):
        if field == 1:
            piece = dict(message(value))
            vocab.append([piece[1].decode(), struct.unpack("<f", piece.get(2, bytes(4)))[0]])
        elif field == 3:
            blob = dict(message(value)).get(2, b"")
    return vocab, blob


def as_converted(vocab, blob, how):
    """tokenizer.json as transformers writes it of XLM-RoBERTa ("old", "new")."""
    vocab = [[t, 0.0] for t in XLM] + vocab[3:] + [["<mask>", 0.0]]
    model = {"type": "Unigram", "unk_id": 3, "vocab": vocab, "byte_fallback": False}
    special = [added(t, i) for i, t in enumerate(XLM)] + [added("<mask>", len(vocab) - 1, lstrip=True)]

    def piece(kind, name):
        return {kind: {"id": name, "type_id": 0}}
    start, end, first, second = (piece("SpecialToken", "<s>"), piece("SpecialToken", "</s>"), piece("Sequence", "A"),
                                 piece("Sequence", "B"))
    template = {"type": "TemplateProcessing", "single": [start, first, end], "pair": [start, first, end, end, second, end],
                "special_tokens": {t: {"id": t, "ids": [XLM.index(t)], "tokens": [t]} for t in ("<s>", "</s>")}}
    spaces = {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": METASPACE}
    strip = {"type": "Strip", "strip_left": False, "strip_right": True}
    steps = [precompiled(blob)] if blob else []
    if how == "old":
        return file_of(model, normalizer=steps[0] if steps else None, post_processor=template, added_tokens=special,
                       pre_tokenizer=sequence("pre_tokenizer", SPLIT, metaspace()))
    return file_of(model, normalizer=sequence("normalizer", *steps, strip, spaces), post_processor=template,
                   added_tokens=special, pre_tokenizer=metaspace())


def sentencepiece_cases(check, texts, training, make_requests):
    """With a share, fewer models, of as much less text: training takes the time."""
    maps, some = {}, check.share > 1
    for rule in SHARED_RULES if some else [*RULES, "identity"]:
        vocab, blob = sentencepiece_model(training[::check.share], rule, 2000 if some else 8000,
                                          byte_fallback=rule == "nfkc")
        if blob:
            maps[rule] = blob
        for how in ("old", "new"):
            description = as_converted(vocab, blob, how)
            check.case(f"sentencepiece {rule}, {how}", description, texts)
            check.case(f"sentencepiece {rule}, {how}, pairs and truncation", description, make_requests(4, False))
    return maps


def all_cases(check, texts, training, code_points, make_requests, pools):
    """pools: characters of several kinds; the rest as in differential_kinds."""
    rng = random.Random(11)
    texts = texts + ["", " ", "  ", " a  b ", "\ufb01\ufb01a", "\ufdfa\u0301x", "\u2460\u33a1 \u00bd", "e\u0301\r\n\u200d", "a\u0301\u0301b",
                     "\u0915\u094d\u0937\u0301", "\u1112\u1161\u11ab\u0301", "\u00a9\u200d\u2122\u0301", "\u0600a", METASPACE,
                     f"a{METASPACE}b", "\U0001f468\u200d\U0001f469\u200d\U0001f467", "x\u00ad\u200by"]
    model = trained_unigram(training, 8000)
    model_cases(check, model, texts)
    tie_cases(check, rng, 300)
    repeat_cases(check, texts)
    random_map_cases(check, rng, 100, pools, texts)
    maps = {"compatibility": charsmap(compatibility_map(False)), "folded": charsmap(compatibility_map(True))}
    if sentencepiece:
        maps |= sentencepiece_cases(check, texts, training, make_requests)
    else:
        print("differential: the package sentencepiece is not installed, its models are left out")
    map_cases(check, maps, model, texts, code_points)
