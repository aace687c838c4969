"""The examples of docs/SCALING.md, as they stand there."""
import os
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

SOURCE = Path(__file__).resolve().parents[2]
TEXTS = ["The cat sat on the mat.", "interest rates rose", ""]


def run_examples(module, folder):
    """Runs those that import a module, on TEXTS in a folder, with ids from 7; returns the names that each has made."""
    pq.write_table(pa.table({"id": [7, 8, 9], "text": TEXTS}), folder / "texts.parquet")
    examples = re.findall(r"^```python\n(.*?)^```$", (SOURCE / "docs/SCALING.md").read_text(), re.M | re.S)
    given = {'"texts"': folder / "texts.parquet", '"vectors"': folder / "vectors",
             '"all-MiniLM-L6-v2"': os.environ["SUTRA_TEST_MODEL"]}
    made = []
    for code in examples:
        if module in code:
            for name, path in given.items():
                code = code.replace(name, repr(str(path)))
            made.append({})
            exec(compile(code, "docs/SCALING.md", "exec"), made[-1])
    return made
