"""sutra.ray on a cluster of two nodes of this machine: vectors are those of Model.encode_document bit for bit, also when
an actor or a node is killed; what is wrong with texts, columns or the model reaches the user."""
import os
import signal
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import ray
import sutra.ray
from ray.cluster_utils import Cluster
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy
from scaling_examples import run_examples

MODEL = os.environ["SUTRA_TEST_MODEL"]
TEXTS = [f"text number {i} " * (1 + i % 7) for i in range(1200)]
BATCH = 50

ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])


@pytest.fixture(scope="module")
def cluster():
    node = {"num_cpus": 2, "object_store_memory": 100 << 20}
    quick = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 500, "health_check_failure_threshold": 4}
    made = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False, "_system_config": quick})
    made.add_node(**node)
    ray.init(address=made.address, log_to_driver=False)
    ray.data.DataContext.get_current().enable_progress_bars = False
    yield made
    ray.shutdown()
    made.shutdown()


@pytest.fixture(scope="module")
def wanted():
    with sutra.Model(MODEL) as model:
        return model.encode_document(TEXTS)


def corpus(texts=TEXTS, blocks=6):
    table = pa.table({"id": pa.array(range(len(texts))), "text": texts})
    step = -(-len(texts) // blocks)
    return ray.data.from_arrow([table.slice(i, step) for i in range(0, len(texts), step)])


def rows_of(dataset):
    """(vectors by id, ids in their order, the schema)"""
    table = pa.concat_tables(ray.get(dataset.to_arrow_refs())).sort_by("id")
    column = table["vector"].combine_chunks()
    return column.flatten().to_numpy().reshape(len(column), -1), table["id"].to_pylist(), table.schema


def test_vectors_are_those_of_the_package(cluster, wanted):
    vectors, ids, schema = rows_of(sutra.ray.embed(corpus(), MODEL, batch_size=BATCH))
    assert ids == list(range(len(TEXTS))) and vectors.tobytes() == wanted.tobytes()
    assert schema.field("vector").type == pa.list_(pa.field("element", pa.float32(), nullable=False), 384)
    assert schema.field("text").type == pa.string()


def test_one_block_is_work_for_every_actor(cluster, wanted):
    made = sutra.ray.embed(corpus(blocks=1), MODEL, batch_size=BATCH).materialize()
    assert made.num_blocks() == len(TEXTS) // BATCH and rows_of(made)[0].tobytes() == wanted.tobytes()


def test_the_examples(cluster, tmp_path):
    _, packed = run_examples("sutra.ray", tmp_path)
    table = pq.read_table(tmp_path / "vectors").sort_by("id")
    assert table["id"].to_pylist() == [7, 8, 9] and table["vector"].type.list_size == 384
    assert len(packed["bits"].take(1)[0]["vector"]) == 32


def test_batches_of_numpy_are_matrices(cluster, wanted):
    batch = sutra.ray.embed(corpus(TEXTS[:30], 1), MODEL, batch_size=30, batch_format="numpy").take_batch(
        30, batch_format="numpy")
    assert batch["vector"].shape == (30, 384) and batch["vector"].tobytes() == wanted[:30].tobytes()


class Told(sutra.ray.Embedder):
    """Says what it runs with."""

    def __call__(self, batch):
        made = super().__call__(batch)
        return {**made, "threads": np.full(len(made["id"]), self.model._settings.num_threads), "process": np.full(len(made["id"]), os.getpid())}


def test_one_actor_opens_the_model_once_with_a_thread_for_each_of_its_processors(cluster, wanted):
    made = corpus().map_batches(
        Told, fn_constructor_args=[MODEL], fn_constructor_kwargs={"truncate_dim": 60, "precision": "ubinary"},
        batch_size=BATCH, num_cpus=2, compute=ray.data.ActorPoolStrategy(size=1)).take_all()
    assert {row["threads"] for row in made} == {2} and len({row["process"] for row in made}) == 1
    with sutra.Model(MODEL) as model:
        bits = model.encode_document(TEXTS, precision="ubinary", truncate_dim=60)
    given = {row["id"]: row["vector"] for row in made}
    assert len(given) == len(made) == len(TEXTS) and all(given[i].tobytes() == bits[i].tobytes() for i in given)


@pytest.mark.parametrize("texts, options, words", [
    (TEXTS[:70] + [None], {}, r"row 20 of a batch \(id='70'\): text is null"),
    (TEXTS[:9], {"text_column": "body"}, r"ValueError: Embedder: no column 'body' among \['id', 'text'\]"),
    (TEXTS[:9], {"model": "/no/model"}, "FileError: /no/model: no such file or folder, and no model's name")])
def test_what_goes_wrong_reaches_the_user(cluster, texts, options, words):
    options = {"model": MODEL, "batch_size": BATCH, "concurrency": 1, "num_cpus": 1, **options}
    with pytest.raises(ray.exceptions.RayError, match=words):
        sutra.ray.embed(corpus(texts, 1), **options).materialize()


class Mortal(sutra.ray.Embedder):
    """Of the actors that may, the first one to have its third batch dies over it, and its node where that is wanted. Those
    of the spared node have their third batch after that."""

    def __init__(self, folder, spared_node, *args):
        super().__init__(*args)
        self.died, self.batches = Path(folder, "died"), 0
        self.kills_node, self.is_spared = bool(spared_node), ray.get_runtime_context().get_node_id() == spared_node

    def __call__(self, batch):
        self.batches += 1
        if self.batches >= 3 and self.is_spared:
            wait_for(self.died)
        elif self.batches == 3:
            try:
                self.died.touch(exist_ok=False)
            except FileExistsError:
                return super().__call__(batch)
            victim = os.getppid() if self.kills_node else os.getpid()  # a worker's parent is its node's raylet
            threading.Timer(0.01, os.kill, (victim, signal.SIGKILL)).start()
            super().__call__(batch)
            time.sleep(3600)
        return super().__call__(batch)


def wait_for(file):
    while not file.exists():
        time.sleep(0.01)


@ray.remote(num_cpus=1)
def stay(begin, end):
    begin.touch()
    wait_for(end)


@pytest.mark.parametrize("victim", ["actor", "node"])
def test_a_death_loses_nothing_and_doubles_nothing(cluster, wanted, tmp_path, victim):
    spared = cluster.head_node.node_id if victim == "node" else ""
    nodes = len([node for node in ray.nodes() if node["Alive"]])
    if spared:  # has room for one actor alone until the other node is gone
        stay.options(scheduling_strategy=NodeAffinitySchedulingStrategy(spared, soft=False)).remote(
            tmp_path / "guest", tmp_path / "died")
        wait_for(tmp_path / "guest")
    vectors, ids, _ = rows_of(corpus(blocks=12).map_batches(
        Mortal, fn_constructor_args=[str(tmp_path), spared, MODEL], batch_format="pyarrow", batch_size=BATCH, num_cpus=1,
        compute=ray.data.ActorPoolStrategy(size=2)))
    assert (tmp_path / "died").exists()
    assert nodes == 2 and len([node for node in ray.nodes() if node["Alive"]]) == (1 if victim == "node" else 2)
    assert ids == list(range(len(TEXTS))) and vectors.tobytes() == wanted.tobytes()


@pytest.mark.parametrize("texts, options, error, words", [
    ([None], {}, ValueError, r"row 1 of a batch \(id='a'\): text is null"),
    (["word " * 600], {"truncation": "error"}, sutra.LimitError, r"row 1 of a batch \(id='a'\): "),
    ([], {"text_column": "id2"}, ValueError, r"Embedder: no column 'id2' among \['id', 'text', 'n'\]"),
    ([], {"text_column": "n"}, TypeError, "Embedder: column 'n' is of int64, not of strings"),
    ([], {"vector_column": "id"}, ValueError, "Embedder: there is a column 'id' already"),
    ([], {"prompt_name": "nope"}, ValueError, "Prompt name 'nope' not found"),
    ([], {"text_column": "vector"}, ValueError, "vector_column 'vector' is the text_column")])
def test_what_is_wrong_with_a_batch(texts, options, error, words):
    texts = ["fine", *texts]
    table = pa.table({"id": ["z", "a"][:len(texts)], "text": texts, "n": pa.array([None] * len(texts), pa.int64())})
    with pytest.raises(error, match=words) as caught:
        sutra.ray.Embedder(MODEL, num_threads=1, **options)(table)
    assert getattr(caught.value, "item", None) in (None, 1)


class Asked:
    def repartition(self, *, target_num_rows_per_block):
        assert target_num_rows_per_block == sutra.ray.BATCH_SIZE
        return self

    def map_batches(self, actor, *, num_cpus, compute, fn_constructor_kwargs, **_):
        return compute.min_size, num_cpus, fn_constructor_kwargs["num_threads"]


@pytest.mark.parametrize("cpus, given, asked", [
    ([16, 16], {}, (2, 15, 16)), ([1, 1], {}, (2, 0, 1)), ([0, 8, 17], {}, (3, 7, 8)), ([16], {"num_cpus": 4}, (4, 4, None)),
    ([16], {"concurrency": 3}, (3, 15, 16)), ([16], {"num_threads": 8}, (1, 15, 8)),
    ([16], {"num_cpus": 4, "concurrency": 2, "num_threads": 5}, (2, 4, 5))])
def test_actors_fit_the_nodes(monkeypatch, cpus, given, asked):
    nodes = [{"Alive": True, "Resources": {"CPU": float(count)} if count else {}} for count in cpus]
    monkeypatch.setattr(ray, "nodes", lambda: [*nodes, {"Alive": False, "Resources": {"CPU": 64.0}}])
    assert sutra.ray.embed(Asked(), MODEL, **given) == asked


def test_batches_without_a_cluster():
    embedder = sutra.ray.Embedder(MODEL, num_threads=1)
    wanted = embedder.model.encode_document(TEXTS[:5])
    assert embedder({"text": np.array(TEXTS[:5], object)})["vector"].tobytes() == wanted.tobytes()
    table = embedder(pa.table({"text": pa.chunked_array([TEXTS[:2], [], TEXTS[2:5]])}))
    assert table["vector"].combine_chunks().flatten().to_numpy().tobytes() == wanted.tobytes()
    assert len(embedder(table.select(["text"]).slice(0, 0))["vector"]) == 0
    for texts, words in ((np.array(["a", None], object), "row 1 of a batch: text: expected a str, got NoneType"),
                         (np.array(["a", 7], object), "row 1 of a batch: text: expected a str, got int")):
        with pytest.raises(TypeError, match=words):
            embedder({"text": texts})
    with pytest.raises(TypeError, match='batch_format="pyarrow" or "numpy"'):
        embedder(table.to_pandas())
    with pytest.raises(TypeError, match="each actor opens its own"):
        sutra.ray.embed(None, embedder.model)
