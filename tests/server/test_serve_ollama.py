#!/usr/bin/env python3
"""The Ollama dialect of `sutra serve`: its contract, names, errors, how long models stay open, and vectors with the
bytes of `sutra embed`."""

import datetime
import json
import shutil
import struct
import tempfile
import time
import unittest
from pathlib import Path

from serve_case import MODEL, SOURCE, Server, cli_vectors, main, parse_arguments, request_bytes
from web_socket import WebSocket

PROGRAM, ARGUMENTS = parse_arguments()
TEXTS = ["a green garden", "", "héllo wörld", "silver music at night over the river", "日本", "a\0b", "x"]
LONG = "the river at night " * 200
OTHER = SOURCE / "tests/data/golden/models/roberta"


def as_bytes(vectors):
    return [struct.pack(f"<{len(vector)}f", *vector) for vector in vectors]


class Dialect(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(Server(PROGRAM, "-m", OTHER, "--alias", "Nice-Name=base"))
        cls.expected = cli_vectors(PROGRAM, TEXTS)

    def post(self, path, body, method="POST"):
        return self.server.request(method, path, body)

    def embed(self, texts, **fields):
        answer = self.post("/api/embed", {"model": "base", "input": texts, **fields})
        self.assertEqual(answer.status, 200, answer.body)
        return answer

    def refused(self, path, body, status, words, method="POST"):
        answer = self.post(path, body, method)
        self.assertEqual(answer.status, status, answer.body)
        self.assertEqual(list(answer.json), ["error"])
        self.assertIn(words, answer.json["error"])

    def test_embed(self):
        answer = self.embed(TEXTS)
        self.assertEqual(as_bytes(answer.json["embeddings"]), self.expected)
        self.assertEqual(list(answer.json), ["model", "embeddings", "total_duration", "load_duration", "prompt_eval_count"])
        self.assertEqual(answer.json["model"], "base")
        self.assertGreater(answer.json["prompt_eval_count"], len(TEXTS))
        self.assertGreater(answer.json["total_duration"], answer.json["load_duration"])
        self.assertNotIn("x-sutra-truncated", answer.headers)
        self.assertEqual(as_bytes(self.embed(TEXTS[0]).json["embeddings"]), self.expected[:1])
        many = [f"{TEXTS[3]} {i}" for i in range(2000)]  # a body and an answer for the worker
        self.assertEqual(as_bytes(self.embed(many).json["embeddings"]), cli_vectors(PROGRAM, many))

    def test_embed_nothing(self):
        for texts in ("", [], None):
            answer = self.embed(texts).json
            self.assertEqual((answer["embeddings"], answer["prompt_eval_count"]), ([], 0))
        self.assertEqual(self.post("/api/embed", {"model": "base"}).json["embeddings"], [])
        self.assertEqual(as_bytes(self.embed([""]).json["embeddings"]), self.expected[1:2])

    def test_dimensions(self):
        self.assertEqual(as_bytes(self.embed(TEXTS, dimensions=7).json["embeddings"]), cli_vectors(PROGRAM, TEXTS, "--dim", "7"))
        self.assertEqual(as_bytes(self.embed(TEXTS, dimensions=0).json["embeddings"]), self.expected)

    def test_long_texts_are_cut_and_said_to_be(self):
        answer = self.embed([LONG, "x"])
        self.assertEqual(as_bytes(answer.json["embeddings"]), cli_vectors(PROGRAM, [LONG, "x"]))
        self.assertEqual(answer.headers["x-sutra-truncated"], "1")
        self.assertEqual(self.embed([LONG, "x"], truncate=True).json["embeddings"], answer.json["embeddings"])
        self.refused("/api/embed", {"model": "base", "input": ["x", LONG], "truncate": False}, 400,
                     "the input length exceeds the context length")
        answer = self.post("/api/embeddings", {"model": "base", "prompt": LONG})
        self.assertEqual((answer.status, answer.headers["x-sutra-truncated"]), (200, "1"))

    def test_options(self):
        self.assertEqual(as_bytes(self.embed(TEXTS, options={"temperature": 0.1, "num_gpu": 3, "num_ctx": 100000}).json["embeddings"]),
                         self.expected)
        answer = self.embed(TEXTS[3], options={"num_ctx": 5})
        self.assertEqual((answer.json["prompt_eval_count"], answer.headers["x-sutra-truncated"]), (5, "1"))
        self.assertEqual(as_bytes(answer.json["embeddings"]), cli_vectors(PROGRAM, TEXTS[3:4], "--max-tokens", "5"))

    def test_embeddings(self):
        for text, vector in zip(TEXTS, cli_vectors(PROGRAM, TEXTS, "--no-normalize")):
            answer = self.post("/api/embeddings", {"model": "base", "prompt": text})
            self.assertEqual(answer.status, 200, answer.body)
            self.assertEqual(list(answer.json), ["embedding"])
            self.assertEqual(as_bytes([answer.json["embedding"]]), [vector] if text else [b""])

    def test_normalised_or_not(self):
        """Of a model without a Normalize of its own."""
        with tempfile.TemporaryDirectory() as folder:
            model = shutil.copytree(MODEL, Path(folder) / "plain")
            modules = json.loads((model / "modules.json").read_text())
            (model / "modules.json").write_text(json.dumps(modules[:2]))
            with Server(PROGRAM, model=model) as server:
                one = server.request("POST", "/api/embed", {"model": "plain", "input": TEXTS[0]}).json["embeddings"][0]
                raw = server.request("POST", "/api/embeddings", {"model": "plain", "prompt": TEXTS[0]}).json["embedding"]
        self.assertEqual(as_bytes([one]), self.expected[:1])
        norm = sum(x * x for x in raw) ** 0.5
        self.assertGreater(abs(norm - 1), 1e-3)
        for a, b in zip(one, raw):
            self.assertAlmostEqual(a, b / norm, places=6)

    def test_names(self):
        for name in ("base", "BASE", "base:latest", "Base:LATEST", "nice-name", "NICE-NAME:latest", None):
            answer = self.post("/api/embed", {"model": name, "input": TEXTS[0]})
            self.assertEqual(as_bytes(answer.json["embeddings"]), self.expected[:1])
            self.assertEqual(answer.json["model"], name or "base")
        for name in ("", "none", "base:", "base:q4", ":latest", "*", "../base", "/etc/passwd", str(MODEL)):
            self.refused("/api/embed", {"model": name, "input": "x"}, 404, f'model "{name}" not found')
            self.refused("/api/embeddings", {"model": name, "prompt": "x"}, 404, f'model "{name}" not found')

    def test_errors(self):
        for path, texts in (("/api/embed", "input"), ("/api/embeddings", "prompt")):
            for wrong, words in (({texts: 5}, "text"), ({texts: ["x", 5]}, "text"), ({texts: [[1, 2]]}, "text"),
                                 ({texts: "x", "dimension": 4}, 'unknown field "dimension"'),
                                 ({texts: "x", "dimensions": -1}, "dimensions must be"),
                                 ({texts: "x", "dimensions": 4000}, "dim"),
                                 ({texts: "x", "truncate": "no"}, "truncate must be"),
                                 ({texts: "x", "keep_alive": "soon"}, "keep_alive must be"),
                                 ({texts: "x", "keep_alive": True}, "keep_alive must be"),
                                 ({texts: "x", "options": []}, "options must be"),
                                 ({texts: "x", "options": {"num_ctx": 0}}, "options.num_ctx must be"),
                                 ({texts: "x", "model": 5}, "model must be")):
                self.refused(path, {"model": "base", **wrong}, 400, words)
            self.refused(path, b"", 400, "missing request body")
            self.refused(path, b"{", 400, "JSON")
            self.refused(path, b"[]", 400, "JSON object")
        self.refused("/api/embed", {"model": "base", "prompt": "x"}, 400, 'unknown field "prompt"; the texts are in "input"')
        self.refused("/api/embeddings", {"model": "base", "input": "x"}, 400, 'unknown field "input"; the texts are in "prompt"')
        self.refused("/api/embed", {"model": "base", "input": ["x"] * 2049}, 400, "2049 texts")
        for path, body in (("generate", {"model": "base", "prompt": "x"}), ("chat", {"model": "base", "messages": []})):
            self.refused(f"/api/{path}", body, 400, f"do not support {path}")
        self.refused("/api/none", {}, 404, "nothing at this path")
        self.refused("/api/embed", None, 405, "POST", method="GET")

    def test_fields_of_other_paths_are_taken(self):
        others = {"stream": False, "format": "json", "raw": True, "system": "", "template": "", "context": [], "think": False}
        self.assertEqual(as_bytes(self.embed(TEXTS[0], **others).json["embeddings"]), self.expected[:1])

    def test_head_and_version(self):
        answer = self.server.request("GET", "/")
        self.assertEqual((answer.status, answer.body, answer.headers["content-type"]),
                         (200, b"Ollama is running", "text/plain; charset=utf-8"))
        for path in ("/", "/api/tags", "/api/version", "/api/ps"):
            self.assertEqual(self.server.request("HEAD", path).status, 200)
        version = self.server.request("GET", "/api/version").json
        self.assertRegex(version["version"], r"^\d+\.\d+\.\d+$")

    def test_show(self):
        for body in ({"model": "BASE:latest"}, {"name": "base"}, {"model": "nice-name", "verbose": True}):
            shown = self.post("/api/show", body).json
            self.assertEqual(shown["capabilities"], ["embedding"])
            self.assertEqual(shown["details"]["family"], "bert")
            self.assertEqual(shown["model_info"]["general.architecture"], "bert")
            self.assertEqual(shown["model_info"]["bert.embedding_length"], len(self.expected[0]) // 4)
        self.assertEqual(self.post("/api/show", {"model": "roberta"}).status, 200)
        self.refused("/api/show", {"model": "none"}, 404, "model 'none' not found")
        self.refused("/api/show", {}, 400, "model is required")
        self.refused("/api/show", b"", 400, "missing request body")

    def test_tags(self):
        models = self.server.request("GET", "/api/tags").json["models"]
        self.assertEqual([model["name"] for model in models], ["base:latest", "roberta:latest", "Nice-Name:latest"])
        for model in models:
            self.assertEqual(model["model"], model["name"])
            self.assertRegex(model["digest"], "^[0-9a-f]{64}$")
            datetime.datetime.fromisoformat(model["modified_at"])
        self.assertGreater(models[0]["size"], 0)

    def test_pull_and_delete_change_nothing(self):
        answer = self.post("/api/pull", {"model": "base:latest"})
        self.assertEqual((answer.status, answer.headers["content-type"]), (200, "application/x-ndjson"))
        self.assertEqual([json.loads(line)["status"] for line in answer.body.splitlines()], ["pulling manifest", "success"])
        self.assertEqual(self.post("/api/pull", {"name": "base", "stream": False}).json, {"status": "success"})
        self.refused("/api/pull", {"model": "none"}, 404, "sutra pull NAME")
        self.refused("/api/pull", {"model": "../../etc"}, 404, "model '../../etc' not found")
        self.refused("/api/delete", {"model": "base"}, 403, "not deleted", method="DELETE")
        self.refused("/api/delete", {"model": "none"}, 404, "model 'none' not found", method="DELETE")
        self.assertEqual(as_bytes(self.embed(TEXTS[0]).json["embeddings"]), self.expected[:1])


class Others(unittest.TestCase):
    def test_names_of_ollamas_library(self):
        with tempfile.TemporaryDirectory() as folder:
            model = shutil.copytree(MODEL, Path(folder) / "all-MiniLM-L6-v2")
            with Server(PROGRAM, model=model) as server:
                for name in ("all-minilm", "all-minilm:latest", "All-MiniLM:22m", "all-minilm-l6-v2:latest"):
                    answer = server.request("POST", "/api/embed", {"model": name, "input": "x"})
                    self.assertEqual((answer.status, answer.json["model"]), (200, name))
                for name in ("all-minilm:33m", "nomic-embed-text"):
                    self.assertEqual(server.request("POST", "/api/embed", {"model": name, "input": "x"}).status, 404)
                names = [model["name"] for model in server.request("GET", "/api/tags").json["models"]]
                self.assertEqual(names, ["all-MiniLM-L6-v2:latest", "all-minilm:latest"])

    def test_an_alias_comes_before_the_library_and_a_star_after_it(self):
        with tempfile.TemporaryDirectory() as folder:
            model = shutil.copytree(MODEL, Path(folder) / "all-MiniLM-L6-v2")
            facts = {}
            with Server(PROGRAM, "-m", OTHER, "--alias", "all-minilm=roberta", "--alias", "*=roberta", model=model) as server:
                for name in ("all-minilm", "all-minilm:l6-v2", "anything"):
                    facts[name] = server.request("POST", "/api/show", {"model": name}).json["details"]["family"]
            self.assertEqual(facts, {"all-minilm": "roberta", "all-minilm:l6-v2": "bert", "anything": "roberta"})

    def test_a_key_is_asked_for_but_to_see_that_it_runs(self):
        with Server(PROGRAM, "--api-key", "k") as server:
            self.assertEqual(server.request("HEAD", "/").status, 200)
            answer = server.request("POST", "/api/embed", {"model": "base", "input": "x"})
            self.assertEqual((answer.status, list(answer.json)), (401, ["error"]))
            answer = server.request("POST", "/api/embed", {"model": "base", "input": "x"}, Authorization="Bearer k")
            self.assertEqual(answer.status, 200)


class KeepAlive(unittest.TestCase):
    def setUp(self):
        folder = self.enterContext(tempfile.TemporaryDirectory())
        self.model = shutil.copytree(MODEL, Path(folder) / "m")
        self.server = self.enterContext(Server(PROGRAM, model=self.model))
        self.expected = cli_vectors(PROGRAM, ["x"])

    def embed(self, **fields):
        answer = self.server.request("POST", "/api/embed", {"model": "m", "input": "x", **fields})
        self.assertEqual((answer.status, as_bytes(answer.json["embeddings"])), (200, self.expected))

    def open_models(self):
        return self.server.request("GET", "/api/ps").json["models"]

    def is_mapped(self):
        return str(self.model) in Path(f"/proc/{self.server.process.pid}/maps").read_text()

    def wait_until_closed(self):
        while self.open_models() or self.is_mapped():
            time.sleep(0.01)

    def hours_left(self):
        end = datetime.datetime.fromisoformat(self.open_models()[0]["expires_at"])
        return (end - datetime.datetime.now(datetime.timezone.utc)).total_seconds() / 3600

    def test_closed_at_once_or_later_and_opened_again(self):
        self.assertEqual(self.open_models()[0]["name"], "m:latest")
        self.assertTrue(self.is_mapped())
        for keep_alive in (0, "0", "0s", "20ms", 0.02):
            self.embed(keep_alive=keep_alive)
            self.wait_until_closed()
            tag = self.server.request("GET", "/api/tags").json["models"][0]
            self.assertEqual((tag["size"], tag["details"]["families"]), (0, []))
        self.embed()
        self.assertTrue(self.is_mapped())
        answer = self.server.request("POST", "/api/embeddings", {"model": "m", "prompt": "", "keep_alive": 0})
        self.assertEqual(answer.json, {"embedding": []})
        self.wait_until_closed()
        answer = self.server.request("POST", "/api/show", {"model": "m"})  # opens it, for as long as was said last
        self.assertEqual((answer.status, answer.json["details"]["family"]), (200, "bert"))
        self.wait_until_closed()

    def test_the_last_request_decides(self):
        for keep_alive, least, most in (("1h30m", 1, 1.6), ("2h", 1.9, 2.1), (3600, 0.9, 1.1), ("600", 0.1, 0.2), (-1, 1e6, 3e6),
                                        ("-1m", 1e6, 3e6), ("-1", 1e6, 3e6), ("1.5h", 1, 1.6), (None, 1e6, 3e6)):
            self.embed(keep_alive=keep_alive)
            self.assertTrue(least < self.hours_left() < most, keep_alive)

    def test_a_stream_leaves_it_as_it_was(self):
        self.embed(keep_alive="2h")
        self.stream()
        self.assertTrue(1.9 < self.hours_left() < 2.1)
        self.embed(keep_alive=0)
        self.wait_until_closed()
        self.stream()
        self.wait_until_closed()

    def test_one_that_is_said_during_a_stream_holds(self):
        self.stream(meanwhile=lambda: self.embed(keep_alive=0))
        self.wait_until_closed()

    def stream(self, meanwhile=lambda: None):
        with WebSocket(self.server) as ws:
            ws.say("start")
            self.assertEqual(ws.hear()["type"], "started")
            meanwhile()
            self.assertTrue(self.open_models())
            ws.say("text", text="a")
            ws.say("finish")
            ws.until("end")

    def test_requests_in_between_get_their_vectors(self):
        """One connection closes the model after each of its requests, the others use it."""
        others = [self.server.connect() for _ in range(4)]
        for i in range(50):
            for connection in others:
                connection.send(request_bytes("POST", "/api/embed", {"model": "m", "input": "x", "keep_alive": 0 if i % 2 else "1ms"}))
            self.embed(keep_alive=0)
            for connection in others:
                self.assertEqual(as_bytes(connection.answer().json["embeddings"]), self.expected)
        for connection in others:
            connection.socket.close()


if __name__ == "__main__":
    main(ARGUMENTS)
