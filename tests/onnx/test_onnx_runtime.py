#!/usr/bin/env python3
"""ONNX files of sutra convert, in ONNX Runtime: what they give is what the engine gives.

usage: test_onnx_runtime.py --program build/release/sutra --library build/release/libsutra.so [--model FOLDER]
                            [unittest arguments]

Needs the packages of tests/onnx/runtime.txt. Every golden model, static model and reranker is written, checked by onnx.checker, and
run on the token ids of its texts and on random ones: alone, padded, in batches of several shapes, of one token, and of
as many as the model takes. --model: the folder of all-MiniLM-L6-v2 (default: SUTRA_TEST_MODEL, else .cache/model). Prints
the largest deviation of each.
"""

import argparse
import ctypes
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

import onnx_case
from onnx_case import GOLDEN, SOURCE, assemble, read_json, rerankers, static_models, variants

TOLERANCE = 1e-5  # of an element, relative to the largest of its vector's elements and 1

parser = argparse.ArgumentParser()
parser.add_argument("--program", required=True)
parser.add_argument("--library", required=True)
parser.add_argument("--model", default=os.environ.get("SUTRA_TEST_MODEL", str(SOURCE / ".cache/model")))
options, unittest_arguments = parser.parse_known_args()
ACTIVATIONS = {"identity": lambda x: x, "sigmoid": lambda x: 1 / (1 + np.exp(-x))}


class Error(ctypes.Structure):
    _fields_ = [("status", ctypes.c_int), ("message", ctypes.c_char * 500), ("rest", ctypes.c_uint32 * 2)]


class Input(ctypes.Structure):
    _fields_ = [("text", ctypes.c_char_p), ("text_size", ctypes.c_size_t), ("pair", ctypes.c_char_p),
                ("pair_size", ctypes.c_size_t), ("token_ids", ctypes.POINTER(ctypes.c_int32)),
                ("num_token_ids", ctypes.c_size_t), ("prompt_name", ctypes.c_char_p),
                ("reserved", ctypes.c_uint64 * 2)]


class EmbedOptions(ctypes.Structure):
    """The first members; struct_size says how many."""
    _fields_ = [("struct_size", ctypes.c_uint32), ("output", ctypes.c_int), ("dtype", ctypes.c_int),
                ("dim", ctypes.c_uint32), ("max_tokens", ctypes.c_uint32), ("normalize", ctypes.c_uint8),
                ("rest", ctypes.c_uint8 * 3)]


class View(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_uint32), ("output", ctypes.c_int), ("dtype", ctypes.c_int),
                ("dim", ctypes.c_uint32), ("num_items", ctypes.c_size_t), ("row_bytes", ctypes.c_size_t),
                ("data", ctypes.c_void_p), ("offsets", ctypes.c_void_p), ("indices", ctypes.c_void_p),
                ("items", ctypes.c_void_p)]


class Engine:
    """Vectors of token ids by libsutra."""

    POOLED, TOKENS, NORMALIZE_NO = 0, 1, 2

    def __init__(self, path):
        self.library = ctypes.CDLL(os.path.abspath(path))
        self.engine = ctypes.c_void_p()
        self.call("sutra_engine_create", None, ctypes.byref(self.engine))

    def call(self, name, *args):
        error = Error()
        status = getattr(self.library, name)(*args, ctypes.byref(error))
        if status:
            raise RuntimeError(error.message.decode())

    def open(self, folder):
        model = ctypes.c_void_p()
        self.call("sutra_model_open", str(folder).encode(), None, ctypes.byref(model))
        return model

    def close(self, model):
        self.library.sutra_model_free(model)

    def embed(self, model, ids, tokens=False):
        """[dim], or [tokens, hidden]; without token ids of the empty text."""
        array = (ctypes.c_int32 * len(ids))(*ids)
        given = Input(token_ids=array, num_token_ids=len(ids), prompt_name=b"") if ids else Input(text=b"", prompt_name=b"")
        wanted = EmbedOptions(struct_size=ctypes.sizeof(EmbedOptions), output=self.TOKENS if tokens else self.POOLED,
                              normalize=self.NORMALIZE_NO if tokens else 0)
        result, view = ctypes.c_void_p(), View(struct_size=ctypes.sizeof(View))
        self.call("sutra_embed", self.engine, model, ctypes.byref(given), ctypes.c_size_t(1), ctypes.byref(wanted),
                  ctypes.byref(result))
        self.call("sutra_result_view", result, ctypes.byref(view))
        rows = len(ids) if tokens else 1
        data = ctypes.string_at(view.data, rows * view.row_bytes)
        self.library.sutra_result_free(result)
        found = np.frombuffer(data, np.float32).reshape(rows, view.dim)
        return found if tokens else found[0]


