"""Chunks of long texts and of texts that arrive in pieces, and vectors of them."""
from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, AsyncIterable, AsyncIterator, Iterable, Iterator, Literal, NamedTuple, Sequence

import numpy as np

from . import runtime, vectors
from ._native import ffi, lib
from .exceptions import error_of, fail
from .inputs import Texts, one_of
from .requests import PATIENCE_NS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .model import Model, Precision

NULL = ffi.NULL
UNITS = {"tokens": lib.SUTRA_CHUNK_TOKENS, "sentences": lib.SUTRA_CHUNK_SENTENCES,
         "paragraphs": lib.SUTRA_CHUNK_PARAGRAPHS}


class Chunk(NamedTuple):
    """A part of a text; begin and end count bytes of its UTF-8, of a stream from its start."""

    number: int
    text: str
    begin: int
    end: int
    tokens: int
    vector: Any = None
    """Of a stream's chunk."""


class _Stream:
    """A SutraStream; freed by close()."""

    def __init__(self, model: Model, by: str, max_tokens: int, overlap: int, prompt_name: str | None, precision: str,
                 normalize: bool, truncate_dim: int | None, notice: Any = None) -> None:
        dtype, self.element, per_byte = one_of(vectors.TYPES, precision, "precision")
        if truncate_dim is not None:
            model._check_dim(truncate_dim)
        name = _own_prompt(model, prompt_name)
        dim = truncate_dim or model.truncate_dim or 0
        embed = model._embed_options(lib.SUTRA_OUT_POOLED, dtype, dim, normalize, "model")
        options = ffi.new("SutraStreamOptions *")
        options.struct_size = ffi.sizeof("SutraStreamOptions")
        options.by = one_of(UNITS, by, "by")
        options.max_tokens, options.overlap, options.prompt_name, options.embed = max_tokens, overlap, name, embed
        if notice:
            options.ready, options.user = ffi.addressof(lib, "glue_stream_ready"), notice
        made, self.err = ffi.new("SutraStream **"), ffi.new("SutraError *")
        status = lib.sutra_stream_open(runtime.engine(model._settings), model.handle, options, made, self.err)
        if status:
            fail(status, self.err)
        self.stream = made[0]
        self.taken = ffi.new("size_t *")

    def push(self, piece: bytes) -> bytes:
        """What there was no room for."""
        status = lib.sutra_stream_push(self.stream, piece, len(piece), 0, self.taken, self.err)
        if status not in (lib.SUTRA_OK, lib.SUTRA_E_BUSY):
            fail(status, self.err)
        return piece[self.taken[0]:]

    def finish(self) -> None:
        status = lib.sutra_stream_finish(self.stream, self.err)
        if status:
            fail(status, self.err)

    def next(self, timeout_ns: int) -> Chunk | None | Literal[False]:
        """The next chunk; None: not yet; False: there are no more."""
        chunk = ffi.new("SutraStreamChunk *")
        chunk.struct_size = ffi.sizeof("SutraStreamChunk")
        status = lib.sutra_stream_next(self.stream, timeout_ns, chunk, self.err)
        if status == lib.SUTRA_E_END:
            return False
        if status == lib.SUTRA_E_TIMEOUT and not chunk.text:
            return None
        if status:
            error = error_of(status, self.err)
            if chunk.text:
                error.args = (f"chunk {chunk.number}: {error}",)
            raise error
        size = chunk.chunk.end - chunk.chunk.begin
        vector = np.frombuffer(ffi.buffer(chunk.vector, chunk.row_bytes)[:], self.element).copy()
        return Chunk(chunk.number, ffi.buffer(chunk.text, size)[:].decode("utf-8"), chunk.chunk.begin,
                     chunk.chunk.end, chunk.chunk.tokens, vector)

    def close(self) -> None:
        if self.stream:
            lib.sutra_stream_cancel(self.stream)
            lib.sutra_stream_free(self.stream)
            self.stream = None
        runtime.pass_on_log()


def _own_prompt(model: Model, prompt_name: str | None) -> Any:
    name, prefix = model._prompt_of(None, prompt_name)
    if prefix:
        raise ValueError(f"prompt {prompt_name!r}: chunks take the model's own prompts alone")
    return name


def _bytes(piece: Any) -> bytes:
    if isinstance(piece, str):
        return piece.encode("utf-8")
    if isinstance(piece, (bytes, bytearray)):
        return bytes(piece)
    raise TypeError(f"stream: expected pieces of str or bytes, got {type(piece).__name__}")


