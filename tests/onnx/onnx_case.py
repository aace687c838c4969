"""What the tests of ONNX files share: the golden models as folders, and writing a file."""

import json
import os
import shutil
import subprocess
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent.parent
GOLDEN = SOURCE / "tests/data/golden"
TOKENIZER_FILES = {"expected.json", "expected.f32", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
                   "added_tokens.json", "vocab.txt", "vocab.json", "merges.txt", "tokenizer.model", "spiece.model",
                   "sentencepiece.bpe.model"}


def read_json(path):
    return json.loads(path.read_text(encoding="utf-8"))


def variants():
    """Those that are not of the tokenizer alone: the graph of others is that of their model."""
    for overlay in sorted((GOLDEN / "variants").iterdir()):
        names = {file.name for file in overlay.rglob("*") if file.is_file()}
        if names - TOKENIZER_FILES or overlay.name == read_json(overlay / "expected.json")["model"]:
            yield overlay


def rerankers():
    return sorted((GOLDEN / "rerankers").iterdir())


def static_models():
    return sorted((GOLDEN / "static").iterdir())


def assemble(overlay, folder):
    """The golden model as a folder, as tests/model/model_folder.c does. Returns expected.json."""
    expected = read_json(overlay / "expected.json")
    shutil.copytree(GOLDEN / "models" / expected["model"], folder, dirs_exist_ok=True)
    shutil.copytree(overlay, folder, dirs_exist_ok=True)
    for file in ["expected.json", "expected.f32", *expected["remove"]]:
        (folder / file).unlink()
    for file in expected.get("move", ()):
        target = folder / expected["move_to"] / file
        target.parent.mkdir(parents=True, exist_ok=True)
        (folder / file).rename(target)
    return expected


def convert(program, folder, output, *args):
    """Returns what it prints, and its messages."""
    done = subprocess.run([os.path.abspath(program), "convert", str(folder), "-o", str(output), *args],
                          capture_output=True, check=False)
    if done.returncode:
        raise AssertionError(done.stderr.decode())
    return done.stdout.decode(), done.stderr.decode()
