#!/usr/bin/env python3
"""sutra rerank, with the golden reranker `bert`."""

import json
import shutil
import struct

from cli_case import MODEL, SOURCE, Base, lines, main, read_jsonl, sutra

GOLDEN = SOURCE / "tests/data/golden"


class Rerank(Base):
    def setUp(self):
        super().setUp()
        self.expected = json.loads((GOLDEN / "rerankers/bert/expected.json").read_text(encoding="utf-8"))
        self.model = self.dir / "reranker"
        shutil.copytree(GOLDEN / "models/base", self.model, ignore=shutil.ignore_patterns("modules.json", "1_Pooling"))
        shutil.copytree(GOLDEN / "rerankers/bert", self.model, dirs_exist_ok=True)

    def rerank(self, *args, **options):
        return sutra("rerank", "-m", self.model, *args, **options)

    def test_scores_of_the_reference(self):
        """The first case of the goldens has logits, the second config.json as it is."""
        count = len(self.expected["pairs"])
        data = (GOLDEN / "rerankers/bert/expected.f32").read_bytes()
        for case, options in enumerate((("--raw-scores",), ())):
            scores = struct.unpack(f"<{count}f", data[4 * count * case:4 * count * (case + 1)])
            for (query, text), score in list(zip(self.expected["pairs"], scores))[:5]:
                found, = read_jsonl(self.rerank("--json", *options, "--", query, text, stderr=""))
                self.assertAlmostEqual(found["score"], score, delta=2e-6)
                self.assertEqual(found["text"], text)

    def test_order_and_lines(self):
        texts = ["stone", "light water", "stone", "", "house at night", "stone"]
        found = read_jsonl(self.rerank("--json", "the river", "-i", self.write("a.txt", lines(texts))))
        self.assertEqual(sorted(r["line"] for r in found), [1, 2, 3, 4, 5, 6])
        self.assertEqual([r["text"] for r in found], [texts[r["line"] - 1] for r in found])
        self.assertEqual(found, sorted(found, key=lambda r: (-r["score"], r["line"])))
        self.assertEqual([r["line"] for r in found if r["text"] == "stone"], [1, 3, 6])
        self.assertEqual(found, read_jsonl(self.rerank("--json", "the river", *texts)))
        self.assertEqual(found, read_jsonl(self.rerank("--json", "the river", stdin=lines(texts))))
        self.assertEqual(found[:2], read_jsonl(self.rerank("--json", "--top", "2", "the river", *texts)))
        self.assertEqual(found, read_jsonl(self.rerank("--json", "--top", "99", "the river", *texts)))

    def test_json_lines(self):
        """Blank lines have no text but a number."""
        records = [json.dumps({"t": "a\nb\t"}), "", json.dumps({"t": "stone"})]
        path = self.write("a.jsonl", lines(records))
        found = read_jsonl(self.rerank("--json", "river", "-i", path, "--field", "t"))
        self.assertEqual({r["line"]: r["text"] for r in found}, {1: "a\nb\t", 3: "stone"})
        shown = self.rerank("river", "-i", path, "--field", "t").decode().splitlines()
        rows = [line.split("\t") for line in shown]
        self.assertEqual({row[0]: row[2] for row in rows}, {"1": "a b ", "3": "stone"})
        self.assertEqual([float(row[1]) for row in rows], [r["score"] for r in found])

    def test_a_query_without_its_prompt_is_warned_of(self):
        shutil.copytree(GOLDEN / "rerankers/bert-saved", self.model, dirs_exist_ok=True)
        self.rerank("river", "water")
        self.write("reranker/config_sentence_transformers.json",
                   json.dumps({"model_type": "CrossEncoder", "prompts": {"find": "the text, "}}))
        warning = ('^sutra: warning: no prompt was put before the query, and reranker has: find; choose one with '
                   '--prompt-name NAME, or none with --prompt-name ""\n$')
        self.rerank("river", "water", "stone", stderr=warning)
        self.rerank("the text, river", "water"), self.rerank("river", stdin=b"")
        for name in ("find", ""):
            self.rerank("--prompt-name", name, "river", "water")

    def test_no_texts(self):
        self.assertEqual(self.rerank("river", stdin=b""), b"")

    def test_truncation_is_told(self):
        self.rerank("the river", "stone " * 40, stderr=r"warning: 1 of 1 texts were truncated to 24 tokens \(the longest has 45\)")
        self.rerank("--max-tokens", "60", "the river", "stone " * 40)

    def test_packed_and_quantised(self):
        texts = ["stone", "light water", "house at night"]
        found = self.rerank("--json", "the river", *texts)
        sutra("convert", self.model, "-o", self.dir / "m.sutra")
        self.assertEqual(sutra("rerank", "-m", self.dir / "m.sutra", "--json", "the river", *texts), found)
        exact = {r["text"]: r["score"] for r in read_jsonl(found)}
        for compute in ("int8", "bf16", "fp16"):
            sutra("quantize", self.model, "--compute", compute, "-o", self.dir / "q.sutra")
            sutra("verify", self.dir / "q.sutra")
            for row in read_jsonl(sutra("rerank", "-m", self.dir / "q.sutra", "--json", "the river", *texts)):
                self.assertAlmostEqual(row["score"], exact[row["text"]], delta=0.1)
                self.assertTrue(compute == "fp16" or row["score"] != exact[row["text"]])

    def test_info(self):
        self.assertRegex(sutra("info", self.model).decode(), r"(?m)^kind +reranker: a score a pair of texts, sigmoid of its logit$")
        facts = json.loads(sutra("info", "--json", self.model))
        self.assertEqual((facts["kind"], facts["score"]), ("reranker", "sigmoid"))
        self.assertEqual(json.loads(sutra("info", "--json", MODEL))["kind"], "embedding")

    def test_list(self):
        known = {m["name"]: m for m in read_jsonl(sutra("list", "--json", env={"HF_HUB_CACHE": str(self.dir)}))}
        self.assertEqual(known["ms-marco-MiniLM-L6-v2"]["kind"], "reranker")
        self.assertEqual(known["all-MiniLM-L6-v2"]["kind"], "embedding")


if __name__ == "__main__":
    main()
