#!/usr/bin/env python3
"""One side of the text rows of bench/cuda.py, in a process of its own: Sutra by the C API, or sentence-transformers in fp16.

usage: bench/cuda_worker.py sutra|peer FILE   (started by bench/cuda.py)

Reads requests as JSON lines on standard input, answers one line each. Texts are made by number (cuda_texts.py) before the
clock starts; it stops when all vectors are in this process' memory, as
each side gives them.
"""

import ctypes as C
import json
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent / "peers"))
import cuda_texts  # noqa: E402


class Sutra:
    """Inputs are built before the clock starts, as a program in C would have them; outputs lie in memory that was touched."""

    def __init__(self, settings):
        import sutra_ctypes
        self.input_type = sutra_ctypes.Input
        self.engine = sutra_ctypes.Sutra(settings["library"], settings["model"], settings["threads"], settings["max_tokens"],
                                         settings["dim"], settings["compute"], devices=settings["device"],
                                         plugins=settings["plugins"])
        self.out = np.zeros((0, settings["dim"]), np.float32)

    def prepare(self, texts):
        """The array of SutraInput, made by columns: a loop over a million structs takes seconds."""
        encoded = [text.encode() for text in texts]
        sizes = np.fromiter(map(len, encoded), np.uint64, len(encoded))
        joined = b"".join(encoded)
        table = np.zeros((len(encoded), C.sizeof(self.input_type) // 8), np.uint64)
        table[:, 0] = C.cast(C.c_char_p(joined), C.c_void_p).value + np.cumsum(sizes) - sizes
        table[:, 1] = sizes
        inputs = (self.input_type * len(encoded)).from_buffer(table)
        if len(self.out) < len(encoded):
            self.out = np.zeros((len(encoded), self.out.shape[1]), np.float32)
        return inputs, joined, table

    def encode(self, prepared, _batch):
        return self.engine.encode_inputs(prepared[0], self.out[:len(prepared[0])])

    def tokens(self, prepared):
        return self.engine.count_tokens(prepared[:2])


class Peer:
    def __init__(self, settings):
        import torch
        from sentence_transformers import SentenceTransformer
        self.model = SentenceTransformer(settings["model"], device=settings["peer_device"])
        self.model.max_seq_length = settings["max_tokens"]
        self.model.to(getattr(torch, settings["peer_dtype"]))

    def prepare(self, texts):
        return list(texts)

    def encode(self, prepared, batch):
        return self.model.encode(prepared, batch_size=batch or 64, convert_to_numpy=True, show_progress_bar=False,
                                 normalize_embeddings=True)

    def tokens(self, prepared):
        return sum(len(ids) for ids in self.model.tokenizer(prepared, truncation=True, max_length=self.model.max_seq_length
                                                            )["input_ids"])


def answer(side, settings, request):
    texts = cuda_texts.Texts(settings["texts"], request["kind"])
    begin, end = request["begin"], request["end"]
    if request["op"] == "rate":
        seconds = 0.0
        for first in range(begin, end, settings["call"]):
            prepared = side.prepare(texts.range(first, min(first + settings["call"], end)))
            start = time.perf_counter()
            side.encode(prepared, request["batch"])
            seconds += time.perf_counter() - start
        return {"seconds": seconds, "texts": end - begin}
    if request["op"] == "latency":
        seconds = []
        for text in texts.range(begin, end):
            prepared = side.prepare([text])
            start = time.perf_counter()
            side.encode(prepared, 1)
            seconds.append(time.perf_counter() - start)
        return {"seconds": seconds}
    prepared = side.prepare(texts.range(begin, end))
    np.save(request["save"], np.asarray(side.encode(prepared, 64), np.float32))
    return {"tokens": side.tokens(prepared)}


def main():
    settings = json.loads(Path(sys.argv[2]).read_text(encoding="utf-8"))
    replies, sys.stdout = sys.stdout, sys.stderr  # libraries print too
    side = Sutra(settings) if sys.argv[1] == "sutra" else Peer(settings)
    print(json.dumps({"ready": True}), file=replies, flush=True)
    for line in sys.stdin:
        print(json.dumps(answer(side, settings, json.loads(line))), file=replies, flush=True)


if __name__ == "__main__":
    main()
