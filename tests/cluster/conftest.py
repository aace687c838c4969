import os
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

SOURCE = Path(__file__).resolve().parents[2]


@pytest.fixture
def run_examples(tmp_path):
    """Runs the examples of docs/SCALING.md that import a module, on three texts; returns the names of each."""
    def run(module):
        pq.write_table(pa.table({"id": [7, 8, 9], "text": ["The cat sat on the mat.", "interest rates rose", ""]}),
                       tmp_path / "texts.parquet")
        examples = re.findall(r"^```python\n(.*?)^```$", (SOURCE / "docs/SCALING.md").read_text(), re.M | re.S)
        given = {'"texts"': tmp_path / "texts.parquet", '"vectors"': tmp_path / "vectors",
                 '"all-MiniLM-L6-v2"': os.environ["SUTRA_TEST_MODEL"]}
        made = []
        for code in examples:
            if module in code:
                for name, path in given.items():
                    code = code.replace(name, repr(str(path)))
                made.append({})
                exec(compile(code, "docs/SCALING.md", "exec"), made[-1])
        return made

    return run
