"""encode() against what sentence-transformers returned, and what it refuses."""
import json
import logging
import os
from pathlib import Path

import numpy as np
import pytest
import sutra
from encode_cases import CASES, LONG, SHOWN, TEXTS

REFERENCE = json.loads(Path(os.environ.get("SUTRA_PYTHON_REFERENCE",
                                           Path(__file__).with_name("reference.json"))).read_text())
ERRORS = {"ValueError": ValueError}
STATIC = Path(__file__).resolve().parents[2] / "tests/data/golden/static/unlimited"


def assert_same(given, wanted):
    if isinstance(wanted, list):
        assert isinstance(given, list) and len(given) == len(wanted)
        for item, wanted_item in zip(given, wanted):
            assert_same(item, wanted_item)
        return
    assert list(given.shape) == wanted["shape"]
    assert str(given.dtype) == wanted["dtype"]
    rows = given.reshape(-1, given.shape[-1])[:, :SHOWN] if given.ndim and given.size else given
    if given.dtype.kind == "f":
        np.testing.assert_allclose(rows, np.array(wanted["rows"], rows.dtype), rtol=0,
                                   atol=2e-6 * max(1, np.abs(rows).max(initial=0)))
    else:
        assert rows.tolist() == wanted["rows"]


@pytest.mark.parametrize("name", CASES)
def test_encode_returns_what_sentence_transformers_does(model, name):
    inputs, options = CASES[name]
    wanted = REFERENCE["encode"][name]
    if "error" in wanted:
        with pytest.raises(ERRORS[wanted["error"]]):
            model.encode(inputs, **options)
        return
    assert_same(model.encode(inputs, **options), wanted)


def test_an_unknown_prompt_has_the_words_of_sentence_transformers(model):
    with pytest.raises(ValueError) as caught:
        model.encode("a", prompt_name="nope")
    assert str(caught.value) == REFERENCE["encode"]["unknown prompt"]["message"]


@pytest.mark.parametrize("precision", REFERENCE["quantize"])
def test_quantize_embeddings_has_the_codes_of_sentence_transformers(precision):
    vectors = np.random.default_rng(7).normal(size=(120, 20)).astype(np.float32)
    assert sutra.quantize_embeddings(vectors, precision).tolist() == REFERENCE["quantize"][precision]


def test_tokenize_pads_as_sentence_transformers_does(model):
    given = model.tokenize(TEXTS)
    for name, wanted in REFERENCE["tokenize"].items():
        assert given[name].tolist() == wanted, name


def test_similarity_is_the_cosine(model):
    vectors = np.random.default_rng(7).normal(size=(120, 20)).astype(np.float32)
    np.testing.assert_allclose(model.similarity(vectors[:3], vectors[3:8]), REFERENCE["similarity"], atol=1e-6)
    assert model.similarity(vectors[0], vectors[1]).shape == (1, 1)
    assert sutra.similarity(vectors[:2], vectors[:2], "euclidean")[0, 0] == 0
    with pytest.raises(ValueError, match="20 and of 10"):
        model.similarity(vectors, vectors[:, :10])


@pytest.mark.parametrize("given, kind, words", [
    (None, TypeError, "expected a str or a list of str, got NoneType"),
    (5, TypeError, "got int"),
    (b"bytes", TypeError, "got bytes"),
    (["a", None], TypeError, "item 1: expected a str, got NoneType"),
    (["a", 7], TypeError, "item 1: expected a str, got int"),
    ((text for text in "ab"), TypeError, "got generator; make it a list"),
    ({"a", "b"}, TypeError, "got set; make it a list"),
    ({"text": "a"}, TypeError, "got dict"),
    (np.array(["a", None], dtype=object), TypeError, "item 1: expected a str, got NoneType"),
    (np.array([["a", "b"]]), TypeError, "one dimension, got 2"),
    (np.array("a"), TypeError, "one dimension, got 0"),
    ([["a", "b"]], TypeError, "item 0: expected a str, got list"),
    (["a", "b\ud800"], UnicodeEncodeError, "item 1: surrogates not allowed"),
])
def test_what_is_no_text_is_refused_by_its_place(model, given, kind, words):
    with pytest.raises(kind, match=words):
        model.encode(given)
    assert model.encode("still works").shape == (384,)


