#!/usr/bin/env python3
"""ONNX files of sutra convert as onnx/model.onnx of a model's folder: sentence-transformers' ONNX backend, which is Optimum,
gives what its torch backend gives.

usage: test_onnx_optimum.py --program build/release/sutra [--model FOLDER] [unittest arguments]

Needs torch and the packages of tests/onnx/optimum.txt. --model: the folder of all-MiniLM-L6-v2 (default: SUTRA_TEST_MODEL,
else .cache/model).
"""

import argparse
import os
import shutil
import sys
import tempfile
import unittest
from pathlib import Path

import numpy as np
from sentence_transformers import CrossEncoder, SentenceTransformer

import onnx_case
from onnx_case import GOLDEN, SOURCE, assemble, rerankers

TOLERANCE = 1e-5
TEXTS = ["a short text", "the other one, with more of the words and so padded by none", "x"]
PAIRS = [("a short text", "another"), ("the other one, of more words", "x")]

parser = argparse.ArgumentParser()
parser.add_argument("--program", required=True)
parser.add_argument("--model", default=os.environ.get("SUTRA_TEST_MODEL", str(SOURCE / ".cache/model")))
options, unittest_arguments = parser.parse_known_args()


class OnnxBackend(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = Path(scratch.name) / "model"

    def compare(self, name, kind, run, *args):
        (self.folder / "onnx").mkdir(exist_ok=True)
        onnx_case.convert(options.program, self.folder, self.folder / "onnx/model.onnx", *args)
        model = kind(str(self.folder), backend="onnx", model_kwargs={"file_name": "onnx/model.onnx"})
        worst = float(np.abs(run(kind(str(self.folder))) - run(model)).max())
        print(f"{name}: {worst:.1e}")
        self.assertLess(worst, TOLERANCE)

    def test_embeddings(self):
        for name in ("base", "distilbert", "max", "mpnet", "roberta"):
            with self.subTest(name):
                assemble(GOLDEN / "variants" / name, self.folder)
                self.compare(name, SentenceTransformer, lambda model: model.encode(TEXTS))
                shutil.rmtree(self.folder)

    def test_minilm(self):
        shutil.copytree(options.model, self.folder)
        for args in ((), ("--external-data",)):
            self.compare("all-MiniLM-L6-v2", SentenceTransformer, lambda model: model.encode(TEXTS), *args)

    def test_rerankers(self):
        # The torch backend of this transformers hands DistilBERT token types, which it does not take.
        for overlay in (overlay for overlay in rerankers() if "distilbert" not in overlay.name):
            with self.subTest(overlay.name):
                assemble(overlay, self.folder)
                self.compare(overlay.name, CrossEncoder, lambda model: model.predict(PAIRS))
                shutil.rmtree(self.folder)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *unittest_arguments])
