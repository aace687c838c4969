"""Columns of texts -> columns of vectors; needs pyarrow."""
from __future__ import annotations

from typing import Any, Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .exceptions import SutraError
from .model import Model, Precision, Truncation


def check_names(names: list[str], wanted: list[str], where: str) -> None:
    """Each of the columns that are wanted is there, once."""
    for name in wanted:
        if names.count(name) != 1:
            raise ValueError(f"{where}: no column {name!r} among {names!r}" if name not in names
                             else f"{where}: several columns {name!r}")


def check_texts(kind: Any, text_column: str, where: str) -> None:
    """An Arrow type is of strings, as such or in a dictionary."""
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)):
        raise TypeError(f"{where}: column {text_column!r} is of {kind}, not of strings")


def name_row(batch: Any, text_column: str, row: int) -> str:
    """A row of a table, a record batch or a dict of arrays: its place, and what its columns of strings and integers say."""
    others = []
    for name in batch if isinstance(batch, dict) else batch.schema.names:
        if name != text_column:
            value = batch[name][row]
            value = value.as_py() if isinstance(value, pa.Scalar) else value
            if isinstance(value, (str, int, np.integer)):
                others.append(f"{name}={str(value)[:80]!r}")
    return f"row {row} of a batch ({', '.join(others)})" if others else f"row {row} of a batch"


class Vectors:
    """What an open model makes of columns of texts, as documents.

    dtype, length   of a vector: elements as they are stored, bits packed
    type            the Arrow type of a column of vectors
    """

    def __init__(self, model: Model, text_column: str, *, prompt_name: str | None = None,
                 precision: Precision = "float32", normalize_embeddings: bool = False, truncate_dim: int | None = None,
                 truncation: Truncation = "model") -> None:
        self.model, self.text_column = model, text_column
        self._options: dict[str, Any] = {
            "prompt_name": prompt_name or model.document_prompt_name, "precision": precision,
            "normalize_embeddings": normalize_embeddings, "truncate_dim": truncate_dim, "truncation": truncation}
        row = model.encode_document([""], **self._options)
        self.dtype, self.length = row.dtype, row.shape[1]
        self.type = pa.list_(pa.field("element", pa.from_numpy_dtype(self.dtype), nullable=False), self.length)

    def recipe(self) -> dict[str, str]:
        return {"sutra.model": self.model.name,
                "sutra.dimension": str(self._options["truncate_dim"] or self.model.dimension),
                "sutra.prompt_name": self._options["prompt_name"] or "",
                "sutra.precision": self._options["precision"] or "float32"}

    def rows(self, column: Any, name_row: Callable[[int], str], first: int = 0) -> np.ndarray:
        """[rows, length] of an Arrow column or a numpy array of texts.

        A text that is null, no string or refused by the model ends it with an exception that says name_row(its row in
        the column); the `item` of a SutraError counts from `first`.
        """
        texts = column.tolist() if isinstance(column, np.ndarray) else self._strings(column, name_row)
        if not texts:
            return np.empty((0, self.length), self.dtype)
        try:
            made: np.ndarray = self.model.encode_document(texts, **self._options)
        except TypeError:
            row = next((i for i, text in enumerate(texts) if not isinstance(text, str)), None)
            if row is None:
                raise
            raise TypeError(f"{name_row(row)}: {self.text_column}: expected a str, got {type(texts[row]).__name__}") from None
        except SutraError as error:
            if error.item is not None:
                error.args = (f"{name_row(error.item)}: {str(error).partition(': ')[2]}",)
                error.item += first
            raise
        return made

    def column(self, rows: np.ndarray) -> Any:
        """The same memory as FixedSizeList of `length` elements."""
        return pa.FixedSizeListArray.from_arrays(pa.array(rows.reshape(-1)), type=self.type)

    def _strings(self, column: Any, name_row: Callable[[int], str]) -> list[str]:
        if column.null_count:
            row = pc.index(column.is_null(), True).as_py()
            raise ValueError(f"{name_row(row)}: {self.text_column} is null")
        strings: list[str] = column.to_pylist()
        return strings
