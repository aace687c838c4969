#!/usr/bin/env python3
"""Clients from pip against `sutra serve`, each by its default constructor and the environment that it reads.

usage: test_clients.py --program build/release/sutra [unittest arguments]
The versions are in clients.txt.
"""

import asyncio
import base64
import os
import struct
import tempfile
import unittest
import unittest.mock
from pathlib import Path

os.environ["HAYSTACK_TELEMETRY_ENABLED"] = "False"  # read when it is imported

import cohere
import huggingface_hub
import langchain_ollama
import langchain_openai
import ollama
import openai
import prometheus_text
import tiktoken
from haystack import Document
from haystack.components.embedders import OpenAIDocumentEmbedder, OpenAITextEmbedder
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode
from llama_index.embeddings.openai_like import OpenAILikeEmbedding
from llama_index.postprocessor.jinaai_rerank import JinaRerank
from llama_index.postprocessor.tei_rerank import TextEmbeddingInference
from prometheus_client import parser as prometheus_parser
from serve_case import Server, cli_scores, cli_vectors, main, make_reranker, parse_arguments, request_bytes

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


class LangChainOfTokens(unittest.TestCase):
    """OpenAIEmbeddings without a setting sends token ids of OpenAI's models, which a file of the server's explains."""

    def setUp(self):
        tokens = [bytes([i]) for i in range(256)] + [b"th", b"the", b" the", b"\xc3\xa9", b"ight", b" night"]
        ranks = {token: i for i, token in enumerate(tokens)}
        folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        (folder / "small.tiktoken").write_text("".join(f"{base64.b64encode(t).decode()} {i}\n" for t, i in ranks.items()))
        encoding = tiktoken.Encoding("small", pat_str=r"\s?\S+|\s+", mergeable_ranks=ranks, special_tokens={})
        for name in ("cl100k_base", "o200k_base"):  # in the place of what tiktoken would download
            self.enterContext(unittest.mock.patch.dict(tiktoken.registry.ENCODINGS, {name: encoding}))
        self.server = self.enterContext(Server(PROGRAM, "--openai-tokens", folder / "small.tiktoken", "--alias", f"{NAME}=base"))
        self.enterContext(unittest.mock.patch.dict(os.environ, {"OPENAI_BASE_URL": f"{self.server.url}/v1", "OPENAI_API_KEY": KEY}))

    def test_default_constructor(self):
        client = langchain_openai.OpenAIEmbeddings(model=NAME)
        expected = cli_vectors(PROGRAM, TEXTS)
        self.assertEqual(as_bytes(client.embed_documents(TEXTS)), expected)
        self.assertEqual(as_bytes([client.embed_query(TEXTS[2])]), expected[2:3])
        self.assertEqual(as_bytes(asyncio.run(client.aembed_documents(TEXTS))), expected)
        many = [f"{TEXTS[i % 4]} {i}" for i in range(1000)]
        self.assertEqual(as_bytes(client.embed_documents(many)), cli_vectors(PROGRAM, many))


