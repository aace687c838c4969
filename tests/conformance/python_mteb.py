#!/usr/bin/env python3
"""sutra.mteb's SutraModel in mteb's own check of models: its mock tasks run, and their main scores are those of
sentence-transformers. Run by `make conformance`, after tools/python_wheel.sh; mteb.txt, the wheel and this Python's packages
become the virtual environment build/python-mteb.

Prints a Markdown row, for docs/TESTING.md, and "N passed, N failed".
"""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from conformance_case import ROOT, Results, parse_arguments

FOLDER = ROOT / "build/python-mteb"


def environment():
    """Its Python: mteb's packages before those of the peers."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    venv.create(FOLDER, with_pip=True)
    python = FOLDER / "bin/python"
    wheel, = (ROOT / "build/python-test").glob("sutra-*.whl")
    subprocess.run([python, "-m", "pip", "install", "-q", "--no-deps", "-r", ROOT / "tests/conformance/mteb.txt", wheel], check=True)
    peers = Path(importlib.util.find_spec("torch").origin).parents[1]
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    (FOLDER / "lib" / version / "site-packages/peers.pth").write_text(f"{peers}\n")
    return python


def scores(model, output):
    """Writes the main score, or the error, of each mock task: {task: [ours, theirs]}."""
    import mteb
    from sutra.mteb import SutraModel

    ours = SutraModel(model)
    assert isinstance(ours, mteb.EncoderProtocol)
    theirs = mteb.SentenceTransformerEncoderWrapper(model, device="cpu")
    rows = {}
    for made in (mteb.mock_run(ours), mteb.mock_run(theirs)):
        for task, result in made.items():
            if result is not None:
                has_score = hasattr(result, "get_score")
                rows.setdefault(task, []).append(result.get_score() if has_score else str(result))
    Path(output).write_text(json.dumps(rows))


def is_same(row):
    return len(row) == 2 and not any(isinstance(score, str) for score in row) and abs(row[0] - row[1]) <= 1e-6


def main():
    args, results = parse_arguments(passages=0), Results()
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "scores.json"
        subprocess.run([environment(), "-B", __file__, "--scores", args.model, output],
                       env={**os.environ, "HF_HUB_OFFLINE": "1"}, check=True)
        rows = json.loads(output.read_text())
    different = {task: row for task, row in rows.items() if not is_same(row)}
    results.record("SutraModel in mteb's mock tasks, main scores beside sentence-transformers",
                   f"{len(rows) - len(different)} of {len(rows)} tasks the same", "all", len(rows) > 0 and not different)
    for task, row in different.items():
        print(task, *row)
    results.finish()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--scores"]:
        scores(*sys.argv[2:])
    else:
        main()
