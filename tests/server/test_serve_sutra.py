#!/usr/bin/env python3
"""Sutra's own paths of `sutra serve`: /embed with texts, and the cache of vectors."""

import struct
import unittest

from serve_case import Server, cli_vectors, main, parse_arguments

PROGRAM, ARGUMENTS = parse_arguments()
TEXTS = ["a green garden", "the paper is new", "héllo wörld", "日本", ""]
LONG = "night " * 400


def as_bytes(rows):
    return [struct.pack(f"<{len(row)}f", *row) for row in rows]


class Embed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(Server(PROGRAM))
        cls.expected = cli_vectors(PROGRAM, TEXTS)

    def post(self, path="/embed", **fields):
        return self.server.request("POST", path, fields)

    def refused(self, status, kind, words, **fields):
        answer = self.post(**fields)
        self.assertEqual((answer.status, answer.json["error_type"]), (status, kind), answer.body)
        self.assertIn(words, answer.json["error"])

    def test_texts(self):
        answer = self.post(texts=TEXTS)
        body = answer.json
        self.assertEqual(set(body), {"embeddings", "model", "dimensions", "batch_size", "tokens", "truncated", "processing_time_ms",
                                     "model_time_ms"})
        self.assertEqual(as_bytes(body["embeddings"]), self.expected)
        self.assertEqual((body["model"], body["dimensions"], body["batch_size"], body["truncated"]), ("base", 32, len(TEXTS), 0))
        self.assertEqual(body["tokens"], int(self.post(inputs=TEXTS).headers["x-compute-tokens"]))
        self.assertGreater(body["model_time_ms"], 0)
        self.assertGreaterEqual(body["processing_time_ms"], body["model_time_ms"])
        self.assertEqual(as_bytes(self.post(texts=TEXTS[0]).json["embeddings"]), self.expected[:1])

    def test_fields(self):
        body = self.post(texts=TEXTS, target_dimension=7, model="base", prompt_name="query").json
        self.assertEqual((as_bytes(body["embeddings"]), body["dimensions"]), (cli_vectors(PROGRAM, TEXTS, "--dim", "7"), 7))
        for normalize, options in ((True, ()), (False, ("--no-normalize",))):
            self.assertEqual(as_bytes(self.post(texts=TEXTS, normalize=normalize).json["embeddings"]),
                             cli_vectors(PROGRAM, TEXTS, *options))
        answer = self.post(texts=["x", LONG], truncate=True)
        self.assertEqual((answer.json["truncated"], answer.headers["x-sutra-truncated"]), (1, "1"))
        self.refused(413, "validation", "402 tokens", texts=LONG)

    def test_wrong_fields(self):
        self.refused(422, "validation", "both given", texts="x", inputs="x")
        self.refused(422, "validation", "missing field `inputs`, or `texts`", text="x")
        self.refused(400, "empty", "`texts` cannot be empty", texts=[])
        self.refused(422, "validation", "unknown field `dimensions`", texts="x", dimensions=7)
        self.refused(422, "validation", "unknown field `target_dimension`", inputs="x", target_dimension=7)
        self.refused(404, "validation", "`none`", texts="x", model="none")
        for name, wrong in (("texts", None), ("texts", ["x", 5]), ("normalize", "yes"), ("target_dimension", 0), ("truncate", 1)):
            self.refused(422, "validation", f"`{name}`", **{"texts": "x", name: wrong})

    def test_no_cache(self):
        self.assertEqual(self.server.request("GET", "/cache/stats").json, {"bytes": 0, "hits": 0, "misses": 0, "hit_rate": 0})
        self.assertEqual(self.post("/cache/clear").json, {"cleared": False})


class Cache(unittest.TestCase):
    def test_texts_that_were_seen_before(self):
        with Server(PROGRAM, "--cache-bytes", 1 << 20) as server:
            def ask(hits, misses):
                body = server.request("POST", "/embed", {"texts": TEXTS}).json
                self.assertEqual(as_bytes(body["embeddings"]), expected)
                counts = server.request("GET", "/cache/stats").json
                self.assertEqual((counts["bytes"], counts["hits"], counts["misses"]), (1 << 20, hits + before["hits"],
                                                                                       misses + before["misses"]))
                self.assertAlmostEqual(counts["hit_rate"], counts["hits"] / (counts["hits"] + counts["misses"]), delta=1e-6)
                return body
            expected = cli_vectors(PROGRAM, TEXTS)
            before = server.request("GET", "/cache/stats").json
            ask(0, 5)
            self.assertEqual(ask(5, 5)["model_time_ms"], 0)
            self.assertEqual(server.request("POST", "/cache/clear").json, {"cleared": True})
            ask(5, 10)
            self.assertEqual(server.request("GET", "/cache/clear").status, 405)

    def test_a_key(self):
        with Server(PROGRAM, "--api-key", "k", "--cache-bytes", 65536) as server:
            self.assertEqual(server.request("GET", "/cache/stats").status, 401)
            self.assertEqual(server.request("POST", "/cache/clear").status, 401)


if __name__ == "__main__":
    main(ARGUMENTS)
