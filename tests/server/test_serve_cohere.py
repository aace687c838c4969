#!/usr/bin/env python3
"""Cohere's dialect of `sutra serve`, and Jina's, which is its /v1/rerank: vectors and codes with the bytes of `sutra embed`."""

import base64
import json
import shutil
import struct
import tempfile
import unittest
from pathlib import Path

from serve_case import MODEL, Server, cli_scores, cli_vectors, main, make_reranker, parse_arguments

PROGRAM, ARGUMENTS = parse_arguments()
TEXTS = ["a green garden", "the paper is new", "héllo wörld", "silver music at night over the river", "日本", ""]
LONG = "night " * 400


def as_bytes(rows, code="f"):
    return [struct.pack(f"<{len(row)}{code}", *row) for row in rows]


class Cohere(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        cls.reranker = make_reranker(folder / "reranker")
        cls.raw = make_reranker(folder / "raw", "Identity")
        prompted = folder / "prompted"
        shutil.copytree(MODEL, prompted)
        cls.prompts = {"query": "the river: ", "passage": "a garden: ", "clustering": "at night: "}
        (prompted / "config_sentence_transformers.json").write_text(json.dumps(
            {"prompts": cls.prompts, "default_prompt_name": "clustering"}))
        cls.server = cls.enterClassContext(Server(PROGRAM, "-m", cls.reranker, "-m", cls.raw, "-m", prompted))
        cls.expected = cli_vectors(PROGRAM, TEXTS)

    def post(self, path, **fields):
        return self.server.request("POST", path, fields)

    def refused(self, path, status, words, **fields):
        answer = self.post(path, **fields)
        self.assertEqual(answer.status, status, answer.body)
        self.assertEqual(set(answer.json), {"message", "detail"} if path == "/v1/rerank" else {"message"})
        self.assertEqual(len(set(answer.json.values())), 1)
        self.assertIn(words, answer.json["message"])

    # ---- vectors ----

    def test_floats(self):
        answer = self.post("/v2/embed", texts=TEXTS, model="base")
        self.assertEqual((answer.status, set(answer.json)), (200, {"id", "response_type", "embeddings", "texts", "meta"}))
        self.assertEqual(list(answer.json["embeddings"]), ["float"])
        self.assertEqual(as_bytes(answer.json["embeddings"]["float"]), self.expected)
        self.assertEqual((answer.json["texts"], answer.json["id"]), (TEXTS, answer.headers["x-request-id"]))
        tokens = self.post("/embed", inputs=TEXTS).headers["x-compute-tokens"]
        self.assertEqual(answer.json["meta"], {"api_version": {"version": "2"}, "billed_units": {"input_tokens": int(tokens)}})
        inputs = [{"content": [{"type": "text", "text": text}]} for text in TEXTS]
        self.assertEqual(self.post("/v2/embed", inputs=inputs).json["embeddings"], answer.json["embeddings"])
        rows = self.post("/v2/embed", texts=TEXTS, output_dimension=7).json["embeddings"]["float"]
        self.assertEqual(as_bytes(rows), cli_vectors(PROGRAM, TEXTS, "--dim", "7"))

    def test_v1(self):
        answer = self.post("/v1/embed", texts=TEXTS).json
        self.assertEqual((as_bytes(answer["embeddings"]), answer["response_type"]), (self.expected, "embeddings_floats"))
        self.assertEqual(answer["meta"]["api_version"], {"version": "1"})
        answer = self.post("/v1/embed", texts=TEXTS, embedding_types=["float"]).json
        self.assertEqual((as_bytes(answer["embeddings"]["float"]), answer["response_type"]), (self.expected, "embeddings_by_type"))

    def test_embedding_types(self):
        kinds = {"float": "f", "int8": "b", "uint8": "B", "binary": "b", "ubinary": "B"}
        for dim in (32, 13):
            answer = self.post("/v2/embed", texts=TEXTS, output_dimension=dim, embedding_types=[*kinds, "base64"]).json
            self.assertEqual(set(answer["embeddings"]), {*kinds, "base64"})
            for name, code in kinds.items():
                dtype = {"float": "float32"}.get(name, name)
                expected = cli_vectors(PROGRAM, TEXTS, "--dim", dim, "--output-dtype", dtype)
                self.assertEqual(as_bytes(answer["embeddings"][name], code), expected, name)
            floats = cli_vectors(PROGRAM, TEXTS, "--dim", dim)
            self.assertEqual([base64.b64decode(row) for row in answer["embeddings"]["base64"]], floats)

    def test_input_types_are_prompts(self):
        def ask(texts, **fields):
            return as_bytes(self.post("/v2/embed", texts=texts, model="prompted", **fields).json["embeddings"]["float"])
        for kind, prompt in (("search_query", "query"), ("search_document", "passage"), ("clustering", "clustering"),
                             ("classification", None)):
            before = self.prompts.get(prompt, "")
            self.assertEqual(ask(TEXTS, input_type=kind), cli_vectors(PROGRAM, [before + text for text in TEXTS]), kind)
            self.assertEqual(as_bytes(self.post("/v2/embed", texts=TEXTS, input_type=kind).json["embeddings"]["float"]), self.expected)
        self.assertEqual(ask(["x"]), cli_vectors(PROGRAM, [self.prompts["clustering"] + "x"]))

    def test_truncate(self):
        whole = "green " * 300 + "river at night " * 100
        end = cli_vectors(PROGRAM, [" ".join(whole.split()[:158])])
        start = cli_vectors(PROGRAM, [" ".join(whole.split()[-158:])])
        for fields, expected in (({}, end), ({"truncate": "END"}, end), ({"truncate": "START"}, start)):
            answer = self.post("/v2/embed", texts=[whole], **fields)
            self.assertEqual(as_bytes(answer.json["embeddings"]["float"]), expected)
            self.assertEqual((answer.headers["x-sutra-truncated"], answer.json["meta"]["warnings"]),
                             ("1", ["1 of the texts were truncated"]))
        self.refused("/v2/embed", 400, "602 tokens", texts=[whole], truncate="NONE")
        answer = self.post("/v2/embed", texts=[whole], max_tokens=12)
        self.assertEqual(as_bytes(answer.json["embeddings"]["float"]), cli_vectors(PROGRAM, ["green " * 10]))

    def test_wrong_vectors(self):
        for path in ("/v1/embed", "/v2/embed"):
            self.refused(path, 400, "texts is missing", model="base")
            self.refused(path, 400, "texts cannot be empty", texts=[])
            self.refused(path, 400, "texts must be", texts="x")
            self.refused(path, 400, "texts must be", texts=["x", 5])
            self.refused(path, 400, "both given", texts=["x"], inputs=[{}])
            for wrong in ({"content": []}, {"content": [{"type": "image_url", "image_url": "x"}]}, 5,
                          {"content": [{"type": "text", "text": "x"}] * 2}):
                self.refused(path, 400, "inputs must be", inputs=[wrong])
            self.refused(path, 400, "no images", images=["data:image/png;base64,"])
            self.refused(path, 400, "unknown field: text", text="x")
            self.refused(path, 404, "model 'none' not found", texts=["x"], model="none")
            self.refused(path, 400, "reranker", texts=["x"], model="reranker")
            for name, wrong in (("input_type", "image"), ("input_type", 5), ("embedding_types", "float"), ("truncate", "MIDDLE"),
                                ("embedding_types", ["float", "int4"]), ("embedding_types", [5]), ("output_dimension", 0),
                                ("max_tokens", 0), ("model", 5)):
                self.refused(path, 400, f"{name} must be", texts=["x"], **{name: wrong})
            self.refused(path, 400, "33", texts=["x"], output_dimension=33)
            answer = self.server.request("POST", path, b"{")
            self.assertEqual((answer.status, list(answer.json)), (400, ["message"]))
            self.assertEqual(self.server.request("GET", path).status, 405)

    def test_a_key(self):
        with Server(PROGRAM, "--api-key", "k", "--max-inputs", 2) as server:
            for path in ("/v1/embed", "/v2/embed", "/v1/rerank", "/v2/rerank"):
                answer = server.request("POST", path, {})
                self.assertEqual((answer.status, "message" in answer.json), (401, True))
            answer = server.request("POST", "/v2/embed", {"texts": ["x"] * 3}, Authorization="Bearer k")
            self.assertEqual((answer.status, answer.json), (400, {"message": "texts holds 3 texts; this server takes 2 in a request"}))

    # ---- ranks ----

    def check_results(self, results, scores):
        self.assertEqual([row["index"] for row in results], sorted(range(len(scores)), key=lambda i: (-scores[i], i))[:len(results)])
        for row in results:
            self.assertAlmostEqual(row["relevance_score"], scores[row["index"]], delta=1e-6)

    def test_rerank(self):
        scores = cli_scores(PROGRAM, self.reranker, "the river", TEXTS)
        for path, version in (("/v1/rerank", "1"), ("/v2/rerank", "2")):
            answer = self.post(path, query="the river", documents=TEXTS)
            self.assertEqual(set(answer.json), {"id", "model", "results", "meta", "usage"})
            self.check_results(answer.json["results"], scores)
            self.assertEqual(len(answer.json["results"]), len(TEXTS))
            self.assertEqual([set(row) for row in answer.json["results"]], [{"index", "relevance_score"}] * len(TEXTS))
            self.assertEqual(answer.json["meta"], {"api_version": {"version": version}, "billed_units": {"search_units": 1}})
            self.assertGreater(answer.json["usage"]["total_tokens"], 0)
            self.assertEqual((answer.json["model"], answer.json["id"]), ("reranker", answer.headers["x-request-id"]))
            for n in (1, 3, 99):
                some = self.post(path, query="the river", documents=TEXTS, top_n=n, model="reranker").json["results"]
                self.assertEqual(some, answer.json["results"][:n])
            objects = [{"text": text, "title": "x"} for text in TEXTS]
            self.assertEqual(self.post(path, query="the river", documents=objects).json["results"], answer.json["results"])
            self.assertEqual(self.post(path, query="the river", documents=TEXTS, max_tokens_per_doc=4096, priority=0).status, 200)
        logits = cli_scores(PROGRAM, self.raw, "the river", TEXTS)
        results = self.post("/v2/rerank", query="the river", documents=TEXTS, model="raw").json["results"]
        self.check_results(results, [1 / (1 + 2.718281828459045 ** -logit) for logit in logits])

    def test_documents_are_returned(self):
        results = self.post("/v1/rerank", query="x", documents=[TEXTS[0], {"text": TEXTS[2]}], return_documents=True,
                            rank_fields=["text"], max_chunks_per_doc=1).json["results"]
        self.assertEqual({row["index"]: row["document"] for row in results}, {0: {"text": TEXTS[0]}, 1: {"text": TEXTS[2]}})

    def test_too_long_documents(self):
        for path in ("/v1/rerank", "/v2/rerank"):
            answer = self.post(path, query="the river", documents=[LONG, "x"])
            self.assertEqual((answer.status, answer.headers["x-sutra-truncated"]), (200, "1"))
            self.assertEqual(answer.json["meta"]["warnings"], ["1 of the texts were truncated"])
        self.refused("/v1/rerank", 400, "tokens", query="the river", documents=["x", LONG], truncation=False)

    def test_wrong_ranks(self):
        for path in ("/v1/rerank", "/v2/rerank"):
            self.refused(path, 400, "documents is missing", query="x")
            self.refused(path, 400, "query is missing", documents=["x"])
            self.refused(path, 400, "query must be", query="", documents=["x"])
            self.refused(path, 400, "documents cannot be empty", query="x", documents=[])
            for wrong in ("x", [5], [{"title": "x"}], [{"text": 5}], [["x"]]):
                self.refused(path, 400, "documents must be", query="x", documents=wrong)
            self.refused(path, 400, "top_n must be", query="x", documents=["x"], top_n=0)
            self.refused(path, 400, "no less than", query="x", documents=["x"], max_tokens_per_doc=2)
            self.refused(path, 400, "unknown field: texts", query="x", texts=["x"])
            self.refused(path, 404, "model 'none' not found", query="x", documents=["x"], model="none")
            self.refused(path, 400, "embedding model", query="x", documents=["x"], model="base")
        self.refused("/v2/rerank", 400, "unknown field: return_documents", query="x", documents=["x"], return_documents=True)
        for name, wrong in (("max_chunks_per_doc", 10), ("rank_fields", ["title"]), ("return_documents", 1), ("truncation", 1)):
            self.refused("/v1/rerank", 400, f"{name} must be", query="x", documents=["x"], **{name: wrong})

    def test_metrics_know_the_routes(self):
        self.post("/v2/rerank", query="x", documents=["x"])
        self.assertIn(b'route="/v2/rerank"', self.server.request("GET", "/metrics").body)


if __name__ == "__main__":
    main(ARGUMENTS)
