"""The model's tokenizer: texts to token ids and offsets, and back."""
from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Sequence

import numpy as np

from ._native import ffi, lib
from .exceptions import fail
from .inputs import Texts, as_strings

if TYPE_CHECKING:
    from .model import Model


class Encoding(NamedTuple):
    """Tokens of one text; offsets are in characters, (0, 0) of special tokens."""

    ids: list[int]
    tokens: list[str]
    offsets: list[tuple[int, int]]
    type_ids: list[int]
    special_tokens_mask: list[int]
    num_seen: int
    """Tokens of the whole text."""


class Tokenizer:
    def __init__(self, model: Model) -> None:
        self._handle = model.handle

    def encode(self, text: str, max_tokens: int = 0) -> Encoding:
        return self.encode_batch([text], max_tokens)[0]

    def encode_batch(self, texts: Sequence[str], max_tokens: int = 0) -> list[Encoding]:
        """max_tokens: cut to so many, special ones included; 0: not cut."""
        strings, _ = as_strings(texts, "encode_batch")
        view, _keep = self._view(strings, max_tokens)
        return [self._encoding(view, i) for i in range(view.num_items)]

    def decode(self, ids: Sequence[int], skip_special_tokens: bool = True) -> str:
        text, size, err = ffi.new("char **"), ffi.new("size_t *"), ffi.new("SutraError *")
        status = lib.sutra_decode(self._handle, ffi.new("int32_t[]", list(ids)), len(ids), skip_special_tokens,
                                  text, size, err)
        if status:
            fail(status, err)
        decoded: str = ffi.buffer(text[0], size[0])[:].decode("utf-8")
        lib.sutra_text_free(text[0])
        return decoded

    def id_to_token(self, token_id: int) -> str | None:
        size = ffi.new("size_t *")
        token = lib.sutra_model_token(self._handle, token_id, size)
        return ffi.buffer(token, size[0])[:].decode("utf-8", "replace") if token else None

    def padded(self, texts: str | Sequence[str], max_tokens: int) -> dict[str, Any]:
        strings, _ = as_strings(texts, "tokenize")
        view, _keep = self._view(strings, max_tokens)
        seqlens = np.diff([view.cu_seqlens[i] for i in range(view.num_items + 1)])
        shape = (view.num_items, int(seqlens.max(initial=0)))
        mask = np.arange(shape[1])[None, :] < seqlens[:, None]
        given = {"input_ids": np.zeros(shape, np.int64), "token_type_ids": np.zeros(shape, np.int64),
                 "attention_mask": mask.astype(np.int64)}
        total = view.cu_seqlens[view.num_items]
        if total:
            given["input_ids"][:] = self._pad_id()
            given["input_ids"][mask] = np.frombuffer(ffi.buffer(view.token_ids, total * 4), np.int32)
            given["token_type_ids"][mask] = np.frombuffer(ffi.buffer(view.type_ids, total * 4), np.int32)
        return given

    def _pad_id(self) -> int:
        for token in ("[PAD]", "<pad>"):
            for token_id in range(4):
                if self.id_to_token(token_id) == token:
                    return token_id
        return 0

    def _view(self, strings: tuple[str, ...], max_tokens: int) -> tuple[Any, Any]:
        """(the view, what holds it)."""
        texts = Texts(strings)
        made, err = ffi.new("SutraTokens **"), ffi.new("SutraError *")
        status = lib.sutra_tokenize(self._handle, texts.inputs, texts.n, max_tokens, made, err)
        if status:
            fail(status, err)
        tokens = ffi.gc(made[0], lib.sutra_tokens_free)
        view = ffi.new("SutraTokensView *")
        view.struct_size = ffi.sizeof("SutraTokensView")
        status = lib.sutra_tokens_view(tokens, view, err)
        if status:
            fail(status, err)
        return view, tokens

    def _encoding(self, view: Any, i: int) -> Encoding:
        places = range(view.cu_seqlens[i], view.cu_seqlens[i + 1])
        ids = [view.token_ids[t] for t in places]
        return Encoding(ids, [self.id_to_token(token_id) or "" for token_id in ids],
                        [(view.begin[t], view.end[t]) for t in places], [view.type_ids[t] for t in places],
                        [view.special[t] for t in places], view.tokens_seen[i])
