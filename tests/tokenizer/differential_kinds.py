"""The cases of differential.py for tokenizers of other kinds than BERT's: every normaliser, pre-tokeniser, model and
post-processor beside the reference. Vocabularies are trained by the reference."""

import itertools
import json
import unicodedata

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

ROBERTA = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
METASPACE = "\u2581"
BEHAVIORS = ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"]


def added(content, token_id, **flags):
    return {"id": token_id, "content": content, "single_word": False, "lstrip": False, "rstrip": False,
            "normalized": False, "special": True, **flags}


def byte_level(add_prefix_space=False, trim_offsets=True, use_regex=True):
    return {"type": "ByteLevel", "add_prefix_space": add_prefix_space, "trim_offsets": trim_offsets,
            "use_regex": use_regex}


def metaspace(scheme="always", split=True, replacement=METASPACE):
    return {"type": "Metaspace", "replacement": replacement, "prepend_scheme": scheme, "split": split}


def replace(pattern, content):
    return {"type": "Replace", "pattern": {"String": pattern}, "content": content}


def split(pattern, behavior, invert=False):
    return {"type": "Split", "pattern": {"String": pattern}, "behavior": behavior, "invert": invert}


def sequence(kind, *steps):
    key = {"normalizer": "normalizers", "pre_tokenizer": "pretokenizers", "post_processor": "processors"}[kind]
    return {"type": "Sequence", key: list(steps)}


def file_of(model, normalizer=None, pre_tokenizer=None, post_processor=None, added_tokens=()):
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": list(added_tokens),
            "normalizer": normalizer, "pre_tokenizer": pre_tokenizer, "post_processor": post_processor, "decoder": None,
            "model": model}


def trained_model(kind, texts, size, pre_tokenizer, normalizer=None, **options):
    """The model section of a tokenizer trained on the texts; options go into the section."""
    model, trainer = {"BPE": (models.BPE, trainers.BpeTrainer),
                      "WordLevel": (models.WordLevel, trainers.WordLevelTrainer)}[kind]
    own = {k: v for k, v in options.items() if k in ("continuing_subword_prefix", "end_of_word_suffix")}
    tokenizer = Tokenizer(model(unk_token="<unk>", **own))
    tokenizer.pre_tokenizer = pre_tokenizer
    if normalizer:
        tokenizer.normalizer = normalizer
    extra = {"initial_alphabet": pre_tokenizers.ByteLevel.alphabet()} if options.pop("alphabet", False) else {}
    tokenizer.train_from_iterator(texts, trainer(vocab_size=size, special_tokens=ROBERTA, show_progress=False, **extra,
                                                 **own))
    return {**json.loads(tokenizer.to_str())["model"], **options}


def processors(vocab):
    cls, sep = vocab["<s>"], vocab["</s>"]

    def piece(kind, name, type_id):
        return {kind: {"id": name, "type_id": type_id}}
    template = {"type": "TemplateProcessing",
                "single": [piece("SpecialToken", "<s>", 0), piece("Sequence", "A", 0), piece("SpecialToken", "</s>", 0)],
                "pair": [piece("SpecialToken", "<s>", 0), piece("Sequence", "A", 0), piece("SpecialToken", "</s>", 0),
                         piece("Sequence", "B", 1), piece("SpecialToken", "</s>", 1)],
                "special_tokens": {t: {"id": t, "ids": [vocab[t]], "tokens": [t]} for t in ("<s>", "</s>")}}
    roberta = {"type": "RobertaProcessing", "sep": ["</s>", sep], "cls": ["<s>", cls]}
    level = byte_level(add_prefix_space=True)
    return {
        "none": None, "template": template,
        "roberta": {**roberta, "trim_offsets": True, "add_prefix_space": True},
        "roberta, no prefix": {**roberta, "trim_offsets": True, "add_prefix_space": False},
        "roberta, not trimmed": {**roberta, "trim_offsets": False, "add_prefix_space": True},
        "byte level": level,
        "byte level, no prefix": byte_level(), "byte level, not trimmed": byte_level(trim_offsets=False),
        "byte level, template": sequence("post_processor", level, template),
        "template, byte level": sequence("post_processor", template, byte_level()),
    }


