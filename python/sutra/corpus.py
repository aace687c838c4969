"""Whole files of texts, as files of vectors; needs pyarrow."""
from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Any, Callable, Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from .columns import Vectors, check_names, check_texts
from .model import Model, Precision, Truncation


def embed_parquet(
    input: str | os.PathLike[str],
    output: str | os.PathLike[str],
    model: str | os.PathLike[str] | Model,
    text_column: str = "text",
    id_columns: Sequence[str] = (),
    *,
    vector_column: str = "vector",
    prompt_name: str | None = None,
    precision: Precision = "float32",
    normalize_embeddings: bool = False,
    truncate_dim: int | None = None,
    truncation: Truncation = "model",
    rows_at_once: int = 8192,
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Writes a Parquet file with the vectors of another one's texts, in its order; returns the number of rows.

    model           a Model, or what one is opened by
    id_columns      are copied, in this order; the text too where it is among them
    vector_column   FixedSizeList of `dimension` floats (float32, float16), codes (int8, uint8), or packed bits as bytes
    prompt_name     the model's prompt for documents where it has one
    rows_at_once    rows that are in memory, which become a row group
    progress        is called with the rows that are done and all rows

    What follows encode() is as there. A text that is null, or that the model refuses, ends it with an exception that
    names the row. The file appears when it is whole; its metadata name model, dimension, prompt and precision.
    """
    if rows_at_once < 1:
        raise ValueError(f"rows_at_once must be a positive integer, got {rows_at_once}")
    columns = list(id_columns) if not isinstance(id_columns, str) else [id_columns]
    if vector_column in columns:
        raise ValueError(f"vector_column {vector_column!r} is one of the id_columns")
    with pq.ParquetFile(input, pre_buffer=False, buffer_size=1 << 16) as source:
        check_names(source.schema_arrow.names, [text_column, *columns], os.fspath(input))
        check_texts(source.schema_arrow.field(text_column).type, text_column, os.fspath(input))
        opened = model if isinstance(model, Model) else Model(model)
        try:
            vectors = Vectors(opened, text_column, prompt_name=prompt_name, precision=precision,
                              normalize_embeddings=normalize_embeddings, truncate_dim=truncate_dim, truncation=truncation)
            fields = [source.schema_arrow.field(name) for name in columns]
            fields.append(pa.field(vector_column, vectors.type, nullable=False))
            schema = pa.schema(fields, metadata=vectors.recipe())
            with _whole_file(Path(output)) as unfinished, pq.ParquetWriter(
                    unfinished, schema, compression="zstd", use_dictionary=columns) as sink:
                return _copy(source, sink, schema, vectors, columns, rows_at_once, progress, os.fspath(input))
        finally:
            if opened is not model:
                opened.close()


def _copy(source: Any, sink: Any, schema: Any, vectors: Vectors, columns: list[str], rows_at_once: int,
          progress: Callable[[int, int], None] | None, where: str) -> int:
    done, total = 0, source.metadata.num_rows
    wanted = list(dict.fromkeys([*columns, vectors.text_column]))
    for batch in source.iter_batches(rows_at_once, columns=wanted):
        made = vectors.column(vectors.rows(
            batch.column(vectors.text_column), lambda row: f"{where}: row {done + row}", done))
        sink.write_batch(pa.record_batch([*(batch.column(name) for name in columns), made], schema=schema),
                         row_group_size=rows_at_once)
        done += batch.num_rows
        if progress:
            progress(done, total)
    return done


class _whole_file:
    """A path beside the wanted one, which takes its place when all went well and is removed otherwise."""

    def __init__(self, path: Path) -> None:
        self.path, self.unfinished = path, path.with_name(f".{path.name}.{secrets.token_hex(4)}")

    def __enter__(self) -> Path:
        return self.unfinished

    def __exit__(self, kind: Any, *_: object) -> None:
        if kind is None:
            os.replace(self.unfinished, self.path)
        else:
            self.unfinished.unlink(missing_ok=True)
