#!/usr/bin/env python3
"""`sutra serve` under what is bad for servers: idle and slow clients, more requests than it can do, noise, clients that leave.

usage: bench/serve_soak.py [PART …] [--program build/release/sutra] [-m MODEL] [--threads N] [-i TEXTS] [--minutes 5] [--seed 1]

PARTS (default: all):
  idle       8 clients' requests alone, and with 1,000 connections that are silent and 1,000 that send a byte of a request's
             head a second; p99 of the 8. Three turns each, interleaved; fails above twice the p99 without them
  overload   for --minutes, requests come at four times the rate that the server has, over 512 connections, whatever it
             answers; at most 64 of their texts fit into its queue. Fails if there is another status than 200, 429, 503, a 429 or 503
             without Retry-After, or if the server's memory (RSS) grows by more than 5 % after the first fifth
  noise      10,000 malformed requests: valid ones with bytes changed, left out, doubled, cut. Fails unless the server answers
             a good request after every hundred
  leave      2,000 clients that leave in the middle: before, in and after the body, with requests sent ahead, with and without
             a reset. Fails unless then no request is in flight and all connections are closed
Prints what it saw; ends with 1 if a part failed. The server must end by SIGTERM with 0 after all.
"""

import argparse
import random
import re
import selectors
import socket
import struct
import sys
import time
from collections import Counter, deque
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests/server"))
sys.path.insert(0, str(ROOT / "bench"))
from serve_case import Server, request_bytes  # noqa: E402
from serve_load import load, percentile  # noqa: E402

parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
parser.add_argument("parts", nargs="*", metavar="PART", default=[])
parser.add_argument("--program", default=str(ROOT / "build/release/sutra"))
parser.add_argument("-m", "--model", default=str(ROOT / ".cache/model"))
parser.add_argument("-i", "--input", default="")
parser.add_argument("--threads", type=int, default=0)
parser.add_argument("--minutes", type=float, default=5)
parser.add_argument("--seed", type=int, default=1)
args = parser.parse_args()
chance = random.Random(args.seed)


def texts():
    if args.input:
        with open(args.input, encoding="utf-8") as file:
            return [line.rstrip("\n") for line, _ in zip(file, range(1000))]
    words = "the music of a green garden in night water house silver river paper new stone".split()
    return [" ".join(chance.choices(words, k=chance.randint(20, 120))) for _ in range(400)]


TEXTS = texts()
REQUESTS = [request_bytes("POST", "/v1/embeddings", {"input": text, "encoding_format": "base64"}) for text in TEXTS]


def serve(*options):
    threads = ("--threads", args.threads) if args.threads else ()
    return Server(args.program, "--truncate", *threads, *options, model=args.model)


def resident(server):
    status = Path(f"/proc/{server.process.pid}/status").read_text(encoding="ascii")
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1])


def metric(server, name):
    return float(re.search(rf"(?m)^{name} (\S+)$", server.request("GET", "/metrics").body.decode())[1])


