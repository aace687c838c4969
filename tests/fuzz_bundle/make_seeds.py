#!/usr/bin/env python3
"""Writes the seeds of fuzz_container and fuzz_bundle; their sources say what the bytes mean.

usage: make_seeds.py FOLDER    writes FOLDER/<target>/<seed>
"""

import struct
import sys
from pathlib import Path

SECTIONS = 9  # of the tiny model's bundle
PAGE, UNIT, LARGE = 4096, 64, 65536


def container(*sections):
    """Without digests: the target puts them in."""
    table, data = b"", b""
    start = 64 + 64 * len(sections)
    for name, content in sections:
        unit = PAGE if len(content) >= LARGE else UNIT
        data += b"\0" * (-(start + len(data)) % unit)
        table += struct.pack("<32sQQ16x", name, start + len(data), len(content))
        data += content
    return struct.pack("<8sIIQ40x", b"\x89SUTRA\r\n", 1, len(sections), start + len(data)) + table + data


def change(section, kind, place, value):
    return struct.pack("<BBHI", section, kind, place, value & 0xffffffff)


def main(folder):
    seeds = {
        "fuzz_container": {
            "one": container((b"a", b"x")),
            "three": container((b"model.spec", b"0123"), (b"model.facts", b""), (b"tensor.0", bytes(range(130)))),
            "empty": container((b"a-b_c.9", b"")),
            "twice": container((b"a", b"x"), (b"a", b"y")),
            "newer": container((b"a", b"x")).replace(b"\n\1", b"\n\2", 1),
        },
        "fuzz_bundle": {"unchanged": b""},
    }
    for section in range(SECTIONS):
        edits = seeds["fuzz_bundle"]
        edits[f"byte{section}"] = change(section, 0, 8, 255)
        edits[f"number{section}"] = change(section, 1, 4, -1) + change(section, 5, 16, 1)
        edits[f"cut{section}"] = change(section, 3, 40, 0)
        edits[f"grow{section}"] = change(section, 4, 64, 1)
        edits[f"end{section}"] = change(section, 2, 0, 1 << 20)
    for target, files in seeds.items():
        (folder / target).mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            (folder / target / name).write_bytes(data)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
