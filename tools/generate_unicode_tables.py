#!/usr/bin/env python3
"""Writes src/unicode/unicode_tables.c: what the reference `tokenizers` library does to every code point.

Every fact is read from the behaviour of the library, one code point at a time, not from the Unicode
character database: the library mixes tables of several Unicode versions, and token ids are only equal when
ours mix them the same way. Run it with the pinned version (0.23.x):

    python tools/generate_unicode_tables.py            # writes the table
    python tools/generate_unicode_tables.py --check    # fails if the committed table differs

Facts and the probe that gives each:
    SPACE        BertPreTokenizer removes it; must agree with `\\s` of lstrip and with BertNormalizer
    CONTROL      BertNormalizer(clean_text) drops it
    IDEOGRAPH    BertNormalizer(handle_chinese_chars) puts spaces around it
    PUNCTUATION  BertPreTokenizer isolates it
    MARK         BertNormalizer(strip_accents) drops it (nonspacing marks)
    WORD         `\\w` of single_word
    decomposition        NFD of the code point alone
    combining class      its place in a canonical reordering among one mark of every class
    lower case           Lowercase of the code point alone
    compatibility        NFKD of the code point alone, where it is not NFD
    composition          pairs that NFC makes one code point of
Kinds, in a table of their own:
    LETTER       `\\p{L}` of ByteLevel, whose expressions know another version of Unicode than `\\w`
    NUMBER       `\\p{N}` of ByteLevel
    NUMERIC      Digits isolates it
    COMBINING    StripAccents drops it
    UPPER, LOWER, MARK  `\\p{Lu}` or `\\p{Lt}`, `\\p{Ll}`, `\\p{M}` of Split
Scripts:
    script       UnicodeScripts keeps two code points of it together
"""

import argparse
import json
import os
import sys
import unicodedata

import tokenizers
from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers

SPACE, CONTROL, IDEOGRAPH, PUNCTUATION, MARK, WORD, DECOMPOSES, HAS_LOWER = (1 << i for i in range(8))
LETTER, NUMBER, NUMERIC, COMBINING, REGEX_MARK, UPPER, LOWER = (1 << i for i in range(7))
CODE_POINTS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
HANGUL_FIRST, HANGUL_LAST = 0xAC00, 0xD7A3
BLOCK = 128
TABLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "src", "unicode", "unicode_tables.c")


def bert(**options):
    off = dict(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False)
    return normalizers.BertNormalizer(**{**off, **options}).normalize_str


def probe_added_token(flag):
    """A tokenizer whose one added token, "@", has `flag` set."""
    token = dict(id=1, content="@", single_word=False, lstrip=False, rstrip=False, normalized=False, special=False)
    token[flag] = True
    model = dict(type="WordPiece", unk_token="?", continuing_subword_prefix="##", max_input_chars_per_word=100,
                 vocab={"?": 0})
    return Tokenizer.from_str(json.dumps(dict(
        version="1.0", truncation=None, padding=None, added_tokens=[token], normalizer=None, pre_tokenizer=None,
        post_processor=None, decoder=None, model=model)))


def probe_properties():
    properties = [0] * 0x110000
    clean, chinese, strip = bert(clean_text=True), bert(handle_chinese_chars=True), bert(strip_accents=True)
    split = pre_tokenizers.BertPreTokenizer().pre_tokenize_str
    for c in CODE_POINTS:
        s = chr(c)
        pieces = [p for p, _ in split("a" + s + "a")]
        if pieces == ["a", "a"]:
            properties[c] |= SPACE
        elif pieces == ["a", s, "a"]:
            properties[c] |= PUNCTUATION
        else:
            assert pieces == ["a" + s + "a"], hex(c)
        cleaned = clean("a" + s + "a")
        if cleaned == "aa":
            properties[c] |= CONTROL
        elif properties[c] & SPACE:
            assert cleaned == "a a", hex(c)
        else:
            assert cleaned == "a" + s + "a", hex(c)
        spaced = chinese(s)
        if spaced == " " + s + " ":
            properties[c] |= IDEOGRAPH
        else:
            assert spaced == s, hex(c)
        if strip(s) == "":
            properties[c] |= MARK
    for c, left, right in matches(probe_added_token("single_word"), "{0}@", "@{0}"):
        assert left == right, hex(c)
        if not left:
            properties[c] |= WORD
    for c, left, _ in matches(probe_added_token("lstrip"), "a{0}@", "@"):
        assert (left == 1) == bool(properties[c] & SPACE), hex(c)
    return properties


