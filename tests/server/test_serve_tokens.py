#!/usr/bin/env python3
"""`sutra serve --max-request-tokens`: requests with too many tokens, in each dialect."""

import json
import shutil
import tempfile
import unittest
from pathlib import Path

from serve_case import MODEL, Server, cli_vectors, main, make_reranker, parse_arguments

PROGRAM, ARGUMENTS = parse_arguments()


class RequestTokens(unittest.TestCase):
    """A request may have ten texts of so many tokens, and is told when it has eleven."""
    TEXT = "a green garden"

    def ask(self, server, path, body, status):
        answers = [server.request("POST", path, body(n)) for n in (10, 11)]
        self.assertEqual([a.status for a in answers], [200, status], (path, answers))
        return answers[1].json

    def test_each_dialect_refuses_in_its_words(self):
        with Server(PROGRAM) as server:
            each = server.embed(self.TEXT).json["usage"]["prompt_tokens"]
        words = f"The request has {11 * each} tokens; this server takes {10 * each} in a request."
        with Server(PROGRAM, "--max-request-tokens", 10 * each) as server:
            def lists(name, **more):
                return lambda n: {name: [self.TEXT] * n, **more}
            for path in ("/v1/embeddings", "/embeddings"):
                error = self.ask(server, path, lists("input"), 400)["error"]
                self.assertEqual((error["message"], error["code"], error["type"]), (words, "max_tokens_per_request", "invalid_request_error"))
            self.assertEqual(self.ask(server, "/api/embed", lists("input", model="base"), 400), {"error": words})
            self.assertEqual(self.ask(server, "/v2/embed", lists("texts"), 400), {"message": words})
            for path in ("/embed", "/embed_all"):
                self.assertEqual(self.ask(server, path, lists("inputs"), 413), {"error": words, "error_type": "validation"})
            self.assertEqual(self.ask(server, "/embed", lists("texts"), 413), {"error": words, "error_type": "validation"})
            self.assertEqual(server.request("POST", "/tokenize", {"inputs": [self.TEXT] * 11}).status, 200)
            self.assertEqual(server.metric("sutra_engine_failed_texts_total"), 0)  # none has come to the engine

    def test_prompts_count_and_what_is_cut_off_does_not(self):
        with tempfile.TemporaryDirectory() as folder:
            model = shutil.copytree(MODEL, Path(folder) / "m")
            path = model / "config_sentence_transformers.json"
            config = json.loads(path.read_text()) if path.exists() else {}
            path.write_text(json.dumps({**config, "prompts": {"query": "silver night music: "}}))
            long = "night " * 1000
            with Server(PROGRAM, model=model) as server:
                usage = [server.embed(text, **more).json["usage"]["prompt_tokens"]
                         for text, more in ((self.TEXT, {"prompt_name": "query"}), (self.TEXT, {}), (long, {"truncate": True}))]
            self.assertGreater(usage[0], usage[1])
            with Server(PROGRAM, "--max-request-tokens", usage[0] * 2 - 1, model=model) as server:
                self.assertEqual(server.embed([self.TEXT] * 2).status, 200)
                answer = server.embed([self.TEXT] * 2, prompt_name="query")
                self.assertIn(f"The request has {2 * usage[0]} tokens", answer.json["error"]["message"])
            with Server(PROGRAM, "--max-request-tokens", usage[2] * 2, model=model) as server:
                self.assertEqual(server.embed([long] * 2, truncate=True).status, 200)
                answer = server.embed([long] * 3, truncate=True)
                self.assertIn(f"The request has {3 * usage[2]} tokens", answer.json["error"]["message"])

    def test_pairs(self):
        with tempfile.TemporaryDirectory() as folder:
            scorer = make_reranker(Path(folder) / "scorer")
            with Server(PROGRAM, model=scorer) as server:
                each = server.request("POST", "/v1/rerank", {"query": "a", "documents": [self.TEXT]}).json["usage"]["total_tokens"]
            words = f"The request has {11 * each} tokens; this server takes {10 * each} in a request."
            with Server(PROGRAM, "--max-request-tokens", 10 * each, model=scorer) as server:
                error = self.ask(server, "/v1/rerank", lambda n: {"query": "a", "documents": [self.TEXT] * n}, 400)
                self.assertEqual(error, {"message": words, "detail": words})
                for path, body in (("/rerank", lambda n: {"query": "a", "texts": [self.TEXT] * n}),
                                   ("/predict", lambda n: {"inputs": [["a", self.TEXT]] * n})):
                    self.assertEqual(self.ask(server, path, body, 413)["error"], words)

    def test_large_requests_are_counted_elsewhere(self):
        texts = [f"{self.TEXT} {i}" for i in range(2000)]
        with Server(PROGRAM) as server:
            tokens = server.embed(texts).json["usage"]["prompt_tokens"]
        for most, status in ((tokens, 200), (tokens - 1, 400)):
            with Server(PROGRAM, "--max-request-tokens", most) as server:
                answer = server.embed(texts, encoding_format="base64")
                self.assertEqual(answer.status, status)
                if status == 200:
                    self.assertEqual(answer.vectors(), cli_vectors(PROGRAM, texts))
                else:
                    self.assertIn(f" {tokens} tokens", answer.json["error"]["message"])


if __name__ == "__main__":
    main(ARGUMENTS)