@pytest.mark.parametrize("dim, kind", [(385, ValueError), (0, ValueError), (-1, ValueError), ("8", TypeError)])
def test_a_dimension_that_the_model_lacks_is_refused(model, dim, kind):
    with pytest.raises(kind, match="truncate_dim"):
        model.encode("a", truncate_dim=dim)


def test_unknown_words_are_refused(model):
    for options, words in (({"output_value": "x"}, "output_value 'x'"), ({"truncation": "middle"}, "'window'"),
                           ({"device": "cuda:7"}, "the model is on 'cpu'")):
        with pytest.raises(ValueError, match=words):
            model.encode("a", **options)
    with pytest.raises(TypeError):
        model.encode("a", no_such_option=1)


def test_a_numpy_row_is_the_engine_s_own_whoever_calls(model):
    texts = [f"text {i} " * (i % 40) for i in range(60)]
    rows = model.encode(texts)
    assert rows.flags.c_contiguous and rows.flags.writeable
    one_by_one = np.stack([model.encode(text) for text in texts[:40]])
    assert rows[:40].tobytes() == one_by_one.tobytes()


def test_order_holds_over_many_jobs(model):
    texts = [f"number {i}" for i in range(3000)]
    rows = model.encode(texts)
    for i in (0, 1023, 1024, 2047, 2999):
        assert rows[i].tobytes() == model.encode(texts[i]).tobytes()


def test_int8_has_a_fixed_range_or_the_one_given(model):
    floats = model.encode(TEXTS)
    codes = model.encode(TEXTS, precision="int8")
    assert codes.dtype == np.int8 and codes.tobytes() == np.clip(np.rint(127 * floats), -127, 127).astype(np.int8).tobytes()
    assert (model.encode(TEXTS, precision="uint8").astype(int) == codes.astype(int) + 128).all()
    ranges = sutra.find_ranges(floats)
    assert (model.encode(TEXTS, precision="int8", ranges=ranges)
            == sutra.quantize_embeddings(floats, "int8", ranges=ranges)).all()
    assert (model.encode(TEXTS[0], precision="float16") == floats[0].astype(np.float16)).all()
    with pytest.raises(ValueError, match="ranges"):
        model.encode(TEXTS, precision="int8", ranges=ranges[:, :5])


def test_a_single_embedding_has_no_ranges():
    with pytest.raises(ValueError, match="single embedding"):
        sutra.quantize_embeddings(np.ones((1, 4), np.float32), "int8")
    with pytest.raises(ValueError, match="'int4'"):
        sutra.quantize_embeddings(np.ones((1, 4), np.float32), "int4")


def test_truncation_is_said_once_a_call(model, caplog):
    with caplog.at_level(logging.WARNING, "sutra"):
        _, items = model.encode([LONG, "short", LONG], return_items=True)
    assert [record.getMessage() for record in caplog.records] == [
        "encode: 2 of 3 texts were cut to the model's length; the longest has 402 tokens"]
    assert items["tokens_seen"].tolist() == [402, 3, 402] and items["tokens_used"].tolist() == [256, 3, 256]
    assert items["flags"].tolist() == [1, 0, 1]
    caplog.clear()
    with pytest.raises(sutra.LimitError, match="item 1: ") as caught:
        model.encode(["short", LONG], truncation="error")
    assert caught.value.item == 1 and caught.value.status == "SUTRA_E_LIMIT" and isinstance(caught.value, ValueError)
    _, items = model.encode([LONG], truncation="window", return_items=True)
    assert items["windows"].tolist() == [2] and not caplog.records


def test_the_item_to_blame_is_counted_over_all_jobs(model):
    texts = ["short"] * 1500 + [LONG]
    with pytest.raises(sutra.LimitError, match="item 1500: ") as caught:
        model.encode(texts, truncation="error")
    assert caught.value.item == 1500


