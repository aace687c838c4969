#!/usr/bin/env python3
"""The symbols that a shared library exports are the functions of its public headers and nothing else.

usage: exported_symbols.py --header-dir DIR [--subset] LIBRARY
Without --subset every function of sutra.h, and of the headers that come with it, must be exported too.
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("--header-dir", type=Path, required=True)
parser.add_argument("--subset", action="store_true")
parser.add_argument("library")
args = parser.parse_args()


def declared(header):
    return set(re.findall(r"SUTRA_API\b[^;{]*?\b(sutra_\w+)\s*\(", header.read_text()))


table = subprocess.run(["nm", "-D", "--defined-only", args.library], check=True, capture_output=True, text=True).stdout
exported = {line.split()[-1].split("@")[0] for line in table.splitlines()}
known = set().union(*(declared(h) for h in args.header_dir.glob("*.h")))
core = args.header_dir / "sutra.h"
with_it = re.findall(r'^#include "(sutra_\w+\.h)"', core.read_text(), re.M)
required = declared(core).union(*(declared(args.header_dir / name) for name in with_it))
problems = [f"exported but in no public header: {name}" for name in sorted(exported - known)]
if not args.subset:
    problems += [f"declared but not exported: {name}" for name in sorted(required - exported)]
if not exported:
    problems.append("nothing is exported")
print(*problems, sep="\n", end="\n" if problems else "")
print(f"{args.library}: {len(exported)} symbols, {len(problems)} problems")
sys.exit(1 if problems else 0)
