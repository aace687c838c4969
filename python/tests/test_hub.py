"""Models by name. What is downloaded is the C tests' business; here: that the library in the wheel is found and asked."""
import os
import subprocess
import sys
from pathlib import Path

import pytest
import sutra

PROGRAM = """
import sutra, sys
try:
    sutra.{call}
except sutra.SutraError as error:
    print(type(error).__name__, isinstance(error, OSError), error)
"""


def ask(call, **environment):
    return subprocess.run([sys.executable, "-c", PROGRAM.format(call=call)], capture_output=True, text=True,
                          env={**os.environ, **environment}).stdout


def test_the_downloader_is_in_the_package(tmp_path):
    assert {path.name for path in (Path(sutra.__file__).parent / "bin").iterdir()} == {
        "sutra", "libsutra-hub.so.0", "libsutra-server.so.0"}
    answer = ask("pull('all-MiniLM-L6-v2')", HF_HUB_CACHE=str(tmp_path), HF_HUB_OFFLINE="1")
    assert answer.startswith("FileError True ") and "all-MiniLM-L6-v2" in answer


def test_a_name_is_downloaded_unless_that_is_not_wanted(tmp_path):
    closed = {"HF_HUB_CACHE": str(tmp_path), "HF_ENDPOINT": "http://127.0.0.1:1", "HF_HUB_OFFLINE": "0"}
    assert "127.0.0.1" in ask("Model('all-MiniLM-L6-v2')", **closed)
    assert "not in the cache" in ask("Model('all-MiniLM-L6-v2', local_files_only=True)", **closed)


def test_a_model_in_the_cache_is_opened_by_its_name(tmp_path):
    wanted = os.environ["SUTRA_TEST_MODEL"]
    program = Path(sutra.__file__).parent / "bin/sutra"
    subprocess.run([program, "pull", "all-MiniLM-L6-v2", "--from", wanted], check=True, capture_output=True,
                   env={**os.environ, "HF_HUB_CACHE": str(tmp_path)})
    model = sutra.Model("all-MiniLM-L6-v2", cache_folder=tmp_path, local_files_only=True)
    assert model.encode("a").tobytes() == sutra.Model(wanted).encode("a").tobytes()
    assert [found["repo"] for found in sutra.list_models(tmp_path)] == ["sentence-transformers/all-MiniLM-L6-v2"]
    assert sutra.list_models(tmp_path)[0]["path"] == model.path


def test_unknown_names_are_answered_with_those_that_are_close():
    with pytest.raises(ValueError, match="all-MiniLM-L6-v2"):
        sutra.pull("all-MiniLM-L6-v3")