class Crowd:
    """Connections that ask for nothing."""

    def __init__(self, server, idle, slow):
        address = (server.host, server.port)
        self.idle = [socket.create_connection(address) for _ in range(idle)]
        self.slow = [socket.create_connection(address) for _ in range(slow)]
        self.sent, self.next = 0, time.monotonic()

    def trickle(self):
        """Some of a byte each, so that each has one a second."""
        share = max(1, len(self.slow) // 20)
        while self.slow and time.monotonic() >= self.next:
            for i in range(share):
                number = self.sent + i
                place = number // len(self.slow) % len(REQUESTS[0])
                try:
                    self.slow[number % len(self.slow)].send(REQUESTS[0][place:place + 1])
                except OSError:  # 408 and closed, as it should
                    self.slow[number % len(self.slow)].close()
                    self.slow[number % len(self.slow)] = socket.create_connection(self.address())
            self.sent += share
            self.next += 0.05

    def address(self):
        return self.idle[0].getpeername()

    def close(self):
        for connection in self.idle + self.slow:
            connection.close()


def idle():
    with serve("--max-connections", 8192) as server:
        times = {"alone": [], "in the crowd": []}
        address = (server.host, server.port)
        load(address, REQUESTS[:100], 8)
        for _ in range(3):
            times["alone"] += load(address, REQUESTS[:200], 8)[1]
            crowd = Crowd(server, 1000, 1000)
            for i in range(0, 200, 20):
                crowd.trickle()
                times["in the crowd"] += load(address, REQUESTS[i:i + 20], 8)[1]
            crowd.close()
        for name, values in times.items():
            print(f"idle: {name}: {len(values)} requests, p50 {percentile(values, .5):.1f} ms, p99 {percentile(values, .99):.1f} ms",
                  flush=True)
        return percentile(times["in the crowd"], .99) <= 2 * percentile(times["alone"], .99)


class Flood:
    """Requests at a rate, over connections that are free."""

    def __init__(self, server, connections, seconds, rate):
        self.seconds, self.rate = seconds, rate
        self.selector = selectors.DefaultSelector()
        self.free = deque(socket.create_connection((server.host, server.port)) for _ in range(connections))
        self.buffers, self.statuses, self.unsaid, self.late = {}, Counter(), 0, 0
        for connection in self.free:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.selector.register(connection, selectors.EVENT_READ)

    def receive(self, connection):
        data = connection.recv(1 << 16)
        if not data:
            raise EOFError("the server closed a connection")
        self.buffers[connection] += data
        head, found, body = self.buffers[connection].partition(b"\r\n\r\n")
        if not found or len(body) < int(re.search(rb"(?i)content-length: *(\d+)", head)[1]):
            return
        status = int(head.split(None, 2)[1])
        self.statuses[status] += 1
        self.unsaid += status in (429, 503) and b"\r\nretry-after:" not in head.lower()
        del self.buffers[connection]
        self.free.append(connection)

    def run(self, every_second):
        begun = now = time.monotonic()
        sent, second = 0, 1
        while now - begun < self.seconds:
            while sent < (now - begun) * self.rate:
                sent += 1
                if not self.free:
                    self.late += 1  # more than the connections can hold: the client's limit, not the server's
                    continue
                connection = self.free.popleft()
                self.buffers[connection] = b""
                connection.sendall(REQUESTS[sent % len(REQUESTS)])
            for key, _ in self.selector.select(0.001):
                self.receive(key.fileobj)
            now = time.monotonic()
            if now - begun > second:
                every_second(second)
                second += 1
        while self.buffers:
            for key, _ in self.selector.select():
                self.receive(key.fileobj)
        for connection in self.free:
            connection.close()


def overload():
    tokens = 64 * sum(map(len, TEXTS)) // len(TEXTS) // 4
    with serve() as server:
        took, _, _ = load((server.host, server.port), REQUESTS, 64)
    with serve("--max-queued-tokens", tokens) as server:
        rate, sizes = len(REQUESTS) / took, []
        flood = Flood(server, 512, args.minutes * 60, 4 * rate)
        flood.run(lambda second: sizes.append(resident(server)))
        early, late = max(sizes[:len(sizes) // 5]), max(sizes[-len(sizes) // 5:])
        print(f"overload: {args.minutes:g} minutes at four times {rate:.1f} requests/s: statuses {dict(flood.statuses)}, "
              f"{flood.late} found no free connection; {flood.unsaid} without Retry-After; RSS {early / 1024:.1f} MiB in the first "
              f"fifth, {late / 1024:.1f} in the last", flush=True)
        return not set(flood.statuses) - {200, 429, 503} and flood.statuses[200] and flood.statuses[429] and not flood.unsaid \
            and late <= 1.05 * early


def damaged():
    data = bytearray(chance.choice(REQUESTS + [request_bytes("GET", "/v1/models"), request_bytes("POST", "/api/embed", {"input": "a"}),
                                               request_bytes("POST", "/embed", {"inputs": ["a", "b"]})]))
    for _ in range(chance.randint(1, 8)):
        at = chance.randrange(len(data))
        kind = chance.randrange(5)
        if kind == 0:
            data[at] = chance.randrange(256)
        elif kind == 1:
            del data[at:at + chance.randint(1, 20)]
        elif kind == 2:
            data[at:at] = data[at:at + chance.randint(1, 50)]
        elif kind == 3:
            data[at:at] = chance.choice([b"\r\n", b"\0", b"\r\n\r\n", b":", b" ", b"Content-Length: 9\r\n", b"Transfer-Encoding: chunked\r\n",
                                         b"{", b"\\ud800", b"[" * 40, b"1e999"])
        else:
            del data[max(1, at):]
        if not data:
            break
    return bytes(data)


def noise():
    statuses = Counter()
    with serve() as server:
        for i in range(10000):
            with socket.create_connection((server.host, server.port)) as connection:
                try:
                    connection.sendall(damaged())
                    connection.shutdown(socket.SHUT_WR)
                    answer = connection.recv(64)
                except OSError:
                    answer = b"reset"
                statuses[answer.split(b" ")[1].decode() if answer.startswith(b"HTTP/1.") else answer[:8].decode() or "closed"] += 1
            if i % 100 == 99 and server.embed("good").status != 200:
                print(f"noise: a good request failed after {i + 1}")
                return False
        print(f"noise: 10,000 malformed requests: {dict(statuses.most_common())}", flush=True)
    return set(statuses) <= {"200", "400", "404", "405", "408", "413", "414", "415", "422", "424", "431", "501", "505", "403", "closed", "reset"}


def leave():
    with serve() as server:
        for i in range(2000):
            connection = socket.create_connection((server.host, server.port))
            request = REQUESTS[i % len(REQUESTS)]
            way = i % 5
            try:
                if way == 0:
                    connection.sendall(request[:chance.randrange(len(request))])
                elif way == 1:
                    connection.sendall(request)
                elif way == 2:
                    connection.sendall(request * 3)
                elif way == 3:  # far ahead of what is answered
                    connection.setblocking(False)
                    connection.send(request * 400)
                else:
                    connection.sendall(request)
                    connection.recv(1)
                if chance.random() < 0.5:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            except OSError:
                pass
            connection.close()
        patience = time.monotonic() + 300
        while time.monotonic() < patience and (metric(server, "sutra_open_connections") > 1 or metric(server, "sutra_requests_in_flight") > 1):
            time.sleep(0.1)
        left = metric(server, "sutra_open_connections") - 1, metric(server, "sutra_requests_in_flight") - 1
        print(f"leave: 2,000 clients left; then {left[0]:g} connections and {left[1]:g} requests in flight", flush=True)
        return left == (0, 0) and server.embed("good").status == 200


PARTS = {"idle": idle, "overload": overload, "noise": noise, "leave": leave}
wrong = [part for part in args.parts if part not in PARTS]
if wrong:
    parser.error(f"no part {wrong[0]!r}; there are {', '.join(PARTS)}")
failed = [name for name in args.parts or PARTS if not PARTS[name]()]
if failed:
    sys.exit(f"failed: {', '.join(failed)}")
