"""What users give -> SutraInput, without copies of texts."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Sequence

import numpy as np

from ._native import ffi, lib

NULL = ffi.NULL


class Texts:
    """Inputs [n] that point into strings; keep: what else they point into."""

    __slots__ = ("inputs", "n", "num_bytes", "strings", "prompt_name", "keep")

    def __init__(self, strings: tuple[str, ...], prompt_name: Any = NULL, keep: Any = None) -> None:
        n = len(strings)
        self.n = n
        self.inputs = ffi.new("SutraInput[]", n)
        self.strings, self.prompt_name, self.keep = strings, prompt_name, keep
        num_bytes = ffi.new("uint64_t *")
        valid = lib.glue_texts(id(strings), self.inputs, n, prompt_name, num_bytes)
        if valid != n:
            raise bad_text(strings[valid], f"item {valid}: ")
        self.num_bytes = num_bytes[0]


def one_of(table: Any, given: Any, what: str) -> Any:
    try:
        return table[given]
    except (KeyError, TypeError):
        names = ", ".join(repr(name) for name in table if name is not None)
        raise ValueError(f"{what} {given!r} is not known, must be one of {names}") from None


def bad_text(item: Any, where: str) -> Exception:
    if not isinstance(item, str):
        return TypeError(f"{where}expected a str, got {type(item).__name__}")
    for place, character in enumerate(item):
        if "\ud800" <= character <= "\udfff":
            return UnicodeEncodeError("utf-8", item, place, place + 1, f"{where}surrogates not allowed")
    return MemoryError("out of memory")


def as_strings(given: Any, what: str) -> tuple[tuple[Any, ...], bool]:
    """(items, whether one str was given). A sequence is anything with a length and an order."""
    if isinstance(given, str):
        return (given,), True
    if isinstance(given, (list, tuple)):
        return tuple(given), False
    if isinstance(given, np.ndarray):
        if given.ndim != 1:
            raise TypeError(f"{what}: expected an array with one dimension, got {given.ndim}")
        return tuple(given.tolist()), False
    is_sequence = hasattr(given, "__len__") and hasattr(given, "__getitem__")
    if not is_sequence or isinstance(given, (bytes, bytearray, memoryview, Mapping)):
        has_items = hasattr(given, "__iter__") and not isinstance(given, (bytes, bytearray, memoryview, Mapping))
        hint = "; make it a list" if has_items else ""
        raise TypeError(f"{what}: expected a str or a list of str, got {type(given).__name__}{hint}")
    return tuple(given), False


def as_pairs(given: Any, what: str) -> tuple[Sequence[Any], bool]:
    """(pairs, whether one pair was given)."""
    if isinstance(given, np.ndarray):
        given = given.tolist()
    if isinstance(given, str) or not (hasattr(given, "__len__") and hasattr(given, "__getitem__")):
        raise TypeError(f"{what}: expected a pair or a list of pairs of str, got {type(given).__name__}")
    if len(given) == 2 and all(isinstance(text, str) for text in given):
        return [given], True
    for i, pair in enumerate(given):
        if isinstance(pair, str) or not hasattr(pair, "__len__") or len(pair) != 2:
            raise TypeError(f"item {i}: expected a pair of str, got {type(pair).__name__}")
    return given, False


def pair_texts(pairs: Sequence[Any], prompt_name: Any, prefix: str) -> Texts:
    """The first texts, each with its second one."""
    firsts = Texts(tuple(prefix + pair[0] if prefix else pair[0] for pair in pairs), prompt_name)
    seconds = Texts(tuple(pair[1] for pair in pairs))
    for i in range(firsts.n):
        firsts.inputs[i].pair = seconds.inputs[i].text
        firsts.inputs[i].pair_size = seconds.inputs[i].text_size
    firsts.num_bytes += seconds.num_bytes
    firsts.keep = seconds
    return firsts
