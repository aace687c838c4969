import json
import os
import shutil
from pathlib import Path

import pytest
import sutra

SOURCE = Path(__file__).resolve().parents[2]
MODEL = os.environ["SUTRA_TEST_MODEL"]


@pytest.fixture(scope="session")
def model():
    return sutra.Model(MODEL)


@pytest.fixture(scope="session")
def prompted(model, tmp_path_factory):
    """The model with prompts, one of them its default, and dot products."""
    folder = tmp_path_factory.mktemp("models") / "prompted"
    folder.mkdir()
    for path in Path(model.path).iterdir():
        if path.name not in ("sutra.json", "config_sentence_transformers.json"):
            (folder / path.name).symlink_to(path.resolve())
    (folder / "config_sentence_transformers.json").write_text(json.dumps(
        {"prompts": {"query": "query: ", "passage": "passage: "}, "default_prompt_name": "passage",
         "similarity_fn_name": "dot"}))
    return sutra.Model(folder)


@pytest.fixture(scope="session")
def reranker(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "reranker"
    shutil.copytree(SOURCE / "tests/data/golden/models/base", folder,
                    ignore=shutil.ignore_patterns("modules.json", "1_Pooling"))
    shutil.copytree(SOURCE / "tests/data/golden/rerankers/bert", folder, dirs_exist_ok=True)
    return sutra.Model(folder)


def pytest_configure():
    assert SOURCE / "python" not in Path(sutra.__file__).resolve().parents, "these tests are for the installed package"
