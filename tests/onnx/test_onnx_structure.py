#!/usr/bin/env python3
"""ONNX files of sutra convert, without any package: what onnx.proto and the specification of graphs ask for.

usage: test_onnx_structure.py --program build/release/sutra [unittest arguments]

Reads the protobuf messages itself. Of every golden model and reranker: inputs of nodes are defined before they are used,
names are given once, everything is used, initialisers have the bytes that their shapes ask for, the operators and their
attributes are those of opset 17, two runs give the same bytes.
"""

import argparse
import json
import math
import shutil
import struct
import sys
import tempfile
import unittest
from pathlib import Path

import onnx_case
from onnx_case import GOLDEN, assemble, read_json, rerankers, static_models, variants

F32, I8, I64 = 1, 3, 7
SIZES = {F32: 4, I8: 1, I64: 8}
# Operator -> (fewest inputs, most, its attributes).
OPERATORS = {
    "Abs": (1, 1, ()), "Add": (2, 2, ()), "And": (2, 2, ()), "Cast": (1, 1, ("to",)), "Concat": (2, 2, ("axis",)),
    "CumSum": (2, 2, ()), "DequantizeLinear": (2, 2, ("axis",)), "Div": (2, 2, ()), "Equal": (2, 2, ()), "Erf": (1, 1, ()),
    "Gather": (2, 2, ("axis",)), "GatherND": (2, 2, ("batch_dims",)), "Greater": (2, 2, ()), "GreaterOrEqual": (2, 2, ()),
    "Identity": (1, 1, ()), "LayerNormalization": (2, 3, ("axis", "epsilon")), "LessOrEqual": (2, 2, ()),
    "MatMul": (2, 2, ()), "Max": (2, 2, ()), "Mul": (2, 2, ()), "Not": (1, 1, ()), "Pow": (2, 2, ()), "Range": (3, 3, ()),
    "ReduceL2": (1, 1, ("axes", "keepdims")), "ReduceMax": (1, 1, ("axes", "keepdims")), "ReduceSum": (2, 2, ("keepdims",)),
    "Relu": (1, 1, ()), "Reshape": (2, 2, ()), "Shape": (1, 1, ("start",)), "Sigmoid": (1, 1, ()), "Slice": (4, 4, ()),
    "Softmax": (1, 1, ("axis",)), "Split": (1, 1, ("axis",)), "Sqrt": (1, 1, ()), "Squeeze": (1, 1, ()), "Sub": (2, 2, ()),
    "Tanh": (1, 1, ()), "Transpose": (1, 1, ("perm",)), "Unsqueeze": (2, 2, ()), "Where": (3, 3, ()),
}
KINDS = {1: 2, 2: 3, 7: 8}  # AttributeProto.type -> the field that holds the value

parser = argparse.ArgumentParser()
parser.add_argument("--program", required=True)
options, unittest_arguments = parser.parse_known_args()


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            if byte == 0 and shift > 7:
                raise ValueError("a varint is longer than it need be")
            return value, at


def message(data):
    """Field number -> values, in order: integers, floats, and bytes of what has a length."""
    fields, at = {}, 0
    while at < len(data):
        tag, at = varint(data, at)
        if tag & 7 == 0:
            value, at = varint(data, at)
        elif tag & 7 == 5:
            value, at = struct.unpack_from("<f", data, at)[0], at + 4
        elif tag & 7 == 2:
            size, at = varint(data, at)
            value, at = data[at:at + size], at + size
            if len(value) != size:
                raise ValueError("a length exceeds the message")
        else:
            raise ValueError(f"wire type {tag & 7}")
        fields.setdefault(tag >> 3, []).append(value)
    return fields


def texts(values):
    return [bytes(value).decode() for value in values]


class Model:
    def __init__(self, path):
        self.file = message(memoryview(Path(path).read_bytes()))
        self.graph = message(self.file[7][0])
        self.nodes = [message(node) for node in self.graph[1]]
        self.initializers = {texts(tensor[8])[0]: tensor for tensor in map(message, self.graph[5])}
        self.metadata = {}
        for entry in map(message, self.file[14]):
            key, value = texts([entry[1][0], entry[2][0]])
            self.metadata[key] = value

    def values(self, field):
        """Inputs or outputs: name -> (element type, dimensions)."""
        found = {}
        for info in map(message, self.graph[field]):
            tensor = message(message(info[2][0])[1][0])
            dims = [message(dim) for dim in message(tensor[2][0])[1]]
            found[texts(info[1])[0]] = tensor[1][0], [dim[1][0] if 1 in dim else texts(dim[2])[0] for dim in dims]
        return found

    def external(self, name):
        return dict(tuple(texts([entry[1][0], entry[2][0]])) for entry in map(message, self.initializers[name].get(13, ())))


