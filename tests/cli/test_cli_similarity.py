#!/usr/bin/env python3
"""sutra similarity."""

import json
import shutil

from cli_case import MODEL, TEXTS, Base, lines, main, sutra


class Similarity(Base):
    def test_values(self):
        a, b = self.vectors("a green garden", "the paper is new")
        result = json.loads(sutra("similarity", "-m", MODEL, "--json", "a green garden", "the paper is new"))
        self.assertEqual(result["rows"], ["a green garden", "the paper is new"])
        self.assertEqual(result["columns"], result["rows"])
        self.assertAlmostEqual(result["similarity"][0][1], sum(x * y for x, y in zip(a, b)), delta=1e-6)
        self.assertAlmostEqual(result["similarity"][0][0], 1, delta=1e-6)
        self.assertEqual(result["similarity"][0][1], result["similarity"][1][0])

    def test_table(self):
        shown = sutra("similarity", "-m", MODEL, "a green garden", "é" * 100, "line\nbreak").decode().splitlines()
        self.assertEqual(len(shown), 4)
        self.assertEqual(shown[0].split(), ["1", "2", "3"])
        self.assertIn("…", shown[2])
        self.assertIn("line break", shown[3])
        self.assertEqual(len({len(line) for line in shown}), 1, shown)
        self.assertEqual(shown[1].split()[-3], "1.0000")

    def test_json_strings(self):
        texts = ['say "no"', "back\\slash", "\t\r\x01\x7f", "😀 é", ""]
        result = json.loads(sutra("similarity", "-m", MODEL, "--json", *texts))
        self.assertEqual(result["rows"], texts)
        records = self.write("nul.jsonl", lines([json.dumps({"t": "a\0b\nc"})]))
        result = json.loads(sutra("similarity", "-m", MODEL, "--json", "-i", records, "--field", "t"))
        self.assertEqual(result["rows"], ["a\0b\nc"])

    def test_two_files(self):
        rows, columns = self.write("a.txt", lines(TEXTS * 30)), self.write("b.txt", "water\nmusic\n")
        result = json.loads(sutra("similarity", "-m", MODEL, "-i", rows, "--with", columns, "--json"))
        self.assertEqual(result["rows"], TEXTS * 30)
        self.assertEqual(result["columns"], ["water", "music"])
        self.assertEqual([len(row) for row in result["similarity"]], [2] * 150)
        self.assertEqual(result["similarity"][:5], result["similarity"][145:])
        one = json.loads(sutra("similarity", "-m", MODEL, "--json", TEXTS[2], "music"))
        self.assertEqual(one["similarity"][0][1], result["similarity"][2][1])
        shown = sutra("similarity", "-m", MODEL, "--with", columns, "water").decode()
        self.assertRegex(shown, r"column 2: music")

    def test_other_types(self):
        for name in ("int8", "ubinary"):
            result = json.loads(sutra("similarity", "-m", MODEL, "--json", "--output-dtype", name, "water", "music"))
            self.assertAlmostEqual(result["similarity"][0][0], 1, delta=1e-6)

    def test_texts_without_their_prompt_are_warned_of_once(self):
        model = self.dir / "prompted"
        shutil.copytree(MODEL, model)
        self.write("prompted/config_sentence_transformers.json", json.dumps({"prompts": {"query": "the green "}}))
        warning = ('^sutra: warning: no prompt was put before the texts, and prompted has: query; choose one with '
                   '--prompt-name NAME, or none with --prompt-name ""\n$')

        def run(*args, **options):
            return sutra("similarity", "-m", model, *args, **options)

        plain, prompted = self.write("a.txt", "water\n"), self.write("b.txt", "the green water\n")
        run("water", "the green water", stderr=warning)
        run("-i", plain, "--with", plain, stderr=warning)
        run("-i", prompted, "--with", plain, stderr=warning)
        run("-i", plain, "--with", prompted, stderr=warning)
        run("-i", prompted, "--with", prompted)
        for name in ("query", ""):
            run("-i", plain, "--with", plain, "--prompt-name", name)
        run("-i", self.write("c.txt", ""), "--with", self.write("d.txt", ""))
        run("water", "--dim", "99", stderr="^sutra: [^\n]*dim 99[^\n]*\n$", code=1)


if __name__ == "__main__":
    main()
