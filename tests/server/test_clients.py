#!/usr/bin/env python3
"""Clients from pip against `sutra serve`, each by its default constructor and the environment that it reads.

usage: test_clients.py --program build/release/sutra [unittest arguments]
The versions are in clients.txt.
"""

import asyncio
import os
import struct
import unittest

import langchain_openai
import openai
import prometheus_text
from prometheus_client import parser as prometheus_parser
from serve_case import Server, cli_vectors, main, parse_arguments, request_bytes

PROGRAM, ARGUMENTS = parse_arguments()
NAME = "text-embedding-3-small"
KEY = "sk-of-the-test"
TEXTS = ["a green garden", "héllo wörld", "日本", "silver music at night over the river"]


def as_bytes(vectors):
    return [struct.pack(f"<{len(vector)}f", *vector) for vector in vectors]


class Clients(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(Server(PROGRAM, "--api-key", KEY, "--alias", f"{NAME}=base"))
        for name in [name for name in os.environ if name.startswith("OPENAI_")]:
            del os.environ[name]
        os.environ.update({"OPENAI_BASE_URL": f"{cls.server.url}/v1", "OPENAI_API_KEY": KEY})
        cls.expected = cli_vectors(PROGRAM, TEXTS)

    def test_openai(self):
        with openai.OpenAI() as client:
            answer = client.embeddings.create(model=NAME, input=TEXTS)  # asks for base64 by itself
            self.assertEqual(as_bytes(row.embedding for row in answer.data), self.expected)
            self.assertEqual([row.index for row in answer.data], [0, 1, 2, 3])
            self.assertEqual((answer.object, answer.model), ("list", "base"))
            self.assertGreater(answer.usage.total_tokens, 0)
            answer = client.embeddings.create(model=NAME, input=TEXTS[0], encoding_format="float")
            self.assertEqual(as_bytes([answer.data[0].embedding]), self.expected[:1])
            answer = client.embeddings.create(model=NAME, input=TEXTS, dimensions=7, user="somebody")
            self.assertEqual(as_bytes(row.embedding for row in answer.data), cli_vectors(PROGRAM, TEXTS, "--dim", "7"))
            many = [f"{TEXTS[i % 4]} {i}" for i in range(1000)]
            answer = client.embeddings.create(model=NAME, input=many)
            self.assertEqual(as_bytes(row.embedding for row in answer.data), cli_vectors(PROGRAM, many))

    def test_openai_lists_models(self):
        with openai.OpenAI() as client:
            self.assertEqual([model.id for model in client.models.list()], ["base", NAME])
            self.assertEqual(client.models.retrieve(NAME).id, NAME)
            with self.assertRaises(openai.NotFoundError) as caught:
                client.models.retrieve("none")
            self.assertEqual(caught.exception.code, "model_not_found")

    def test_openai_understands_errors(self):
        with openai.OpenAI() as client:
            for wrong, kind, code in (({"model": "none", "input": "x"}, openai.NotFoundError, "model_not_found"),
                                      ({"model": NAME, "input": ""}, openai.BadRequestError, None),
                                      ({"model": NAME, "input": []}, openai.BadRequestError, None),
                                      ({"model": NAME, "input": "night " * 400}, openai.BadRequestError, "context_length_exceeded"),
                                      ({"model": NAME, "input": [[1, 2]]}, openai.BadRequestError, "token_ids_not_supported"),
                                      ({"model": NAME, "input": "x", "dimensions": 999}, openai.BadRequestError, None)):
                with self.assertRaises(kind) as caught:
                    client.embeddings.create(**wrong)
                self.assertEqual(caught.exception.code, code)
                self.assertTrue(caught.exception.request_id)
        with openai.OpenAI(api_key="sk-wrong") as client, self.assertRaises(openai.AuthenticationError) as caught:
            client.models.list()
        self.assertEqual(caught.exception.code, "invalid_api_key")

    def test_openai_async(self):
        async def ask():
            async with openai.AsyncOpenAI() as client:
                answers = await asyncio.gather(*(client.embeddings.create(model=NAME, input=TEXTS[i % 4]) for i in range(64)))
            return as_bytes(answer.data[0].embedding for answer in answers)
        self.assertEqual(asyncio.run(ask()), [self.expected[i % 4] for i in range(64)])

    def test_openai_waits_and_asks_again_when_the_queue_is_full(self):
        heavy = request_bytes("POST", "/v1/embeddings", {"input": ["the river at night " * 30] * 2000})
        with Server(PROGRAM, "--threads", 1, "--max-queued-tokens", 1) as server, server.connect() as busy:
            with openai.OpenAI(base_url=f"{server.url}/v1", max_retries=100) as client:
                busy.send(heavy)
                for i in range(20):
                    answer = client.embeddings.create(model="base", input=TEXTS[i % 4])
                    self.assertEqual(as_bytes([answer.data[0].embedding]), [self.expected[i % 4]])
                self.assertIn(busy.answer().status, (200, 429))

    def test_prometheus(self):
        with self.server.connect() as connection:
            answer = connection.request("GET", "/metrics", Authorization=f"Bearer {KEY}")
        kind = answer.headers["content-type"]
        families = {family.name: family for family in prometheus_parser.text_string_to_metric_families(answer.body.decode())}
        self.assertTrue(kind.startswith("text/plain; version=0.0.4"))
        theirs = [(s.name, s.labels, s.value) for family in families.values() for s in family.samples]
        own = [(name, dict(labels), value) for (name, labels), value in prometheus_text.parse(answer.body.decode()).items()]
        for _, labels, _ in own + theirs:  # the client writes 1 as 1.0
            if "le" in labels:
                labels["le"] = float(labels["le"])
        self.assertEqual(theirs, own)
        self.assertEqual(families["sutra_request_duration_seconds"].type, "histogram")
        self.assertEqual(families["sutra_texts"].type, "counter")

    def test_langchain(self):
        client = langchain_openai.OpenAIEmbeddings(model=NAME, check_embedding_ctx_length=False)
        self.assertEqual(as_bytes(client.embed_documents(TEXTS)), self.expected)
        self.assertEqual(as_bytes([client.embed_query(TEXTS[0])]), self.expected[:1])
        self.assertEqual(as_bytes(asyncio.run(client.aembed_documents(TEXTS))), self.expected)


if __name__ == "__main__":
    main(ARGUMENTS)
