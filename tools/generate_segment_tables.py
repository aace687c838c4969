#!/usr/bin/env python3
"""Writes src/unicode/segment_tables.c, and tests/unicode/segment_cases.txt from Unicode's own tests of segmentation.

    python tools/generate_segment_tables.py UCD            # writes both
    python tools/generate_segment_tables.py --check UCD    # fails if a committed file differs

UCD is the folder of the Unicode character database, version 15.0: Debian's package unicode-data installs it as
/usr/share/unicode. Each code point has one class, which stands for its properties Grapheme_Cluster_Break, Word_Break,
Sentence_Break and Extended_Pictographic.
"""

import argparse
import os
import re
import sys

from generate_unicode_tables import array, two_stages

VERSION = "15.0.0"
SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
TABLE = os.path.join(SOURCE, "src", "unicode", "segment_tables.c")
CASES = os.path.join(SOURCE, "tests", "unicode", "segment_cases.txt")
# Values as the files name them, in the order of the enumerations in segment.c; 0 is Other.
CLUSTER = ["CR", "LF", "Control", "Extend", "ZWJ", "Regional_Indicator", "Prepend", "SpacingMark", "L", "V", "T", "LV", "LVT"]
WORD = ["CR", "LF", "Newline", "Extend", "ZWJ", "Regional_Indicator", "Format", "Katakana", "Hebrew_Letter", "ALetter",
        "Single_Quote", "Double_Quote", "MidNumLet", "MidLetter", "MidNum", "Numeric", "ExtendNumLet", "WSegSpace"]
SENTENCE = ["CR", "LF", "Extend", "Sep", "Format", "Sp", "Lower", "Upper", "OLetter", "Numeric", "ATerm", "SContinue", "STerm",
            "Close"]


def read(folder, name):
    with open(os.path.join(folder, name), encoding="utf-8") as file:
        return file.read()


def values_of(text, names):
    """[0x110000] places in names, from 1."""
    values = [0] * 0x110000
    for line in text.split("\n"):
        fields = [f.strip() for f in line.split("#")[0].split(";")]
        if len(fields) == 2 and fields[1] in names:
            first, _, last = fields[0].partition("..")
            for c in range(int(first, 16), int(last or first, 16) + 1):
                values[c] = 1 + names.index(fields[1])
    assert set(values) == set(range(len(names) + 1)), "a value has no code point"
    return values


def tables(folder):
    texts = [read(folder, f"auxiliary/{kind}BreakProperty.txt") for kind in ("Grapheme", "Word", "Sentence")]
    assert all(VERSION in text.split("\n")[0] for text in texts), f"the database is not of version {VERSION}"
    found = [values_of(text, names) for text, names in zip(texts, (CLUSTER, WORD, SENTENCE))]
    found.append(values_of(read(folder, "emoji/emoji-data.txt"), ["Extended_Pictographic"]))
    classes, of = {}, []
    for facts in zip(*found):
        of.append(classes.setdefault(facts, len(classes)))
    index, blocks = two_stages(of, 0x110000)
    assert max(index) < 0x10000 and len(classes) <= 256
    rows = "".join(f"    {{{g}, {w}, {s}, {p}}},\n" for g, w, s, p in classes)
    return (f"/* segment_tables.c - made by tools/generate_segment_tables.py from Unicode {VERSION}: do not edit.\n"
            f" * {2 * len(index) + len(blocks) + 4 * len(classes)} bytes of tables. */\n/* clang-format off */\n"
            f"#include \"unicode/segment_tables.h\"\n\n"
            f"const SuSegmentClass su_segment_classes[{len(classes)}] = {{\n{rows}}};\n"
            + array("uint16_t", "su_segment_index", index) + array("uint8_t", "su_segment_blocks", blocks))


def cases(folder):
    """Lines "G|W|S" and code points, "/" where a segment ends."""
    lines = [f"# Boundaries of clusters, words and sentences in the tests of Unicode {VERSION}: tools/generate_segment_tables.py"]
    for letter, kind in zip("GWS", ("Grapheme", "Word", "Sentence")):
        for line in read(folder, f"auxiliary/{kind}BreakTest.txt").split("\n"):
            test = line.split("#")[0].strip()
            # A surrogate has no UTF-8.
            if test and not re.search(r"\bD[89A-F]..\b", test):
                lines.append(f"{letter} " + test.replace("÷", "/").replace(" × ", " ").strip("/ "))
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", metavar="UCD")
    parser.add_argument("--check", action="store_true", help="compare with the committed files instead of writing them")
    arguments = parser.parse_args()
    for path, text in ((TABLE, tables(arguments.folder)), (CASES, cases(arguments.folder))):
        if arguments.check:
            with open(path, encoding="utf-8") as file:
                if file.read() != text:
                    sys.exit(f"{os.path.relpath(path, SOURCE)} is not what the database says")
            continue
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)


if __name__ == "__main__":
    main()
