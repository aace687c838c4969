#!/usr/bin/env python3
"""Checks that no line of cli/, include/, plugins/ and src/ has more than 100 characters, comments included.

usage: tools/check_width.py [--self-test]

clang-format does not break comments, so it does not see those. Generated tables are left out.
Prints one line a violation; exits 1 when there is any.
"""

import re
import subprocess
import sys
from pathlib import Path

WIDTH = 100
CHECKED = re.compile(r"^(cli|include|plugins|src)/.*(?<!_tables)\.(?:[ch]|cuh?)$")


def is_checked(path):
    return bool(CHECKED.match(path))


def too_wide(path, data):
    """data: bytes of UTF-8. Yields the violations."""
    for number, line in enumerate(data.decode("utf-8").split("\n"), 1):
        if len(line) > WIDTH:
            yield f"{path}:{number}: {len(line)} characters, more than {WIDTH}"


def self_test():
    comment = "/* " + "x" * 94 + " */"
    cases = [
        (comment, 0),
        (comment + ";", 1),
        ("ok\n * " + "y" * 98 + "\nok", 1),
        ("int a; /* " + "…" * 87 + " */", 0),  # 100 characters, 274 bytes
        ("int a; /* " + "…" * 88 + " */", 1),
    ]
    failed = [text for text, expected in cases if len(list(too_wide("x.c", text.encode()))) != expected]
    named = [("src/base/x.c", True), ("include/x.h", True), ("src/unicode/unicode_tables.c", False), ("plugins/x.cu", True), ("tests/x.c", False)]
    failed += [path for path, expected in named if is_checked(path) != expected]
    print(*(f"self-test failed: {case}" for case in failed), sep="\n", end="\n" if failed else "")
    print(f"{len(cases) + len(named)} self-tests, {len(failed)} failed")
    return 1 if failed else 0


def main():
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    root = Path(__file__).resolve().parent.parent
    names = subprocess.run(["git", "-C", str(root), "ls-files", "--cached", "--others", "--exclude-standard"],
                           check=True, capture_output=True, text=True).stdout.split("\n")
    checked = [name for name in names if is_checked(name) and (root / name).is_file()]
    problems = [problem for name in checked for problem in too_wide(name, (root / name).read_bytes())]
    print(*problems, sep="\n", end="\n" if problems else "")
    print(f"width: {len(checked)} files, {len(problems)} violations")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
