"""LlamaIndex: `SutraEmbedding`; needs llama-index-core."""
from __future__ import annotations

from typing import Any, Dict, List, Optional

from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.bridge.pydantic import Field, PrivateAttr

from .embedder import Embedder
from .model import Model


class SutraEmbedding(BaseEmbedding):
    """Queries get the model's prompt for queries, texts that for documents; the async methods hold no thread."""

    model_name: str = Field(description="A name, a repository of the hub, a folder, or a .sutra file.")
    embed_batch_size: int = Field(default=1024, gt=0, le=2048, description="Texts of a call of the engine.")
    precision: Optional[str] = Field(default=None, description="Of the arithmetic: fp32, bf16, fp16, int8.")
    device: Optional[str] = Field(default=None, description="Device, or several with commas between them.")
    num_threads: int = Field(default=0, ge=0, description="Threads of the engine; 0: every core.")
    truncate_dim: Optional[int] = Field(default=None, description="Elements of a vector.")
    normalize_embeddings: bool = Field(default=False, description="Makes vectors of length 1.")
    truncation: str = Field(default="model", description="Of texts that are too long, as encode has it.")
    prompts: Optional[Dict[str, str]] = Field(default=None, description="In place of the model's: query, document.")
    revision: Optional[str] = Field(default=None, description="Of a repository of the hub.")
    cache_folder: Optional[str] = Field(default=None, description="Where models are looked up.")
    local_files_only: bool = Field(default=False, description="Whether nothing may be downloaded.")

    _embedder: Embedder = PrivateAttr()

    def model_post_init(self, context: Any, /) -> None:
        super().model_post_init(context)
        named = ("precision", "device", "num_threads", "truncate_dim", "prompts", "revision", "cache_folder",
                 "local_files_only")
        self._embedder = Embedder(self.model_name, {name: getattr(self, name) for name in named},
                                  normalize_embeddings=self.normalize_embeddings, truncation=self.truncation)
        self._embedder.model

    @classmethod
    def class_name(cls) -> str:
        return "SutraEmbedding"

    @property
    def model(self) -> Model:
        return self._embedder.model

    def _get_query_embedding(self, query: str) -> List[float]:
        return self._embedder.query(query)

    async def _aget_query_embedding(self, query: str) -> List[float]:
        return await self._embedder.aquery(query)

    def _get_text_embedding(self, text: str) -> List[float]:
        return self._embedder.documents([text])[0]

    async def _aget_text_embedding(self, text: str) -> List[float]:
        return (await self._embedder.adocuments([text]))[0]

    def _get_text_embeddings(self, texts: List[str]) -> List[List[float]]:
        return self._embedder.documents(texts)

    async def _aget_text_embeddings(self, texts: List[str]) -> List[List[float]]:
        return await self._embedder.adocuments(texts)
