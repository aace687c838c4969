#!/usr/bin/env python3
"""The dialect of text-embeddings-inference of `sutra serve`: its contract, and vectors with the bytes of `sutra embed`."""

import json
import math
import shutil
import struct
import subprocess
import tempfile
from pathlib import Path
import unittest

from serve_case import SOURCE, Server, cli_scores, cli_vectors, main, make_reranker, parse_arguments

PROGRAM, ARGUMENTS = parse_arguments()
TEXTS = ["a green garden", "the paper is new", "héllo wörld", "silver music at night over the river", "日本", "x"]
GOLDEN = SOURCE / "tests/data/golden"
LONG = "night " * 400


def as_bytes(rows):
    return [struct.pack(f"<{len(row)}f", *row) for row in rows]


class Tei(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        cls.reranker = make_reranker(cls.folder / "reranker")
        cls.raw = make_reranker(cls.folder / "raw", "Identity")
        prompted = cls.folder / "prompted"
        shutil.copytree(GOLDEN / "models/base", prompted)
        (prompted / "config_sentence_transformers.json").write_text(json.dumps({"prompts": {"hint": "the river: "}}))
        cls.server = cls.enterClassContext(Server(PROGRAM, "-m", cls.reranker, "-m", cls.raw, "-m", prompted))
        cls.expected = cli_vectors(PROGRAM, TEXTS)

    def post(self, path, **fields):
        return self.server.request("POST", path, fields)

    def refused(self, path, status, kind, words, **fields):
        answer = self.post(path, **fields)
        self.assertEqual(answer.status, status, answer.body)
        self.assertEqual(set(answer.json), {"error", "error_type"})
        self.assertEqual(answer.json["error_type"], kind)
        self.assertIn(words, answer.json["error"])

    # ---- vectors ----

    def test_embed(self):
        answer = self.post("/embed", inputs=TEXTS)
        self.assertEqual((answer.status, as_bytes(answer.json)), (200, self.expected))
        for text, row in zip(TEXTS, self.expected):
            self.assertEqual(as_bytes(self.post("/embed", inputs=text).json), [row])
        rows = self.post("/embed", inputs=TEXTS, normalize=False, prompt_name=None, truncation_direction="Right").json
        self.assertEqual(as_bytes(rows), cli_vectors(PROGRAM, TEXTS, "--no-normalize"))
        rows = self.post("/embed", inputs=TEXTS, dimensions=7, model="base").json
        self.assertEqual(as_bytes(rows), cli_vectors(PROGRAM, TEXTS, "--dim", "7"))

    def test_headers(self):
        answer = self.post("/embed", inputs=["héllo", "日本"])
        tokens = self.server.embed(["héllo", "日本"]).json["usage"]["total_tokens"]
        self.assertEqual((answer.headers["x-compute-characters"], answer.headers["x-compute-tokens"]), ("7", str(tokens)))
        for name in ("x-compute-time", "x-total-time", "x-tokenization-time", "x-queue-time", "x-inference-time"):
            self.assertGreaterEqual(int(answer.headers[name]), 0)
        self.assertEqual(answer.headers["x-compute-type"], "cpu")

    def test_embed_all(self):
        answer = self.post("/embed_all", inputs=TEXTS)
        rows = answer.json
        self.assertEqual(sum(len(row) for row in rows), int(answer.headers["x-compute-tokens"]))
        for row, expected in zip(rows, self.expected):
            mean = [math.fsum(column) for column in zip(*row)]
            norm = math.sqrt(math.fsum(x * x for x in mean))
            for x, y in zip(mean, struct.unpack("<32f", expected)):
                self.assertAlmostEqual(x / norm, y, delta=2e-6)

    def test_similarity(self):
        answer = self.post("/similarity", inputs={"source_sentence": TEXTS[0], "sentences": TEXTS},
                           parameters={"truncate": True, "truncation_direction": "right", "prompt_name": None})
        vectors = [struct.unpack("<32f", row) for row in self.expected]
        self.assertEqual(len(answer.json), len(TEXTS))
        for found, vector in zip(answer.json, vectors):
            self.assertAlmostEqual(found, math.fsum(x * y for x, y in zip(vectors[0], vector)), delta=2e-6)
        self.assertAlmostEqual(answer.json[0], 1, delta=2e-6)

    def test_too_long_texts(self):
        self.refused("/embed", 413, "validation", "item 1", inputs=["x", LONG])
        self.refused("/embed", 413, "validation", "402 tokens, more than 160", inputs=LONG, truncate=False)
        answer = self.post("/embed", inputs=["x", LONG], truncate=True)
        self.assertEqual((answer.status, answer.headers["x-sutra-truncated"]), (200, "1"))
        self.assertEqual(as_bytes(answer.json), cli_vectors(PROGRAM, ["x", LONG]))
        with Server(PROGRAM, "--truncate") as server:
            self.assertEqual(server.request("POST", "/embed", {"inputs": LONG}).status, 200)
            self.assertTrue(server.request("GET", "/info").json["auto_truncate"])

    # ---- scores ----

    def check_ranks(self, ranks, scores, delta=1e-6):
        self.assertEqual(sorted(rank["index"] for rank in ranks), list(range(len(scores))))
        self.assertEqual([set(rank) for rank in ranks], [{"index", "score"}] * len(scores))
        self.assertEqual([rank["score"] for rank in ranks], sorted((rank["score"] for rank in ranks), reverse=True))
        for rank in ranks:
            self.assertAlmostEqual(rank["score"], scores[rank["index"]], delta=delta)

    def test_rerank(self):
        """Without a model's name, by the first reranker."""
        scores = cli_scores(PROGRAM, self.reranker, "the river", TEXTS)
        self.check_ranks(self.post("/rerank", query="the river", texts=TEXTS).json, scores)
        self.assertTrue(all(0 < score < 1 for score in scores))
        raw = self.post("/rerank", query="the river", texts=TEXTS, raw_scores=True).json
        self.check_ranks(raw, [math.log(score / (1 - score)) for score in scores], delta=2e-5)

    def test_raw_scores(self):
        scores = cli_scores(PROGRAM, self.raw, "the river", TEXTS)
        self.check_ranks(self.post("/rerank", query="the river", texts=TEXTS, model="raw", raw_scores=True).json, scores)
        sigmoids = [1 / (1 + math.exp(-score)) for score in scores]
        self.check_ranks(self.post("/rerank", query="the river", texts=TEXTS, model="raw").json, sigmoids)

    def test_rerank_returns_texts(self):
        twice = [TEXTS[0], TEXTS[1], TEXTS[0]]
        ranks = self.post("/rerank", query="the river", texts=twice, return_text=True, model="reranker").json
        self.assertEqual([rank["text"] for rank in ranks], [twice[rank["index"]] for rank in ranks])
        indices = [rank["index"] for rank in ranks]
        self.assertLess(indices.index(0), indices.index(2))

    def test_predict(self):
        pairs = [["the river", text] for text in TEXTS]
        scores = cli_scores(PROGRAM, self.reranker, "the river", TEXTS)
        rows = self.post("/predict", inputs=pairs).json
        self.assertEqual([[row["label"] for row in some] for some in rows], [["LABEL_0"]] * len(TEXTS))
        for some, score in zip(rows, scores):
            self.assertAlmostEqual(some[0]["score"], score, delta=1e-6)
        self.assertEqual(self.post("/predict", inputs=pairs[0]).json, rows[0])
        raw = self.post("/predict", inputs=pairs[0], raw_scores=True).json[0]["score"]
        self.assertAlmostEqual(1 / (1 + math.exp(-raw)), scores[0], delta=1e-6)
        for alone in ("x", ["x"], [["x"]], [["x", "y"], ["z"]]):
            self.refused("/predict", 424, "backend", "pairs", inputs=alone)
        for wrong in (5, {}, [], [[]], [["x", "y", "z"]], ["x", 5], [["x", "y"], "z"], [5]):
            self.refused("/predict", 422, "validation", "`inputs`", inputs=wrong)
        self.refused("/predict", 424, "backend", "base", inputs=["x", "y"], model="base")
        self.refused("/predict", 413, "validation", "tokens", inputs=["x", LONG])
        self.assertEqual(self.post("/predict", inputs=["x", LONG], truncate=True).headers["x-sutra-truncated"], "1")

    def test_a_model_that_gives_no_scores(self):
        self.refused("/rerank", 424, "backend", "base", query="x", texts=["y"], model="base")
        self.refused("/embed", 424, "backend", "reranker", inputs="x", model="reranker")
        with Server(PROGRAM) as server:
            answer = server.request("POST", "/rerank", {"query": "x", "texts": ["y"]})
            self.assertEqual((answer.status, answer.json["error_type"]), (424, "backend"))

    # ---- tokens ----

    def test_tokenize(self):
        texts = [*TEXTS, "", "  x", "e\u0301 \U0001f600 日本 x"]
        done = subprocess.run([PROGRAM, "tokenize", "-m", GOLDEN / "models/base", "--json", "-i", "-"], check=True,
                              input="".join(text + "\n" for text in texts).encode(), capture_output=True)
        rows = self.post("/tokenize", inputs=texts).json
        for text, row, line in zip(texts, rows, done.stdout.splitlines(), strict=True):
            expected, points = json.loads(line), text
            self.assertEqual([token["id"] for token in row], expected["ids"])
            self.assertEqual([token["special"] for token in row], [True] + [False] * (len(row) - 2) + [True])
            for token, (begin, end) in zip(row, expected["offsets"]):
                if token["special"]:
                    self.assertIn(token["text"], ("[CLS]", "[SEP]"))
                    self.assertEqual((token["start"], token["stop"]), (None, None))
                    continue
                part = text.encode()[token["start"]:token["stop"]].decode()
                self.assertEqual((token["text"], len(text[:begin].encode())), (part, token["start"]))
                self.assertEqual(part, points[begin:end])
        bare = self.post("/tokenize", inputs=texts, add_special_tokens=False).json
        self.assertEqual(bare, [row[1:-1] for row in rows])
        self.assertEqual(self.post("/tokenize", inputs=texts[0]).json, rows[:1])
        long = self.post("/tokenize", inputs=LONG).json[0]
        self.assertEqual(len(long), 402)
        prompt = self.post("/tokenize", inputs="x", prompt_name="hint", model="prompted").json[0]
        self.assertEqual([(token["text"], token["start"], token["stop"]) for token in prompt[1:-1]],
                         [("the", 0, 3), ("river", 4, 9), (":", 9, 10), ("x", 11, 12)])
        self.refused("/tokenize", 422, "validation", 'no prompt "none"', inputs="x", prompt_name="none")
        self.refused("/tokenize", 400, "empty", "cannot be empty", inputs=[])
        self.refused("/tokenize", 422, "validation", "`add_special_tokens`", inputs="x", add_special_tokens=1)
        self.refused("/tokenize", 404, "validation", "`none`", inputs="x", model="none")
        self.assertEqual(self.post("/tokenize", inputs=["river " * 3000] * 40).json[39][1]["text"], "river")

    def test_decode(self):
        texts = ["a green garden", "the paper is new, at night.", "the river"]
        ids = [[token["id"] for token in row] for row in self.post("/tokenize", inputs=texts).json]
        self.assertEqual(self.post("/decode", ids=ids).json, texts)
        self.assertEqual(self.post("/decode", ids=ids[0]).json, texts[:1])
        self.assertEqual(self.post("/decode", ids=ids[0], skip_special_tokens=False).json, [f"[CLS] {texts[0]} [SEP]"])
        self.assertEqual(self.post("/decode", ids=[*ids[2], 4000000000, 99999999], model="reranker").json, texts[2:])
        for wrong in ("x", 5, [1, "x"], [[1], 2], [-1], [1.5], [2**32], {}, [[1], [[2]]]):
            self.refused("/decode", 422, "validation", "`ids`", ids=wrong)
        for empty in ([], [[]], [[1], []]):
            self.refused("/decode", 400, "empty", "cannot be empty", ids=empty)
        self.refused("/decode", 413, "validation", "batch size 2049", ids=[[1]] * 2049)

    def test_truncation_direction(self):
        end = "river at night " * 40
        whole, cut = "green " * 400 + end, {"truncate": True}
        right = self.post("/embed", inputs=whole, truncation_direction="Right", **cut).json
        self.assertEqual(right, self.post("/embed", inputs=whole, **cut).json)
        left = self.post("/embed", inputs=whole, truncation_direction="left", **cut)
        self.assertEqual(left.headers["x-sutra-truncated"], "1")
        self.assertNotEqual(left.json, right)
        words = (whole.split())[-158:]
        self.assertEqual(left.json, self.post("/embed", inputs=" ".join(words)).json)
        self.refused("/embed", 413, "validation", "tokens", inputs=whole, truncation_direction="left")
        with tempfile.TemporaryDirectory() as folder:
            model = Path(folder) / "left"
            shutil.copytree(GOLDEN / "models/base", model)
            path = model / "tokenizer_config.json"
            path.write_text(json.dumps({**json.loads(path.read_text()), "truncation_side": "left"}))
            with Server(PROGRAM, model=model) as server:
                def ask(**fields):
                    return server.request("POST", "/embed", {"inputs": whole, "truncate": True, **fields}).json
                self.assertEqual(server.request("GET", "/info").json["truncation_direction"], "left")
                self.assertEqual((ask(), ask(truncation_direction="left")), (left.json, left.json))
                self.assertEqual(ask(truncation_direction="right"), right)

    # ---- the rest ----

    def test_info(self):
        info = self.server.request("GET", "/info").json
        self.assertEqual((info["model_id"], info["model_type"]), ("base", {"embedding": {"pooling": "mean"}}))
        self.assertEqual((info["dimensions"], info["max_client_batch_size"], info["auto_truncate"]), (32, 2048, False))
        self.assertEqual((info["model_dtype"], info["normalize"], info["truncation_direction"]), ("fp32", True, "right"))
        with Server(PROGRAM, model=self.reranker) as server:
            info = server.request("GET", "/info").json
            self.assertEqual(info["model_type"]["reranker"]["label2id"], {"LABEL_0": 0})

    def test_what_the_fields_say(self):
        for path in ("/", "/invocations"):
            self.assertEqual(as_bytes(self.post(path, inputs=TEXTS).json), self.expected)
            sentences = {"source_sentence": TEXTS[0], "sentences": TEXTS}
            self.assertEqual(self.post(path, inputs=sentences).json, self.post("/similarity", inputs=sentences).json)
            self.assertEqual(self.post(path, query="x", texts=TEXTS).json, self.post("/rerank", query="x", texts=TEXTS).json)
            self.refused(path, 422, "validation", "missing field `inputs`")

    def test_other_paths(self):
        self.assertEqual(self.server.request("GET", "/ping").status, 200)
        body = {"input": TEXTS, "encoding_format": "base64"}
        self.assertEqual(self.server.request("POST", "/embeddings", body).vectors(), self.expected)
        self.refused("/embed_sparse", 424, "backend", "SPLADE", inputs="x")
        answer = self.server.request("GET", "/embed")
        self.assertEqual((answer.status, answer.json["error_type"]), (405, "validation"))

    def test_wrong_fields(self):
        for wrong in (5, None, {}, ["x", 5], [[1, 2]]):
            self.refused("/embed", 422, "validation", "`inputs`", inputs=wrong)
        self.refused("/embed", 422, "validation", "missing field `inputs`")
        self.refused("/embed", 400, "empty", "cannot be empty", inputs=[])
        self.refused("/rerank", 400, "empty", "cannot be empty", query="x", texts=[])
        self.refused("/rerank", 422, "validation", "missing field `query`", texts=["x"])
        self.refused("/similarity", 422, "validation", "source_sentence", inputs={"source_sentence": "x"})
        self.refused("/similarity", 400, "empty", "cannot be empty", inputs={"source_sentence": "x", "sentences": []})
        self.refused("/similarity", 422, "validation", "`no`", inputs={"source_sentence": "x", "sentences": ["y"]},
                     parameters={"no": 1})
        self.refused("/embed", 422, "validation", "unknown field `input`", input="x", inputs="x")
        self.refused("/embed", 404, "validation", "`none`", inputs="x", model="none")
        for name, wrong in (("truncate", "yes"), ("truncation_direction", "up"), ("truncation_direction", 1), ("normalize", 1),
                            ("prompt_name", 5), ("prompt_name", "a\0b"), ("dimensions", 0), ("dimensions", 1.5), ("model", 5)):
            self.refused("/embed", 422, "validation", f"`{name}`", inputs="x", **{name: wrong})
        self.refused("/embed", 422, "validation", "none", inputs="x", prompt_name="none")
        self.refused("/rerank", 422, "validation", "`raw_scores`", query="x", texts=["y"], raw_scores=1)
        self.assertEqual(self.server.request("POST", "/embed", b"{").json["error_type"], "validation")
        with Server(PROGRAM, "--max-inputs", 2) as server:
            answer = server.request("POST", "/embed", {"inputs": ["x"] * 3})
            self.assertEqual((answer.status, answer.json["error"]), (413, "batch size 3 > maximum allowed batch size 2"))

    def test_many_texts(self):
        texts = [f"{TEXTS[i % 4]} {i}" for i in range(2000)]
        self.assertEqual(as_bytes(self.post("/embed", inputs=texts).json), cli_vectors(PROGRAM, texts))


if __name__ == "__main__":
    main(ARGUMENTS)
