"""Scores of pairs, as CrossEncoder's predict and rank."""
import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
import sutra

TEXTS = ["The river is long.", "", "A cat sat on the mat.", "Rivers flow into the sea.", "the river"]
QUERY = "How long is the river?"


def test_scores_are_those_of_the_program(reranker):
    program = Path(sutra.__file__).parent / "bin/sutra"
    done = subprocess.run([program, "rerank", "-m", reranker.path, "--json", "--", QUERY, *TEXTS], capture_output=True,
                          check=True)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    wanted = [row["score"] for row in sorted(rows, key=lambda row: row["line"])]
    scores = reranker.predict([(QUERY, text) for text in TEXTS])
    assert scores.dtype == np.float32 and scores.shape == (len(TEXTS),)
    np.testing.assert_allclose(scores, wanted, atol=1e-6)


def test_one_pair_gives_a_number_and_an_empty_list_an_empty_array(reranker):
    score = reranker.predict((QUERY, TEXTS[0]))
    assert score.shape == () and score == reranker.predict([[QUERY, TEXTS[0]]])[0]
    assert score == reranker.predict(np.array([QUERY, TEXTS[0]]))
    empty = reranker.predict([])
    assert empty.shape == (0,) and empty.dtype == np.float64


def test_raw_scores_are_logits(reranker):
    pairs = [(QUERY, text) for text in TEXTS]
    logits = reranker.predict(pairs, raw_scores=True)
    np.testing.assert_allclose(1 / (1 + np.exp(-logits.astype(float))), reranker.predict(pairs), atol=1e-6)


def test_rank_puts_the_best_first(reranker):
    scores = reranker.predict([(QUERY, text) for text in TEXTS])
    ranked = reranker.rank(QUERY, TEXTS, return_documents=True)
    assert [row["corpus_id"] for row in ranked] == np.argsort(-scores, kind="stable").tolist()
    assert all(row["text"] == TEXTS[row["corpus_id"]] and row["score"] == scores[row["corpus_id"]] for row in ranked)
    assert reranker.rank(QUERY, TEXTS, top_k=2) == [{name: row[name] for name in ("corpus_id", "score")}
                                                    for row in ranked[:2]]
    assert reranker.rank(QUERY, []) == []


def test_many_pairs_are_scored_in_order(reranker):
    pairs = [(QUERY, TEXTS[i % len(TEXTS)]) for i in range(2500)]
    scores = reranker.predict(pairs)
    assert np.ptp(scores.reshape(-1, len(TEXTS)), axis=0).max() == 0


def test_what_is_no_pair_is_refused(reranker, model):
    for given, words in (("a", "got str"), (None, "got NoneType"), ([("a", "b"), "c"], "item 1: expected a pair"),
                         ([("a", "b", "c")], "item 0: expected a pair"), ([("a", "b"), ("a", None)], "item 1: ")):
        with pytest.raises(TypeError, match=words):
            reranker.predict(given)
    with pytest.raises(NotImplementedError):
        model.predict([("a", "b")])
    with pytest.raises(NotImplementedError):
        reranker.encode("a")
    assert reranker.is_reranker
