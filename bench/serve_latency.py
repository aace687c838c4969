#!/usr/bin/env python3
"""Time of one short query over HTTP beside the library's own, interleaved.

usage: bench/serve_latency.py [--program build/release/sutra] [--library build/release/libsutra.so] [-m MODEL] [--dim 384] [--threads N] [-n 2000] [--page]

Both on all cores, or --threads. HTTP: one keep-alive connection, a bare socket; the library: sutra_embed_into by ctypes. /health is
the same way without an embedding. With --page then 1,000 passages in one request.
"""

import argparse
import re
import socket
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "peers"))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests/server"))
from serve_case import Server, request_bytes  # noqa: E402
from sutra_ctypes import Sutra  # noqa: E402

parser = argparse.ArgumentParser()
parser.add_argument("--program", default="build/release/sutra")
parser.add_argument("--library", default="build/release/libsutra.so")
parser.add_argument("-m", "--model", default=".cache/model")
parser.add_argument("--dim", type=int, default=384)
parser.add_argument("-n", type=int, default=2000)
parser.add_argument("--threads", type=int, default=0)
parser.add_argument("--page", action="store_true")
args = parser.parse_args()
TEXT = "how do cats sleep"


class Http:
    """A bare client: what it costs itself is seen at /health."""

    def __init__(self, server):
        self.socket = socket.create_connection((server.host, server.port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.embed = request_bytes("POST", "/v1/embeddings", {"input": TEXT, "encoding_format": "base64"})
        self.floats = request_bytes("POST", "/v1/embeddings", {"input": TEXT})
        self.health = request_bytes("GET", "/health")

    def ask(self, request):
        self.socket.sendall(request)
        data = self.socket.recv(1 << 20)
        head, _, body = data.partition(b"\r\n\r\n")
        size = int(re.search(rb"Content-Length: (\d+)", head)[1])
        while len(body) < size:
            body += self.socket.recv(1 << 20)
        return body


def measure(calls, count, block=50):
    """Deciles, the calls taking turns, `block` of each at a time, the first fifth of which warms up."""
    times = [[] for _ in calls]
    for _ in range(max(count // block, 1)):
        for i, call in enumerate(calls):
            for k in range(block):
                begin = time.perf_counter()
                call()
                if k >= block // 5:
                    times[i].append(time.perf_counter() - begin)
    return [statistics.quantiles(some, n=10) for some in times]


def main():
    library = Sutra(args.library, args.model, args.threads, 0, args.dim)
    page = [f"{TEXT} {i}" + " of passages that are a little longer than a query" * 4 for i in range(1000)]
    threads = ("--threads", args.threads) if args.threads else ()
    with Server(args.program, *threads, model=args.model) as server:
        http = Http(server)
        single = measure((lambda: library.encode([TEXT]), lambda: http.ask(http.embed), lambda: http.ask(http.floats),
                          lambda: http.ask(http.health)), args.n)
        for name, value in zip(("library", "HTTP, base64", "HTTP, floats", "HTTP, /health"), single):
            print(f"one query, {name}: p50 {value[4] * 1e3:.3f} ms, p10 {value[0] * 1e3:.3f} ms")
        if not args.page:
            library.close()
            return
        requests = [request_bytes("POST", "/v1/embeddings", {"input": page, "encoding_format": form})
                    for form in ("base64", "float")]
        pages = measure((lambda: library.encode(page), lambda: http.ask(requests[0]), lambda: http.ask(requests[1])), 5, 1)
        for name, value in zip(("library", "HTTP, base64", "HTTP, floats"), pages):
            print(f"1,000 passages, {name}: p50 {value[4] * 1e3:.1f} ms")
    library.close()


main()
