"""The texts of bench/cuda.py, by number, without an end: distinct ones. Those after the file's own have their number in
front."""

import functools
from pathlib import Path

SHORT_WORDS, QUERY_WORDS = 12, 7


@functools.lru_cache(maxsize=4)
def read_lines(path):
    """Distinct, not empty; lines end at \\n only."""
    return list(dict.fromkeys(line for line in Path(path).read_bytes().decode().split("\n") if line.strip()))


@functools.lru_cache(maxsize=4)
def windows(path, words):
    """Distinct texts of so many words, one after the other from the lines."""
    found = {}
    for line in read_lines(path):
        split = line.split()
        for i in range(0, len(split) - words + 1, words):
            found[" ".join(split[i:i + words])] = None
    return list(found)


class Texts:
    """kind: passages, short, query."""

    def __init__(self, path, kind):
        self.kind = kind
        self.own = read_lines(path) if kind == "passages" else windows(path, SHORT_WORDS if kind == "short" else QUERY_WORDS)
        if not self.own:
            raise ValueError(f"{path}: no text for \"{kind}\"")

    def at(self, number):
        text, again = self.own[number % len(self.own)], number // len(self.own)
        if not again:
            return text
        if self.kind == "passages":
            return f"{number} {text}"
        return f"{number} {text.split(' ', 1)[-1]}"  # as many words

    def range(self, begin, end):
        return [self.at(number) for number in range(begin, end)]