def special_tokens(vocab):
    flags = {"<mask>": {"lstrip": True}}
    return [added(t, vocab[t], **flags.get(t, {})) for t in ROBERTA]


SPECIAL_TEXTS = ["", " ", "  ", "a <mask> b", "a<mask>b  <mask> ", " <mask>", "<s> hello</s> world", "it's we'll I'm you've 's 'S'd",
                 "a  b\n\nc \t d\u00a0e\u3000 f", "\n a", "x \n", "don't  'll'", "\u00e9\U0001f600 \ud55c\uad6d", " \u2581a \u2581 b\u2581"]


def processor_cases(check, model, texts, make_requests):
    vocab = model["vocab"]
    for name, processor in processors(vocab).items():
        least = 4 if "roberta" in name else 3 if "template" in name else 1
        for space in (True, False):
            description = file_of(model, pre_tokenizer=byte_level(space), post_processor=processor,
                                  added_tokens=special_tokens(vocab))
            check.case(f"post-processor {name}, add_prefix_space {space}", description,
                       make_requests(least, least == 1))
    stripped = special_tokens(vocab)[:3] + [added("<unk>", vocab["<unk>"], rstrip=True, lstrip=True),
                                            added("<mask>", vocab["<mask>"], rstrip=True, normalized=True)]
    description = file_of(model, pre_tokenizer=byte_level(), post_processor=processors(vocab)["roberta"],
                          added_tokens=stripped)
    check.case("trimmed added tokens", description, texts + [f"{a}<unk>{b}<mask>{c}" for a, b, c in itertools.product(
        ["", "x", "x  ", " \n"], ["", " ", " \u3000 "], ["", "  ", " y"])])


def byte_level_cases(check, model, texts):
    vocab = model["vocab"]
    lower = [{"type": "NFC"}, {"type": "Lowercase"}]
    for name, options in {
        "NFC": {"normalizer": {"type": "NFC"}}, "NFKC": {"normalizer": {"type": "NFKC"}},
        "lower case": {"normalizer": sequence("normalizer", *lower)},
        "no regex": {"pre_tokenizer": byte_level(use_regex=False)},
        "no regex, prefix": {"pre_tokenizer": byte_level(True, use_regex=False)},
        "digits first": {"pre_tokenizer": sequence("pre_tokenizer", {"type": "Digits", "individual_digits": True},
                                                   byte_level())},
        "prefix twice": {"pre_tokenizer": sequence("pre_tokenizer", {"type": "WhitespaceSplit"}, byte_level(True))},
        "not last": {"pre_tokenizer": sequence("pre_tokenizer", byte_level(True), {"type": "Punctuation"})},
        "without any": {"pre_tokenizer": None},
    }.items():
        whole = {"pre_tokenizer": byte_level(), "added_tokens": special_tokens(vocab), **options}
        check.case(f"byte-level BPE, {name}", file_of(model, **whole), texts)
    for name, changed in {"ignore_merges": {"ignore_merges": True}, "no unk_token": {"unk_token": None},
                          "fuse_unk": {"fuse_unk": True}, "legacy merges": {
                              "merges": ["#version: 0.2"] + [" ".join(m) for m in model["merges"]]}}.items():
        check.case(f"byte-level BPE, {name}", file_of({**model, **changed}, pre_tokenizer=byte_level()), texts)
    shuffled = list(reversed(model["merges"]))
    check.case("byte-level BPE, merges in another order", file_of({**model, "merges": shuffled}, pre_tokenizer=byte_level()),
               texts)
    few = {t: i for i, t in enumerate(t for t in vocab if len(t) > 1 or t not in "abc\u0120\u00c3\u00a9")}
    merges = [m for m in model["merges"] if all(t in few for t in (*m, "".join(m)))]
    for unk, fuse in itertools.product(("<unk>", None), (True, False)):
        rest = {**model, "vocab": few, "merges": merges, "unk_token": unk, "fuse_unk": fuse}
        check.case(f"byte-level BPE without some bytes, unk {unk}, fuse_unk {fuse}",
                   file_of(rest, pre_tokenizer=byte_level()), texts)
    check.case("byte-level BPE, long words", file_of(model, pre_tokenizer=byte_level(use_regex=False)),
               ["".join(texts[i:i + 20]) for i in range(0, len(texts), 20)])


