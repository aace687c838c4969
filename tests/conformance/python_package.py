#!/usr/bin/env python3
"""The Python package's encode, similarity, tokenize and quantize_embeddings against sentence-transformers of this Python:
shapes, types, values and errors, by the package's own tests with what is recorded now. Run by `make conformance`, after
tools/python_wheel.sh.

Prints a Markdown row, for docs/TESTING.md, and "N passed, N failed".
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from conformance_case import ROOT, Results, parse_arguments

TESTS = ROOT / "python/tests"


def main():
    args, results = parse_arguments(passages=0), Results()
    with tempfile.TemporaryDirectory() as folder:
        reference = Path(folder) / "reference.json"
        subprocess.run([sys.executable, "-B", TESTS / "record_reference.py", args.model, reference], check=True)
        python = ROOT / "build/python-test/venv/bin/python"
        done = subprocess.run([python, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", TESTS / "test_encode.py"],
                              env={**os.environ, "SUTRA_PYTHON_REFERENCE": str(reference), "SUTRA_TEST_MODEL": args.model},
                              cwd=ROOT / "build/python-test", capture_output=True, text=True, check=False)
    found = re.search(r"(\d+) passed", done.stdout)
    results.record("Python package: encode, tokenize, similarity, quantize_embeddings",
                   f"{found[1] if found else 0} tests pass", "all", done.returncode == 0)
    if done.returncode:
        print(done.stdout)
    results.finish()


if __name__ == "__main__":
    main()