class ChunkMethods:
    """The part of Model that is about chunks."""

    def chunk(self: Any, text: str, *, by: Literal["tokens", "sentences", "paragraphs"] = "tokens", max_tokens: int = 0,
              overlap: int = 0, prompt_name: str | None = None) -> list[Chunk]:
        """A text cut into chunks, none of which is truncated when it is embedded by itself; options as stream()'s."""
        given = Texts((text,))
        options = ffi.new("SutraChunkOptions *")
        options.struct_size = ffi.sizeof("SutraChunkOptions")
        options.by = one_of(UNITS, by, "by")
        options.max_tokens = max_tokens or self._max_tokens
        options.overlap, options.prompt_name = overlap, _own_prompt(self, prompt_name)
        made, count, err = ffi.new("SutraChunk **"), ffi.new("size_t *"), ffi.new("SutraError *")
        source = given.inputs[0]
        status = lib.sutra_chunk(self.handle, source.text, source.text_size, options, made, count, err)
        if status:
            fail(status, err)
        cut = ffi.gc(made[0], lib.sutra_chunks_free)
        return [Chunk(i, ffi.buffer(source.text + cut[i].begin, cut[i].end - cut[i].begin)[:].decode("utf-8"),
                      cut[i].begin, cut[i].end, cut[i].tokens) for i in range(count[0])]

    def encode_late(self: Any, text: str, chunks: Sequence[Chunk | tuple[int, int]], *, prompt_name: str | None = None,
                    precision: Precision = "float32", normalize_embeddings: bool = False,
                    truncate_dim: int | None = None) -> NDArray[Any]:
        """Late chunking: vectors [len(chunks), dimension] of parts of a text that were read with all of it.

        The text, of at most max_seq_length tokens, goes through the model once; the vectors of a part's tokens are
        pooled. chunks: of chunk(), or (begin, end) in bytes of the text's UTF-8.
        """
        given = Texts((text,), _own_prompt(self, prompt_name))
        dtype, element, per_byte = one_of(vectors.TYPES, precision, "precision")
        dim = truncate_dim if truncate_dim is not None else self.truncate_dim
        if dim is not None:
            self._check_dim(dim)
        options = self._embed_options(lib.SUTRA_OUT_POOLED, dtype, dim or 0, normalize_embeddings, "error")
        parts = ffi.new("SutraChunk[]", len(chunks))
        for part, chunk in zip(parts, chunks):
            part.begin, part.end = chunk[2:4] if isinstance(chunk, Chunk) else chunk
        rows = np.empty((len(chunks), ((dim or self.info.dim) + per_byte - 1) // per_byte), element)
        if not len(chunks):
            return rows
        err = ffi.new("SutraError *")
        status = lib.sutra_embed_late(runtime.engine(self._settings), self.handle, given.inputs, parts, len(chunks),
                                      options, ffi.from_buffer(rows), rows.nbytes, NULL, err)
        runtime.pass_on_log()
        if status:
            fail(status, err)
        return rows

    def stream(self: Any, pieces: str | Iterable[str | bytes], *, by: Literal["tokens", "sentences", "paragraphs"] = "tokens",
               max_tokens: int = 0, overlap: int = 0, prompt_name: str | None = None, precision: str = "float32",
               normalize_embeddings: bool = False, truncate_dim: int | None = None) -> Iterator[Chunk]:
        """Chunks of a text, in order, each as soon as its vector is there; pieces are read as there is room.

        by: chunks end with these; max_tokens of a chunk, 0: the model's; overlap: tokens that a chunk begins with of
        the one before it. The chunks do not depend on how the text is cut into pieces.
        """
        stream = _Stream(self, by, max_tokens, overlap, prompt_name, precision, normalize_embeddings, truncate_dim)
        return _chunks(stream, [pieces] if isinstance(pieces, (str, bytes)) else pieces)

    def astream(self: Any, pieces: str | Iterable[str | bytes] | AsyncIterable[str | bytes], *,
                by: Literal["tokens", "sentences", "paragraphs"] = "tokens", max_tokens: int = 0, overlap: int = 0,
                prompt_name: str | None = None, precision: str = "float32", normalize_embeddings: bool = False,
                truncate_dim: int | None = None) -> AsyncIterator[Chunk]:
        """stream() for asyncio."""
        options = (by, max_tokens, overlap, prompt_name, precision, normalize_embeddings, truncate_dim)
        return _async_chunks(self, options, [pieces] if isinstance(pieces, (str, bytes)) else pieces)


def _chunks(stream: _Stream, pieces: Iterable[Any]) -> Iterator[Chunk]:
    try:
        for piece in pieces:
            rest = stream.push(_bytes(piece))
            while chunk := stream.next(PATIENCE_NS if rest else 0):
                yield chunk
                rest = stream.push(rest) if rest else rest
            while rest:
                if chunk := stream.next(PATIENCE_NS):
                    yield chunk
                rest = stream.push(rest)
        stream.finish()
        while (chunk := stream.next(PATIENCE_NS)) is not False:
            if chunk:
                yield chunk
    finally:
        stream.close()


async def _async_chunks(model: Any, options: tuple[Any, ...], pieces: Any) -> AsyncIterator[Chunk]:
    loop, ready = asyncio.get_running_loop(), asyncio.Event()

    def tell() -> None:
        loop.call_soon_threadsafe(ready.set)

    notice = runtime.watch(tell)
    stream = None
    try:
        stream = _Stream(model, *options, notice=notice)
        async for piece in _awaited(pieces):
            rest = stream.push(_bytes(piece))
            while True:
                ready.clear()
                while chunk := stream.next(0):
                    yield chunk
                if not rest:
                    break
                before, rest = rest, stream.push(rest)
                if len(rest) == len(before):
                    await ready.wait()
        stream.finish()
        while True:
            ready.clear()
            while chunk := stream.next(0):
                yield chunk
            if chunk is False:
                return
            await ready.wait()
    finally:
        if stream:
            stream.close()
        runtime.forget(notice)


async def _awaited(pieces: Any) -> AsyncIterator[Any]:
    if hasattr(pieces, "__aiter__"):
        async for piece in pieces:
            yield piece
    else:
        for piece in pieces:
            yield piece
