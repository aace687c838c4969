#!/usr/bin/env python3
"""One peer in one process, driven by run.py over standard input and output, one JSON object a line.

usage: server.py ENGINE SETTINGS.json   (settings: model, library, work, threads, max_tokens, dim)
Requests: {"op": "encode", "texts": FILE.json, "batch": N, "save": FILE.npy or null} -> {"seconds": s}
          {"op": "latency", "texts": FILE.json}                                     -> {"seconds": [one a text]}
          {"op": "memory"}                                                          -> {"peak_mb": n}
"""

import json
import os
import resource
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from engines import ENGINES, limit_threads  # noqa: E402

settings = json.load(open(sys.argv[2], encoding="utf-8"))
limit_threads(settings["threads"])
replies = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # what libraries print goes to stderr

import numpy as np  # noqa: E402 - after the thread limits

engine = ENGINES[sys.argv[1]][0](settings)
text_sets = {}


def texts_of(path):
    if path not in text_sets:
        text_sets[path] = json.load(open(path, encoding="utf-8"))
    return text_sets[path]


def timed(texts, batch):
    start = time.perf_counter()
    vectors = engine.encode(texts, batch)
    return time.perf_counter() - start, vectors


def answer(request):
    if request["op"] == "encode":
        seconds, vectors = timed(texts_of(request["texts"]), request["batch"])
        if request["save"]:
            np.save(request["save"], vectors)
        return {"seconds": seconds}
    if request["op"] == "latency":
        return {"seconds": [timed([text], 1)[0] for text in texts_of(request["texts"])]}
    return {"peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def reply(message):
    replies.write(json.dumps(message) + "\n")
    replies.flush()


reply({"ready": True})
for line in sys.stdin:
    reply(answer(json.loads(line)))