def matches(tokenizer, first, second, step=1 << 16):
    """Per code point: where the added token of `first` and of `second` begins, counted from 1; 0 if nowhere."""
    def begin(encoding):
        for token, (start, _) in zip(encoding.ids, encoding.offsets):
            if token == 1:
                return start + 1 if first.startswith("{") else int(start == 1)
        return 0
    code_points = [c for c in CODE_POINTS if c != ord("@")]
    for i in range(0, len(code_points), step):
        part = code_points[i:i + step]
        lefts = tokenizer.encode_batch([first.format(chr(c)) for c in part])
        rights = tokenizer.encode_batch([second.format(chr(c)) for c in part])
        for c, left, right in zip(part, lefts, rights):
            yield c, (bool(begin(left)) if first.startswith("{") else begin(left)), bool(begin(right))


def probe_decompositions(properties):
    nfd, strip = normalizers.NFD().normalize_str, bert(strip_accents=True)
    found = {}
    for c in CODE_POINTS:
        s = chr(c)
        parts = [ord(p) for p in nfd(s)]
        if HANGUL_FIRST <= c <= HANGUL_LAST:
            index = c - HANGUL_FIRST
            hangul = [0x1100 + index // 588, 0x1161 + index % 588 // 28]
            assert parts == hangul + ([0x11A7 + index % 28] if index % 28 else []), hex(c)
            properties[c] |= DECOMPOSES
        elif parts != [c]:
            found[c] = parts
            properties[c] |= DECOMPOSES
        assert strip(s) == "".join(chr(p) for p in parts if not properties[p] & MARK), hex(c)
        assert 1 <= len(parts) <= 4 and len(nfd(s).encode()) <= 3 * len(s.encode()), hex(c)
    return found


def probe_combining_classes(properties):
    """A mark sorts before another when its class is lower: the place among one mark of each class is its class."""
    nfd = normalizers.NFD().normalize_str
    marks = {}
    highest = chr(0x345)  # the one mark of class 240: every other mark the library knows sorts before it
    for c in CODE_POINTS:
        s = chr(c)
        if nfd(s) == s and (s == highest or nfd(highest + s) != highest + s):
            marks.setdefault(unicodedata.combining(s), s)
    order = sorted(marks)
    assert order[0] > 0
    for low, high in zip(order, order[1:]):
        assert nfd(marks[high] + marks[low]) == marks[low] + marks[high], (low, high)
        assert nfd(marks[low] + marks[high]) == marks[low] + marks[high], (low, high)
    assert marks[order[-1]] == highest
    classes = {}
    for c in CODE_POINTS:
        s = chr(c)
        if nfd(s) != s:
            continue
        if nfd(highest + s) != highest + s:
            after = [k for k in order if nfd(marks[k] + s) != marks[k] + s]
            before = [k for k in order if nfd(s + marks[k]) != s + marks[k]]
            equal = [k for k in order if k not in after and k not in before]
            assert len(equal) == 1 and all(k > equal[0] for k in after) and all(k < equal[0] for k in before), hex(c)
            classes[c] = equal[0]
        elif nfd(s + marks[order[0]]) != s + marks[order[0]]:
            classes[c] = order[-1]
    for c in classes:
        properties[c] |= DECOMPOSES
    return classes


def probe_lower_case(properties):
    lower, found = normalizers.Lowercase().normalize_str, {}
    for c in CODE_POINTS:
        to = [ord(p) for p in lower(chr(c))]
        if to == [c]:
            continue
        properties[c] |= HAS_LOWER
        if len(to) > 1:
            assert c == 0x130 and to == [0x69, 0x307], hex(c)  # su_unicode_lowercase knows this one
        else:
            found[c] = to[0] - c
        assert len(lower(chr(c)).encode()) <= 3 * len(chr(c).encode()), hex(c)
    return found


def probe_kinds(properties):
    kinds = [0] * 0x110000
    words = pre_tokenizers.ByteLevel(add_prefix_space=False).pre_tokenize_str
    digits = pre_tokenizers.Digits(individual_digits=True).pre_tokenize_str
    strip = normalizers.StripAccents().normalize_str
    for c in CODE_POINTS:
        s = chr(c)
        joined = [len(words(left + s)) == 1 for left in "a1!\t"]
        assert sum(joined) == 1 and joined[3] == bool(properties[c] & SPACE), hex(c)
        kinds[c] = LETTER * joined[0] | NUMBER * joined[1]
        kinds[c] |= NUMERIC * (len(digits("a" + s)) == 2) | COMBINING * (strip(s) == "")
    for expression, bit in ((r"\p{M}", REGEX_MARK), (r"[\p{Lu}\p{Lt}]", UPPER), (r"\p{Ll}", LOWER)):
        for c in matched(expression):
            kinds[c] |= bit
    # What src/tokenizer/pattern_scan.c takes for granted.
    assert set(matched(r"\p{L}")) == {c for c in CODE_POINTS if kinds[c] & LETTER}
    assert set(matched(r"\p{N}")) == {c for c in CODE_POINTS if kinds[c] & NUMBER}
    assert set(matched(r"\s")) == {c for c in CODE_POINTS if properties[c] & SPACE}
    assert set(matched(r"[\p{Lm}\p{Lo}]")) == {c for c in CODE_POINTS if kinds[c] & LETTER and not kinds[c] & (UPPER | LOWER)}
    return kinds


def matched(expression):
    """The code points that a regular expression of one character matches."""
    split = pre_tokenizers.Split(Regex(f"(?:{expression})+"), "removed", invert=True)
    return [ord(c) for piece, _ in split.pre_tokenize_str("".join(map(chr, CODE_POINTS))) for c in piece]


def probe_scripts():
    """A number for each script, in the order of their first code points; 0 for what is of any script."""
    split = pre_tokenizers.UnicodeScripts().pre_tokenize_str
    own = [c for c in CODE_POINTS if split(chr(c))]
    scripts, found = [0] * 0x110000, []
    place = 0
    for piece, _ in split("".join(map(chr, own))):
        number = next((i for i, first in enumerate(found) if len(split(first + piece[0])) == 1), len(found))
        if number == len(found):
            found.append(piece[0])
        for c in own[place:place + len(piece)]:
            scripts[c] = number + 1
        place += len(piece)
    assert place == len(own) and len(found) < 255
    return scripts


def probe_compatibility():
    nfd, nfkd, found = normalizers.NFD().normalize_str, normalizers.NFKD().normalize_str, {}
    for c in CODE_POINTS:
        s = chr(c)
        if nfkd(s) != nfd(s):
            found[c] = [ord(p) for p in nfkd(s)]
            assert len(found[c]) <= 18 and len(nfkd(s).encode()) <= 11 * len(s.encode()), hex(c)
    return found


def probe_compositions(decompositions):
    """first << 32 | second -> composed; Hangul syllables are composed by arithmetic."""
    nfc, found = normalizers.NFC().normalize_str, {}
    for c, parts in decompositions.items():
        if nfc(chr(c)) != chr(c):
            continue
        first = nfc("".join(map(chr, parts[:-1])))
        assert len(first) == 1 and nfc(first + chr(parts[-1])) == chr(c), hex(c)
        found[ord(first) << 32 | parts[-1]] = c
    return found


def two_stages(values, limit):
    blocks, index = {}, []
    for start in range(0, limit, BLOCK):
        index.append(blocks.setdefault(tuple(values[start:start + BLOCK]), len(blocks)))
    return index, [v for block in blocks for v in block]


def array(kind, name, values, digits=0):
    rows, row = [], "   "
    for v in values:
        word = f" {v:#x}," if digits else f" {v},"
        if len(row) + len(word) > 100:
            rows.append(row)
            row = "   "
        row += word
    return f"const {kind} {name}[{len(values)}] = {{\n" + "\n".join(rows + [row]) + "\n};\n"


def generate():
    properties = probe_properties()
    decompositions = probe_decompositions(properties)
    classes = probe_combining_classes(properties)
    lower = probe_lower_case(properties)
    kinds, compatible = probe_kinds(properties), probe_compatibility()
    compositions = sorted(probe_compositions(decompositions).items())

    pool, place, compatible_place = [0], {}, {}
    for places, found in ((place, decompositions), (compatible_place, compatible)):
        for c, parts in sorted(found.items()):
            places[c] = len(pool)  # the last part of each has the top bit set
            pool += parts[:-1] + [parts[-1] | 1 << 31]
    deltas = [0] + sorted(set(lower.values()))
    limit = 1 + max(max(decompositions), max(classes), max(lower))
    limit = (limit + BLOCK - 1) // BLOCK * BLOCK
    stages = {
        "property": (two_stages(properties, 0x110000), "uint8_t"),
        "decomposition": (two_stages([place.get(c, 0) for c in range(limit)], limit), "uint16_t"),
        "compatible": (two_stages([compatible_place.get(c, 0) for c in range(limit)], limit), "uint16_t"),
        "kind": (two_stages(kinds, 0x110000), "uint8_t"),
        "script": (two_stages(probe_scripts(), 0x110000), "uint8_t"),
        "class": (two_stages([classes.get(c, 0) for c in range(limit)], limit), "uint8_t"),
        "lower": (two_stages([deltas.index(lower.get(c, 0)) for c in range(limit)], limit), "uint8_t"),
    }
    assert len(deltas) < 256 and len(pool) < 1 << 16
    size, text = 0, []
    for name, ((index, blocks), kind) in stages.items():
        wide = max(index) > 255
        text.append(array("uint16_t" if wide else "uint8_t", f"su_unicode_{name}_index", index))
        text.append(array(kind, f"su_unicode_{name}_blocks", blocks))
        size += len(index) * (2 if wide else 1) + len(blocks) * int(kind[4:-2]) // 8
    text.append(array("uint32_t", "su_unicode_decomposition_pool", pool, digits=1))
    text.append(array("int32_t", "su_unicode_lower_deltas", deltas))
    text.append(array("uint64_t", "su_unicode_composition_pairs", [pair for pair, _ in compositions], digits=1))
    text.append(array("uint32_t", "su_unicode_compositions", [to for _, to in compositions], digits=1))
    size += 4 * (len(pool) + len(deltas)) + 12 * len(compositions)
    head = (f"/* unicode_tables.c - made by tools/generate_unicode_tables.py from tokenizers "
            f"{'.'.join(tokenizers.__version__.split('.')[:2])}: do not edit.\n"
            f" * {size} bytes of tables; {len(decompositions)} decompositions, {len(classes)} combining marks with a "
            f"class,\n * {len(lower) + 1} lower-case mappings, {len(compatible)} compatibility decompositions, "
            f"{len(compositions)}\n * compositions. */\n/* clang-format off */\n"
            f"#include \"unicode/unicode_tables.h\"\n\n")
    assert limit == 0x20000 or limit <= 0x30000
    return head + "\n".join(text), limit, size


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare with the committed table instead of writing it")
    arguments = parser.parse_args()
    if not tokenizers.__version__.startswith("0.23."):
        sys.exit(f"tokenizers {tokenizers.__version__} is installed; the tables are pinned to 0.23")
    text, limit, size = generate()
    if arguments.check:
        with open(TABLE, encoding="utf-8") as file:
            if file.read() != text:
                sys.exit("src/unicode/unicode_tables.c is not what the reference library does")
        return
    with open(TABLE, "w", encoding="utf-8") as file:
        file.write(text)
    print(f"{size} bytes of tables; SU_UNICODE_MAPPED_LIMIT must be {limit:#x}")


if __name__ == "__main__":
    main()