def test_max_seq_length_cuts(model):
    other = sutra.Model(model.path)
    other.max_seq_length = 5
    _, items = other.encode(["one two three four five six seven"], return_items=True)
    assert items["tokens_used"].tolist() == [5]
    with pytest.raises(ValueError, match="513"):
        other.max_seq_length = 513


def test_static_model():
    """No positions to keep to, and no tokens in an empty text."""
    with sutra.Model(STATIC) as static:
        assert static.max_seq_length == 2**32 - 1
        whole, items = static.encode("a b c d", return_items=True)
        assert items["tokens_used"].tolist() == [4]
        static.max_seq_length = 3
        cut, items = static.encode(["a b c d", ""], return_items=True)
        assert items["tokens_used"].tolist() == [3, 0]
        assert not np.array_equal(cut[0], whole) and not cut[1].any()
        for tokens in (0, 2**32):
            with pytest.raises(ValueError, match=f"max_seq_length {tokens}"):
                static.max_seq_length = tokens
        with pytest.raises(sutra.UnsupportedError, match="static model"):
            static.encode_late("a b c. d", [(0, 5)])


def test_prompts_of_the_user(model):
    other = sutra.Model(model.path, prompts={"q": "query: "}, default_prompt_name="q")
    wanted = model.encode(["query: " + text for text in TEXTS])
    assert other.encode(TEXTS).tobytes() == wanted.tobytes()
    assert other.encode(TEXTS, prompt_name="document").tobytes() == model.encode(TEXTS).tobytes()
    assert other.encode_query(TEXTS).tobytes() == model.encode(TEXTS).tobytes()
    assert other.encode_document(TEXTS).tobytes() == model.encode(TEXTS).tobytes()
    with pytest.raises(ValueError, match="'r' not found"):
        sutra.Model(model.path, default_prompt_name="r")


def test_prompts_of_the_model(model, prompted):
    query, passage = model.encode("query: a"), model.encode("passage: a")
    assert prompted.prompts == {"query": "query: ", "passage": "passage: ", "document": ""}
    assert prompted.encode("a").tobytes() == passage.tobytes()
    assert prompted.encode("a", prompt_name="query").tobytes() == query.tobytes()
    assert prompted.encode("a", prompt="query: ").tobytes() == query.tobytes()
    assert prompted.encode("a", prompt="").tobytes() == model.encode("a").tobytes()
    assert prompted.encode("a", prompt_name="document").tobytes() == model.encode("a").tobytes()
    assert prompted.encode_query("a").tobytes() == query.tobytes()
    assert prompted.encode_document("a").tobytes() == model.encode("a").tobytes()
    assert prompted.document_prompt_name == "passage"
    assert prompted.encode_document("a", prompted.document_prompt_name).tobytes() == passage.tobytes()
    with sutra.Model(prompted.path, prompts={"document": ""}) as other:
        assert (other.document_prompt_name, other.encode_document("a").tobytes()) == ("document", model.encode("a").tobytes())
    assert (prompted.default_prompt_name, model.default_prompt_name) == ("passage", None)
    with sutra.Model(prompted.path, prompts={"passage": "P: "}) as other:
        assert other.encode("a").tobytes() == model.encode("P: a").tobytes()
    chunk, = prompted.stream("a", prompt_name="query")
    assert chunk.vector.tobytes() == query.tobytes()
    for given, wanted in ((prompted.encode("a", output_value=None), model.encode("passage: a", output_value=None)),
                          (prompted.encode("a", prompt="q: ", output_value=None), model.encode("q: a", output_value=None))):
        assert all(given[name].tobytes() == wanted[name].tobytes() for name in wanted)


def test_similarity_of_pairs_is_the_diagonal(model, prompted):
    rows = np.random.default_rng(1).normal(size=(2, 9, 20)).astype(np.float32)
    for function in ("cosine", "dot", "euclidean", "manhattan"):
        np.testing.assert_allclose(sutra.vectors.similarity_pairwise(*rows, function),
                                   np.diag(sutra.similarity(*rows, function)), rtol=1e-5, atol=1e-5)
    assert sutra.vectors.similarity_pairwise(rows[0], 0 * rows[0]).tolist() == [0] * 9
    assert prompted.similarity_pairwise(*rows).tolist() == sutra.vectors.similarity_pairwise(*rows, "dot").tolist()
    with pytest.raises(ValueError, match="shapes"):
        model.similarity_pairwise(rows[0], rows[1, :3])