def convert(*args):
    return onnx_case.convert(options.program, *args)


class Graph:
    """A file in ONNX Runtime."""

    def __init__(self, path):
        onnx.checker.check_model(str(path), full_check=True)
        settings = onnxruntime.SessionOptions()
        # Else rows that meet weights of s8 are rounded to s8 too.
        settings.add_session_config_entry("session.qdq_matmulnbits_accuracy_level", "1")
        settings.intra_op_num_threads = 1
        settings.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"])
        self.inputs = {i.name for i in self.session.get_inputs()}
        self.outputs = [o.name for o in self.session.get_outputs()]
        self.metadata = self.session.get_modelmeta().custom_metadata_map

    def run(self, texts, length=0, pad=0, types=None):
        """Lists of token ids as one batch, padded on the right to `length` or the longest."""
        length = max(length, *map(len, texts))
        batch = {"input_ids": np.full((len(texts), length), pad, np.int64),
                 "attention_mask": np.zeros((len(texts), length), np.int64),
                 "token_type_ids": np.zeros((len(texts), length), np.int64)}
        for row, ids in enumerate(texts):
            batch["input_ids"][row, :len(ids)] = ids
            batch["attention_mask"][row, :len(ids)] = 1
            if types:
                batch["token_type_ids"][row, :len(ids)] = types[row]
        given = {name: value for name, value in batch.items() if name in self.inputs}
        return self.session.run(None, given)


def deviation(found, wanted):
    if found.shape != wanted.shape:
        raise AssertionError(f"shape {found.shape}, not {wanted.shape}")
    scale = np.maximum(np.abs(wanted).max(axis=-1, keepdims=True), 1)
    return float((np.abs(found - wanted) / scale).max())


