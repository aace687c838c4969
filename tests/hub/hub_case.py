"""What the hub's tests share: a scratch cache, a local hub, the program that pulls.

The tests take the program and the library as their first two arguments."""

import hashlib
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import unittest

from hub_server import COMMIT, Hub

PROGRAM, LIBRARY = sys.argv[1:3]
os.environ["ASAN_OPTIONS"] = os.environ["UBSAN_OPTIONS"] = "exitcode=88"
OK, ARGUMENT, IO, FORMAT, UNSUPPORTED, CANCELLED = 0, 1, 3, 4, 5, 11
WEIGHTS = random.Random(1).randbytes(3_000_000)
SMALL = {
    "config.json": b'{"model_type": "bert"}',
    "tokenizer.json": b'{"model": {}}' + b" " * 5000,
    "vocab.txt": b"[PAD]\n[UNK]\n",
    "modules.json": json.dumps([{"path": ""}, {"path": "1_Pooling"}]).encode(),
    "1_Pooling/config.json": b'{"pooling_mode_cls_token": true}',
    "sentence_bert_config.json": b'{"max_seq_length": 512}',
}
UNWANTED = {
    "pytorch_model.bin": b"pickle" * 100,
    "README.md": b"readme",
    "onnx/model.onnx": b"onnx",
    "sentencepiece.bpe.model": b"pieces",
    "modeling.py": b"import os",
    "2_Dense/pytorch_model.bin": b"pickle",
}
MODEL = {**SMALL, "model.safetensors": WEIGHTS}


def sha256(data):
    return hashlib.sha256(data).hexdigest()


class HubTest(unittest.TestCase):
    files = {**UNWANTED, **MODEL}

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="sutra-hub-"))
        self.cache = self.folder / "cache"
        self.hub = Hub(self.files)
        self.addCleanup(shutil.rmtree, self.folder)
        self.addCleanup(self.hub.close)

    # ---- helpers ----

    def skip(self, reason):
        print(f"{self.id()}: NOT RUN: {reason}", file=sys.stderr)
        self.skipTest(reason)

    def command(self, verb, **keys):
        keys = {"cache": self.cache, "name": self.hub.repo, **keys}
        return [PROGRAM, LIBRARY, verb] + [f"{k}={v}" for k, v in keys.items() if v is not None]

    def call(self, verb, **keys):
        env = {**os.environ, "http_proxy": "http://127.0.0.1:1", "HTTP_PROXY": "http://127.0.0.1:1",
               "all_proxy": "http://127.0.0.1:1", "no_proxy": ""}
        done = subprocess.run(self.command(verb, **keys), capture_output=True, text=True, env=env)
        done.values = dict(line.split("=", 1) for line in done.stdout.splitlines())
        self.assertGreaterEqual(done.returncode, 0, done.stderr)
        self.assertLess(done.returncode, 20, done.stderr)
        return done

    def pull(self, expected=OK, *words, **keys):
        keys = {"endpoint": self.hub.url, "attempts": 3, "backoff": 1, "max_backoff": 20, **keys}
        done = self.call("pull", **keys)
        self.assertEqual(done.returncode, expected, done.stderr)
        if expected:
            error = done.stderr.splitlines()[-1]
            self.assertTrue(error.startswith("error: "), error)
            self.assertLess(len(error), 505)
            for word in words:
                self.assertIn(word, error)
        return done

    def repo(self):
        return self.cache / ("models--" + self.hub.repo.replace("/", "--"))

    def blobs(self):
        folder = self.repo() / "blobs"
        return sorted(p.name for p in folder.iterdir()) if folder.exists() else []

    def incomplete(self):
        return [name for name in self.blobs() if name.endswith(".incomplete")]

    def assertNotFound(self):
        self.assertNotEqual(self.call("find").returncode, OK)

    def assertModel(self, files=MODEL):
        """The lookup gives a folder that holds exactly the right files."""
        found = self.call("find")
        self.assertEqual(found.returncode, OK, found.stderr)
        self.assertFiles(pathlib.Path(found.values["path"]), files)
        return pathlib.Path(found.values["path"])

    def assertFiles(self, path, files):
        names = {str(p.relative_to(path)) for p in path.rglob("*") if not p.is_dir()}
        self.assertEqual(names - {"sutra.json"}, set(files))
        for name, data in files.items():
            self.assertEqual((path / name).read_bytes(), data, name)

    def weights_requests(self):
        return self.hub.asked("/model.safetensors", "cdn")


def main():
    unittest.main(argv=[sys.argv[0]] + sys.argv[3:])
