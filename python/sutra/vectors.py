"""Vectors as arrays: their types, similarity, quantisation, torch."""
from __future__ import annotations

from typing import Any

import numpy as np

from ._native import ffi, lib
from .exceptions import fail
from .runtime import logger

# precision of encode(): the library's type, the element in numpy, elements of the model a byte of it
TYPES: dict[str | None, tuple[int, np.dtype[Any], int]] = {
    None: (lib.SUTRA_F32, np.dtype(np.float32), 1),
    "float32": (lib.SUTRA_F32, np.dtype(np.float32), 1),
    "float16": (lib.SUTRA_F16, np.dtype(np.float16), 1),
    "int8": (lib.SUTRA_I8, np.dtype(np.int8), 1),
    "uint8": (lib.SUTRA_U8, np.dtype(np.uint8), 1),
    "binary": (lib.SUTRA_BINARY, np.dtype(np.int8), 8),
    "ubinary": (lib.SUTRA_UBINARY, np.dtype(np.uint8), 8),
}
FUNCTIONS = ("cosine", "dot", "euclidean", "manhattan")


def torch_module() -> Any:
    try:
        import torch
    except ImportError:
        raise ImportError("convert_to_tensor and convert_to_numpy=False need torch, which is not installed") from None
    return torch


def to_tensor(rows: Any) -> Any:
    return torch_module().from_numpy(rows)


def with_ranges(options: Any, ranges: Any, dim: int) -> tuple[Any, Any]:
    """(a copy of options with them, what it borrows)."""
    array = np.ascontiguousarray(ranges, np.float32)
    if array.shape != (2, dim):
        raise ValueError(f"ranges: expected the shape (2, {dim}), got {array.shape}")
    copy = ffi.new("SutraEmbedOptions *", options[0])
    copy.ranges = ffi.from_buffer("float[]", array)
    return copy, (array, options)


def check_function(name: str) -> None:
    if name not in FUNCTIONS:
        raise ValueError(f"similarity_fn_name {name!r} is not known, must be one of {', '.join(FUNCTIONS)}")


def _matrix(given: Any) -> np.ndarray:
    array = np.asarray(given)
    if array.ndim == 1:
        array = array[None]
    if array.ndim != 2:
        raise ValueError(f"expected vectors in one or two dimensions, got {array.ndim}")
    return np.ascontiguousarray(array)


def similarity(a: Any, b: Any, function: str = "cosine") -> np.ndarray:
    """[na, nb]: of each row of a with each row of b, as float32; distances are negative, so that more is more alike."""
    check_function(function)
    a, b = _matrix(a), _matrix(b)
    if a.shape[1] != b.shape[1]:
        raise ValueError(f"vectors of {a.shape[1]} and of {b.shape[1]} elements")
    if function == "cosine":
        return _cosine(a, b)
    x, y = a.astype(np.float32), b.astype(np.float32)
    if function == "dot":
        return np.asarray(x @ y.T)
    order = 2 if function == "euclidean" else 1
    return -np.stack([np.linalg.norm(row - y, order, axis=1) for row in x]).astype(np.float32)


def similarity_pairwise(a: Any, b: Any, function: str = "cosine") -> np.ndarray:
    """[n]: similarity() of each row of a with the row of b at its place."""
    check_function(function)
    x, y = _matrix(a).astype(np.float32), _matrix(b).astype(np.float32)
    if x.shape != y.shape:
        raise ValueError(f"pairs of vectors: shapes {x.shape} and {y.shape}")
    if function in ("euclidean", "manhattan"):
        return np.asarray(-np.linalg.norm(x - y, 2 if function == "euclidean" else 1, axis=1))
    dots = np.einsum("ij,ij->i", x, y)
    if function == "dot":
        return np.asarray(dots)
    lengths = np.linalg.norm(x, axis=1) * np.linalg.norm(y, axis=1)
    return np.asarray(np.divide(dots, lengths, out=np.zeros_like(dots), where=lengths > 0))


def _cosine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    codes = {np.dtype(np.float16): lib.SUTRA_F16, np.dtype(np.int8): lib.SUTRA_I8}
    code = codes.get(a.dtype, lib.SUTRA_F32) if a.dtype == b.dtype else lib.SUTRA_F32
    if code == lib.SUTRA_F32:
        a, b = a.astype(np.float32, copy=False), b.astype(np.float32, copy=False)
    out = np.empty((len(a), len(b)), np.float32)
    if not out.size:
        return out
    err = ffi.new("SutraError *")
    status = lib.sutra_similarity(code, a.shape[1], ffi.from_buffer(a), len(a), ffi.from_buffer(b), len(b),
                                  ffi.from_buffer("float[]", out), err)
    if status:
        fail(status, err)
    return out


def find_ranges(embeddings: Any) -> np.ndarray:
    """ranges [2, dim] for encode() and quantize_embeddings(): least and greatest value of each element."""
    rows = np.ascontiguousarray(embeddings, np.float32)
    if rows.ndim != 2 or not rows.size:
        raise ValueError(f"embeddings: expected the shape (n, dim), got {rows.shape}")
    ranges, err = np.empty((2, rows.shape[1]), np.float32), ffi.new("SutraError *")
    status = lib.sutra_ranges(ffi.from_buffer("float[]", rows), len(rows), rows.shape[1],
                              ffi.from_buffer("float[]", ranges), err)
    if status:
        fail(status, err)
    return ranges


def quantize_embeddings(embeddings: Any, precision: str, ranges: Any = None,
                        calibration_embeddings: Any = None) -> np.ndarray:
    """Float vectors as another type, as sentence-transformers' function of this name."""
    if precision is None or precision not in TYPES:
        raise ValueError(f"Precision {precision!r} is not supported")
    _, element, per_byte = TYPES[precision]
    rows = np.asarray(embeddings)
    if rows.dtype.kind != "f":
        raise TypeError(f"embeddings: expected floats, got {rows.dtype}")
    if per_byte == 8:
        packed = np.packbits(rows > 0, axis=-1)
        return packed if precision == "ubinary" else (packed ^ 0x80).view(np.int8)
    if element.kind == "f":
        return np.asarray(rows, element)
    if ranges is None:
        if calibration_embeddings is None and (rows.ndim == 1 or len(rows) < 2):
            raise ValueError(f"{precision} of a single embedding needs ranges or calibration_embeddings")
        given = rows if calibration_embeddings is None else calibration_embeddings
        if len(given) < 100:
            logger.warning("%s ranges of %d embeddings only", precision, len(given))
        ranges = find_ranges(given)
    low, high = np.asarray(ranges, np.float32)
    steps = (high - low) / 255
    codes = np.clip(np.floor((rows - low) / np.where(steps == 0, 1, steps)), 0, 255)
    return np.asarray(codes if precision == "uint8" else codes - 128, element)
