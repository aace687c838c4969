"""Search against NumPy, for every type of rows and metric."""
import os
import pickle
import threading

import numpy as np
import pytest
import sutra
from sutra.search import Search

DIM = 100  # not a multiple of 8
NUM_QUERIES, NUM_DOCUMENTS, K = 7, 500, 12


@pytest.fixture(scope="module")
def search():
    return Search(num_threads=2)


def make_rows(kind, count, seed):
    """(rows, what they stand for as float64, dim of bits)."""
    random = np.random.default_rng(seed)
    if kind in ("float32", "float16"):
        rows = random.normal(size=(count, DIM)).astype(kind)
        return rows, rows.astype(float), None
    if kind in ("int8", "uint8"):
        rows = random.integers(0, 256, (count, DIM), np.uint8)
        codes = rows.astype(float) - 128
        return (rows, codes, None) if kind == "uint8" else (codes.astype(np.int8), codes, None)
    bits = random.integers(0, 2, (count, DIM), np.uint8)
    packed = np.packbits(bits, axis=1)
    return (packed if kind == "ubinary" else (packed ^ 0x80).view(np.int8)), bits * 2.0 - 1, DIM


def expected(queries, documents, metric):
    if metric == "hamming":
        return -(queries[:, None] != documents[None]).sum(2).astype(float)
    if metric == "cosine":
        queries, documents = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (queries, documents))
    return queries @ documents.T


def assert_best(hits, scores, k):
    """Scores are those of what was found, and are the k greatest; of equal ones the first come first."""
    np.testing.assert_allclose(hits.scores, np.take_along_axis(scores, hits.indices, 1), rtol=2e-6, atol=1e-5)
    np.testing.assert_allclose(hits.scores, -np.sort(-scores, axis=1)[:, :k], rtol=2e-6, atol=1e-5)
    assert hits.indices.dtype == np.int64 and hits.scores.dtype == np.float32
    for indices, of_query in zip(hits.indices, hits.scores):
        assert len(set(indices)) == k
        assert all(a > b or i < j for a, b, i, j in zip(of_query, of_query[1:], indices, indices[1:]))


@pytest.mark.parametrize("kind", ["float32", "float16", "int8", "uint8", "binary", "ubinary"])
def test_top_k_and_rescore_are_those_of_numpy(search, kind):
    queries, wanted_queries, dim = make_rows(kind, NUM_QUERIES, 1)
    documents, wanted_documents, _ = make_rows(kind, NUM_DOCUMENTS, 2)
    candidates = np.sort(np.random.default_rng(3).permuted(np.tile(np.arange(NUM_DOCUMENTS), (NUM_QUERIES, 1)), axis=1)[:, :50])
    for metric in ("cosine", "dot", *(["hamming"] if dim else [])):
        scores = expected(wanted_queries, wanted_documents, metric)
        hits = search.top_k(queries, documents, K, metric, dim=dim)
        assert_best(hits, scores, K)
        among = search.rescore(queries, documents, candidates, K, metric, dim=dim)
        masked = np.full_like(scores, -np.inf)
        np.put_along_axis(masked, candidates, np.take_along_axis(scores, candidates, 1), 1)
        assert_best(among, masked, K)
        again = search.rescore(queries, documents, hits.indices, K, metric, dim=dim)
        assert again.scores.tobytes() == hits.scores.tobytes() and (again.indices == hits.indices).all()


@pytest.mark.parametrize("kind", ["float16", "int8", "uint8"])
def test_queries_of_floats_find_among_smaller_rows(search, kind):
    queries, wanted_queries, _ = make_rows("float32", NUM_QUERIES, 1)
    documents, wanted_documents, _ = make_rows(kind, NUM_DOCUMENTS, 2)
    for metric in ("cosine", "dot"):
        scores = expected(wanted_queries, wanted_documents, metric)
        hits = search.top_k(queries, documents, K, metric)
        np.testing.assert_allclose(hits.scores, -np.sort(-scores, axis=1)[:, :K], rtol=2e-5, atol=1e-4)


