"""aencode, stream and astream."""
import asyncio
import gc

import numpy as np
import pytest
import sutra
from sutra import runtime

TEXTS = [f"text number {i} " * (1 + i % 30) for i in range(60)]
LONG = " ".join(f"Sentence {i} is about the number {i}." for i in range(300)) + "\n\nEnd. 😀"


def test_aencode_gives_what_encode_does(model):
    async def work():
        return await asyncio.gather(*(model.aencode(text) for text in TEXTS), model.aencode(TEXTS),
                                    model.aencode([]), model.aencode(TEXTS, output_value="token_embeddings"))

    *rows, matrix, empty, tokens = asyncio.run(work())
    assert np.stack(rows).tobytes() == matrix.tobytes() == model.encode(TEXTS).tobytes()
    assert empty.shape == (0,) and len(tokens) == len(TEXTS)
    assert not runtime._waiting


def test_the_loop_runs_while_a_batch_is_encoded(model):
    async def work():
        task = asyncio.ensure_future(model.aencode(TEXTS * 4))
        turns = 0
        while not task.done():
            turns += 1
            await asyncio.sleep(0.001)
        return turns, await task

    turns, rows = asyncio.run(work())
    assert turns > 10 and rows.tobytes() == model.encode(TEXTS * 4).tobytes()


def test_errors_of_aencode_name_the_item(model):
    with pytest.raises(sutra.LimitError, match="item 2001: "):
        asyncio.run(model.aencode(["short"] * 2001 + ["word " * 400], truncation="error"))
    with pytest.raises(TypeError, match="item 1"):
        asyncio.run(model.aencode(["a", None]))
    settle()


def settle():
    """Jobs that were given up end, and their notices with them."""
    for _ in range(3000):
        if not runtime._waiting:
            return
        asyncio.run(asyncio.sleep(0.01))
    raise AssertionError("notices are left")


def test_a_cancelled_task_gives_its_texts_up(model):
    async def work():
        task = asyncio.ensure_future(model.aencode(["long text " * 200] * 20_000))
        await asyncio.sleep(0.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return await model.aencode("next")

    assert asyncio.run(work()).tobytes() == model.encode("next").tobytes()
    settle()


def test_stream_gives_the_same_chunks_however_the_text_is_cut(model):
    whole = list(model.stream(LONG, max_tokens=64))
    assert len(whole) > 5 and [chunk.number for chunk in whole] == list(range(len(whole)))
    pieces = [LONG[i:i + 7] for i in range(0, len(LONG), 7)]
    in_bytes = [LONG.encode()[i:i + 3] for i in range(0, len(LONG.encode()), 3)]
    for given in (iter(pieces), in_bytes):
        again = list(model.stream(given, max_tokens=64))
        assert [chunk[:5] for chunk in again] == [chunk[:5] for chunk in whole]
        assert all((a.vector == b.vector).all() for a, b in zip(again, whole))
    for chunk in whole:
        assert LONG.encode()[chunk.begin:chunk.end].decode() == chunk.text
        assert chunk.tokens <= 64 and chunk.vector.tobytes() == model.encode(chunk.text).tobytes()


def test_astream_gives_the_chunks_of_stream(model):
    async def pieces():
        for i in range(0, len(LONG), 50):
            await asyncio.sleep(0)
            yield LONG[i:i + 50]

    async def work(source):
        return [chunk async for chunk in model.astream(source, max_tokens=64, by="sentences", overlap=8)]

    wanted = list(model.stream(LONG * 3, max_tokens=64, by="sentences", overlap=8))
    given = asyncio.run(work(LONG * 3))
    assert [chunk[:5] for chunk in given] == [chunk[:5] for chunk in wanted]
    assert all((a.vector == b.vector).all() for a, b in zip(given, wanted))
    assert [chunk.text for chunk in asyncio.run(work(pieces()))] == [
        chunk.text for chunk in model.stream(LONG, max_tokens=64, by="sentences", overlap=8)]
    assert not runtime._waiting


def test_streams_that_are_left_are_closed(model):
    for chunk in model.stream(LONG * 10, max_tokens=64):
        break

    async def work():
        async for _ in model.astream(LONG * 10, max_tokens=64):
            break

    asyncio.run(work())
    gc.collect()
    assert chunk.number == 0 and not runtime._waiting


def test_what_a_stream_refuses(model):
    for options, words in (({"by": "lines"}, "by 'lines'"), ({"max_tokens": 1000}, "max_tokens"),
                           ({"truncate_dim": 385}, "truncate_dim"), ({"prompt_name": "nope"}, "'nope' not found")):
        with pytest.raises(ValueError, match=words):
            list(model.stream("a", **options))
    with pytest.raises(TypeError, match="got NoneType"):
        list(model.stream(["a", None]))
    with pytest.raises(ValueError, match="UTF-8"):
        list(model.stream([b"ok \xff\xff"]))
    assert list(model.stream("")) == list(model.stream([])) == []
    assert list(model.stream("a", truncate_dim=12, precision="ubinary"))[0].vector.shape == (2,)
