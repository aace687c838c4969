"""Spark: `embed(df, model)`, and `embedder` for DataFrame.mapInArrow, `udf` for a column; needs pyspark and pyarrow.

A Python worker of Spark opens a model once and keeps it for the partitions that come after (spark.python.worker.reuse),
with a thread for each of spark.task.cpus.
"""
from __future__ import annotations

import os
from typing import Any, Callable, Iterator, NamedTuple

import numpy as np
import pyarrow as pa
from pyspark import TaskContext
from pyspark.sql import DataFrame
from pyspark.sql.functions import pandas_udf
from pyspark.sql.types import ArrayType, BinaryType, ByteType, DataType, FloatType, StructField, StructType

from .columns import Vectors, check_names, check_texts, name_row
from .model import Model, Precision, Truncation

# int8 codes and the bits of "binary" are signed bytes, the others have no type of Spark's but that of bytes
_TYPES: dict[str, Callable[[], DataType]] = {
    "float32": lambda: ArrayType(FloatType(), False), "int8": lambda: ArrayType(ByteType(), False),
    "binary": lambda: ArrayType(ByteType(), False), "uint8": BinaryType, "ubinary": BinaryType}


class _Recipe(NamedTuple):
    model: str
    text_column: str
    vector_column: str
    prompt_name: str | None
    precision: Precision
    normalize_embeddings: bool
    truncate_dim: int | None
    truncation: Truncation
    device: str | None
    num_threads: int | None
    model_options: dict[str, Any]

    def vectors(self) -> Vectors:
        """By the model that this process has open."""
        context = TaskContext.get()
        threads = self.num_threads if self.num_threads is not None else context.cpus() if context else 0
        key = repr((self.model, self.device, threads, self.model_options))
        if key not in _models:
            _models[key] = Model(self.model, device=self.device, num_threads=threads, **self.model_options)
        return Vectors(_models[key], self.text_column, prompt_name=self.prompt_name, precision=self.precision,
                       normalize_embeddings=self.normalize_embeddings, truncate_dim=self.truncate_dim,
                       truncation=self.truncation)


_models: dict[str, Model] = {}


def vector_type(precision: Precision = "float32") -> DataType:
    """Spark's type of a vector."""
    if precision not in _TYPES:
        raise ValueError(f"precision {precision!r}: Spark has types for vectors of {', '.join(_TYPES)}")
    return _TYPES[precision]()


def embedder(
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
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """A function for mapInArrow that puts a column of vectors behind the others; embed() knows the schema.

    model        what a Model is opened by, on each node, with model_options as Model has them
    prompt_name  the model's prompt for documents where it has one
    precision    float32: array<float>; int8, binary: array<tinyint>; uint8, ubinary: binary
    num_threads  None: spark.task.cpus; 0: every core

    A text that is null, or that the model refuses, ends the job with an exception that says which row it is, by its place
    in the batch and by the row's other columns of strings and integers.
    """
    if isinstance(model, Model):
        raise TypeError("sutra.spark: give the model's name or path: each worker opens its own")
    if vector_column == text_column:
        raise ValueError(f"vector_column {vector_column!r} is the text_column")
    vector_type(precision)
    recipe = _Recipe(os.fspath(model), text_column, vector_column, prompt_name, precision, normalize_embeddings,
                     truncate_dim, truncation, device, num_threads, model_options or {})

    def add_vectors(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        vectors = recipe.vectors()
        for batch in batches:
            yield _with_vectors(batch, vectors, vector_column)

    return add_vectors


def embed(df: DataFrame, model: str | os.PathLike[str], text_column: str = "text", vector_column: str = "vector",
          **options: Any) -> DataFrame:
    """The DataFrame with a column of vectors; lazy. Options as embedder's."""
    check_names(df.columns, [text_column], "sutra.spark.embed")
    if vector_column in df.columns:
        raise ValueError(f"sutra.spark.embed: there is a column {vector_column!r} already")
    if df.schema[text_column].dataType.typeName() not in ("string", "varchar", "char"):
        raise TypeError(f"sutra.spark.embed: column {text_column!r} is of {df.schema[text_column].dataType.simpleString()}, "
                        "not of strings")
    added = embedder(model, text_column, vector_column, **options)
    field = StructField(vector_column, vector_type(options.get("precision", "float32")), nullable=False)
    return df.mapInArrow(added, StructType([*df.schema.fields, field]))


def udf(model: str | os.PathLike[str], **options: Any) -> Any:
    """A pandas_udf of a column of texts: df.withColumn("vector", udf("all-MiniLM-L6-v2")("text")). Options as embedder's."""
    import pandas

    add_vectors = embedder(model, **options)

    def vectors(series: Any) -> Any:
        batch = pa.record_batch({"text": pa.array(series, pa.string(), from_pandas=True)})
        made = next(add_vectors(iter([batch]))).column("vector")
        return pandas.Series(made.to_numpy(zero_copy_only=False))

    vectors.__annotations__ = {"series": pandas.Series, "return": pandas.Series}
    return pandas_udf(vectors, vector_type(options.get("precision", "float32")))  # type: ignore[call-overload]


def _with_vectors(batch: pa.RecordBatch, vectors: Vectors, vector_column: str) -> pa.RecordBatch:
    check_names(batch.schema.names, [vectors.text_column], "sutra.spark")
    column = batch.column(vectors.text_column)
    check_texts(column.type, vectors.text_column, "sutra.spark")
    rows = vectors.rows(column, lambda row: name_row(batch, vectors.text_column, row))
    return pa.RecordBatch.from_arrays([*batch.columns, _list_column(rows)], [*batch.schema.names, vector_column])


def _list_column(rows: np.ndarray) -> pa.Array:
    """Spark reads no FixedSizeList."""
    offsets = pa.array(np.arange(len(rows) + 1, dtype=np.int32) * rows.shape[1])
    if rows.dtype == np.uint8:
        return pa.Array.from_buffers(pa.binary(), len(rows), [None, offsets.buffers()[1], pa.py_buffer(rows)])
    return pa.ListArray.from_arrays(offsets, pa.array(rows.reshape(-1)))
