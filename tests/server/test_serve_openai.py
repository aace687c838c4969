#!/usr/bin/env python3
"""The OpenAI dialect of `sutra serve`: its contract, and vectors with the bytes of `sutra embed`."""

import base64
import shutil
import struct
import subprocess
import tempfile
import threading
import unittest
from pathlib import Path

from serve_case import MODEL, SOURCE, Server, cli_vectors, main, parse_arguments, request_bytes

PROGRAM, ARGUMENTS = parse_arguments()
TEXTS = ["a green garden", "the paper is new", "héllo wörld", "silver music at night over the river", "日本", "a\0b", "x"]
OTHER = SOURCE / "tests/data/golden/models/roberta"


class OpenAi(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(Server(PROGRAM, "--alias", "text-embedding-3-small=base", "-m", OTHER))
        cls.expected = cli_vectors(PROGRAM, TEXTS)

    def refused(self, body, status, words, **facts):
        answer = self.server.request("POST", "/v1/embeddings", body)
        self.assertEqual(answer.status, status, answer.body)
        error = answer.json["error"]
        self.assertEqual(set(error), {"message", "type", "param", "code"})
        self.assertIn(words, error["message"])
        for name, value in facts.items():
            self.assertEqual(error[name], value, error)

    def test_base64_has_the_bytes_of_the_command_line(self):
        answer = self.server.embed(TEXTS, model="base", encoding_format="base64", user="someone")
        self.assertEqual(answer.vectors(), self.expected)
        body = answer.json
        self.assertEqual((body["object"], body["model"]), ("list", "base"))
        self.assertEqual([(row["object"], row["index"]) for row in body["data"]],
                         [("embedding", i) for i in range(len(TEXTS))])
        self.assertEqual(body["usage"]["prompt_tokens"], body["usage"]["total_tokens"])
        self.assertNotIn("truncated", body)
        self.assertEqual(set(body), {"object", "data", "model", "usage"})

    def test_floats_read_back_as_the_same_bytes(self):
        for extra in ({}, {"encoding_format": "float"}, {"encoding_format": None, "dimensions": None, "model": None}):
            rows = self.server.embed(TEXTS, **extra).json["data"]
            self.assertEqual([struct.pack("<32f", *row["embedding"]) for row in rows], self.expected)

    def test_one_text(self):
        for text, row in zip(TEXTS, self.expected):
            self.assertEqual(self.server.embed(text, encoding_format="base64").vectors(), [row])

    def test_dimensions(self):
        expected = cli_vectors(PROGRAM, TEXTS, "--dim", "5")
        self.assertEqual(self.server.embed(TEXTS, dimensions=5, encoding_format="base64").vectors(), expected)
        self.refused({"input": "x", "dimensions": 33}, 400, "33")
        for wrong in (0, -1, 1.5, "5", True, [], 10**30):
            self.refused({"input": "x", "dimensions": wrong}, 400, "" if wrong == 10**30 else "`dimensions` must be a whole number")

    def test_many_texts(self):
        texts = [f"{TEXTS[i % 4]} {i}" for i in range(2000)]  # its reading and its writing go to the worker
        expected = cli_vectors(PROGRAM, texts)
        self.assertEqual(self.server.embed(texts, encoding_format="base64").vectors(), expected)
        rows = self.server.embed(texts).json["data"]
        self.assertEqual([struct.pack("<32f", *row["embedding"]) for row in rows], expected)
        self.assertEqual([row["index"] for row in rows], list(range(2000)))

    def test_sixty_four_at_once(self):
        texts = [[f"{TEXTS[(i + j) % 4]} {i}" for j in range(i % 5 + 1)] for i in range(64)]
        expected = [cli_vectors(PROGRAM, some) for some in texts]
        answers = [[] for _ in range(64)]

        def ask(i):
            with self.server.connect() as connection:
                for _ in range(10):
                    body = {"input": texts[i], "encoding_format": "base64"}
                    answers[i].append(connection.request("POST", "/v1/embeddings", body).vectors())

        threads = [threading.Thread(target=ask, args=(i,)) for i in range(64)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for i in range(64):
            self.assertEqual(answers[i], [expected[i]] * 10)

    def test_models(self):
        models = self.server.request("GET", "/v1/models").json
        self.assertEqual(models["object"], "list")
        self.assertEqual([(m["id"], m["root"], m["object"]) for m in models["data"]],
                         [("base", "base", "model"), ("roberta", "roberta", "model"),
                          ("text-embedding-3-small", "base", "model")])
        for name, root in (("roberta", "roberta"), ("text-embedding-3-small", "base"), ("text%2Dembedding-3-small", "base")):
            self.assertEqual(self.server.request("GET", f"/v1/models/{name}").json["root"], root)
        for name in ("none", "a/b", "..%2Fbase", "BASE", "*"):
            answer = self.server.request("GET", f"/v1/models/{name}")
            self.assertEqual((answer.status, answer.json["error"]["code"]), (404, "model_not_found"))

    def test_models_by_name(self):
        answer = self.server.embed("x", model="text-embedding-3-small", encoding_format="base64")
        self.assertEqual((answer.json["model"], answer.vectors()), ("base", [self.expected[6]]))
        other = self.server.embed("x", model="roberta", encoding_format="base64")
        self.assertEqual(other.json["model"], "roberta")
        self.assertNotEqual(other.vectors(), [self.expected[6]])
        for name in ("none", str(MODEL), "../base", "base/", "", "*", "BASE"):
            self.refused({"input": "x", "model": name}, 404, f"`{name}`", code="model_not_found", param="model")

    def test_every_other_name(self):
        with Server(PROGRAM, "--alias", "*=base") as server:
            answer = server.embed("x", model="anything/at:all", encoding_format="base64")
            self.assertEqual((answer.json["model"], answer.vectors()), ("base", [self.expected[6]]))

    def test_a_model_that_is_gone(self):
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder, "copy")
            shutil.copytree(MODEL, copy)
            with Server(PROGRAM, "-m", copy) as server:
                (copy / "model.safetensors").rename(copy / "away")
                answer = server.embed("x", model="copy")
                self.assertEqual((answer.status, answer.json["error"]["code"]), (503, "model_not_available"))
                self.assertIn("retry-after", answer.headers)
                self.assertNotIn(folder, answer.body.decode())
                self.assertEqual(server.embed("x").status, 200)
                (copy / "away").rename(copy / "model.safetensors")
                self.assertEqual(server.embed("x", model="copy", encoding_format="base64").vectors(), [self.expected[6]])
            self.assertTrue(any(line.startswith("sutra: model copy cannot be opened: ") for line in server.lines))

    def test_too_long_texts(self):
        long = "night " * 400
        self.refused({"input": ["x", long]}, 400, "item 1", code="context_length_exceeded", param="input")
        answer = self.server.embed(["x", long, long], truncate=True, encoding_format="base64")
        self.assertEqual((answer.json["truncated"], answer.headers["x-sutra-truncated"]), (2, "2"))
        self.assertEqual(answer.vectors(), cli_vectors(PROGRAM, ["x", long, long]))
        with Server(PROGRAM, "--truncate") as server:
            self.assertEqual(server.embed(long).json["truncated"], 1)
            self.assertNotIn("x-sutra-truncated", server.embed("x").headers)
            self.assertEqual(server.embed(long, truncate=False).status, 400)

    def test_wrong_inputs(self):
        for wrong, words in (("", "cannot be an empty string"), ([], "cannot be an empty array"), (["x", ""], "empty string"),
                             (None, "must be a text"), (5.5, "must be a text"), ({}, "must be a text"), (True, "must be a text"),
                             (["x", None], "must be a text"), (["x"] * 2049, "holds 2049 texts; this server takes 2048")):
            self.refused({"input": wrong}, 400, words, param="input", type="invalid_request_error")
        for ids in (5, [1, 2, 3], [[1, 2], [3]], ["x", 7]):
            self.refused({"input": ids}, 400, "check_embedding_ctx_length=False", code="token_ids_not_supported")
        self.refused({"model": "base"}, 400, "`input` is missing", param="input")
        with Server(PROGRAM, "--max-inputs", 2) as server:
            self.assertEqual([server.embed(["x"] * n).status for n in (1, 2, 3)], [200, 200, 400])

    def test_wrong_fields(self):
        self.refused({"input": "x", "dimension": 5}, 400, "Unrecognized request argument supplied: dimension")
        for name, wrong in (("model", 5), ("encoding_format", "base32"), ("encoding_format", 1), ("user", 5),
                            ("prompt_name", 5), ("prompt_name", "a\0b"), ("truncate", "yes"), ("priority", 256),
                            ("priority", -1), ("timeout_ms", 0), ("timeout_ms", 60001)):
            self.refused({"input": "x", name: wrong}, 400, f"`{name}`", param=name)
        self.refused({"input": "x", "prompt_name": "none"}, 400, "none")
        self.assertEqual(self.server.embed("x", prompt_name="query", priority=255, timeout_ms=60000).status, 200)

    def test_wrong_json(self):
        for body, words in ((b"", "not valid JSON"), (b"{", "not valid JSON"), (b"[]", "not a JSON object"), (b"5", "not valid JSON"),
                            (b'{"input": "x", "input": "y"}', "duplicate"), (b'{"input": "\xff"}', "not valid JSON"),
                            (b'{"input": "\\ud800"}', "not valid JSON"), (b'{"input": "x"} y', "not valid JSON"),
                            (b'{"input": 1e999}', "not valid JSON"), (b'{"input": ' + b"9" * 400 + b"}", "not valid JSON"),
                            (b'{"input": ' + b"[" * 33 + b"]" * 33 + b"}", "nested too deeply"),
                            (b'{"input": ' + b"[" * 100000, "nested too deeply"),
                            (b'{"input": [' + b"1," * 1100000 + b"1]}", "too many values")):
            with self.subTest(body=body[:40]):
                self.refused(body, 400, words)

    def test_brackets_in_texts_are_no_nesting(self):
        text = '[{"\\' * 50
        self.assertEqual(self.server.embed(text, truncate=True, encoding_format="base64").vectors(),
                         cli_vectors(PROGRAM, [text]))


class TokenIds(unittest.TestCase):
    """With a file that says what they stand for: all bytes, and some words."""

    WORDS = [" garden", "green", "the ", "é", " " * 100]

    @classmethod
    def setUpClass(cls):
        cls.folder = Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        cls.tokens = [bytes([i]) for i in range(256)] + [word.encode() for word in cls.WORDS]
        cls.path = cls.folder / "small.tiktoken"
        cls.path.write_text("".join(f"{base64.b64encode(token).decode()} {i}\n" for i, token in enumerate(cls.tokens)))
        cls.server = cls.enterClassContext(Server(PROGRAM, "--openai-tokens", cls.path, "--max-inputs", 3, "--max-body", 100000))

    def ask(self, ids):
        return self.server.embed(ids, encoding_format="base64")

    def test_ids_are_texts(self):
        for ids, text in (([*b"a ", 257, 256], "a green garden"), ([258, 257], "the green"), ([259, 0x21], "é!"), ([97], "a"),
                          ([*"日本".encode()], "日本"), ([*b"x ", 0xe6, 0x97], "x \ufffd"), ([0xff, 0xc3, *b"x"], "\ufffd\ufffdx"),
                          ([0xf0, 0x9f, 0x98, 0x41, 0xed, 0xa0, 0x80], "\ufffdA\ufffd\ufffd\ufffd")):
            expected = cli_vectors(PROGRAM, [text])
            self.assertEqual(self.ask(ids).vectors(), expected, text)
            self.assertEqual(self.ask([ids, [97], ids]).vectors(), [*expected, *cli_vectors(PROGRAM, ["a"]), *expected])
        self.assertEqual(self.ask(["a", "b"]).vectors(), cli_vectors(PROGRAM, ["a", "b"]))

    def test_wrong_ids(self):
        for wrong, words in (([261], "261, which is no token id"), ([-1], "-1"), ([2**40], "no token id"), ([[97], [300]], "300"),
                             ([[]], "must be"), ([1, "x"], "must be"), ([[1], "x"], "must be"), ([[1], 1], "must be"), ([1.5], "must be"),
                             ([[1]] * 4, "holds 4 texts"), ([260] * 1001, "more than 100000 bytes")):
            answer = self.ask(wrong)
            self.assertEqual((answer.status, answer.json["error"]["param"]), (400, "input"), wrong)
            self.assertIn(words, answer.json["error"]["message"])

    def test_wrong_files(self):
        for text, words in (("", "holds no tokens"), ("YQ== 0\nYg== 0\n", "line 2: id 0 is there twice"), ("YQ=a 0\n", "base64"),
                            ("YQ==\n", "line 1 is no token"), ("YQ== x", "line 1 is no token"), ("YQ== 99999999", "more than"),
                            ("Y=== 0", "base64"), ("YQ 0", "base64"), ("YQ== 1\n\n!!!! 2", "base64"), (" 5", "base64")):
            self.path.with_name("wrong").write_text(text)
            done = subprocess.run([PROGRAM, "serve", "--port", "0", "-m", MODEL, "--openai-tokens", self.path.with_name("wrong")],
                                  capture_output=True, text=True)
            self.assertEqual(done.returncode, 1)
            self.assertIn(words, done.stderr)


class Hints(unittest.TestCase):
    def test_a_text_that_went_through_a_tokenizer(self):
        with Server(PROGRAM) as server:
            for text in ("a [unk] b", "a [UNK] b", "c [UNK] <unk>"):
                self.assertEqual(server.embed(text).status, 200)
        lines = [line for line in server.lines if "check_embedding_ctx_length=False" in line]
        self.assertEqual(len(lines), 1, server.lines)
        self.assertIn('"[UNK]"', lines[0])


class Overload(unittest.TestCase):
    def test_a_full_queue_is_429_and_a_late_request_503(self):
        heavy = {"input": ["the river at night " * 30] * 2000}
        wanted = {429: ({}, "rate_limit_exceeded"), 503: ({"timeout_ms": 1}, "timeout")}
        for status, (fields, code) in wanted.items():
            options = ("--threads", 1, "--max-queued-tokens", 1 if status == 429 else 1 << 30)
            with Server(PROGRAM, *options) as server, server.connect() as busy, server.connect() as other:
                seen = set()
                for _ in range(100):
                    for _ in range(3 if status == 503 else 1):
                        busy.send(request_bytes("POST", "/v1/embeddings", heavy))
                    for _ in range(200):
                        answer = other.request("POST", "/v1/embeddings", {"input": ["x"] * 20, **fields})
                        seen.add(answer.status)
                        if answer.status == status:
                            break
                    for _ in range(3 if status == 503 else 1):
                        self.assertIn(busy.answer().status, (200, 429))
                    if answer.status == status:
                        break
                self.assertIn(status, seen)
                self.assertLessEqual(seen, {200, status})
                self.assertEqual((answer.json["error"]["code"], answer.headers["retry-after"]), (code, "1"))


if __name__ == "__main__":
    main(ARGUMENTS)
