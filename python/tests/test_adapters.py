"""Adapters to LangChain, LlamaIndex and Haystack, of the packages from pip: the vectors of encode_query and
encode_document, sync and async."""
import asyncio
import os
import pickle
import subprocess
import sys

os.environ["HAYSTACK_TELEMETRY_ENABLED"] = "False"  # read when it is imported

import pytest
import sutra
from haystack import Document, Pipeline
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import InMemoryVectorStore
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.schema import TextNode
from sutra.haystack import SutraDocumentEmbedder, SutraRanker, SutraTextEmbedder
from sutra.langchain import SutraEmbeddings
from sutra.llama_index import SutraEmbedding

TEXTS = ["Rivers flow into the sea.", "A cat sat on the mat.", "interest rates rose", "日本"]
QUERY = "a kitten sleeps"


@pytest.fixture(scope="module")
def wanted(prompted):
    """(the query's vector, those of the documents)."""
    query, rows = prompted.encode("query: " + QUERY, prompt=""), prompted.encode(["passage: " + t for t in TEXTS], prompt="")
    return query.tolist(), rows.tolist()


def test_langchain(prompted, wanted):
    adapter = SutraEmbeddings(prompted.path)
    assert isinstance(adapter, Embeddings)
    assert (adapter.embed_query(QUERY), adapter.embed_documents(TEXTS)) == wanted
    assert adapter.embed_documents([]) == []

    async def work():
        return await asyncio.gather(adapter.aembed_query(QUERY), adapter.aembed_documents(TEXTS))

    assert tuple(asyncio.run(work())) == wanted
    again = pickle.loads(pickle.dumps(adapter))
    assert again.embed_query(QUERY) == wanted[0]
    assert SutraEmbeddings(prompted, normalize_embeddings=True).embed_query(QUERY) == pytest.approx(wanted[0], abs=1e-6)
    assert len(SutraEmbeddings(prompted.path, truncate_dim=12).embed_query(QUERY)) == 12


def test_langchain_in_a_store(prompted):
    store = InMemoryVectorStore.from_texts(TEXTS, SutraEmbeddings(prompted))
    assert store.similarity_search(QUERY, k=1)[0].page_content == TEXTS[1]


def test_llama_index(prompted, wanted):
    adapter = SutraEmbedding(model_name=prompted.path)
    assert isinstance(adapter, BaseEmbedding)
    assert (adapter.get_query_embedding(QUERY), adapter.get_text_embedding_batch(TEXTS)) == wanted
    assert adapter.get_text_embedding(TEXTS[0]) == wanted[1][0]

    async def work():
        return await asyncio.gather(adapter.aget_query_embedding(QUERY), adapter.aget_text_embedding_batch(TEXTS),
                                    adapter.aget_text_embedding(TEXTS[0]))

    assert tuple(asyncio.run(work())) == (*wanted, wanted[1][0])


def test_llama_index_is_written_and_read(prompted, wanted):
    adapter = SutraEmbedding(model_name=prompted.path, truncate_dim=12, prompts={"query": "Q: "})
    fields = adapter.to_dict()
    assert fields["class_name"] == "SutraEmbedding" and fields["truncate_dim"] == 12
    vector = adapter.get_query_embedding(QUERY)
    assert len(vector) == 12 and vector == prompted.encode("Q: " + QUERY, prompt="", truncate_dim=12).tolist()
    for again in (SutraEmbedding.from_dict(fields), pickle.loads(pickle.dumps(adapter))):
        assert again.get_query_embedding(QUERY) == vector


def test_llama_index_in_a_pipeline(prompted, wanted):
    nodes = IngestionPipeline(transformations=[SutraEmbedding(model_name=prompted.path)]).run(
        nodes=[TextNode(text=text) for text in TEXTS])
    assert [node.embedding for node in nodes] == wanted[1]


def test_haystack(prompted, wanted):
    text, documents = SutraTextEmbedder(prompted.path), SutraDocumentEmbedder(prompted.path)
    given = [Document(content=content) for content in TEXTS]
    for embedder in (text, documents):
        embedder.warm_up()
    assert text.run(QUERY) == asyncio.run(text.run_async(QUERY)) == {"embedding": wanted[0]}
    for made in (documents.run(given), asyncio.run(documents.run_async(given))):
        assert [document.embedding for document in made["documents"]] == wanted[1]
        assert [document.id for document in made["documents"]] == [document.id for document in given]
    assert [document.embedding for document in given] == [None] * len(TEXTS)
    assert documents.run([]) == {"documents": []}


