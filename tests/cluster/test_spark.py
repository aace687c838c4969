"""sutra.spark on two executors of a Spark of this machine: vectors are those of Model.encode_document bit for bit, also
when a Python worker or an executor is killed; what is wrong with texts, columns or the model reaches the user."""
import os
import signal
import sys
import time
from pathlib import Path

os.environ["PYSPARK_PYTHON"] = sys.executable  # else the workers' is the python3 of PATH

import pyarrow as pa
import pyarrow.parquet as pq
import pyspark
import pytest
import sutra.spark
from pyspark import TaskContext
from pyspark.errors import PythonException
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from scaling_examples import run_examples

MODEL = os.environ["SUTRA_TEST_MODEL"]
TEXTS = [f"text number {i} " * (1 + i % 7) for i in range(1200)]

pyspark.cloudpickle.register_pickle_by_value(sys.modules[__name__])


@pytest.fixture(scope="module")
def spark():
    settings = {"spark.driver.host": "127.0.0.1", "spark.ui.enabled": "false", "spark.executor.memory": "512m",
                "spark.driver.memory": "512m", "spark.sql.execution.arrow.maxRecordsPerBatch": "50",
                "spark.ui.showConsoleProgress": "false"}
    builder = SparkSession.builder.master("local-cluster[2,1,1024]")
    for name, value in settings.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("OFF")
    yield session
    session.stop()


@pytest.fixture(scope="module")
def model():
    with sutra.Model(MODEL) as opened:
        yield opened


@pytest.fixture(scope="module")
def wanted(model):
    return model.encode_document(TEXTS)


def corpus(spark, texts=TEXTS, partitions=6):
    return spark.createDataFrame(spark.sparkContext.parallelize(list(enumerate(texts)), partitions), "id long, text string")


def check(df, wanted):
    table = df.toArrow().sort_by("id")
    assert table["id"].to_pylist() == list(range(len(TEXTS)))
    assert table["vector"].combine_chunks().flatten().to_numpy().tobytes() == wanted.tobytes()


def test_vectors_are_those_of_the_package(spark, wanted):
    made = sutra.spark.embed(corpus(spark), MODEL)
    assert made.schema.simpleString() == "struct<id:bigint,text:string,vector:array<float>>"
    check(made, wanted)


def test_the_example(spark, tmp_path):
    run_examples("sutra.spark", tmp_path)
    table = pq.read_table(tmp_path / "vectors").sort_by("id")
    assert table["id"].to_pylist() == [7, 8, 9] and len(table["vector"][0]) == 384


def test_a_column_made_by_a_udf(spark, wanted):
    check(corpus(spark, partitions=2).withColumn("vector", sutra.spark.udf(MODEL)("text")), wanted)


@pytest.mark.parametrize("precision", ["int8", "uint8", "binary", "ubinary"])
def test_types_of_elements(spark, model, precision):
    made = sutra.spark.embed(corpus(spark, TEXTS[:9], 1), MODEL, precision=precision, truncate_dim=60).toArrow()
    rows = model.encode_document(TEXTS[:9], precision=precision, truncate_dim=60)
    assert [bytes(v) if isinstance(v, bytes) else bytes(x % 256 for x in v) for v in made["vector"].to_pylist()] == [
        row.tobytes() for row in rows]


def parent(process):
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])


def mortal(folder, victim):
    """embedder(); the first worker to have the third batch of a partition dies over it, or its executor does."""
    add_vectors = sutra.spark.embedder(MODEL)

    def add_or_die(batches):
        for number, batch in enumerate(add_vectors(batches)):
            try:
                if number == 2:
                    Path(folder, "died").touch(exist_ok=False)
                    daemon = os.getppid()
                    os.kill(parent(daemon) if victim == "executor" else os.getpid(), signal.SIGKILL)
                    time.sleep(3600)
            except FileExistsError:
                pass
            yield batch

    return add_or_die


@pytest.mark.parametrize("victim", ["worker", "executor"])
def test_a_death_loses_nothing_and_doubles_nothing(spark, wanted, tmp_path, victim):
    df = corpus(spark)
    check(df.mapInArrow(mortal(str(tmp_path), victim), sutra.spark.embed(df, MODEL).schema), wanted)
    assert (tmp_path / "died").exists()


def counted(batches):
    """Rows of (process, partition, models that this process has opened, its engines' threads)"""
    if not hasattr(sutra.spark, "openings"):
        sutra.spark.openings = []

        class Counted(sutra.Model):
            def __init__(self, *args, **options):
                sutra.spark.openings.append(options["num_threads"])
                super().__init__(*args, **options)

        sutra.spark.Model = Counted
        sutra.spark._models.clear()
    for batch in sutra.spark.embedder(MODEL, truncate_dim=8)(batches):
        yield of_worker(batch.num_rows)


def of_worker(n):
    row = [os.getpid(), TaskContext.get().partitionId(), len(sutra.spark.openings), sutra.spark.openings[0]]
    return pa.record_batch([pa.array([value] * n, pa.int64()) for value in row], ["process", "part", "opened", "threads"])


def test_a_worker_opens_the_model_once_for_all_its_partitions(spark):
    made = corpus(spark).mapInArrow(counted, "process long, part long, opened long, threads long")
    rows = made.groupBy("process").agg(F.count_distinct("part"), F.max("opened"), F.max("threads")).collect()
    assert sum(row[1] for row in rows) == 6 and max(row[1] for row in rows) > 1
    assert {(row[2], row[3]) for row in rows} == {(1, 1)}


@pytest.mark.parametrize("texts, options, words", [
    (TEXTS[:70] + [None], {}, r"ValueError: row 20 of a batch \(id='70'\): text is null"),
    (TEXTS[:70] + ["word " * 600], {"truncation": "error"}, r"LimitError: row 20 of a batch \(id='70'\): "),
    (TEXTS[:9], {"model": "/no/model"}, "FileError: /no/model: no such file or folder, and no model's name"),
    (TEXTS[:9], {"prompt_name": "nope"}, "ValueError: Prompt name 'nope' not found")])
def test_what_goes_wrong_reaches_the_user(spark, texts, options, words):
    with pytest.raises(PythonException, match=words):
        sutra.spark.embed(corpus(spark, texts, 1), **{"model": MODEL, **options}).collect()


@pytest.mark.parametrize("options, error, words", [
    ({"text_column": "body"}, ValueError, r"no column 'body' among \['id', 'text'\]"),
    ({"text_column": "id"}, TypeError, "column 'id' is of bigint, not of strings"),
    ({"vector_column": "id"}, ValueError, "there is a column 'id' already"),
    ({"precision": "float16"}, ValueError, "precision 'float16': Spark has types for vectors of float32, int8"),
    ({"nothing": 1}, TypeError, "unexpected keyword argument 'nothing'")])
def test_what_is_wrong_before_the_job(spark, options, error, words):
    with pytest.raises(error, match=words):
        sutra.spark.embed(corpus(spark, TEXTS[:9], 1), MODEL, **options)
    with pytest.raises(TypeError, match="each worker opens its own"):
        sutra.spark.embedder(sutra.Model(MODEL))
