"""Exact search: the rows of a collection that are most similar to queries, every row being compared.

Queries, documents and candidates are read where they lie, which may be a mapped file, and nothing holds the GIL
meanwhile; rows of floats, codes and bits are those of encode().
"""
from __future__ import annotations

import os
import weakref
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from ._native import ffi, lib
from .exceptions import fail
from .inputs import one_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

METRICS = {"cosine": lib.SUTRA_METRIC_COSINE, "dot": lib.SUTRA_METRIC_DOT, "hamming": lib.SUTRA_METRIC_HAMMING}
ELEMENTS = {np.dtype(np.float32): lib.SUTRA_F32, np.dtype(np.float16): lib.SUTRA_F16,
            np.dtype(np.int8): lib.SUTRA_I8, np.dtype(np.uint8): lib.SUTRA_U8}
BITS = {np.dtype(np.int8): lib.SUTRA_BINARY, np.dtype(np.uint8): lib.SUTRA_UBINARY}

Metric = Literal["cosine", "dot", "hamming"]


class Hits(NamedTuple):
    """What was found: [queries, k] each, of a single query [k]; best first.

    indices  of documents; -1 beyond what there is
    scores   more is better; -inf beyond what there is
    """

    indices: NDArray[np.int64]
    scores: NDArray[np.float32]


class Search:
    """Threads and memory of searches; any thread may call, one call is at work at a time.

    num_threads  0: every core this process may run on
    """

    def __init__(self, num_threads: int = 0) -> None:
        self.num_threads = num_threads
        self._handle: Any = self._create()
        _searches.add(self)

    def _create(self) -> Any:
        options, made, err = ffi.new("SutraSearchOptions *"), ffi.new("SutraSearch **"), ffi.new("SutraError *")
        options.struct_size = ffi.sizeof("SutraSearchOptions")
        options.num_threads = self.num_threads
        status = lib.sutra_search_create(options, made, err)
        if status:
            fail(status, err)
        return ffi.gc(made[0], lib.sutra_search_free)

    def _after_fork(self) -> None:
        """The threads are not in the child: what was theirs is left alone."""
        ffi.gc(self._handle, None)
        self._handle = None

    def __reduce__(self) -> Any:
        return (Search, (self.num_threads,))

    def top_k(self, queries: Any, documents: Any, k: int = 10, metric: Metric = "cosine", *,
              dim: int | None = None) -> Hits:
        """The k best documents of each query; of equal ones the first.

        documents  [n, dim] of float32, float16, int8 or uint8; with dim= bits, as "binary" and "ubinary" of encode(),
                   [n, ceil(dim / 8)] of int8 or uint8. Rows must lie one after another
        queries    of the same type, or float32 where documents are no bits; [m, dim], or [dim] for one query
        metric     cosine, dot, or of bits hamming: less the number of bits that differ
        """
        return self._run(queries, documents, None, k, metric, dim)

    def rescore(self, queries: Any, documents: Any, candidates: Any, k: int = 10, metric: Metric = "cosine", *,
                dim: int | None = None) -> Hits:
        """top_k() among some documents of each query: candidates [m, any] are their indices, as top_k returns them;
        -1 stands for none."""
        return self._run(queries, documents, candidates, k, metric, dim)

    def _run(self, queries: Any, documents: Any, candidates: Any, k: int, metric: str, dim: int | None) -> Hits:
        code = one_of(METRICS, metric, "metric")
        if isinstance(k, bool) or not isinstance(k, (int, np.integer)):
            raise TypeError(f"k: expected an int, got {type(k).__name__}")
        if k < 1:
            raise ValueError(f"k must be a positive integer, got {k}")
        queries, is_one = _as_queries(queries)
        wanted, rows = _rows(queries, dim, "queries"), _rows(documents, dim, "documents")
        shape = (len(queries), int(k))
        hits = Hits(np.empty(shape, np.int64), np.empty(shape, np.float32))
        out = _addresses(hits.indices), ffi.from_buffer("float[]", hits.scores)
        err = ffi.new("SutraError *")
        if self._handle is None:
            self._handle = self._create()
        if candidates is None:
            status = lib.sutra_search_run(self._handle, code, wanted, rows, k, *out, err)
        else:
            numbers = _as_candidates(candidates, len(queries))
            status = lib.sutra_search_rescore(self._handle, code, wanted, rows, _addresses(numbers), numbers.shape[1], k,
                                              *out, err)
        if status:
            fail(status, err)
        return Hits(hits.indices[0], hits.scores[0]) if is_one else hits


_searches: weakref.WeakSet[Search] = weakref.WeakSet()


def _forget_threads() -> None:
    for search in list(_searches):
        search._after_fork()


os.register_at_fork(after_in_child=_forget_threads)


def _addresses(numbers: NDArray[np.int64]) -> Any:
    """-1 is SIZE_MAX."""
    return ffi.from_buffer("size_t[]", numbers)


def _as_queries(given: Any) -> tuple[NDArray[Any], bool]:
    array = np.asarray(given)
    is_one = array.ndim == 1
    return np.ascontiguousarray(array[None] if is_one else array), is_one


def _as_candidates(given: Any, num_queries: int) -> NDArray[np.int64]:
    array = np.asarray(given)
    if array.dtype.kind not in "iu" and array.size:
        raise TypeError(f"candidates: expected indices, got {array.dtype}")
    if array.ndim == 1 and num_queries == 1:
        array = array[None]
    if array.ndim != 2 or len(array) != num_queries:
        raise ValueError(f"candidates: expected the shape ({num_queries}, any), got {array.shape}")
    return np.ascontiguousarray(array, np.int64)


def _rows(array: Any, dim: int | None, what: str) -> Any:
    """SutraRows that borrow the array, which the caller holds."""
    if not isinstance(array, np.ndarray):
        raise TypeError(f"{what}: expected an array, got {type(array).__name__}")
    codes, names = (ELEMENTS, "float32, float16, int8 or uint8") if dim is None else (BITS, "int8 or uint8, as dim is given")
    if array.dtype not in codes:
        raise TypeError(f"{what}: expected {names}, got {array.dtype}")
    if array.ndim != 2:
        raise ValueError(f"{what}: expected two dimensions, got {array.ndim}")
    if not array.flags.c_contiguous:
        raise ValueError(f"{what}: rows must lie one after another; numpy.ascontiguousarray copies them so")
    if dim is not None and (dim < 1 or array.shape[1] != (dim + 7) // 8):
        raise ValueError(f"{what}: {array.shape[1]} bytes a row are not those of {dim} bits")
    rows = ffi.new("SutraRows *")
    rows.data, rows.count, rows.dtype = ffi.from_buffer(array), len(array), codes[array.dtype]
    rows.dim = array.shape[1] if dim is None else dim
    return rows