def test_haystack_embeds_fields_of_the_meta(prompted):
    embedder = SutraDocumentEmbedder(prompted.path, meta_fields_to_embed=["title", "year"], embedding_separator=" | ")
    made = embedder.run([Document(content="text", meta={"year": 1999, "title": "T"}), Document(content="text", meta={"title": None})])
    rows = prompted.encode(["passage: T | 1999 | text", "passage: text"], prompt="").tolist()
    assert [document.embedding for document in made["documents"]] == rows


def test_haystack_pipelines_are_written_and_read(prompted, wanted):
    pipeline = Pipeline()
    pipeline.add_component("query", SutraTextEmbedder(prompted.path, model_options={"truncate_dim": 12}))
    pipeline.add_component("documents", SutraDocumentEmbedder(prompted.path, meta_fields_to_embed=["title"]))
    pipeline.add_component("ranker", SutraRanker("reranker", top_k=3))
    again = Pipeline.loads(pipeline.dumps(), allowed_modules=["sutra"])
    assert again.to_dict() == pipeline.to_dict()
    made = Pipeline.run(_without(again, "ranker"), {"query": {"text": QUERY}, "documents": {"documents": [Document(content=TEXTS[0])]}})
    assert len(made["query"]["embedding"]) == 12 and made["documents"]["documents"][0].embedding == wanted[1][0]


def _without(pipeline, name):
    pipeline.remove_component(name)
    return pipeline


def test_haystack_ranker(reranker):
    given = [Document(content=content, meta={"title": f"title {i}"}) for i, content in enumerate(TEXTS)]
    ranked = SutraRanker(reranker.path).run(QUERY, given)["documents"]
    expected = reranker.rank(QUERY, TEXTS)
    assert [(document.content, document.score) for document in ranked] == [
        (TEXTS[row["corpus_id"]], row["score"]) for row in expected]
    assert [document.content for document in SutraRanker(reranker.path, top_k=3).run(QUERY, given, top_k=2)["documents"]] == [
        document.content for document in ranked[:2]]
    titled = SutraRanker(reranker.path, top_k=None, raw_scores=True, meta_fields_to_embed=["title"]).run(QUERY, given)["documents"]
    expected = reranker.rank(QUERY, [f"title {i}\n{text}" for i, text in enumerate(TEXTS)], raw_scores=True)
    assert [document.score for document in titled] == [row["score"] for row in expected]
    assert SutraRanker(reranker.path).run(QUERY, []) == {"documents": []}


def test_what_goes_wrong_is_raised(prompted, tmp_path):
    nothing = str(tmp_path / "nothing")
    for make in (lambda: SutraEmbeddings(nothing), lambda: SutraEmbedding(model_name=nothing),
                 lambda: SutraTextEmbedder(nothing).warm_up(), lambda: SutraDocumentEmbedder(nothing).run([Document(content="a")]),
                 lambda: SutraRanker(nothing).run("a", [Document(content="a")])):
        with pytest.raises(OSError, match="nothing"):
            make()
    long = "word " * 600
    with pytest.raises(sutra.LimitError, match="item 1"):
        SutraEmbeddings(prompted, truncation="error").embed_documents(["a", long])
    with pytest.raises(sutra.LimitError, match="item 1"):
        SutraEmbedding(model_name=prompted.path, truncation="error").get_text_embedding_batch(["a", long])
    with pytest.raises(sutra.LimitError, match="item 1"):
        SutraDocumentEmbedder(prompted.path, truncation="error").run([Document(content="a"), Document(content=long)])
    with pytest.raises(NotImplementedError):
        SutraRanker(prompted.path).run("a", [Document(content="a")])
    for call, words in ((lambda: SutraEmbeddings(prompted).embed_documents("a"), "got str"),
                        (lambda: SutraEmbeddings(prompted).embed_query(None), "got NoneType"),
                        (lambda: SutraTextEmbedder(prompted.path).run([QUERY]), "got list"),
                        (lambda: SutraDocumentEmbedder(prompted.path).run(QUERY), "got str")):
        with pytest.raises(TypeError, match=words):
            call()
    for call, words in ((lambda: SutraEmbeddings(prompted, truncate_dim=12), "truncate_dim"),
                        (lambda: SutraDocumentEmbedder(prompted.path).run([Document(content=None)]), "no text"),
                        (lambda: SutraRanker(prompted.path, top_k=0), "top_k")):
        with pytest.raises(ValueError, match=words):
            call()


def test_frameworks_are_imported_by_their_adapters_alone():
    frameworks = {"langchain_core", "llama_index", "haystack", "pyarrow", "mteb"}
    code = f"import sutra, sys; sys.exit(bool({frameworks} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
