"""Ray Data: `embed(dataset, model)`, and `Embedder` for Dataset.map_batches; needs ray[data]."""
from __future__ import annotations

import os
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import ray
from ray.data import ActorPoolStrategy, Dataset

from .columns import Vectors, check_names, check_texts, name_row
from .model import Model, Precision, Truncation

BATCH_SIZE = 4096


class Embedder:
    """An actor that opens a model once and adds a column of vectors to batches, which are pyarrow tables (the column is
    then FixedSizeList, its memory the engine's output) or dicts of numpy arrays.

        dataset.map_batches(Embedder, fn_constructor_args=["all-MiniLM-L6-v2"], batch_format="pyarrow",
                            batch_size=4096, num_cpus=8, compute=ray.data.ActorPoolStrategy(size=2))

    model          what a Model is opened by, on the actor's node, with model_options as Model has them
    vector_column  `dimension` floats (float32, float16), codes (int8, uint8), or packed bits as bytes
    prompt_name    the model's prompt for documents where it has one
    num_threads    None: the actor's num_cpus; 0: every core

    A text that is null, no string or refused by the model ends the job with an exception that says which row it is, by
    its place in the batch and by the row's other columns of strings and integers.
    """

    def __init__(
        self,
        model: str | os.PathLike[str],
        text_column: str = "text",
        vector_column: str = "vector",
        *,
        prompt_name: str | None = None,
        precision: Precision = "float32",
        normalize_embeddings: bool = False,
        truncate_dim: int | None = None,
        truncation: Truncation = "model",
        device: str | None = None,
        num_threads: int | None = None,
        model_options: dict[str, Any] | None = None,
    ) -> None:
        if vector_column == text_column:
            raise ValueError(f"vector_column {vector_column!r} is the text_column")
        threads = _assigned_cpus() if num_threads is None else num_threads
        self.model = Model(model, device=device, num_threads=threads, **(model_options or {}))
        self.vector_column = vector_column
        self._vectors = Vectors(self.model, text_column, prompt_name=prompt_name, precision=precision,
                                normalize_embeddings=normalize_embeddings, truncate_dim=truncate_dim, truncation=truncation)

    def __call__(self, batch: Any) -> Any:
        text_column = self._vectors.text_column
        if isinstance(batch, pa.Table):
            names = batch.column_names
        elif isinstance(batch, dict):
            names = list(batch)
        else:
            raise TypeError(f"Embedder: a batch is a {type(batch).__name__}; give map_batches batch_format=\"pyarrow\" or \"numpy\"")
        check_names(names, [text_column], "Embedder")
        if self.vector_column in names:
            raise ValueError(f"Embedder: there is a column {self.vector_column!r} already")
        if isinstance(batch, dict):
            rows = self._vectors.rows(np.asarray(batch[text_column]), lambda row: name_row(batch, text_column, row))
            return {**batch, self.vector_column: rows}
        check_texts(batch.schema.field(text_column).type, text_column, "Embedder")
        rows = self._vectors.rows(batch[text_column], lambda row: name_row(batch, text_column, row))
        field = pa.field(self.vector_column, self._vectors.type, nullable=False)
        return batch.append_column(field, self._vectors.column(rows))


def embed(
    dataset: Dataset,
    model: str | os.PathLike[str],
    text_column: str = "text",
    vector_column: str = "vector",
    *,
    batch_size: int = BATCH_SIZE,
    concurrency: int | None = None,
    num_cpus: float | None = None,
    num_threads: int | None = None,
    batch_format: Literal["pyarrow", "numpy"] = "pyarrow",
    map_options: dict[str, Any] | None = None,
    **options: Any,
) -> Dataset:
    """The dataset with a column of vectors; lazy, as map_batches is. Its blocks become of batch_size rows, so that each
    is work for any actor, whatever files they came from.

    concurrency  actors; None: one for each node that has as many processors as the smallest, more for larger ones
    num_cpus     of an actor; None: those of the smallest node but one, which is for what reads and writes
    num_threads  of an actor; None: with num_cpus None every processor of the smallest node, else num_cpus
    batch_format "pyarrow": the column is FixedSizeList; "numpy": a tensor of Ray's, which numpy has as [rows, dimension]
    map_options  more of map_batches': num_gpus, resources, …
    options      as Embedder's
    """
    if isinstance(model, Model):
        raise TypeError("sutra.ray.embed: give the model's name or path: each actor opens its own")
    if num_cpus is None or concurrency is None:
        cpus = [int(node["Resources"].get("CPU", 0)) for node in ray.nodes() if node["Alive"]]
        cpus = [count for count in cpus if count] or [1]
        share = min(cpus) if num_cpus is None else num_cpus
        concurrency = concurrency or sum(int(count / share) if share else 1 for count in cpus) or 1
        if num_cpus is None:
            num_cpus, num_threads = min(cpus) - 1, min(cpus) if num_threads is None else num_threads
    arguments = {**options, "text_column": text_column, "vector_column": vector_column, "num_threads": num_threads}
    return dataset.repartition(target_num_rows_per_block=batch_size).map_batches(
        Embedder, fn_constructor_args=[os.fspath(model)], fn_constructor_kwargs=arguments, batch_format=batch_format,
        batch_size=batch_size, num_cpus=num_cpus, compute=ActorPoolStrategy(size=concurrency),
        udf_modifying_row_count=False, **(map_options or {}))


def _assigned_cpus() -> int:
    """num_cpus of this actor, at least one; 0 outside Ray's workers."""
    context = ray.get_runtime_context() if ray.is_initialized() else None
    if context is None or context.get_actor_id() is None:
        return 0
    return max(1, int(context.get_assigned_resources().get("CPU", 1)))
