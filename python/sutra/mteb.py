"""MTEB: `SutraModel`, for mteb.evaluate; needs mteb, whose data loaders need torch."""
from __future__ import annotations

import os
from typing import Any

import numpy as np
from mteb.models.abs_encoder import get_prompt_name
from mteb.models.model_meta import ModelMeta, ScoringFunction
from mteb.types import PromptType

from .model import Model
from .vectors import to_tensor


class SutraModel:
    """An encoder as mteb has it: `mteb.evaluate(SutraModel("all-MiniLM-L6-v2"), tasks)`.

    The prompt is the one that mteb finds for the task among the model's; else queries get its prompt for queries and
    documents that for documents. model_options as Model has them.
    """

    def __init__(self, model_name: str | os.PathLike[str] | Model, revision: str | None = None, *,
                 device: str | None = None, **model_options: Any) -> None:
        self.model = model_name if isinstance(model_name, Model) else Model(
            model_name, revision=revision, device=device, **model_options)
        name = self.model.name
        self.mteb_model_meta = ModelMeta.create_empty({
            "loader": SutraModel, "name": name if "/" in name else f"sutra/{name}", "revision": revision,
            "max_tokens": self.model.max_seq_length, "embed_dim": self.model.dimension,
            "similarity_fn_name": ScoringFunction(self.model.similarity_fn_name)})

    def encode(self, inputs: Any, *, task_metadata: Any, hf_split: str, hf_subset: str,
               prompt_type: PromptType | None = None, **options: Any) -> np.ndarray:
        texts = [text for batch in inputs for text in batch["text"]]
        prompts = {name: text for name, text in self.model.prompts.items() if text}
        name = get_prompt_name(prompts, task_metadata, prompt_type)
        encode = {PromptType.query: self.model.encode_query, PromptType.document: self.model.encode_document}.get(
            prompt_type, self.model.encode)  # type: ignore[arg-type]
        return np.asarray(encode(texts, prompt_name=name, **options))

    def similarity(self, embeddings1: Any, embeddings2: Any) -> Any:
        """A tensor [n1, n2], as mteb's evaluators want it."""
        return to_tensor(self.model.similarity(embeddings1, embeddings2))

    def similarity_pairwise(self, embeddings1: Any, embeddings2: Any) -> Any:
        """A tensor [n]."""
        return to_tensor(self.model.similarity_pairwise(embeddings1, embeddings2))