def bpe_cases(check, texts, training):
    words = pre_tokenizers.Whitespace()
    for name, options in {"plain": {}, "prefix": {"continuing_subword_prefix": "##"}, "suffix": {"end_of_word_suffix": "</w>"},
                          "both": {"continuing_subword_prefix": "@", "end_of_word_suffix": "$"}}.items():
        model = trained_model("BPE", training, 3000, words, **options)
        for unk, fuse, ignore in (("<unk>", False, False), ("<unk>", True, False), (None, False, False),
                                  ("<unk>", True, True)):
            changed = {**model, "unk_token": unk, "fuse_unk": fuse, "ignore_merges": ignore}
            check.case(f"BPE {name}, unk {unk}, fuse_unk {fuse}, ignore_merges {ignore}",
                       file_of(changed, pre_tokenizer={"type": "Whitespace"}), texts)
    model = trained_model("BPE", training, 3000, pre_tokenizers.Metaspace())
    pieces = {**model["vocab"]}
    for byte in range(256):
        pieces.setdefault(f"<0x{byte:02X}>", len(pieces))
    some = {t: i for i, t in enumerate(t for t in pieces if t != "<0xE4>")}
    for name, vocab in {"all bytes": pieces, "not all bytes": some}.items():
        for fuse in (True, False):
            changed = {**model, "vocab": vocab, "byte_fallback": True, "fuse_unk": fuse}
            normalizer = sequence("normalizer", {"type": "Prepend", "prepend": METASPACE}, replace(" ", METASPACE))
            check.case(f"BPE with byte_fallback, {name}, fuse_unk {fuse}", file_of(changed, normalizer=normalizer), texts)


def word_level_cases(check, texts, training):
    model = trained_model("WordLevel", training, 3000, pre_tokenizers.Whitespace())
    steps = {"none": None, "Whitespace": {"type": "Whitespace"}, "WhitespaceSplit": {"type": "WhitespaceSplit"},
             "Bert": {"type": "BertPreTokenizer"}, "byte level": byte_level()}
    for name, step in steps.items():
        check.case(f"WordLevel, {name}", file_of(model, pre_tokenizer=step), texts)


