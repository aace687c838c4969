import os
from pathlib import Path

import pytest
import sutra

MODEL = os.environ["SUTRA_TEST_MODEL"]


@pytest.fixture(scope="session")
def model():
    return sutra.Model(MODEL)


def pytest_configure():
    sources = Path(__file__).resolve().parents[1]
    assert sources not in Path(sutra.__file__).resolve().parents, "these tests are for the installed package"