def test_one_query_and_more_than_there_is(search):
    documents, _, _ = make_rows("float32", 3, 2)
    hits = search.top_k(documents[1], documents, 5)
    assert hits.indices.shape == hits.scores.shape == (5,)
    assert hits.indices[0] == 1 and hits.indices[3:].tolist() == [-1, -1] and hits.scores[3:].tolist() == [-np.inf] * 2
    assert sorted(hits.indices[:3]) == [0, 1, 2]
    assert search.rescore(documents[1], documents, [2, -1], 2).indices.tolist() == [2, -1]
    assert search.top_k(documents, documents[:0], 2).indices.tolist() == [[-1, -1]] * 3
    assert search.top_k(documents[:0], documents, 2).indices.shape == (0, 2)


def test_rows_of_a_mapped_file_are_read_where_they_lie(search, tmp_path):
    documents, _, _ = make_rows("float32", NUM_DOCUMENTS, 2)
    np.save(tmp_path / "documents.npy", documents)
    mapped = np.load(tmp_path / "documents.npy", mmap_mode="r")
    assert (search.top_k(documents[:2], mapped, 3).indices == search.top_k(documents[:2], documents, 3).indices).all()


def test_vectors_of_a_model(search, model):
    texts = ["A cat sat on the mat.", "Rivers flow into the sea.", "interest rates rose"]
    query = "a kitten sleeps"
    for precision, dim in (("float32", None), ("int8", None), ("ubinary", 384), ("binary", 384)):
        hits = search.top_k(model.encode(query, precision=precision), model.encode(texts, precision=precision), 1, dim=dim)
        assert hits.indices.tolist() == [0]


def test_threads_share_a_search(search):
    documents, _, _ = make_rows("float32", NUM_DOCUMENTS, 2)
    wanted, found = search.top_k(documents, documents, K), [None] * 4

    def work(i):
        found[i] = search.top_k(documents, documents, K)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(found))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all((hits.indices == wanted.indices).all() and hits.scores.tobytes() == wanted.scores.tobytes() for hits in found)


def test_the_child_of_a_fork_searches_with_threads_of_its_own(search):
    documents, _, _ = make_rows("float32", NUM_DOCUMENTS, 2)
    wanted = search.top_k(documents, documents, K).scores.tobytes()
    child = os.fork()
    if not child:
        try:
            os._exit(search.top_k(documents, documents, K).scores.tobytes() != wanted)
        finally:
            os._exit(2)
    assert os.waitpid(child, 0)[1] == 0
    assert search.top_k(documents, documents, K).scores.tobytes() == wanted


def test_a_search_is_pickled_by_its_settings(search):
    assert pickle.loads(pickle.dumps(search)).num_threads == 2


def test_what_is_refused(search):
    floats, _, _ = make_rows("float32", 4, 1)
    bits, _, _ = make_rows("ubinary", 4, 1)
    for call, error, words in (
            (lambda: search.top_k(floats, floats.astype(float)), TypeError, "documents: .*got float64"),
            (lambda: search.top_k(floats.tolist(), floats), TypeError, "queries: .*got float64"),
            (lambda: search.top_k(floats, floats.tolist()), TypeError, "documents: expected an array, got list"),
            (lambda: search.top_k(floats, floats, dim=100), TypeError, "as dim is given, got float32"),
            (lambda: search.top_k(floats, floats, 0), ValueError, "k must be"),
            (lambda: search.top_k(floats, floats, 1.0), TypeError, "k: expected an int"),
            (lambda: search.top_k(floats, floats, metric="l2"), ValueError, "metric 'l2'"),
            (lambda: search.top_k(floats, floats, metric="hamming"), ValueError, "Hamming"),
            (lambda: search.top_k(floats, floats[:, ::2]), ValueError, "one after another"),
            (lambda: search.top_k(floats[:, :7], floats), ValueError, "7 elements"),
            (lambda: search.top_k(floats, floats[None]), ValueError, "two dimensions, got 3"),
            (lambda: search.top_k(bits, bits, dim=105), ValueError, "13 bytes a row"),
            (lambda: search.rescore(floats, floats, [[4]] * 4), ValueError, "4"),
            (lambda: search.rescore(floats, floats, [[1]]), ValueError, "candidates"),
            (lambda: search.rescore(floats, floats, [[0.5]] * 4), TypeError, "candidates"),
            (lambda: Search(num_threads=10**9), ValueError, "num_threads")):
        with pytest.raises(error, match=words):
            call()
    assert issubclass(sutra.Search, Search)