def first_cases(check):
    """What lies first in the text, after steps that put something in front of it or take a character apart."""
    vocab = {chr(c): c for c in (*range(33, 0x180), ord(METASPACE))}
    model = {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
             "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "vocab": vocab, "merges": []}
    for steps in ([byte_level(True)], [byte_level(), split("\u00a9", "Isolated")], [metaspace("always", replacement="_")],
                  [{"type": "Digits", "individual_digits": True}]):
        words = sequence("pre_tokenizer", *steps, metaspace("first"))
        check.case(f"Metaspace first behind {steps}", file_of(model, pre_tokenizer=words),
                   ["a", "\u00e9 b", " a", "a b", "\u00e9", "1a", "\u00e9\u00e9"] * check.share)


def step_cases(check, texts, code_points, training):
    """Characters as words: what steps do to each is seen in ids and offsets."""
    characters = {t: i for i, t in enumerate(ROBERTA)}
    for text in [*training, *texts, METASPACE, "##"]:
        for form in (text, text.lower()):
            for character in form.replace("\0", ""):
                characters.setdefault(character, len(characters))
    bpe = {"type": "BPE", "dropout": None, "unk_token": "<unk>", "continuing_subword_prefix": None,
           "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "vocab": characters, "merges": []}
    forms = ["NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents"]
    normalizing = {name: {"type": name} for name in forms}
    for left, right in itertools.product((True, False), repeat=2):
        normalizing[f"Strip {left} {right}"] = {"type": "Strip", "strip_left": left, "strip_right": right}
    for pattern, content in (("a", "xyz"), (" ", METASPACE), ("ab", ""), ("e\u0301", "\u00e9"), ("  ", " "), (".", "..")):
        normalizing[f"Replace {pattern!r} {content!r}"] = replace(pattern, content)
    normalizing["Prepend"] = {"type": "Prepend", "prepend": METASPACE + "x"}
    steps = list(normalizing.values())
    for i in range(0, len(steps), 2):
        chosen = [steps[i], steps[(i * 7 + 3) % len(steps)], steps[(i * 5 + 1) % len(steps)]]
        normalizing["Sequence " + ", ".join(s["type"] for s in chosen)] = sequence("normalizer", *chosen)
    for name, step in normalizing.items():
        check.case(f"normalizer {name}", file_of(bpe, normalizer=step), texts)
    for name in forms:
        check.case(f"every code point, {name}", file_of(bpe, normalizer={"type": name}), code_points)
    cutting = {"Whitespace": {"type": "Whitespace"}, "WhitespaceSplit": {"type": "WhitespaceSplit"}}
    for behavior in BEHAVIORS:
        cutting[f"Punctuation {behavior}"] = {"type": "Punctuation", "behavior": behavior}
        for pattern, invert in itertools.product(("a", " ", "ab"), (True, False)):
            cutting[f"Split {pattern!r} {behavior} {invert}"] = split(pattern, behavior, invert)
    for individual in (True, False):
        cutting[f"Digits {individual}"] = {"type": "Digits", "individual_digits": individual}
    for scheme, whole in itertools.product(("always", "never", "first"), (True, False)):
        cutting[f"Metaspace {scheme} {whole}"] = metaspace(scheme, whole)
    steps = list(cutting.values())
    for i in range(0, len(steps), 2):
        chosen = [steps[i], steps[(i * 7 + 3) % len(steps)], steps[(i * 5 + 1) % len(steps)]]
        cutting["Sequence " + ", ".join(s["type"] for s in chosen)] = sequence("pre_tokenizer", *chosen)
    # One character a word becomes a token each time, so that only a model of whole words shows where pieces end.
    words = {**{t: i for i, t in enumerate(ROBERTA)}}
    for text in training:
        for word in text.split():
            words.setdefault(word, len(words))
    word_level = {"type": "WordLevel", "vocab": words, "unk_token": "<unk>"}
    for name, step in cutting.items():
        check.case(f"pre_tokenizer {name}", file_of(word_level, pre_tokenizer=step), texts)
    first_cases(check)
    marked = [added("<mask>", 4, lstrip=True), added("</s>", 2), added("ab", words.get("ab", len(words)), normalized=True, special=False)]
    for scheme in ("always", "first"):
        check.case(f"Metaspace {scheme} around added tokens",
                   file_of(bpe, normalizer={"type": "Strip", "strip_left": True, "strip_right": False},
                           pre_tokenizer=metaspace(scheme), added_tokens=marked[:2]), texts)
    check.case("Metaspace first, added tokens of normalised text",
               file_of(word_level, normalizer={"type": "Lowercase"}, pre_tokenizer=metaspace("first"), added_tokens=marked),
               texts)
    check.case("every code point, ByteLevel", file_of(word_level, pre_tokenizer=byte_level()), code_points)
    check.case("every code point, Digits", file_of(word_level, pre_tokenizer=cutting["Digits True"]), code_points)
    check.case("every code point, Whitespace", file_of(word_level, pre_tokenizer=cutting["Whitespace"]), code_points)


def many_code_points():
    """Texts that hold the assigned code points of the first three planes, few ideographs and syllables among them."""
    points = [chr(c) for c in range(0x30000) if not 0xD800 <= c < 0xE000
              and unicodedata.category(chr(c)) not in ("Cn", "Co")
              and (c % 16 == 0 or not (0x3400 <= c < 0xA000 or 0xAC00 <= c < 0xD7A4 or 0x17000 <= c < 0x19000 or c >= 0x20000))]
    return ["".join(f"a{c}1{c}\u0301 " for c in points[i:i + 256]) for i in range(0, len(points), 256)]


def all_cases(check, texts, training, make_requests):
    """make_requests(least, no_pairs_of_one): requests with pairs and truncation."""
    texts = texts + SPECIAL_TEXTS
    training = [t.replace("\0", "") for t in training]  # names in our JSON files hold no NUL
    model = trained_model("BPE", training, 8000, pre_tokenizers.ByteLevel(add_prefix_space=False), alphabet=True)
    processor_cases(check, model, texts, make_requests)
    byte_level_cases(check, model, texts)
    bpe_cases(check, texts, training)
    word_level_cases(check, texts, training)
    step_cases(check, texts, many_code_points(), training)
