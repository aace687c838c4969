#!/usr/bin/env python3
"""sutra tokenize."""

import json
import os
import re
from pathlib import Path

from cli_case import MODEL, SOURCE, TEXTS, Base, lines, main, read_jsonl, sutra


class Tokenize(Base):
    def tokens(self, *args, **options):
        return read_jsonl(sutra("tokenize", "-m", MODEL, "--json", *args, **options))

    def test_json(self):
        with open(SOURCE / "tests/data/golden/models/base/tokenizer.json", encoding="utf-8") as file:
            vocabulary = json.load(file)["model"]["vocab"]
        if MODEL != str(SOURCE / "tests/data/golden/models/base"):
            return
        row, = self.tokens("the green")
        self.assertEqual(row["ids"], [vocabulary[t] for t in ("[CLS]", "the", "green", "[SEP]")])
        self.assertEqual(row["offsets"], [[0, 0], [0, 3], [4, 9], [0, 0]])

    def test_untruncated_unless_asked(self):
        text = "water " * 3000
        self.assertEqual(len(self.tokens(text)[0]["ids"]), 3002)
        self.assertEqual(len(self.tokens("--max-tokens", "10", text)[0]["ids"]), 10)

    def test_offsets_count_code_points(self):
        row, = self.tokens("😀é the")
        self.assertEqual(row["offsets"][-2], [3, 6])

    def test_one_line_a_text(self):
        source = self.write("a.txt", lines(TEXTS * 500))
        rows = self.tokens("-i", source)
        self.assertEqual(len(rows), len(TEXTS) * 500)
        self.assertEqual(rows[:len(TEXTS)], self.tokens(*TEXTS))
        self.assertEqual(rows[-1], self.tokens(TEXTS[-1])[0])
        self.assertEqual(self.tokens(stdin=lines(TEXTS)), rows[:len(TEXTS)])

    def test_readable(self):
        shown = sutra("tokenize", "-m", MODEL, "--max-tokens", "4", "the green\tpaper", "é").decode().splitlines()
        self.assertRegex(shown[0], r"^text 1: 4 tokens, truncated from 5$")
        self.assertRegex(shown[1], r"^ +\d+  special$")
        self.assertRegex(shown[3], r"^ +\d+  4-9  green$")
        self.assertRegex(shown[5], r"^text 2: ")
        self.assertRegex(shown[7], r"0-1  é$")

    def test_tokens_that_share_a_character(self):
        model = os.environ.get("SUTRA_TEST_MODEL", "")
        if not Path(model, "tokenizer.json").exists():
            print("no SUTRA_TEST_MODEL: tokens that share a character were not shown")
            return
        shown = sutra("tokenize", "-m", model, "한국").decode()
        self.assertEqual(re.findall(r"(0-1|1-2)  (.)$", shown, re.M), [("0-1", "한")] * 3 + [("1-2", "국")] * 3)


if __name__ == "__main__":
    main()