class OnnxFiles(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.dir = Path(scratch.name)

    @classmethod
    def setUpClass(cls):
        cls.engine = Engine(options.library)

    def near(self, found, wanted, what, tolerance=TOLERANCE):
        worst = deviation(found, wanted)
        self.assertLessEqual(worst, tolerance, what)
        self.worst = max(self.worst, worst)

    def compare(self, graph, model, batches, pad):
        """Batches [(texts, length)] beside the engine, which pads nothing."""
        for texts, length in batches:
            tokens, vectors = graph.run(texts, length, pad)
            for row, ids in enumerate(texts):
                what = f"{len(texts)} texts, row {row} of {len(ids)} tokens"
                self.near(vectors[row], self.engine.embed(model, ids), "vector, " + what)
                self.near(tokens[row, :len(ids)], self.engine.embed(model, ids, True), "tokens, " + what)

    def check_model(self, name, folder, texts):
        self.worst = 0.0
        path = self.dir / "model.onnx"
        convert(folder, path)
        graph, model = Graph(path), self.engine.open(folder)
        self.assertEqual(graph.outputs, ["last_hidden_state", "sentence_embedding"])
        longest = int(graph.metadata["max_tokens"])
        numbers = random.Random(7)
        pad = texts[0][-1]
        vocabulary = sorted({i for ids in texts for i in ids})

        def some(n):
            return [numbers.choice(vocabulary) for _ in range(n)]

        batches = [([ids], 0) for ids in texts[:4]] + [(texts[:8], 0), (texts[:3], min(longest, 40)), ([some(1)], 0),
                   ([some(1), some(min(longest, 9))], 0), ([some(longest)], 0), ([some(longest), some(2)], 0)]
        self.compare(graph, model, batches, pad)
        self.engine.close(model)
        print(f"{name}: {self.worst:.1e}")

    def test_variants(self):
        for overlay in variants():
            with self.subTest(overlay.name):
                folder = self.dir / overlay.name
                expected = assemble(overlay, folder)
                self.check_model(overlay.name, folder, expected["cases"][0]["token_ids"])
                shutil.rmtree(folder)

    def test_static_models(self):
        """Every token of the vocabulary, alone, padded and in a batch, and a text without tokens."""
        for folder in static_models():
            with self.subTest(folder.name):
                self.worst = 0.0
                path = self.dir / "model.onnx"
                convert(folder, path)
                graph, model = Graph(path), self.engine.open(folder)
                self.assertEqual(graph.outputs, ["sentence_embedding"])
                done = subprocess.run([os.path.abspath(options.program), "info", str(folder), "--json"],
                                      capture_output=True, check=True)
                info = json.loads(done.stdout)
                vocabulary = list(range(info["vocab_size"]))
                texts = [*([i] for i in vocabulary), vocabulary[-info["max_tokens"]:], [3, 3, 1], [1], []]
                vectors, = graph.run(texts, pad=2)
                for ids, vector in zip(texts, vectors):
                    self.near(vector, self.engine.embed(model, ids), f"{len(ids)} tokens")
                self.engine.close(model)
                print(f"static {folder.name}: {self.worst:.1e}")

    def test_rerankers(self):
        for overlay in rerankers():
            with self.subTest(overlay.name):
                self.worst = 0.0
                folder = self.dir / overlay.name
                expected = assemble(overlay, folder)
                data = np.frombuffer((overlay / "expected.f32").read_bytes(), np.float32)
                path = self.dir / "model.onnx"
                convert(folder, path)
                graph = Graph(path)
                self.assertEqual(graph.outputs, ["logits"])
                ids, types = expected["token_ids"], expected.get("type_ids")
                # The first case changes config.json so that its scores are logits, where it changes anything.
                plain = "Identity" in json.dumps(expected["cases"][0]["config"])
                scores = (lambda x: x) if plain else ACTIVATIONS[graph.metadata["score_activation"]]
                for row, one in enumerate(ids):
                    logits, = graph.run([one], types=types and [types[row]])
                    self.near(scores(logits[0]), data[row:row + 1], f"pair {row}")
                logits, = graph.run(ids, types=types, pad=ids[0][-1])
                self.near(scores(logits[:, 0]), data[:len(ids)], "all pairs")
                print(f"reranker {overlay.name}: {self.worst:.1e}")

    def test_int8(self):
        """Weights are the nearest multiples of their scales; vectors are those of a float32 file with these weights."""
        folder = Path(options.model)
        convert(folder, self.dir / "f32.onnx")
        convert(folder, self.dir / "s8.onnx", "--compute", "int8")
        self.assertLess((self.dir / "s8.onnx").stat().st_size, 0.3 * (self.dir / "f32.onnx").stat().st_size)
        exact, near = (Graph(self.dir / name) for name in ("f32.onnx", "s8.onnx"))
        rounded = onnx.load(self.dir / "f32.onnx")
        stored = {i.name: i for i in rounded.graph.initializer}
        weights = {name: onnx.numpy_helper.to_array(i) for name, i in stored.items()}
        quantised = {i.name: onnx.numpy_helper.to_array(i) for i in onnx.load(self.dir / "s8.onnx").graph.initializer}
        self.assertEqual(near.metadata["weights"], "int8")
        narrow = [name for name, value in quantised.items() if value.dtype == np.int8]
        self.assertEqual(len(narrow), 6 * 6 + 1)
        for name in narrow:
            scale = quantised[name + ".scale"]
            column = scale[:, None] if name == "embeddings.token.weight" else scale
            error = np.abs(quantised[name] * column - weights[name])
            self.assertTrue((error <= column * 0.5001).all(), name)
            self.assertTrue((np.abs(quantised[name]).max(axis=1 if column is not scale else 0) == 127).all(), name)
            stored[name].CopyFrom(onnx.numpy_helper.from_array(quantised[name] * column, name))
        onnx.save(rounded, self.dir / "rounded.onnx")
        texts = self.texts()
        a, b, c = (graph.run(texts)[1] for graph in (exact, near, Graph(self.dir / "rounded.onnx")))
        self.worst = 0.0
        self.near(b, c, "the weights of the int8 file in float32")
        print(f"int8: least cosine {(a * b).sum(axis=1).min():.5f}")
        self.assertGreater((a * b).sum(axis=1).min(), 0.99)

    def test_rows_of_padding_alone(self):
        """They give numbers, and other rows what they give without them."""
        for name in ("base", "last-token", "max", "mean-sqrt", "weighted-mean", "dense-two", "modernbert", "mpnet", "roberta"):
            with self.subTest(name):
                folder = self.dir / name
                ids = assemble(GOLDEN / "variants" / name, folder)["cases"][0]["token_ids"][:2]
                convert(folder, self.dir / "model.onnx")
                graph = Graph(self.dir / "model.onnx")
                self.worst = 0.0
                tokens, vectors = graph.run([ids[0], [], ids[1]], pad=ids[0][-1])
                self.assertTrue(np.isfinite(tokens).all() and np.isfinite(vectors).all())
                for row, text in ((0, ids[0]), (2, ids[1])):
                    self.near(vectors[row], graph.run([text])[1][0], name)

    def test_int8_of_small_weights(self):
        """Rows of zeros, and of what has no scale that is a normal number, are 0: others stay what they are."""
        folder = self.dir / "small"
        expected = assemble(GOLDEN / "variants/base", folder)
        data = bytearray((folder / "model.safetensors").read_bytes())
        start = 8 + int.from_bytes(data[:8], "little")
        header = json.loads(data[8:start])
        for name in ("encoder.layer.0.intermediate.dense.weight", "embeddings.word_embeddings.weight"):
            begin, end = (start + offset for offset in header[name]["data_offsets"])
            rows = np.frombuffer(data, np.float32, (end - begin) // 4, begin).reshape(header[name]["shape"])
            rows[0], rows[1], rows[2] = 0, 1e-40, 1e-38
        (folder / "model.safetensors").write_bytes(data)
        convert(folder, self.dir / "f32.onnx")
        convert(folder, self.dir / "s8.onnx", "--compute", "int8")
        stored = {i.name: onnx.numpy_helper.to_array(i) for i in onnx.load(self.dir / "s8.onnx").graph.initializer}
        for name, axis in (("layer.0.up.weight", 1), ("embeddings.token.weight", 0)):
            self.assertFalse(stored[name].take((0, 1, 2), axis).any())
            self.assertFalse(stored[name + ".scale"][:3].any())
            self.assertTrue(stored[name + ".scale"][3:].all())
        texts = [[0, 1, 2, *expected["cases"][0]["token_ids"][0]]]
        exact, near = (Graph(self.dir / name).run(texts)[1][0] for name in ("f32.onnx", "s8.onnx"))
        self.assertGreater(exact @ near / np.linalg.norm(exact) / np.linalg.norm(near), 0.99)

    def test_external_data(self):
        """The same values as in one file."""
        whole, parted = self.dir / "whole.onnx", self.dir / "parted.onnx"
        convert(options.model, whole)
        convert(options.model, parted, "--external-data")
        self.assertLess(parted.stat().st_size, 2e5)
        texts = self.texts()
        for a, b in zip(Graph(whole).run(texts), Graph(parted).run(texts)):
            self.assertTrue((a == b).all())
        for a, b in zip(onnx.load(whole).graph.initializer, onnx.load(parted).graph.initializer):
            self.assertEqual(a.name, b.name)
            self.assertTrue((onnx.numpy_helper.to_array(a) == onnx.numpy_helper.to_array(b)).all())

    def test_minilm(self):
        self.check_model("all-MiniLM-L6-v2", options.model, self.texts())

    def texts(self):
        texts = json.loads((GOLDEN / "texts.json").read_text(encoding="utf-8"))
        done = subprocess.run([os.path.abspath(options.program), "tokenize", "-m", options.model, "--no-cache", "--json",
                               "--max-tokens", "256"], input="\n".join(texts), text=True, capture_output=True, check=True)
        ids = [json.loads(line)["ids"] for line in done.stdout.splitlines()]
        return [row for row in ids if row]


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *unittest_arguments])
