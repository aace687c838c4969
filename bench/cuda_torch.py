#!/usr/bin/env python3
"""torch's forward pass of bench/cuda.py's shapes, in a process of its own: BertModel with SDPA, random weights in fp16.

usage: bench/cuda_torch.py SETTINGS   (started by bench/cuda.py, which gives it as JSON)

Makes everything ready, says so, and measures once for each line that it reads.
Rows of one length without a mask; ids are on the device before the clock starts, and vectors stay there: no tokens to make,
no copies, no pooling. The best of several batch sizes, and of the passes as they are and as a CUDA graph.
"""

import json
import statistics
import sys
import time

import torch

from cuda_model import SHAPES, bert_config


def timed_passes(forward, wait, seconds):
    """Seconds of each pass."""
    found, stop = [], time.perf_counter() + seconds
    while len(found) < 3 or time.perf_counter() < stop:
        start = time.perf_counter()
        forward()
        wait()
        found.append(time.perf_counter() - start)
    return found


def graph_of(forward):
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            forward()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        forward()
    return graph.replay


def main():
    settings = json.loads(sys.argv[1])
    layers, hidden, ffn, heads = SHAPES[settings["shape"]]
    if settings["layers"]:
        layers = settings["layers"]
    from transformers import BertModel
    torch.manual_seed(1)
    device, on_gpu = settings["device"], settings["device"].startswith("cuda")
    wait = torch.cuda.synchronize if on_gpu else (lambda: None)
    config = bert_config((layers, hidden, ffn, heads), 30522)
    config._attn_implementation = "sdpa"
    model = BertModel(config, add_pooling_layer=False).eval().to(getattr(torch, settings["dtype"])).to(device)
    passes, problem = [], ""
    with torch.inference_mode():
        for batch in settings["batches"]:
            ids = torch.randint(1000, 20000, (batch, settings["tokens"]), device=device)

            def forward(ids=ids):
                return model(input_ids=ids).last_hidden_state

            for _ in range(3):
                forward()
            wait()
            passes.append((batch, "as it is", forward))
        for batch, _way, forward in list(passes) if on_gpu else []:
            try:
                passes.append((batch, "CUDA graph", graph_of(forward)))
            except RuntimeError as error:
                problem = str(error).split("\n", 1)[0]
                break
        print(json.dumps({"graph_problem": problem, "attention": config._attn_implementation}), flush=True)
        for _line in sys.stdin:
            found = []
            for batch, way, run in passes:
                times = timed_passes(run, wait, settings["seconds"])
                found.append({"texts_per_s": batch * len(times) / sum(times), "p50_ms": 1e3 * statistics.median(times),
                              "batch": batch, "way": way})
            print(json.dumps(max(found, key=lambda one: one["texts_per_s"])), flush=True)


if __name__ == "__main__":
    main()
