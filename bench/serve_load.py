#!/usr/bin/env python3
"""Many clients of `sutra serve`, one passage a request, beside the library's one call and beside other servers.

usage: bench/serve_load.py -i TEXTS [-n 1000] [--clients 64,256] [--rounds 5] [-m .cache/model] [--dim 384] [--threads N]
                           [--most-tokens 250]
                           [--program build/release/sutra] [--library build/release/libsutra.so]
                           [--peer NAME=http://HOST:PORT/PATH,MODEL …]

The library and the servers take turns in each round, one at work while the others wait; the first round warms up and is not
counted. Clients are keep-alive connections, each of which sends its next request when it has an answer, all of them on one
thread of this process: what that takes, of the same cores, is part of each server's figure. A peer is a server that speaks
OpenAI's POST /v1/embeddings, started beforehand, such as
  infinity_emb v2 --model-id FOLDER --engine torch --device cpu --dtype float32 --no-bettertransformer --port 7997
    (--peer infinity=http://127.0.0.1:7997/embeddings,NAME)
  llama-server -m MODEL.gguf --embedding --pooling mean -np 64 -c 32768 -b 2048 -ub 2048
      --threads-http 300 --port 8082
    (--peer llama.cpp=http://127.0.0.1:8082/v1/embeddings,x)
Texts of more tokens are left out, as some peers refuse what they cannot take whole. Prints requests/s (median of the rounds and range), p50 and p99 of a request over all rounds, the rate beside the library's
one call (median of the rounds' ratios), the smallest cosine to the library's vectors; and for Sutra the p99 beside three
times what the clients' tokens take at the library's pace. Needs numpy.
"""

import argparse
import base64
import json
import re
import selectors
import socket
import statistics
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "bench/peers"))
sys.path.insert(0, str(ROOT / "tests/server"))
from serve_case import Server, request_bytes  # noqa: E402
from sutra_ctypes import Sutra  # noqa: E402


class Client:
    """One connection, and the request that it waits for."""

    def __init__(self, address, selector):
        self.address, self.selector, self.socket = address, selector, None
        self.buffer, self.number, self.begun, self.request = b"", None, 0.0, b""
        self.cut = 0  # answers that ended too early, and were asked for again
        self.connect()

    def connect(self):
        """Some servers end a connection after so many requests."""
        if self.socket:
            self.selector.unregister(self.socket)
            self.socket.close()
        self.socket = socket.create_connection(self.address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.selector.register(self.socket, selectors.EVENT_READ, self)

    def send(self, number, request):
        self.number, self.begun, self.buffer, self.request = number, time.perf_counter(), b"", request
        try:
            self.socket.sendall(request)
        except ConnectionError:
            self.connect()
            self.socket.sendall(request)

    def answer(self):
        """(status, body), or None: there is more to come."""
        try:
            data = self.socket.recv(1 << 18)
        except ConnectionError:
            data = b""
        if not data:
            self.cut += bool(self.buffer)
            self.connect()
            self.buffer = b""
            self.socket.sendall(self.request)
            return None
        self.buffer += data
        head, found, body = self.buffer.partition(b"\r\n\r\n")
        if not found:
            return None
        size = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
        if size:
            if len(body) < int(size[1]):
                return None
        elif not body.endswith(b"0\r\n\r\n"):  # chunked
            return None
        else:
            parts = []
            while body:
                length, _, body = body.partition(b"\r\n")
                length = int(length, 16)
                parts.append(body[:length])
                body = body[length + 2:] if length else b""
            body = b"".join(parts)
        return int(head.split(None, 2)[1]), body


def load(address, requests, clients):
    """(seconds in all, [seconds], [body])"""
    selector = selectors.DefaultSelector()
    connections = [Client(address, selector) for _ in range(min(clients, len(requests)))]
    times, bodies, left = [0.0] * len(requests), [b""] * len(requests), iter(enumerate(requests))
    begun = time.perf_counter()
    for client in connections:
        client.send(*next(left))
    open_requests = len(connections)
    while open_requests:
        for key, _ in selector.select():
            client = key.data
            answer = client.answer()
            if answer is None:
                continue
            if answer[0] != 200:
                raise RuntimeError(f"status {answer[0]}: {answer[1][:300]}")
            times[client.number] = time.perf_counter() - client.begun
            bodies[client.number] = answer[1]
            following = next(left, None)
            if following:
                client.send(*following)
            else:
                open_requests -= 1
    took = time.perf_counter() - begun
    cut = sum(client.cut for client in connections)
    if cut:
        print(f"{address[0]}:{address[1]}: {cut} of {len(requests)} answers were cut short, and asked for again", flush=True)
    for client in connections:
        client.socket.close()
    return took, times, bodies


class Served:
    """A server, with the requests for its dialect."""

    def __init__(self, host, port, path, model, texts, encoding):
        self.address = (host, port)
        fields = {"encoding_format": encoding, **({"model": model} if model else {})}
        self.requests = [request_bytes("POST", path, {"input": text, **fields}, Host=f"{host}:{port}",
                                       Content_Type="application/json") for text in texts]

    def run(self, clients):
        took, times, bodies = load(self.address, self.requests, clients)
        return took, times, [self.vector(body) for body in bodies]

    @staticmethod
    def vector(body):
        value = json.loads(body)["data"][0]["embedding"]
        return np.frombuffer(base64.b64decode(value), "<f4") if isinstance(value, str) else np.array(value, np.float32)


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] * 1e3


