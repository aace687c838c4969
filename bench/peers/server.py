#!/usr/bin/env python3
"""One peer in one mode in one process, driven by measure.py over standard input and output, one JSON object a line.

usage: server.py ENTRY MODE SETTINGS.json [--once]
(an entry: "openvino", "openvino bf16"; settings: model, library, work, calibration, threads, max_tokens, dim)
--once: one vector and out, to time a start.
Requests: {"op": "encode", "texts": FILE.json, "batch": N, "save": FILE.npy or null} -> {"seconds": s}
          {"op": "latency", "texts": FILE.json}                                     -> {"seconds": [one a text]}
          {"op": "tokenize", "texts": FILE.json}                                    -> {"seconds": s, "tokens": n}
          {"op": "facts"}                        -> {"peak_mb": n, "interpreter_mb": n, "version": text}
"""

import json
import os
import sys
import time

import numpy as np

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from engines import PEERS, TOKENIZERS, parts  # noqa: E402


def resident_mb(field):
    """VmRSS: now; VmHWM: at most so far."""
    for line in open("/proc/self/status", encoding="utf-8"):
        if line.startswith(field):
            return int(line.split()[1]) / 1024
    raise KeyError(field)


class Service:
    def __init__(self, name, mode, settings):
        self.interpreter_mb = resident_mb("VmRSS")  # Python with numpy
        name, compute = parts(name)
        self.peer = {**PEERS, **TOKENIZERS}[name]
        self.engine = self.peer.engine({**settings, "compute": compute}, mode)
        self.text_sets = {}

    def texts_of(self, path):
        if path not in self.text_sets:
            self.text_sets[path] = json.load(open(path, encoding="utf-8"))
        return self.text_sets[path]

    def timed(self, texts, batch):
        start = time.perf_counter()
        vectors = self.engine.encode(texts, batch)
        return time.perf_counter() - start, vectors

    def encode(self, texts, batch, save):
        if hasattr(self.engine, "prepare"):
            self.engine.prepare(batch)
        seconds, vectors = self.timed(self.texts_of(texts), batch)
        if save:
            np.save(save, vectors)
        return {"seconds": seconds}

    def latency(self, texts):
        return {"seconds": [self.timed([text], 1)[0] for text in self.texts_of(texts)]}

    def tokenize(self, texts):
        prepared = self.engine.tokenizer_input(self.texts_of(texts))
        start = time.perf_counter()
        tokens = self.engine.count_tokens(prepared)
        return {"seconds": time.perf_counter() - start, "tokens": tokens}

    def facts(self):
        import importlib.metadata  # not part of a start
        version = ", ".join(f"{p} {importlib.metadata.version(p)}" for p in self.peer.packages)
        return {"peak_mb": resident_mb("VmHWM"), "interpreter_mb": self.interpreter_mb, "version": version}


def main():
    name, mode, settings_file = sys.argv[1:4]
    settings = json.load(open(settings_file, encoding="utf-8"))
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print goes to stderr
    service = Service(name, mode, settings)
    if "--once" in sys.argv:
        service.engine.encode(["The cat sat on the mat."], 1)
        return
    replies.write('{"ready": true}\n')
    replies.flush()
    for line in sys.stdin:
        request = json.loads(line)
        reply = getattr(service, request.pop("op"))(**request)
        replies.write(json.dumps(reply) + "\n")
        replies.flush()


if __name__ == "__main__":
    main()
