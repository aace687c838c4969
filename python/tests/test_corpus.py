"""embed_parquet: vectors of each type, in order, from row groups; what goes wrong leaves no file."""
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sutra
from sutra.corpus import embed_parquet

TEXTS = [f"text number {i} " * (1 + i % 5) for i in range(100)]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    path = tmp_path_factory.mktemp("corpus") / "texts.parquet"
    table = pa.table({"id": pa.array(range(100), pa.int32()), "body": TEXTS, "lang": pa.array(["en"] * 100).dictionary_encode()})
    pq.write_table(table, path, row_group_size=17)
    return path


def vectors_of(table, name="vector"):
    column = table[name].combine_chunks()
    return column.flatten().to_numpy().reshape(len(column), column.type.list_size)


def test_vectors_are_those_of_the_document_prompt(prompted, corpus, tmp_path):
    output, told = tmp_path / "vectors.parquet", []
    rows = embed_parquet(corpus, output, prompted, "body", ["lang", "id"], rows_at_once=30,
                         progress=lambda done, total: told.append((done, total)))
    table = pq.read_table(output)
    assert rows == table.num_rows == 100 and told[-1] == (100, 100) and len(told) > 2
    assert table.column_names == ["lang", "id", "vector"]
    assert table["id"].to_pylist() == list(range(100)) and set(table["lang"].to_pylist()) == {"en"}
    assert table.schema.field("id").type == pa.int32() and table.schema.field("vector").type.list_size == 384
    wanted = prompted.encode_document(TEXTS, prompted.document_prompt_name)
    assert vectors_of(table).tobytes() == wanted.tobytes()
    assert table.schema.metadata[b"sutra.model"].decode() == prompted.name
    assert table.schema.metadata[b"sutra.prompt_name"] == b"passage"
    assert table.schema.metadata[b"sutra.dimension"] == b"384"
    assert pq.ParquetFile(output).num_row_groups >= 4
    assert list(tmp_path.iterdir()) == [output]


@pytest.mark.parametrize("precision", ["float16", "int8", "uint8", "binary", "ubinary"])
def test_types_of_elements(model, corpus, tmp_path, precision):
    embed_parquet(str(corpus), str(tmp_path / "v.parquet"), model, "body", precision=precision, truncate_dim=60,
                  vector_column="v")
    table, wanted = pq.read_table(tmp_path / "v.parquet"), model.encode(TEXTS, precision=precision, truncate_dim=60)
    assert table.column_names == ["v"]
    assert vectors_of(table, "v").dtype == wanted.dtype and vectors_of(table, "v").tobytes() == wanted.tobytes()


def test_a_model_by_its_name_the_text_among_the_columns_and_no_rows(model, corpus, tmp_path):
    output = tmp_path / "v.parquet"
    embed_parquet(corpus, output, model.path, "body", ["body"])
    assert pq.read_table(output)["body"].to_pylist() == TEXTS
    pq.write_table(pa.table({"text": pa.array([], pa.string())}), tmp_path / "none.parquet")
    assert embed_parquet(tmp_path / "none.parquet", output, model) == 0
    assert pq.read_table(output).num_rows == 0 and pq.read_schema(output).field("vector").type.list_size == 384


@pytest.mark.parametrize("kind", [pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())])
def test_kinds_of_strings(model, tmp_path, kind):
    pq.write_table(pa.table({"text": pa.array(TEXTS[:9]).cast(kind)}), tmp_path / "texts.parquet")
    embed_parquet(tmp_path / "texts.parquet", tmp_path / "v.parquet", model)
    assert vectors_of(pq.read_table(tmp_path / "v.parquet")).tobytes() == model.encode(TEXTS[:9]).tobytes()


def test_memory_is_that_of_the_rows_at_once(model, tmp_path):
    path, most = tmp_path / "texts.parquet", []
    with pq.ParquetWriter(path, pa.schema([("id", pa.binary()), ("text", pa.string())]), compression="none",
                          use_dictionary=False) as writer:
        for i in range(20):
            ids = [bytes([i]) * 10_000 for _ in range(100)]
            writer.write_table(pa.table({"id": ids, "text": ["a"] * 100}, writer.schema))
    before = pa.total_allocated_bytes()
    rows = embed_parquet(path, tmp_path / "v.parquet", model, id_columns="id", rows_at_once=100,
                         progress=lambda *_: most.append(pa.total_allocated_bytes() - before))
    assert rows == 2000 and len(most) == 20
    assert 1_000_000 < max(most) < 6_000_000 < path.stat().st_size


def test_what_goes_wrong_names_the_row_and_leaves_no_file(model, tmp_path):
    path, output = tmp_path / "texts.parquet", tmp_path / "v.parquet"
    output.write_bytes(b"what was there")
    for texts, options, error, words in (
            (TEXTS + [None], {}, ValueError, "texts.parquet: row 100: text is null"),
            (TEXTS + ["word " * 600], {"truncation": "error"}, sutra.LimitError, "texts.parquet: row 100: [^i]"),
            (range(5), {}, TypeError, "'text' is of int64"),
            (TEXTS, {"text_column": "body"}, ValueError, "no column 'body'"),
            (TEXTS, {"id_columns": ["id"]}, ValueError, "no column 'id'"),
            (TEXTS, {"id_columns": ["text"], "vector_column": "text"}, ValueError, "vector_column"),
            (TEXTS, {"rows_at_once": 0}, ValueError, "rows_at_once"),
            (TEXTS, {"prompt_name": "nope"}, ValueError, "'nope' not found"),
            (TEXTS, {"truncate_dim": 385}, ValueError, "truncate_dim")):
        pq.write_table(pa.table({"text": list(texts)}), path)
        with pytest.raises(error, match=words) as caught:
            embed_parquet(path, output, model, **{"rows_at_once": 40, **options})
        assert getattr(caught.value, "item", None) in (None, 100)
        assert sorted(tmp_path.iterdir()) == [path, output] and output.read_bytes() == b"what was there"
