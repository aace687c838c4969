"""Haystack: `SutraTextEmbedder`, `SutraDocumentEmbedder`, `SutraRanker`; needs haystack-ai.

model_options are those of Model, encode's are arguments. A model is opened by warm_up() or the first run. What goes
wrong is raised: no document comes out without a vector or a score.
"""
from __future__ import annotations

from dataclasses import replace
from typing import Any

from haystack import Document, component, default_from_dict, default_to_dict

from .embedder import Embedder


def _checked(documents: Any) -> list[Document]:
    if not isinstance(documents, list) or not all(isinstance(document, Document) for document in documents):
        raise TypeError(f"documents: expected a list of Document, got {type(documents).__name__}")
    return documents


def _texts(documents: list[Document], fields: list[str], separator: str) -> list[str]:
    """Of each document the fields of its meta that it has, then its content."""
    for document in documents:
        if document.content is None:
            raise ValueError(f"document {document.id} has no text")
    return [separator.join([str(document.meta[name]) for name in fields if document.meta.get(name) is not None]
                           + [document.content or ""]) for document in documents]


@component
class SutraTextEmbedder:
    """A query -> its vector, with the model's prompt for queries."""

    def __init__(self, model: str, *, normalize_embeddings: bool = False, truncation: str = "model",
                 model_options: dict[str, Any] | None = None) -> None:
        self.model, self.model_options = model, model_options
        self.normalize_embeddings, self.truncation = normalize_embeddings, truncation
        self._embedder = Embedder(model, model_options, normalize_embeddings=normalize_embeddings, truncation=truncation)

    def to_dict(self) -> dict[str, Any]:
        return default_to_dict(self, model=self.model, normalize_embeddings=self.normalize_embeddings,
                               truncation=self.truncation, model_options=self.model_options)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> SutraTextEmbedder:
        return default_from_dict(cls, data)

    def warm_up(self) -> None:
        self._embedder.model

    @component.output_types(embedding=list[float])
    def run(self, text: str) -> dict[str, Any]:
        return {"embedding": self._embedder.query(_is_text(text))}

    @component.output_types(embedding=list[float])
    async def run_async(self, text: str) -> dict[str, Any]:
        return {"embedding": await self._embedder.aquery(_is_text(text))}


def _is_text(text: Any) -> str:
    if not isinstance(text, str):
        raise TypeError(f"text: expected a str, got {type(text).__name__}")
    return text


@component
class SutraDocumentEmbedder:
    """Documents -> copies with vectors, with the model's prompt for documents.

    meta_fields_to_embed  go before the text, with embedding_separator between
    """

    def __init__(self, model: str, *, normalize_embeddings: bool = False, truncation: str = "model",
                 meta_fields_to_embed: list[str] | None = None, embedding_separator: str = "\n",
                 model_options: dict[str, Any] | None = None) -> None:
        self.model, self.model_options = model, model_options
        self.normalize_embeddings, self.truncation = normalize_embeddings, truncation
        self.meta_fields_to_embed, self.embedding_separator = meta_fields_to_embed or [], embedding_separator
        self._embedder = Embedder(model, model_options, normalize_embeddings=normalize_embeddings, truncation=truncation)

    def to_dict(self) -> dict[str, Any]:
        return default_to_dict(self, model=self.model, normalize_embeddings=self.normalize_embeddings,
                               truncation=self.truncation, meta_fields_to_embed=self.meta_fields_to_embed,
                               embedding_separator=self.embedding_separator, model_options=self.model_options)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> SutraDocumentEmbedder:
        return default_from_dict(cls, data)

    def warm_up(self) -> None:
        self._embedder.model

    def _texts(self, documents: Any) -> list[str]:
        return _texts(_checked(documents), self.meta_fields_to_embed, self.embedding_separator)

    @component.output_types(documents=list[Document])
    def run(self, documents: list[Document]) -> dict[str, Any]:
        rows = self._embedder.documents(self._texts(documents))
        return {"documents": [replace(document, embedding=row) for document, row in zip(documents, rows)]}

    @component.output_types(documents=list[Document])
    async def run_async(self, documents: list[Document]) -> dict[str, Any]:
        rows = await self._embedder.adocuments(self._texts(documents))
        return {"documents": [replace(document, embedding=row) for document, row in zip(documents, rows)]}


@component
class SutraRanker:
    """Documents by a reranker's scores for the query, the best first.

    top_k       of the documents; None: all
    raw_scores  logits
    """

    def __init__(self, model: str, *, top_k: int | None = 10, raw_scores: bool = False,
                 meta_fields_to_embed: list[str] | None = None, embedding_separator: str = "\n",
                 model_options: dict[str, Any] | None = None) -> None:
        self.model, self.top_k, self.raw_scores, self.model_options = model, top_k, raw_scores, model_options
        self.meta_fields_to_embed, self.embedding_separator = meta_fields_to_embed or [], embedding_separator
        _check_top_k(top_k)
        self._embedder = Embedder(model, model_options)

    def to_dict(self) -> dict[str, Any]:
        return default_to_dict(self, model=self.model, top_k=self.top_k, raw_scores=self.raw_scores,
                               meta_fields_to_embed=self.meta_fields_to_embed,
                               embedding_separator=self.embedding_separator, model_options=self.model_options)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> SutraRanker:
        return default_from_dict(cls, data)

    def warm_up(self) -> None:
        self._embedder.model

    @component.output_types(documents=list[Document])
    def run(self, query: str, documents: list[Document], top_k: int | None = None) -> dict[str, Any]:
        _check_top_k(top_k)
        texts = _texts(_checked(documents), self.meta_fields_to_embed, self.embedding_separator)
        ranked = self._embedder.model.rank(_is_text(query), texts, self.top_k if top_k is None else top_k,
                                           raw_scores=self.raw_scores)
        return {"documents": [replace(documents[row["corpus_id"]], score=row["score"]) for row in ranked]}


def _check_top_k(top_k: int | None) -> None:
    if top_k is not None and top_k < 1:
        raise ValueError(f"top_k must be a positive integer, got {top_k}")