def test_encode_multi_process_is_encode(model):
    assert model.encode_multi_process(TEXTS).tobytes() == model.encode(TEXTS).tobytes()
    with pytest.raises(ValueError, match="pool"):
        model.encode_multi_process(TEXTS, {"input": None})


def test_similarity_is_what_the_model_says(model, prompted):
    assert (model.similarity_fn_name, prompted.similarity_fn_name) == ("cosine", "dot")
    assert prompted.similarity([1.0, 2.0], [[3.0, 4.0]]).tolist() == [[11.0]]
    assert sutra.Model(model.path, similarity_fn_name="manhattan").similarity([1.0, 2.0], [[3.0, 4.0]]).tolist() == [[-4.0]]
    with pytest.raises(ValueError, match="'maxsim' is not known"):
        sutra.Model(model.path, similarity_fn_name="maxsim")


def test_all_outputs_of_a_text_at_once(model):
    given = model.encode(TEXTS[0], output_value=None)
    assert given["input_ids"].shape == given["attention_mask"].shape == (8,)
    assert given["token_embeddings"].shape == (8, 384)
    assert given["sentence_embedding"].tobytes() == model.encode(TEXTS[0]).tobytes()


def test_tensors_want_torch(model, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    for options in ({"convert_to_tensor": True}, {"convert_to_numpy": False}):
        with pytest.raises(ImportError, match="torch, which is not installed"):
            model.encode("a", **options)


def test_the_tokenizer_has_offsets_in_characters(model):
    encoding = model.tokenizer.encode("Grüße 😀 ok")
    assert encoding.tokens[0] == "[CLS]" and encoding.special_tokens_mask[0] == 1
    assert encoding.offsets[-2] == (8, 10)
    assert model.tokenizer.decode(encoding.ids) == "gruße ok"
    assert model.tokenizer.encode("").ids == encoding.ids[:1] + encoding.ids[-1:]


def test_what_a_model_says_of_itself(model, tmp_path):
    assert (model.dimension, model.max_seq_length, model.is_reranker) == (384, 256, False)
    assert model.get_sentence_embedding_dimension() == model.get_embedding_dimension() == 384
    assert repr(model).startswith("Model('all-MiniLM-L6-v2', dimension=384, ")
    with model.truncate_embeddings(64):
        assert model.dimension == 64 and model.encode("a").shape == (64,)
    model.save(tmp_path / "m.sutra")
    assert sutra.Model(tmp_path / "m.sutra").encode("a").tobytes() == model.encode("a").tobytes()


def test_compute_precisions(model):
    fp32 = model.encode(TEXTS, normalize_embeddings=True)
    for precision, least in (("bf16", 0.99), ("fp16", 0.9999), ("int8", 0.95)):
        with sutra.Model(model.path, precision=precision) as other:
            assert f"precision={precision!r}" in repr(other)
            assert (fp32 * other.encode(TEXTS, normalize_embeddings=True)).sum(1).min() > least
    with pytest.raises(ValueError, match="precision 'fp4' is not known"):
        sutra.Model(model.path, precision="fp4")


def test_what_is_no_model_is_an_error_of_the_right_type(tmp_path):
    with pytest.raises(OSError, match="no-such"):
        sutra.Model(tmp_path / "no-such")
    with pytest.raises(ValueError, match="all-MiniLM-L6-v2"):
        sutra.Model("all-MiniLM-L6-v3", local_files_only=True)
    with pytest.raises(OSError):
        sutra.Model("all-MiniLM-L12-v2", cache_folder=tmp_path, local_files_only=True)
    with pytest.raises(sutra.SutraError):
        sutra.Model(tmp_path)
    assert sutra.list_models(tmp_path) == []


def test_a_closed_model_is_refused(model):
    other = sutra.Model(model.path)
    other.close()
    other.close()
    assert repr(other) == "Model(closed)"
    with pytest.raises(ValueError, match="closed"):
        other.encode("a")
