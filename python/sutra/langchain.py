"""LangChain: `SutraEmbeddings`; needs langchain-core."""
from __future__ import annotations

import os
from typing import Any

from langchain_core.embeddings import Embeddings

from .embedder import Embedder
from .model import Model


class SutraEmbeddings(Embeddings):
    """Queries get the model's prompt for queries, documents that for documents; the async methods hold no thread.

    model                             a Model, or what one is opened by, with model_options as Model has them
    normalize_embeddings, truncation  as encode has them
    """

    def __init__(self, model: str | os.PathLike[str] | Model, *, normalize_embeddings: bool = False,
                 truncation: str = "model", **model_options: Any) -> None:
        self._embedder = Embedder(model, model_options, normalize_embeddings=normalize_embeddings, truncation=truncation)
        self._embedder.model

    @property
    def model(self) -> Model:
        return self._embedder.model

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return self._embedder.documents(texts)

    def embed_query(self, text: str) -> list[float]:
        return self._embedder.query(text)

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        return await self._embedder.adocuments(texts)

    async def aembed_query(self, text: str) -> list[float]:
        return await self._embedder.aquery(text)
