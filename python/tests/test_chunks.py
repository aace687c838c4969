"""chunk and encode_late."""
import numpy as np
import pytest
import sutra

PARAGRAPHS = "\n\n".join(f"Paragraph {i} is über something. Naïve readers like {i} cats. 😀 And the rest of it." for i in range(40))
SHORT = "The Rhine rises in the Alps. Its valley is wide – über 1,000 km. 😀 It ends in the North Sea."


def pooled(model, text, begin, end):
    """The mean of the vectors of the tokens that come from text[begin:end], characters; length 1."""
    encoding = model.tokenizer.encode(text)
    tokens = model.encode(text, output_value="token_embeddings")
    inside = [b < end and e > begin and e > b for b, e in encoding.offsets]
    mean = tokens[inside].astype(np.float64).mean(0)
    return mean / np.linalg.norm(mean)


def test_chunks_are_those_of_a_stream(model):
    for options in ({"max_tokens": 64}, {"max_tokens": 40, "by": "sentences", "overlap": 8}, {"by": "paragraphs"}):
        chunks = model.chunk(PARAGRAPHS, **options)
        assert [chunk[:5] for chunk in chunks] == [chunk[:5] for chunk in model.stream(PARAGRAPHS, **options)]
        assert all(chunk.tokens <= options.get("max_tokens", 256) and chunk.vector is None for chunk in chunks)
        for chunk in chunks:
            assert PARAGRAPHS.encode()[chunk.begin:chunk.end].decode() == chunk.text
            assert len(model.tokenizer.encode(chunk.text).ids) == chunk.tokens
    assert len(model.chunk(PARAGRAPHS, max_tokens=64)) > 10
    assert model.chunk("") == model.chunk(" \n ") == []


def test_chunks_have_room_for_the_prompt(prompted):
    plain = prompted.chunk(PARAGRAPHS, max_tokens=32, prompt_name="document")
    with_prompt = prompted.chunk(PARAGRAPHS, max_tokens=32, prompt_name="passage")
    assert len(with_prompt) > len(plain) and all(chunk.tokens <= 32 for chunk in with_prompt)
    assert prompted.chunk(PARAGRAPHS, max_tokens=32) == with_prompt, "the default prompt"


def test_chunks_fit_the_length_that_was_set(model):
    before = model.max_seq_length
    try:
        model.max_seq_length = 50
        assert max(chunk.tokens for chunk in model.chunk(PARAGRAPHS)) <= 50
    finally:
        model.max_seq_length = before


def test_late_vectors_are_pooled_from_the_whole_texts_tokens(model):
    chunks = model.chunk(SHORT, by="sentences", max_tokens=16)
    assert len(chunks) >= 3
    rows = model.encode_late(SHORT, chunks)
    assert rows.shape == (len(chunks), model.dimension) and rows.dtype == np.float32
    for chunk, row in zip(chunks, rows):
        begin = len(SHORT.encode()[:chunk.begin].decode())
        wanted = pooled(model, SHORT, begin, begin + len(chunk.text))
        assert np.abs(row - wanted).max() < 2e-6
        assert np.abs(row - model.encode(chunk.text)).max() > 1e-2, "the rest of the text was read"
    again = model.encode_late(SHORT, [(chunk.begin, chunk.end) for chunk in reversed(chunks)])
    assert again[::-1].tobytes() == rows.tobytes()


def test_late_vectors_in_other_types(model):
    chunks = model.chunk(SHORT, by="sentences", max_tokens=16)
    rows = model.encode_late(SHORT, chunks, truncate_dim=128, normalize_embeddings=True)
    assert rows.shape == (len(chunks), 128) and np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)
    bits = model.encode_late(SHORT, chunks, truncate_dim=128, precision="ubinary")
    assert bits.dtype == np.uint8 and (np.unpackbits(bits, axis=1) == (rows > 0)).all()
    assert model.encode_late(SHORT, []).shape == (0, model.dimension)


def test_what_they_refuse(model, prompted):
    for options, kind, words in (({"by": "lines"}, ValueError, "by 'lines'"), ({"max_tokens": 1000}, ValueError, "max_tokens"),
                                 ({"overlap": 64, "max_tokens": 32}, ValueError, "overlap"),
                                 ({"prompt_name": "nope"}, ValueError, "'nope' not found")):
        with pytest.raises(kind, match=words):
            model.chunk("a", **options)
    for text in (None, 7, b"bytes"):
        with pytest.raises(TypeError, match="expected a str"):
            model.chunk(text)
        with pytest.raises(TypeError, match="expected a str"):
            model.encode_late(text, [(0, 1)])
    with pytest.raises(UnicodeEncodeError):
        model.chunk("\ud800")
    with pytest.raises(ValueError, match="chunk"):
        model.encode_late("short", [(0, 50)])
    with pytest.raises(ValueError, match="chunk"):
        model.encode_late("a   b", [(1, 2)])
    with pytest.raises(sutra.LimitError, match="tokens"):
        model.encode_late(PARAGRAPHS, [(0, 50)])
    with pytest.raises(OverflowError):
        model.encode_late("short", [(-1, 2)])
    with pytest.raises(TypeError):
        model.encode_late("short", [5])
    with pytest.raises(ValueError, match="truncate_dim"):
        model.encode_late("short", [(0, 5)], truncate_dim=1000)
