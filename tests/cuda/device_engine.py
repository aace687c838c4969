"""Engines and models of libsutra for the checks of a device, by ctypes: rows come as bytes, failures as statuses."""

import ctypes as C
import sys
from pathlib import Path
from typing import NamedTuple, Optional

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "bench/peers"))
from sutra_ctypes import COMPUTES, EngineOptions, Error, Input, check, open_model  # noqa: E402

POOLED, TOKENS, SCORES = 0, 1, 3  # SutraOutput
F32, F16, I8, U8, BINARY, UBINARY = range(6)  # SutraDtype
DTYPES = {"float32": F32, "float16": F16, "int8": I8, "uint8": U8, "binary": BINARY, "ubinary": UBINARY}
NUMPY = {F32: np.float32, F16: np.float16, I8: np.int8, U8: np.uint8, BINARY: np.int8, UBINARY: np.uint8}
NORMALIZES = {"model": 0, "yes": 1, "no": 2}
POOLINGS = {"cls": 1, "mean": 2, "max": 3, "mean_sqrt": 4, "weighted_mean": 5, "last": 6}
OK, UNSUPPORTED, NUMERIC = 0, 5, 7  # SutraStatus
NO_LIMIT = 2 ** 32 - 1
LOG = C.CFUNCTYPE(None, C.c_void_p, C.c_int, C.c_char_p)


class EmbedOptions(C.Structure):
    _fields_ = [("struct_size", C.c_uint32), ("output", C.c_int), ("dtype", C.c_int), ("dim", C.c_uint32),
                ("max_tokens", C.c_uint32), ("normalize", C.c_uint8), ("truncation", C.c_uint8),
                ("when_full", C.c_uint8), ("priority", C.c_uint8), ("timeout_ns", C.c_uint64), ("pooling", C.c_int),
                ("ranges", C.c_void_p), ("window_overlap", C.c_uint32), ("aggregate", C.c_int),
                ("raw_scores", C.c_uint32), ("quick_done", C.c_uint32)]


class Item(C.Structure):
    _fields_ = [("status", C.c_int), ("tokens_seen", C.c_uint32), ("tokens_used", C.c_uint32), ("flags", C.c_uint32),
                ("times", C.c_uint64 * 3), ("windows", C.c_uint32), ("reserved32", C.c_uint32), ("reserved", C.c_uint64)]


class ResultView(C.Structure):
    _fields_ = [("struct_size", C.c_uint32), ("output", C.c_int), ("dtype", C.c_int), ("dim", C.c_uint32),
                ("num_items", C.c_size_t), ("row_bytes", C.c_size_t), ("data", C.c_void_p),
                ("offsets", C.POINTER(C.c_size_t)), ("indices", C.c_void_p), ("items", C.POINTER(Item))]


class ModelInfo(C.Structure):
    """The first fields; the rest is not read. texts: name, family, digest, pooling, revision."""
    _fields_ = [("struct_size", C.c_uint32), ("hidden_size", C.c_uint32), ("max_tokens", C.c_uint32),
                ("outputs", C.c_uint32), ("texts", C.c_char_p * 5), ("num_layers", C.c_uint32),
                ("num_heads", C.c_uint32), ("vocab_size", C.c_uint32), ("max_positions", C.c_uint32),
                ("normalize", C.c_uint32)]


class Source(NamedTuple):
    """One input: a text, a text and its pair, or token ids."""
    text: Optional[str] = None
    pair: Optional[str] = None
    ids: Optional[np.ndarray] = None  # int32
    prompt: Optional[str] = None  # None: the model's default, "": none


class Outcome(NamedTuple):
    """rows: [the rows of one input as an array [rows, elements of the type]]; statuses: [of one input]."""
    rows: list
    statuses: list
    message: str

    def bytes(self):
        return [rows.tobytes() for rows in self.rows]

    def matrix(self):
        """Of one row each: [n, elements], in double where they are floats."""
        stacked = np.concatenate(self.rows) if self.rows else np.zeros((0, 0))
        return stacked.astype(np.float64) if stacked.dtype.kind == "f" else stacked


class NoDevice(Exception):
    """Why there is no engine with that device, in one line."""


class Library:
    def __init__(self, path):
        try:
            self.lib = C.CDLL(str(path))
        except OSError as error:
            raise NoDevice(f"libsutra cannot be loaded: {error}") from error
        for name in ("sutra_model_free", "sutra_engine_free", "sutra_result_free"):
            getattr(self.lib, name).restype = None

    def model(self, folder, compute):
        return Model(self, folder, compute)


