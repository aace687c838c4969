"""What the adapters to other frameworks share: a model opened when it is first wanted, vectors as lists of floats."""
from __future__ import annotations

import os
import threading
from typing import Any, Sequence

from .model import Model


class Embedder:
    """Queries get the model's prompt for queries, documents that for documents.

    model           a Model, or what one is opened by, with model_options
    encode_options  of each call: normalize_embeddings, truncation
    """

    def __init__(self, model: str | os.PathLike[str] | Model, model_options: dict[str, Any] | None = None,
                 **encode_options: Any) -> None:
        self._given, self._model_options, self._encode_options = model, model_options or {}, encode_options
        self._opened = model if isinstance(model, Model) else None
        if self._opened and model_options:
            raise ValueError(f"{', '.join(model_options)}: of no use to a model that is open")
        self._lock = threading.Lock()

    def __reduce__(self) -> Any:
        return (_again, (self._given, self._model_options, self._encode_options))

    @property
    def model(self) -> Model:
        if self._opened is None:
            with self._lock:
                if self._opened is None:
                    self._opened = Model(self._given, **self._model_options)  # type: ignore[arg-type]
        return self._opened

    def query(self, text: str) -> list[float]:
        rows: list[list[float]] = self.model.encode_query([text], **self._encode_options).tolist()
        return rows[0]

    def documents(self, texts: Sequence[str]) -> list[list[float]]:
        rows = self.model.encode_document(_several(texts), self.model.document_prompt_name, **self._encode_options)
        return _lists(rows)

    async def aquery(self, text: str) -> list[float]:
        rows: list[list[float]] = (await self.model.aencode_query([text], **self._encode_options)).tolist()
        return rows[0]

    async def adocuments(self, texts: Sequence[str]) -> list[list[float]]:
        rows = await self.model.aencode_document(_several(texts), self.model.document_prompt_name, **self._encode_options)
        return _lists(rows)


def _lists(rows: Any) -> list[list[float]]:
    lists: list[list[float]] = rows.tolist()
    return lists


def _again(model: Any, model_options: dict[str, Any], encode_options: dict[str, Any]) -> Embedder:
    return Embedder(model, model_options, **encode_options)


def _several(texts: Sequence[str]) -> Sequence[str]:
    if isinstance(texts, str):
        raise TypeError("expected a list of str, got str")
    return texts
