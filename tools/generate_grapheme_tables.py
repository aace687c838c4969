#!/usr/bin/env python3
"""Writes src/unicode/grapheme_tables.c: how the reference `tokenizers` library cuts text into grapheme clusters.

Its normalizer Precompiled treats a cluster of less than 6 bytes as one character. A map of every leading byte to
"X" therefore shows where clusters end: a text becomes as many X as it has short clusters and code points of long
ones. Run it with the pinned version (0.23.x):

    python tools/generate_grapheme_tables.py            # writes the table
    python tools/generate_grapheme_tables.py --check    # fails if the committed table differs

Classes are those of Unicode Standard Annex 29 as far as such texts can tell them apart; what can not be told apart
can not change a token either. Regional indicators are in no class of their own: a pair has 8 bytes.
"""

import argparse
import base64
import json
import os
import struct
import sys

import tokenizers
from generate_unicode_tables import array, two_stages
from tokenizers import normalizers

NAMES = ["OTHER", "CONTROL", "EXTEND", "EXTEND_ALONE", "LINKER", "ZWJ", "SPACING", "PREPEND", "L", "V", "T", "LV",
         "LVT", "PICTOGRAPH", "CONSONANT"]
TABLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "src", "unicode", "grapheme_tables.c")
CODE_POINTS = [c for c in range(1, 0x110000) if not 0xD800 <= c < 0xE000]
ACUTE, ZWJ, SIGN, KA, VIRAMA = "\u0301", "\u200d", "\u2122", "\u0915", "\u094d"


def counter():
    """text -> how many X it becomes. The map's double array: the root's children, then one leaf for all."""
    leads = [*range(1, 0x80), *range(0xC2, 0xF5)]
    units = [0] * 1024
    units[0] = 256 << 10
    for byte in leads:
        units[256 ^ byte] = ((256 ^ byte) ^ 512) << 10 | 1 << 8 | byte
    units[512] = 1 << 31
    blob = struct.pack("<I1024I", 4 * len(units), *units) + b"X\0"
    precompiled = {"type": "Precompiled", "precompiled_charsmap": base64.b64encode(blob).decode()}
    tokenizer = tokenizers.Tokenizer.from_str(json.dumps({
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": precompiled,
        "pre_tokenizer": None, "post_processor": None, "decoder": None,
        "model": {"type": "Unigram", "unk_id": 0, "vocab": [["?", 0.0]], "byte_fallback": False}}))
    normalize = tokenizer.normalizer.normalize_str

    def count(text):
        made = normalize(text)
        assert made.strip("\0") == "X" * len(made.strip("\0")), ascii(text)
        return len(made)
    return count


def classes():
    count = counter()
    found = {}

    def put(name, members):
        for c in members:
            found.setdefault(c, NAMES.index(name))

    def cut(text, whole):
        """Not one cluster of `whole` code points, which has 6 bytes or more."""
        return count(text) != whole
    marks = [c for c in CODE_POINTS if count("a" + chr(c)) == 1]
    put("ZWJ", [c for c in marks if not cut("\u00a9" + chr(c) + SIGN + ACUTE, 4)])
    put("LINKER", [c for c in marks if not cut(KA + chr(c) + KA + ACUTE, 4)])
    spacing = [c for c in marks if c != ord(ZWJ) and cut("\u00a9" + chr(c) + ZWJ + SIGN + ACUTE, 5)]
    assert not [c for c in spacing if c in found]
    put("SPACING", spacing)
    joining = [c for c in marks if not cut(KA + VIRAMA + chr(c) + KA + ACUTE, 5)]
    assert not [c for c in spacing if c in set(joining)]
    put("EXTEND", joining)
    put("EXTEND_ALONE", marks)
    put("PREPEND", [c for c in CODE_POINTS if count(chr(c) + "a") == 1])
    put("CONTROL", [c for c in CODE_POINTS if c not in found and count(chr(c) + ACUTE + ACUTE) == 2])
    found[0] = NAMES.index("CONTROL")  # which ends keys: see check_rules
    put("PICTOGRAPH", [c for c in CODE_POINTS if c not in found and not cut(chr(c) + ZWJ + SIGN + ACUTE, 4)])
    wide = [c for c in CODE_POINTS if c >= 0x800 and c not in found]
    put("CONSONANT", [c for c in wide if not cut(chr(c) + VIRAMA + KA + ACUTE, 4)])
    syllables = [c for c in wide if c not in found]
    before = {s: [c for c in syllables if not cut(chr(c) + s + ACUTE, 3)] for s in "\u1100\u1161\u11a8"}
    after = {s: [c for c in syllables if c < 0x10000 and not cut(s + chr(c) + ACUTE, 3)]
             for s in "\u1161\u11a8"}
    put("L", before["\u1100"])
    put("T", after["\u11a8"])
    put("V", after["\u1161"])
    put("LV", before["\u1161"])
    put("LVT", before["\u11a8"])
    return found


def check_rules(found):
    """The rules that tell the classes apart hold for other members than those that the probes use."""
    count = counter()
    assert count("\r\n") == 1 and count("\n\r") == 2 and count("\u0600\r") == 2
    assert count("\u0600\0") == 2
    for c, kind in found.items():
        name = NAMES[kind]
        if name == "CONSONANT" and c < 0x10000:
            assert count(KA + VIRAMA + chr(c) + ACUTE) == 4, hex(c)
        if name == "PICTOGRAPH" and c < 0x10000:
            assert count(SIGN + ZWJ + chr(c) + ACUTE) == 4, hex(c)
        if name in ("L", "V", "LV", "LVT") and c < 0x10000:
            assert count("\u1100" + chr(c) + ACUTE) == 3, hex(c)


def generate():
    found = classes()
    check_rules(found)
    index, blocks = two_stages([found.get(c, 0) for c in range(0x110000)], 0x110000)
    assert max(index) < 256
    text = [array("uint8_t", "su_grapheme_index", index), array("uint8_t", "su_grapheme_blocks", blocks)]
    version = ".".join(tokenizers.__version__.split(".")[:2])
    return (f"/* grapheme_tables.c - made by tools/generate_grapheme_tables.py from tokenizers {version}: do not edit.\n"
            f" * {len(index) + len(blocks)} bytes of tables. */\n/* clang-format off */\n"
            f"#include \"unicode/grapheme.h\"\n\n" + "\n".join(text))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare with the committed table instead of writing it")
    arguments = parser.parse_args()
    if not tokenizers.__version__.startswith("0.23."):
        sys.exit(f"tokenizers {tokenizers.__version__} is installed; the tables are pinned to 0.23")
    text = generate()
    if arguments.check:
        with open(TABLE, encoding="utf-8") as file:
            if file.read() != text:
                sys.exit("src/unicode/grapheme_tables.c is not what the reference library does")
        return
    with open(TABLE, "w", encoding="utf-8") as file:
        file.write(text)


if __name__ == "__main__":
    main()