class Model:
    def __init__(self, library, folder, compute):
        self.lib, self.compute, self.error, self.kept = library.lib, compute, Error(), {}  # kept: by device_checks
        assert compute in COMPUTES
        self.handle = open_model(self.lib, str(folder), compute, self.error)
        self.info = ModelInfo(struct_size=C.sizeof(ModelInfo))
        check(self.lib.sutra_model_info(self.handle, C.byref(self.info), C.byref(self.error)), self.error)

    def longest(self):
        """Tokens of the longest input that is taken as it is."""
        return min(self.info.max_tokens, self.info.max_positions or NO_LIMIT, 2048)

    def close(self):
        self.lib.sutra_model_free(self.handle)
        self.handle = None


class Engine:
    """log: lines of warnings and errors that the engine gave."""

    def __init__(self, library, devices="cpu", plugins=None, threads=0, batch_tokens=0):
        self.lib, self.handle, self.log = library.lib, C.c_void_p(), []
        self.told = LOG(lambda _user, level, line: self.log.append(line.decode(errors="replace")) if level < 2 else None)
        options = EngineOptions(struct_size=C.sizeof(EngineOptions), num_threads=threads, devices=devices.encode(),
                                max_batch_tokens=batch_tokens, log=C.cast(self.told, C.c_void_p),
                                plugins=str(plugins).encode() if plugins else None, device_timeout_ms=120000)
        error = Error()
        if self.lib.sutra_engine_create(C.byref(options), C.byref(self.handle), C.byref(error)):
            raise NoDevice("; ".join([error.message.decode(errors="replace"), *self.log]))

    def close(self):
        self.lib.sutra_engine_free(self.handle)
        self.handle = None

    def embed(self, model, sources, output=POOLED, dtype=F32, dim=0, normalize=0, pooling=0, max_tokens=0, ranges=None,
              raw_scores=0):
        """Rows of those that failed are there too. Raises RuntimeError where the call failed as a whole."""
        inputs, borrowed = make_inputs(sources)
        options = EmbedOptions(struct_size=C.sizeof(EmbedOptions), output=output, dtype=dtype, dim=dim,
                               max_tokens=max_tokens, normalize=normalize, pooling=pooling, raw_scores=raw_scores,
                               ranges=ranges.ctypes.data if ranges is not None else None)
        result, error = C.c_void_p(), Error()
        status = self.lib.sutra_embed(self.handle, model.handle, inputs, C.c_size_t(len(inputs)), C.byref(options),
                                      C.byref(result), C.byref(error))
        del borrowed
        message = error.message.decode(errors="replace") if status else ""
        if not result:
            raise RuntimeError(message or f"status {status}")
        view = ResultView(struct_size=C.sizeof(ResultView))
        check(self.lib.sutra_result_view(result, C.byref(view), C.byref(error)), error)
        try:
            return Outcome(*read_view(view), message)
        finally:
            self.lib.sutra_result_free(result)


def make_inputs(sources):
    """The array of SutraInput, and what it borrows."""
    inputs, borrowed = (Input * len(sources))(), []
    for item, source in zip(inputs, sources):
        if source.ids is not None:
            ids = np.ascontiguousarray(source.ids, np.int32)
            borrowed.append(ids)
            item.token_ids, item.num_token_ids = ids.ctypes.data, len(ids)
        else:
            item.text = text = source.text.encode()
            item.text_size = len(text)
        if source.pair is not None:
            item.pair = source.pair.encode()
            item.pair_size = len(source.pair.encode())
        if source.prompt is not None:
            item.prompt_name = source.prompt.encode()
    return inputs, borrowed


def read_view(view):
    """[rows of an input], [status of an input]"""
    offsets = [view.offsets[i] for i in range(view.num_items + 1)] if view.offsets else list(range(view.num_items + 1))
    data = C.string_at(view.data, offsets[-1] * view.row_bytes) if offsets[-1] else b""
    table = np.frombuffer(data, NUMPY[view.dtype])
    table = table.reshape(offsets[-1], -1) if offsets[-1] else table.reshape(0, 1)
    rows = [table[offsets[i]:offsets[i + 1]] for i in range(view.num_items)]
    return rows, [view.items[i].status for i in range(view.num_items)]
