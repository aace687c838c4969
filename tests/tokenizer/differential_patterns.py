"""The cases of differential.py for regular expressions (Split, Replace) and for the steps that no model of ours had
before: CharDelimiterSplit, UnicodeScripts, FixedLength, Nmt, the ByteLevel normaliser. Expressions are those of published
tokenizers, and small ones that show what an engine makes of each construct."""

import itertools
import json
import random
import unicodedata

from differential_kinds import BEHAVIORS, ROBERTA, byte_level, file_of, metaspace, sequence
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers

SPACES = r"|\s*[\r\n]+|\s+(?!\S)|\s+"
CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
PREFIX = r"[^\r\n\p{L}\p{N}]?"

# Those that have scanners: src/tokenizer/pattern_scan.c.
SCANNED = {
    "GPT-2": r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    "cl100k": rf"{CONTRACTIONS}|{PREFIX}\p{{L}}+|\p{{N}}{{1,3}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*{SPACES}",
    "Qwen 2": rf"{CONTRACTIONS}|{PREFIX}\p{{L}}+|\p{{N}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*{SPACES}",
    "Qwen 3.5": rf"{CONTRACTIONS}|{PREFIX}[\p{{L}}\p{{M}}]+|\p{{N}}| ?[^\s\p{{L}}\p{{M}}\p{{N}}]+[\r\n]*{SPACES}",
    "o200k": rf"{PREFIX}{UPPER}*{LOWER}+{CONTRACTIONS}?|{PREFIX}{UPPER}+{LOWER}*{CONTRACTIONS}?|"
             rf"\p{{N}}{{1,3}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*{SPACES}",
    "Tekken": rf"{PREFIX}{UPPER}*{LOWER}+|{PREFIX}{UPPER}+{LOWER}*|\p{{N}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*{SPACES}",
}

# Those of models that go to the engine.
PUBLISHED = {
    "CLIP": r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+",
    "BLOOM": r" ?[^(\s|[.,!?…。，、।۔،])]+",
    "Falcon": "[0-9][0-9][0-9]",
    "DeepSeek, words": "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+|"
                       " ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+",
    "DeepSeek, ideographs": "[一-龥぀-ゟ゠-ヿ]+",
    "tiktoken's cl100k": rf"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{{L}}\p{{N}}]?+\p{{L}}++|\p{{N}}{{1,3}}|"
                         rf" ?[^\s\p{{L}}\p{{N}}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s",
}

CONSTRUCTS = [
    r"\s", r"\S+", r"\w+|[^\w\s]+", r"\W", r"\d+", r"\D", r"\b", r"\B", r"^.", r".$", r"\A\w", r"\w\z", r"\n|\t|\v|\x41|\u0042|\x{e9}",
    r"\p{Lu}\p{Ll}*", r"\P{L}+", r"\p{^N}", r"\p{Han}+|\p{Hiragana}", r"[\p{Greek}\p{Cyrillic}]+", r"[^\p{Latin}]", r"(?i:the|and)",
    r"(?i)a+", r"(?<=[a-z])(?=[A-Z])", r"(?<!a)b", r"(?>\s+)\w", r"\w++", r"a*?b", r"a?+", r"(?:ab|a)(?:c|bcd)", r"[a-c-]", r"[\w.-]+",
    r"[[a-c][x-z]]", r"[^[a-c]-]", r"e{2}", r"e{,2}f", r"e{1,}", r"x{", r"a|", r"\s*", r"(?=\p{Lu})", r"[\]\[\-\\^]", r"\.|\ |\#|\/",
    r"[é-ü]", r"\u00e9|[\u0041-\u0045]", r"(a)(b)?", r"[\s\d]+", r"\p{M}+", r"\p{P}|\p{S}", r"\p{Zs}", r"\p{Cc}", r"\p{Nd}{2}", r"[^\S\n]+",
    r"(?:\s|\b\w){2}", r"(?:a?b|^c){2,}", r"(\A|\w)+", r"(e|$)+", r"(?:\s*|\bx)*", r"((?=a)|e)+?", r"(?:a|){0,1}b",
]