def cosine(rows, others):
    a, b = np.array(rows), np.array(others)
    return float(((a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)).min())


def measure(library, servers, texts, clients, rounds):
    rates, times = {name: [] for name in ["library", *servers]}, {name: [] for name in servers}
    for turn in range(rounds + 1):
        begun = time.perf_counter()
        expected = library.encode(texts)
        if turn:
            rates["library"].append(len(texts) / (time.perf_counter() - begun))
        for name, server in servers.items():
            took, taken, rows = server.run(clients)
            if turn:
                rates[name].append(len(texts) / took)
                times[name] += taken
            else:
                print(f"{clients} clients, {name}: smallest cosine to the library {cosine(rows, expected):.7f}"
                      f"{', the same bytes' if np.array_equal(np.array(rows), expected) else ''}", flush=True)
    for name, values in rates.items():
        beside = statistics.median(a / b for a, b in zip(values, rates["library"]))
        line = f"{clients} clients, {name}: {statistics.median(values):.1f} requests/s ({min(values):.1f} to {max(values):.1f}), " \
               f"{beside:.3f} of the library"
        if name in times:
            slower = statistics.median(a / b for a, b in zip(rates["sutra"], values))
            line += f", p50 {percentile(times[name], .5):.1f} ms, p99 {percentile(times[name], .99):.1f} ms; sutra is {slower:.2f} times as fast"
        print(line, flush=True)
    waits = clients / statistics.median(rates["library"]) * 1e3
    print(f"{clients} clients, sutra: p99 {percentile(times['sutra'], .99):.1f} ms; {clients} texts take {waits:.1f} ms at the "
          f"library's pace, p99 is {percentile(times['sutra'], .99) / waits:.2f} times that", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--program", default=str(ROOT / "build/release/sutra"))
    parser.add_argument("--library", default=str(ROOT / "build/release/libsutra.so"))
    parser.add_argument("-m", "--model", default=str(ROOT / ".cache/model"))
    parser.add_argument("-i", "--input", required=True)
    parser.add_argument("-n", type=int, default=1000)
    parser.add_argument("--most-tokens", type=int, default=250)
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--clients", default="64,256")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peer", action="append", default=[])
    args = parser.parse_args()
    library = Sutra(args.library, args.model, args.threads, 0, args.dim)
    library.options.max_tokens = 0
    texts = []
    with open(args.input, encoding="utf-8") as file:
        for line in file:
            if len(texts) < args.n and library.count_tokens(library.inputs([line[:-1]])) <= args.most_tokens:
                texts.append(line[:-1])
    print(f"{len(texts)} texts, {library.count_tokens(library.inputs(texts)) / len(texts):.1f} tokens each", flush=True)
    threads = ("--threads", args.threads) if args.threads else ()
    with Server(args.program, "--truncate", *threads, model=args.model) as server:
        servers = {"sutra": Served(server.host, server.port, "/v1/embeddings", None, texts, "base64")}
        for peer in args.peer:
            name, _, rest = peer.partition("=")
            url, _, model = rest.rpartition(",")
            parts = urlsplit(url)
            servers[name] = Served(parts.hostname, parts.port, parts.path, model, texts, "float")
        for clients in map(int, args.clients.split(",")):
            measure(library, servers, texts, clients, args.rounds)
    library.close()


if __name__ == "__main__":
    main()