def convert(*args):
    return onnx_case.convert(options.program, *args)


class Structure(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.dir = Path(scratch.name)
        self.path = self.dir / "model.onnx"

    def check_file(self, model):
        self.assertEqual(model.file[1], [8])
        self.assertEqual(texts(model.file[2]), ["sutra"])
        opset, = model.file[8]
        self.assertEqual(message(opset), {2: [17]})

    def check_initializers(self, model):
        self.assertEqual(len(model.initializers), len(model.graph[5]), "names of initialisers are given once")
        for name, tensor in model.initializers.items():
            size = SIZES[tensor[2][0]] * math.prod(tensor.get(1, ()))
            stored = model.external(name)
            if stored:
                self.assertEqual((tensor[14], int(stored["length"])), ([1], size), name)
                self.assertNotIn(9, tensor)
            else:
                self.assertEqual(len(tensor[9][0]), size, name)

    def check_nodes(self, model):
        known = {*model.values(11), *model.initializers}
        self.assertEqual(len(known), len(model.graph[11]) + len(model.initializers))
        used, names = set(), []
        for node in model.nodes:
            op, inputs = texts(node[4])[0], texts(node[1])
            fewest, most, allowed = OPERATORS[op]
            self.assertTrue(fewest <= len(inputs) <= most, f"{op} of {inputs}")
            self.assertTrue(set(inputs) <= known, f"{op}: {set(inputs) - known} is not known yet")
            names += texts(node[3])
            for attribute in map(message, node.get(5, ())):
                self.assertIn(texts(attribute[1])[0], allowed)
                self.assertEqual(set(attribute), {1, 20, KINDS[attribute[20][0]]})
            for output in texts(node[2]):
                self.assertNotIn(output, known, "values are given once")
                known.add(output)
            used.update(inputs)
        self.assertEqual(len(names), len(set(names)))
        self.assertEqual(known - used, set(model.values(12)), "everything is used")

    def check(self, model):
        self.check_file(model)
        self.check_initializers(model)
        self.check_nodes(model)

    def check_values(self, model, outputs):
        inputs = ["input_ids", "attention_mask"]
        rows = model.initializers.get("embeddings.type.weight")
        if rows and len(rows[1]) == 2:
            inputs.append("token_type_ids")
        self.assertEqual(model.values(11), {name: (I64, ["batch", "sequence"]) for name in inputs})
        self.assertEqual(model.values(12), outputs)

    def test_variants(self):
        for overlay in variants():
            with self.subTest(overlay.name):
                folder = self.dir / overlay.name
                expected = assemble(overlay, folder)
                convert(folder, self.path)
                model = Model(self.path)
                self.check(model)
                hidden = model.initializers["embeddings.token.weight"][1][1]
                self.check_values(model, {
                    "last_hidden_state": (F32, ["batch", "sequence", hidden]),
                    "sentence_embedding": (F32, ["batch", expected["dim"]])})
                self.assertEqual(model.metadata["dim"], str(expected["dim"]))
                shutil.rmtree(folder)

    def test_rerankers(self):
        for overlay in rerankers():
            with self.subTest(overlay.name):
                folder = self.dir / overlay.name
                assemble(overlay, folder)
                convert(folder, self.path)
                model = Model(self.path)
                self.check(model)
                self.check_values(model, {"logits": (F32, ["batch", 1])})
                self.assertIn(model.metadata["score_activation"], ("sigmoid", "identity"))

    def test_static_models(self):
        """No layers and no vectors of tokens; rows, weights and the dropped token are in the graph."""
        for folder in static_models():
            for args in ((), ("--compute", "int8")):
                with self.subTest(folder.name, args=args):
                    convert(folder, self.path, *args)
                    model = Model(self.path)
                    self.check(model)
                    dim = read_json(folder / "expected.json")["dim"]
                    self.check_values(model, {"sentence_embedding": (F32, ["batch", dim])})
                    self.assertEqual(model.initializers["embeddings.token.weight"][2], [I8 if args else F32])
                    named = folder.name == "both" or "shared" in folder.name
                    self.assertEqual("embeddings.token.rows" in model.initializers, named)
                    dropping = not (folder / "modules.json").exists() and folder.name != "bpe"
                    self.assertEqual("dropped_id" in model.initializers, dropping)

    def test_two_runs_give_the_same_bytes(self):
        for args in ((), ("--compute", "int8")):
            convert(GOLDEN / "models/base", self.path, *args)
            convert(GOLDEN / "models/base", self.dir / "again.onnx", *args)
            self.assertEqual(self.path.read_bytes(), (self.dir / "again.onnx").read_bytes())

    def test_metadata(self):
        folder = self.dir / "prompts"
        assemble(GOLDEN / "variants/prompts", folder)
        _, said = convert(folder, self.path)
        metadata, config = Model(self.path).metadata, json.loads(
            (folder / "config_sentence_transformers.json").read_text(encoding="utf-8"))
        for name, prompt in config["prompts"].items():
            self.assertEqual(metadata["prompt." + name], prompt)
        self.assertEqual(metadata["include_prompt"], "1")
        self.assertEqual((metadata["weights"], metadata["family"], said), ("float32", "bert", ""))
        assemble(GOLDEN / "variants/prompt-excluded-max", folder)
        _, said = convert(folder, self.path)
        self.assertIn("leaves prompts out of pooling", said)
        self.assertEqual(Model(self.path).metadata["include_prompt"], "0")

    def test_weights_are_the_stored_ones(self):
        """Embeddings as they are, linears transposed."""
        folder = GOLDEN / "models/base"
        data = (folder / "model.safetensors").read_bytes()
        size, = struct.unpack("<Q", data[:8])
        header = json.loads(data[8:8 + size])
        convert(folder, self.path)
        model = Model(self.path)

        def stored(name):
            begin, end = header[name]["data_offsets"]
            return data[8 + size + begin:8 + size + end]

        self.assertEqual(bytes(model.initializers["embeddings.token.weight"][9][0]),
                         stored("embeddings.word_embeddings.weight"))
        up = model.initializers["layer.0.up.weight"]
        rows, columns = up[1]
        found = struct.unpack(f"<{rows * columns}f", up[9][0])
        wanted = struct.unpack(f"<{rows * columns}f", stored("encoder.layer.0.intermediate.dense.weight"))
        self.assertEqual(header["encoder.layer.0.intermediate.dense.weight"]["shape"], [columns, rows])
        for i in range(rows):
            self.assertEqual(found[i * columns:(i + 1) * columns], wanted[i::rows])

    def test_int8(self):
        """All linears of the layers, and the token embeddings, which have no node for it."""
        for name, linears in (("base", 6), ("modernbert", 7), ("gte", 7), ("mpnet", 6)):
            folder = self.dir / name
            layers = assemble(GOLDEN / "variants" / name, folder) and json.loads(
                (folder / "config.json").read_text(encoding="utf-8"))["num_hidden_layers"]
            convert(folder, self.path, "--compute", "int8")
            model = Model(self.path)
            self.check(model)
            narrow = {name: tensor for name, tensor in model.initializers.items() if tensor[2] == [I8]}
            self.assertEqual(len(narrow), linears * layers + 1, name)
            for name, tensor in narrow.items():
                scales = model.initializers[name + ".scale"][1]
                self.assertEqual(scales, [tensor[1][0 if name == "embeddings.token.weight" else 1]])
            made = [node for node in model.nodes if texts(node[4]) == ["DequantizeLinear"]]
            self.assertEqual(len(made), len(narrow) - 1)

    def test_external_data(self):
        convert(GOLDEN / "models/base", self.path)
        whole = Model(self.path)
        output, _ = convert(GOLDEN / "models/base", self.path, "--external-data", "--json")
        model = Model(self.path)
        self.check(model)
        data = Path(str(self.path) + "_data").read_bytes()
        self.assertEqual(json.loads(output), {"path": str(self.path), "bytes": self.path.stat().st_size})
        end = 0
        for name, tensor in model.initializers.items():
            place = model.external(name)
            if not place:
                self.assertLess(len(tensor[9][0]), 4096)
                continue
            begin, size = int(place["offset"]), int(place["length"])
            self.assertEqual((place["location"], begin % 4096), ("model.onnx_data", 0))
            self.assertGreaterEqual(begin, end)
            end = begin + size
            self.assertEqual(data[begin:end], bytes(whole.initializers[name][9][0]))
        self.assertEqual(end, len(data))


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *unittest_arguments])