REPLACED = [(r"\s+", " "), (r"[\r\n\t]", ""), (r"\p{M}", ""), (r"(?i:th)e", "THE!"), (r"[^\x00-\x7f]+", "?"), (r"(?<=\d)\d", "##"),
            (r"a.", "\u00e9\u4e00"), ("``|''", '"'), (r"\w", "ww"), (r"\bx", "_")]


def pattern_split(expression, behavior="Isolated", invert=False):
    return {"type": "Split", "pattern": {"Regex": expression}, "behavior": behavior, "invert": invert}


def bytes_behind(expression, behavior="Isolated", invert=False):
    return sequence("pre_tokenizer", pattern_split(expression, behavior, invert), byte_level(use_regex=False))


def trained(expression, texts, size):
    """The model section of a BPE of bytes, trained behind the expression."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(expression), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.train_from_iterator(texts, trainers.BpeTrainer(
        vocab_size=size, show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    return json.loads(tokenizer.to_str())["model"]


def settled(texts):
    """Texts without code points that Python's version of Unicode does not know: engines know others."""
    return ["".join(c for c in t if unicodedata.category(c) not in ("Cn", "Co")) for t in texts]


def word_texts(rng, count):
    """What the alternatives of the scanners begin, end and give back at, in any order."""
    parts = ["'", "'s", "'S", "'\u017f", "'LL", "'lL", "'re", "'Ve", "'d", "a", "bc", "A", "BC", "Dz", "\u01c5", "\u02b0", "\u4e00", "\u0301",
             "\u0903", "1", "12", "1234", "\u0663", "\u00bd", "\u2167", " ", "  ", "\n", "\r\n", "\n\n ", "\t", "\u00a0", "\u3000", "/", "//", "!", "!?",
             "\U0001f600", "\u200d", "_", "-", "\u00df", "\u0130", "\u1e9e", "\u10d0", "\u1c90", "\u00aa", "\u00ad", "\x00", "\x85", "\u2028", "\ufeff"]
    return ["".join(rng.choices(parts, k=rng.randint(1, 14))) for _ in range(count)]


def scanner_cases(check, texts, code_points, training, pieces, rng, count):
    words = word_texts(rng, count)
    for name, expression in SCANNED.items():
        model = trained(expression, training, 3000)
        check.case(f"{name}, BPE of bytes", file_of(model, pre_tokenizer=bytes_behind(expression)), texts + words)
        check.case(f"{name}, pieces", file_of(pieces, pre_tokenizer=pattern_split(expression)), words)
        check.case(f"{name}, every code point", file_of(pieces, pre_tokenizer=pattern_split(expression)), code_points)
    for behavior, invert in itertools.product(BEHAVIORS, (True, False)):
        check.case(f"cl100k {behavior} {invert}",
                   file_of(pieces, pre_tokenizer=pattern_split(SCANNED["cl100k"], behavior, invert)), words[:200])