class Frameworks(unittest.TestCase):
    """Of embedders in the likeness of OpenAI's, and of rerankers."""

    @classmethod
    def setUpClass(cls):
        folder = Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        cls.reranker = make_reranker(folder / "reranker")
        cls.server = cls.enterClassContext(Server(PROGRAM, "-m", cls.reranker, "--api-key", KEY, "--alias", f"{NAME}=base"))
        cls.url = f"{cls.server.url}/v1"
        cls.enterClassContext(unittest.mock.patch.dict(os.environ, {"OPENAI_API_KEY": KEY}))
        cls.expected = cli_vectors(PROGRAM, TEXTS)
        cls.many = [f"{TEXTS[i % 4]} {i}" for i in range(1000)]

    def test_llama_index(self):
        client = OpenAILikeEmbedding(model_name=NAME, api_base=self.url, api_key=KEY)
        self.assertEqual(as_bytes(client.get_text_embedding_batch(TEXTS)), self.expected)
        self.assertEqual(as_bytes([client.get_query_embedding(TEXTS[1])]), self.expected[1:2])
        self.assertEqual(as_bytes(client.get_text_embedding_batch(self.many)), cli_vectors(PROGRAM, self.many))
        self.assertEqual(as_bytes(asyncio.run(client.aget_text_embedding_batch(TEXTS))), self.expected)
        short = OpenAILikeEmbedding(model_name=NAME, api_base=self.url, api_key=KEY, dimensions=7)
        self.assertEqual(as_bytes(short.get_text_embedding_batch(TEXTS)), cli_vectors(PROGRAM, TEXTS, "--dim", "7"))
        for wrong, kind in (({"model_name": "none"}, openai.NotFoundError), ({"api_key": "wrong"}, openai.AuthenticationError)):
            with self.assertRaises(kind):
                OpenAILikeEmbedding(**{"model_name": NAME, "api_base": self.url, "api_key": KEY, **wrong}).get_text_embedding("x")
        for wrong in ("", "night " * 400):
            with self.assertRaises(openai.BadRequestError):
                client.get_text_embedding_batch([wrong])

    def test_haystack(self):
        client = OpenAITextEmbedder(api_base_url=self.url)
        answer = client.run(TEXTS[1])
        self.assertEqual(as_bytes([answer["embedding"]]), self.expected[1:2])
        self.assertEqual(answer["meta"]["model"], "base")
        self.assertEqual(as_bytes([asyncio.run(client.run_async(TEXTS[2]))["embedding"]]), self.expected[2:3])
        writer = OpenAIDocumentEmbedder(api_base_url=self.url, progress_bar=False)
        documents = writer.run([Document(content=text) for text in self.many])["documents"]
        self.assertEqual(as_bytes(document.embedding for document in documents), cli_vectors(PROGRAM, self.many))
        again = asyncio.run(OpenAIDocumentEmbedder(api_base_url=self.url, progress_bar=False).run_async([Document(content=t) for t in TEXTS]))
        self.assertEqual(as_bytes(document.embedding for document in again["documents"]), self.expected)
        with self.assertRaises(openai.NotFoundError):
            OpenAITextEmbedder(api_base_url=self.url, model="none").run("x")
        for wrong in ("", "night " * 400):
            with self.assertRaises(openai.BadRequestError):
                client.run(wrong)
            with self.assertRaises(openai.BadRequestError), self.assertLogs("haystack", "ERROR"):
                OpenAIDocumentEmbedder(api_base_url=self.url, progress_bar=False, raise_on_failure=True).run([Document(content=wrong)])
        with unittest.mock.patch.dict(os.environ, {"OPENAI_API_KEY": "wrong"}), self.assertRaises(openai.AuthenticationError):
            OpenAITextEmbedder(api_base_url=self.url).run("x")

    def test_rerankers(self):
        scores = cli_scores(PROGRAM, self.reranker, "the river", TEXTS)
        best = sorted(range(len(TEXTS)), key=lambda i: -scores[i])[:2]
        for client in (JinaRerank(top_n=2, model="reranker", base_url=self.url, api_key=KEY),
                       TextEmbeddingInference(top_n=2, base_url=self.server.url, auth_token=f"Bearer {KEY}")):
            nodes = [NodeWithScore(node=TextNode(text=text), score=0) for text in TEXTS]
            found = client.postprocess_nodes(nodes, query_bundle=QueryBundle("the river"))
            self.assertEqual([node.text for node in found], [TEXTS[i] for i in best])
            for node, i in zip(found, best):
                self.assertAlmostEqual(node.score, scores[i], delta=1e-6)
        with self.assertRaisesRegex(RuntimeError, "model 'jina-reranker-v1-base-en' not found"):
            JinaRerank(base_url=self.url, api_key=KEY).postprocess_nodes(nodes, query_bundle=QueryBundle("x"))


