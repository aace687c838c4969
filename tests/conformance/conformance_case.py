"""What the conformance checks share: their options, the program, and the Markdown table of results for docs/TESTING.md."""

import argparse
import datetime
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


def parse_arguments(passages):
    """Options of the command line; passages: how many lines of passages.txt are taken without --passages."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default=os.environ.get("SUTRA_TEST_MODEL", str(ROOT / ".cache/model")))
    parser.add_argument("--program", default=str(ROOT / "build/release/sutra"))
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("SUTRA_SHARED_DATA", ROOT.parent / "shared/data")))
    parser.add_argument("--passages", type=int, default=passages)
    args = parser.parse_args()
    if not args.data.is_dir():
        sys.exit(f"no shared data at {args.data}: set SUTRA_SHARED_DATA")
    return args


def sutra(program, *arguments):
    """What the program writes to standard output; ends this one when it fails."""
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"sutra {' '.join(map(str, arguments))}: exit {done.returncode}: {done.stderr}")
    return done.stdout


class Results:
    """A row a check, printed as it is done."""

    def __init__(self):
        self.good = []
        print("| date | check | measured | wanted | result |\n|---|---|---|---|---|")

    def record(self, name, measured, wanted, good):
        self.good.append(good)
        print(f"| {datetime.date.today()} | {name} | {measured} | {wanted} | {'passed' if good else 'FAILED'} |", flush=True)

    def finish(self):
        """Prints "N passed, N failed"; exits 1 when a check failed."""
        print(f"{sum(self.good)} passed, {len(self.good) - sum(self.good)} failed")
        sys.exit(0 if all(self.good) else 1)