def engine_cases(check, texts, code_points, pieces, rng, count):
    own = settled(texts) + word_texts(rng, count // 4)
    for name, expression in PUBLISHED.items():
        check.case(name, file_of(pieces, pre_tokenizer=pattern_split(expression)), own)
    check.case("CLIP, inverted", file_of(pieces, pre_tokenizer=pattern_split(PUBLISHED["CLIP"], "Removed", True)), own)
    deepseek = sequence("pre_tokenizer", pattern_split(r"\p{N}{1,3}"), pattern_split(PUBLISHED["DeepSeek, ideographs"]),
                        pattern_split(PUBLISHED["DeepSeek, words"]))
    check.case("DeepSeek", file_of(pieces, pre_tokenizer=deepseek), own)
    for i, expression in enumerate(CONSTRUCTS):
        behavior, invert = BEHAVIORS[i % 5], i // 5 % 2 == 1
        for chosen in {("Isolated", False), (behavior, invert)}:
            check.case(f"Split {expression!r} {chosen}", file_of(pieces, pre_tokenizer=pattern_split(expression, *chosen)),
                       own[::4])
    for behavior, invert, expression in itertools.product(BEHAVIORS, (True, False), (r"\s+", r"(?=\p{Lu})", r"[ae]")):
        check.case(f"Split {expression!r} {behavior} {invert}",
                   file_of(pieces, pre_tokenizer=pattern_split(expression, behavior, invert)), own[::4])
    for expression in (r"\s", r"\w", r"\d", r"\p{L}", r"\p{N}", r"\p{M}", r"\p{P}", r"\p{S}", r"\p{Lu}", r"\p{Ll}", r"\p{Han}", r"\p{Latin}"):
        check.case(f"every code point, {expression}", file_of(pieces, pre_tokenizer=pattern_split(expression)), code_points)


def step_cases(check, texts, code_points, characters, pieces):
    for expression, content in REPLACED:
        check.case(f"Replace {expression!r} {content!r}", file_of(characters, normalizer={
            "type": "Replace", "pattern": {"Regex": expression}, "content": content}), settled(texts))
    nmt = {"type": "Nmt"}
    for name, normalizer in {"Nmt": nmt, "Nmt, NFKC": sequence("normalizer", nmt, {"type": "NFKC"}),
                             "ByteLevel": {"type": "ByteLevel"},
                             "Lowercase, ByteLevel": sequence("normalizer", {"type": "Lowercase"}, {"type": "ByteLevel"})}.items():
        check.case(f"normalizer {name}", file_of(characters, normalizer=normalizer), texts)
        check.case(f"every code point, {name}", file_of(characters, normalizer=normalizer), code_points)
    scripts = {"type": "UnicodeScripts"}
    for name, step in {
        "CharDelimiterSplit": {"type": "CharDelimiterSplit", "delimiter": "e"},
        "CharDelimiterSplit, beyond ASCII": {"type": "CharDelimiterSplit", "delimiter": "\u2581"},
        "UnicodeScripts": scripts, "FixedLength 1": {"type": "FixedLength", "length": 1},
        "FixedLength 2": {"type": "FixedLength", "length": 2}, "FixedLength 7": {"type": "FixedLength", "length": 7},
        "FixedLength, long": {"type": "FixedLength", "length": 1 << 40},
        "UnicodeScripts, Digits": sequence("pre_tokenizer", scripts, {"type": "Digits", "individual_digits": True}),
        "WhitespaceSplit, FixedLength": sequence("pre_tokenizer", {"type": "WhitespaceSplit"},
                                                 {"type": "FixedLength", "length": 3}),
        "Metaspace, UnicodeScripts": sequence("pre_tokenizer", metaspace(), scripts),
    }.items():
        check.case(f"pre_tokenizer {name}", file_of(pieces, pre_tokenizer=step), texts)
    check.case("every code point, UnicodeScripts", file_of(pieces, pre_tokenizer=scripts), code_points)


def all_cases(check, texts, training, code_points, count):
    """texts: for every case; count: random texts of a scanner."""
    rng = random.Random(len(texts))
    training = [t.replace("\0", "") for t in training]
    # A model of whole words shows where pieces end: each is one token.
    words = {t: i for i, t in enumerate(ROBERTA)}
    for word in itertools.chain.from_iterable(t.split() for t in training[:2000]):
        words.setdefault(word, len(words))
    pieces = {"type": "WordLevel", "vocab": words, "unk_token": "<unk>"}
    signs = {t: i for i, t in enumerate(ROBERTA)}
    for sign in itertools.chain.from_iterable(training[:2000]):
        signs.setdefault(sign, len(signs))
    characters = {"type": "BPE", "dropout": None, "unk_token": "<unk>", "continuing_subword_prefix": None,
                  "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "vocab": signs, "merges": []}
    scanner_cases(check, texts, code_points, training, pieces, rng, count)
    engine_cases(check, texts, code_points, pieces, rng, count)
    step_cases(check, texts, code_points, characters, pieces)