class OllamaClients(unittest.TestCase):
    """Named as Ollama names them; OLLAMA_HOST is all that they are told."""

    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(Server(PROGRAM, "--alias", "nomic-embed-text=base"))
        os.environ["OLLAMA_HOST"] = cls.server.url
        cls.name = "nomic-embed-text"
        cls.expected = cli_vectors(PROGRAM, TEXTS)
        cls.many = [f"{TEXTS[i % 4]} {i}" for i in range(1000)]

    def test_ollama(self):
        client = ollama.Client()
        answer = client.embed(self.name, TEXTS)
        self.assertEqual(as_bytes(answer.embeddings), self.expected)
        self.assertEqual(answer.model, self.name)
        self.assertGreater(answer.prompt_eval_count, 0)
        self.assertGreaterEqual(answer.total_duration, answer.load_duration)
        self.assertEqual(as_bytes(client.embed(self.name, TEXTS[0], keep_alive="5m").embeddings), self.expected[:1])
        self.assertEqual(as_bytes(client.embed(self.name, TEXTS, dimensions=7).embeddings), cli_vectors(PROGRAM, TEXTS, "--dim", "7"))
        self.assertEqual(as_bytes(client.embed(self.name, self.many).embeddings), cli_vectors(PROGRAM, self.many))
        self.assertEqual(client.embed(self.name, "").embeddings, [])
        self.assertEqual(client.embed(self.name, []).embeddings, [])
        self.assertEqual(as_bytes(client.embed(self.name, ["night " * 400]).embeddings), cli_vectors(PROGRAM, ["night " * 400]))
        options = ollama.Options(num_ctx=2048, temperature=0.5)
        self.assertEqual(as_bytes(client.embed(self.name, TEXTS, options=options, truncate=False).embeddings), self.expected)
        self.assertEqual(as_bytes([client.embeddings(self.name, TEXTS[0]).embedding]),
                         cli_vectors(PROGRAM, TEXTS[:1], "--no-normalize"))

    def test_ollama_understands_errors(self):
        client = ollama.Client()
        for wrong, status, words in ((lambda: client.embed("none", "x"), 404, "not found, try pulling it first"),
                                     (lambda: client.embeddings("none", "x"), 404, "not found"),
                                     (lambda: client.show("none"), 404, "not found"),
                                     (lambda: client.delete(self.name), 403, "not deleted"),
                                     (lambda: client.pull("none"), 404, "sutra pull"),
                                     (lambda: list(client.pull("none", stream=True)), 404, "sutra pull"),
                                     (lambda: client.generate(self.name, "x"), 400, "do not support generate"),
                                     (lambda: client.chat(self.name, []), 400, "do not support chat"),
                                     (lambda: client.embed(self.name, "night " * 400, truncate=False), 400, "exceeds the context length")):
            with self.assertRaises(ollama.ResponseError) as caught:
                wrong()
            self.assertEqual(caught.exception.status_code, status)
            self.assertIn(words, caught.exception.error)

    def test_ollama_looks_around(self):
        client = ollama.Client()
        self.assertEqual([model.model for model in client.list().models], ["base:latest", f"{self.name}:latest"])
        shown = client.show(self.name)
        self.assertEqual((shown.capabilities, shown.details.family), (["embedding"], "bert"))
        self.assertEqual(shown.modelinfo["bert.embedding_length"], len(self.expected[0]) // 4)
        running = client.ps().models[0]
        self.assertGreater(running.size, 0)
        self.assertIsNotNone(running.expires_at)
        self.assertEqual(client.pull(self.name).status, "success")
        self.assertEqual([step.status for step in client.pull(self.name, stream=True)], ["pulling manifest", "success"])

    def test_ollama_async(self):
        async def ask():
            client = ollama.AsyncClient()
            answers = await asyncio.gather(*(client.embed(self.name, TEXTS[i % 4]) for i in range(64)))
            return as_bytes(answer.embeddings[0] for answer in answers)
        self.assertEqual(asyncio.run(ask()), [self.expected[i % 4] for i in range(64)])

    def test_ollama_with_a_key(self):
        with Server(PROGRAM, "--api-key", KEY) as server:
            client = ollama.Client(host=server.url, headers={"Authorization": f"Bearer {KEY}"})
            self.assertEqual(as_bytes(client.embed("base", TEXTS).embeddings), self.expected)
            with self.assertRaises(ollama.ResponseError) as caught:
                ollama.Client(host=server.url, headers={"Authorization": "Bearer wrong"}).embed("base", TEXTS)
            self.assertEqual(caught.exception.status_code, 401)

    def test_langchain(self):
        client = langchain_ollama.OllamaEmbeddings(model=self.name)
        self.assertEqual(as_bytes(client.embed_documents(TEXTS)), self.expected)
        self.assertEqual(as_bytes([client.embed_query(TEXTS[0])]), self.expected[:1])
        self.assertEqual(as_bytes(client.embed_documents(self.many)), cli_vectors(PROGRAM, self.many))
        self.assertEqual(as_bytes(asyncio.run(client.aembed_documents(TEXTS))), self.expected)
        self.assertEqual(as_bytes(client.embed_documents(["", "night " * 400])), cli_vectors(PROGRAM, ["", "night " * 400]))
        checked = langchain_ollama.OllamaEmbeddings(model=self.name, validate_model_on_init=True, keep_alive=300)
        self.assertEqual(as_bytes([checked.embed_query(TEXTS[0])]), self.expected[:1])
        with self.assertRaises(ollama.ResponseError):
            langchain_ollama.OllamaEmbeddings(model="none").embed_query("x")


class HuggingFace(unittest.TestCase):
    """Clients of text-embeddings-inference."""

    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(Server(PROGRAM, "--api-key", KEY))
        cls.expected = cli_vectors(PROGRAM, TEXTS)
        cls.client = huggingface_hub.InferenceClient(model=cls.server.url, token=KEY)

    def test_vectors(self):
        self.assertEqual([row.tobytes() for row in self.client.feature_extraction(TEXTS)], self.expected)
        self.assertEqual(self.client.feature_extraction(TEXTS[0])[0].tobytes(), self.expected[0])
        raw = self.client.feature_extraction(TEXTS, normalize=False, truncate=True, truncation_direction="right")
        self.assertEqual([row.tobytes() for row in raw], cli_vectors(PROGRAM, TEXTS, "--no-normalize"))
        many = [f"{TEXTS[i % 4]} {i}" for i in range(1000)]
        self.assertEqual([row.tobytes() for row in self.client.feature_extraction(many)], cli_vectors(PROGRAM, many))

    def test_similarity(self):
        found = self.client.sentence_similarity(TEXTS[0], other_sentences=TEXTS)
        self.assertEqual(len(found), len(TEXTS))
        self.assertAlmostEqual(found[0], 1, delta=2e-6)

    def test_errors(self):
        for wrong, status in (("night " * 400, 413), ([], 400)):
            with self.assertRaises(huggingface_hub.errors.HfHubHTTPError) as caught:
                self.client.feature_extraction(wrong)
            self.assertEqual(caught.exception.response.status_code, status)
        with self.assertRaises(huggingface_hub.errors.HfHubHTTPError) as caught:
            huggingface_hub.InferenceClient(model=self.server.url, token="wrong").feature_extraction("x")
        self.assertEqual(caught.exception.response.status_code, 401)

    def test_async(self):
        async def ask():
            async with huggingface_hub.AsyncInferenceClient(model=self.server.url, token=KEY) as client:
                answers = await asyncio.gather(*(client.feature_extraction(TEXTS[i % 4]) for i in range(64)))
            return [answer[0].tobytes() for answer in answers]
        self.assertEqual(asyncio.run(ask()), [self.expected[i % 4] for i in range(64)])


class CohereClients(unittest.TestCase):
    """Told where by CO_API_URL and CO_API_KEY."""

    @classmethod
    def setUpClass(cls):
        folder = Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        cls.reranker = make_reranker(folder / "reranker")
        cls.server = cls.enterClassContext(Server(PROGRAM, "-m", cls.reranker, "--api-key", KEY, "--alias", "embed-v4.0=base",
                                                  "--alias", "rerank-v3.5=reranker"))
        os.environ.update({"CO_API_URL": cls.server.url, "CO_API_KEY": KEY})
        cls.expected = cli_vectors(PROGRAM, TEXTS)
        cls.scores = cli_scores(PROGRAM, cls.reranker, "the river", TEXTS)

    def check_ranks(self, results):
        self.assertEqual([row.index for row in results], sorted(range(len(TEXTS)), key=lambda i: -self.scores[i])[:len(results)])
        for row in results:
            self.assertAlmostEqual(row.relevance_score, self.scores[row.index], delta=1e-6)

    def test_v2(self):
        client = cohere.ClientV2()
        kinds = ["float", "int8", "ubinary", "base64"]
        answer = client.embed(model="embed-v4.0", texts=TEXTS, input_type="search_document", embedding_types=kinds, truncate="NONE")
        self.assertEqual(as_bytes(answer.embeddings.float_), self.expected)
        self.assertEqual([struct.pack("32b", *row) for row in answer.embeddings.int8],
                         cli_vectors(PROGRAM, TEXTS, "--output-dtype", "int8"))
        self.assertEqual([bytes(row) for row in answer.embeddings.ubinary], cli_vectors(PROGRAM, TEXTS, "--output-dtype", "ubinary"))
        self.assertEqual(len(answer.embeddings.base64), len(TEXTS))
        self.assertGreater(answer.meta.billed_units.input_tokens, 0)
        many = [f"{TEXTS[i % 4]} {i}" for i in range(1000)]
        rows = client.embed(model="embed-v4.0", texts=many, input_type="search_query", output_dimension=7)
        self.assertEqual(as_bytes(rows.embeddings.float_), cli_vectors(PROGRAM, many, "--dim", "7"))
        answer = client.rerank(model="rerank-v3.5", query="the river", documents=TEXTS)
        self.check_ranks(answer.results)
        self.assertEqual((len(answer.results), answer.meta.billed_units.search_units), (4, 1))
        self.check_ranks(client.rerank(model="rerank-v3.5", query="the river", documents=TEXTS, top_n=2).results)

    def test_v1(self):
        client = cohere.Client()
        answer = client.embed(texts=TEXTS, model="embed-v4.0", input_type="search_document")
        self.assertEqual(as_bytes(answer.embeddings), self.expected)
        many = [f"{TEXTS[i % 4]} {i}" for i in range(1000)]  # a request for each 96
        answer = client.embed(texts=many, model="embed-v4.0", input_type="clustering", embedding_types=["float"])
        self.assertEqual(as_bytes(answer.embeddings.float_), cli_vectors(PROGRAM, many))
        answer = client.rerank(query="the river", documents=[{"text": text} for text in TEXTS], return_documents=True)
        self.check_ranks(answer.results)
        self.assertEqual([row.document.text for row in answer.results], [TEXTS[row.index] for row in answer.results])

    def test_async(self):
        async def ask():
            client = cohere.AsyncClientV2()
            answers = await asyncio.gather(*(client.embed(model="embed-v4.0", texts=[TEXTS[i % 4]], input_type="search_query",
                                                          embedding_types=["float"]) for i in range(64)))
            return as_bytes(answer.embeddings.float_[0] for answer in answers)
        self.assertEqual(asyncio.run(ask()), [self.expected[i % 4] for i in range(64)])

    def test_errors(self):
        client = cohere.ClientV2()
        for wrong, kind, words in (
                (lambda: client.embed(model="none", texts=["x"], input_type="search_query"), cohere.NotFoundError, "'none' not found"),
                (lambda: client.embed(model="embed-v4.0", texts=[], input_type="search_query"), cohere.BadRequestError, "empty"),
                (lambda: client.embed(model="embed-v4.0", texts=["x"], input_type="image"), cohere.BadRequestError, "input_type"),
                (lambda: client.embed(model="embed-v4.0", texts=["night " * 400], input_type="clustering", truncate="NONE"),
                 cohere.BadRequestError, "402 tokens"),
                (lambda: client.rerank(model="embed-v4.0", query="x", documents=["y"]), cohere.BadRequestError, "embedding model"),
                (lambda: cohere.ClientV2(api_key="wrong").rerank(model="rerank-v3.5", query="x", documents=["y"]),
                 cohere.UnauthorizedError, "key")):
            with self.assertRaises(kind) as caught:
                wrong()
            self.assertIn(words, caught.exception.body["message"])


if __name__ == "__main__":
    main(ARGUMENTS, warnings="ignore")  # what clients do that their libraries have grown out of
