"""The examples of docs/PYTHON.md, each as it stands there, with models of this tree under their names."""
import os
import re

os.environ["HAYSTACK_TELEMETRY_ENABLED"] = "False"  # read when it is imported

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import MODEL, SOURCE

EXAMPLES = re.findall(r"^```python\n(.*?)^```$", (SOURCE / "docs/PYTHON.md").read_text(), re.M | re.S)


@pytest.mark.parametrize("code", EXAMPLES, ids=[f"example{i}" for i in range(len(EXAMPLES))])
def test_example(code, model, reranker, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pq.write_table(pa.table({"id": [7, 8], "text": ["The cat sat on the mat.", "interest rates rose"]}), "texts.parquet")
    code = code.replace('"all-MiniLM-L6-v2"', repr(MODEL)).replace('"ms-marco-MiniLM-L6-v2"', repr(reranker.path))
    names = {}
    exec(compile(code, "docs/PYTHON.md", "exec"), names)
    if "hits" in names:
        assert names["hits"].indices[0] == names["again"].indices[0, 0] == 0
    if "store" in names:
        assert names["store"].similarity_search("a kitten sleeps", k=1)[0].page_content == "The cat sat on the mat."
    if "rows" in names:
        assert names["rows"] == 2 and pq.read_table("vectors.parquet")["id"].to_pylist() == [7, 8]
    if "ranked" in names:
        assert names["ranked"][0].score is not None and len(names["query"]) == 256


def test_there_are_examples():
    assert len(EXAMPLES) >= 6
