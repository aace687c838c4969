#!/usr/bin/env python3
"""Streams of text through sutra.h: how soon a chunk has its vector, and that memory stays as it is.

usage: bench/streams.py --model FOLDER [--streams 8] [--tokens 256] [--seconds 20] [--share 0.5] [--threads 2]
                        [--bytes 1000000000] [--piece 4096] [--small-model FOLDER] [--dim 384] [--seed 1]
                        [--library build/release/libsutra.so]

Four parts:
  alone     one text of --tokens tokens in one call, again and again, and with a pause of 10 ms between two: what a chunk
            takes when nothing else is at work
  latency   N streams at once, each with a thread that pushes and one that takes. First as fast as they can, which gives the
            rate that the machine has; then each at an N-th of `--share` of that, in pieces of 256 bytes: begun by chance
            (--seed) within the time that a chunk takes to arrive, and all at once, so that their chunks come together: the
            worst that N streams can do. Times are the library's: from the call that
            found a chunk complete until its vector was there; chunks that only the end of the text decides are left out
  slow      one stream whose consumer sleeps 20 ms a chunk while its producer would push without end
  long      one stream of --bytes of text, pushed in pieces of --piece bytes, through --small-model (a tiny one of the tests:
            the stream is what is measured); the rate of the last tenth beside that of the first: a cost that grew with the
            length would show
Sizes are VmRSS; ends with 1 if one grew by more than 10 % after the first tenth, or the rate of the last tenth is less than
half of the first's. Needs numpy.
"""

import argparse
import ctypes as C
import random
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "bench/peers"))
from sutra_ctypes import EmbedOptions, Error, Sutra, check  # noqa: E402

FOR_EVER = C.c_uint64(2 ** 64 - 1)
END = 13  # SUTRA_E_END
WORDS = ("the", "music", "of", "a", "green", "garden", "in", "night", "water", "house", "silver", "river", "paper", "new", "stone")


class StreamOptions(C.Structure):
    _fields_ = [("struct_size", C.c_uint32), ("by", C.c_int), ("max_tokens", C.c_uint32), ("overlap", C.c_uint32),
                ("prompt_name", C.c_char_p), ("embed", C.POINTER(EmbedOptions)), ("aggregate", C.c_int),
                ("max_chunks", C.c_uint32), ("max_bytes", C.c_uint64)]


class Item(C.Structure):
    _fields_ = [("status", C.c_int), ("tokens_seen", C.c_uint32), ("tokens_used", C.c_uint32), ("flags", C.c_uint32),
                ("times", C.c_uint64 * 3), ("windows", C.c_uint32), ("reserved32", C.c_uint32), ("reserved", C.c_uint64)]


class StreamChunk(C.Structure):
    _fields_ = [("struct_size", C.c_uint32), ("reserved", C.c_uint32), ("number", C.c_uint64), ("begin", C.c_uint64),
                ("end", C.c_uint64), ("tokens", C.c_uint32), ("reserved32", C.c_uint32), ("text", C.c_void_p),
                ("vector", C.c_void_p), ("row_bytes", C.c_size_t), ("item", Item), ("latency_ns", C.c_uint64)]


def make_text(size):
    """Sentences of changing words; the same each time."""
    state, words = 12345, []
    used = 0
    while used < size:
        state = (state * 1103515245 + 12345) % 2 ** 31
        word = WORDS[(state >> 8) % len(WORDS)] + (". " if state >> 16 & 15 == 0 else " ")
        words.append(word)
        used += len(word)
    return "".join(words).encode()[:size]


def resident():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS")) * 1024


class Stream:
    """One stream; `take` is called with each chunk."""

    def __init__(self, sutra, tokens, take, max_chunks=0):
        self.lib, self.take, self.error, self.handle = sutra.lib, take, Error(), C.c_void_p()
        self.embed = EmbedOptions(struct_size=C.sizeof(EmbedOptions))
        options = StreamOptions(struct_size=C.sizeof(StreamOptions), max_tokens=tokens, embed=C.pointer(self.embed),
                                max_chunks=max_chunks)
        check(self.lib.sutra_stream_open(sutra.engine, sutra.model, C.byref(options), C.byref(self.handle), C.byref(self.error)),
              self.error)
        self.pushed, self.tokens, self.chunks, self.ended = 0, 0, 0, False

    def push_all(self, pieces):
        """Until the stream is cancelled."""
        for piece in pieces:
            if self.lib.sutra_stream_push(self.handle, piece, C.c_size_t(len(piece)), FOR_EVER, None, None):
                return
            self.pushed += len(piece)
        self.ended = True
        self.lib.sutra_stream_finish(self.handle, None)

    def take_all(self):
        chunk, error = StreamChunk(struct_size=C.sizeof(StreamChunk)), Error()
        while True:
            status = self.lib.sutra_stream_next(self.handle, FOR_EVER, C.byref(chunk), C.byref(error))
            if status == END:
                return
            check(status, error)
            self.chunks += 1
            self.tokens += chunk.tokens
            self.take(chunk)

    def run(self, pieces):
        self.threads = [threading.Thread(target=self.push_all, args=(pieces,)), threading.Thread(target=self.take_all)]
        for thread in self.threads:
            thread.start()

    def close(self):
        for thread in self.threads:
            thread.join()
        self.lib.sutra_stream_free(self.handle)


def paced(text, piece, rate, seconds, late=0):
    """Pieces for so many seconds, at `rate` bytes a second; 0: as fast as they are taken. The first comes `late` seconds late."""
    time.sleep(late)
    begun, sent, at = time.monotonic(), 0, 0
    while time.monotonic() - begun < seconds:
        yield text[at:at + piece]
        sent += piece
        at = (at + piece) % (len(text) - piece)
        ahead = sent / rate - (time.monotonic() - begun) if rate else 0
        if ahead > 0:
            time.sleep(ahead)


def run_streams(sutra, args, rate, most_late=0):
    """(bytes a second, tokens a second, sorted latencies in ms); a stream begins up to `most_late` seconds late, by chance."""
    chance = random.Random(args.seed)
    text, latencies = make_text(1 << 20), []
    streams = []

    def take(chunk):
        if not any(stream.ended for stream in streams):
            latencies.append(chunk.latency_ns * 1e-6)
    for _ in range(args.streams):
        streams.append(Stream(sutra, args.tokens, take))
    begun = time.monotonic()
    for i, stream in enumerate(streams):
        shift = i * 10007
        stream.run(paced(text[shift:] + text[:shift], 256, rate / args.streams, args.seconds,
                         chance.uniform(0, most_late)))
    for stream in streams:
        stream.close()
    took = time.monotonic() - begun
    return sum(s.pushed for s in streams) / took, sum(s.tokens for s in streams) / took, sorted(latencies)


def print_latency(name, tokens, latencies):
    def at(share):
        return latencies[min(len(latencies) - 1, int(share * len(latencies)))]
    print(f"| {name} | {len(latencies)} | {tokens:.0f} | {at(0.5):.1f} | {at(0.99):.1f} | {latencies[-1]:.1f} |", flush=True)


def measure_latency(args):
    sutra = Sutra(args.library, args.model, args.threads, args.tokens, 0)
    print(f"{args.streams} streams, chunks of {args.tokens} tokens, {args.threads} threads\n\n"
          "| streams | chunks | tokens/s | p50, ms | p99, ms | longest, ms |\n|---|---|---|---|---|---|")
    most, tokens, latencies = run_streams(sutra, args, 0)
    print_latency("as fast as they can", tokens, latencies)
    rate = args.share * most
    chunk = args.streams * args.tokens * most / tokens / rate  # seconds that one takes to arrive
    for name, most_late in (("begun within a chunk's time", chunk), ("begun at once", 0)):
        _, tokens, latencies = run_streams(sutra, args, rate, most_late)
        print_latency(f"{100 * args.share:.0f} % of that, {name}", tokens, latencies)
    sutra.close()


def measure_alone(args):
    words = args.tokens - 2  # of one token each; two are special
    sutra = Sutra(args.library, args.model, args.threads, args.tokens, args.dim)
    text = " ".join(WORDS[i % len(WORDS)] for i in range(words))
    print(f"one text of {sutra.count_tokens(sutra.inputs([text]))} tokens, {args.threads} threads\n\n"
          "| calls | p50, ms | p90, ms | p99, ms |\n|---|---|---|---|")
    for name, pause in (("back to back", 0), ("10 ms after the last", 0.01)):
        times = []
        for _ in range(300):
            time.sleep(pause)
            begun = time.monotonic()
            sutra.encode([text])
            times.append((time.monotonic() - begun) * 1e3)
        times.sort()
        print(f"| {name} | {times[150]:.2f} | {times[270]:.2f} | {times[297]:.2f} |", flush=True)
    sutra.close()


def print_growth(name, first, last, more):
    print(f"{name}: {first * 1e-6:.1f} MB after a tenth, {last * 1e-6:.1f} MB at most later{more}", flush=True)
    return last > 1.1 * first


def measure_slow(args):
    sutra = Sutra(args.library, args.small_model, args.threads, 128, 0)
    text, sizes, wanted = make_text(1 << 20), [], 500

    def take(_chunk):
        time.sleep(0.02)
        sizes.append(resident())
    stream = Stream(sutra, 64, take, max_chunks=8)
    chunk, error = StreamChunk(struct_size=C.sizeof(StreamChunk)), Error()
    producer = threading.Thread(target=stream.push_all, args=(paced(text, args.piece, 0, float("inf")),))
    producer.start()
    while len(sizes) < wanted:
        check(sutra.lib.sutra_stream_next(stream.handle, FOR_EVER, C.byref(chunk), C.byref(error)), error)
        take(chunk)
    sutra.lib.sutra_stream_cancel(stream.handle)
    producer.join()
    sutra.lib.sutra_stream_free(stream.handle)
    grew = print_growth("slow consumer", sizes[wanted // 10], max(sizes[wanted // 10:]), f", {wanted} chunks")
    sutra.close()
    return grew


def measure_long(args):
    sutra = Sutra(args.library, args.small_model, args.threads, 128, 0)
    text, tenths, sizes = make_text(1 << 20), [], []
    tenth = args.bytes / 10

    def take(chunk):
        if chunk.end >= tenth * (len(tenths) + 1):
            tenths.append(time.monotonic())
            sizes.append(resident())

    def pieces():
        sent, at = 0, 0
        while sent < args.bytes:
            yield text[at:at + args.piece]
            sent += args.piece
            at = (at + args.piece) % (len(text) - args.piece)
    begun = time.monotonic()
    stream = Stream(sutra, 64, take)
    stream.run(pieces())
    stream.close()
    first, last = tenths[0] - begun, tenths[-1] - tenths[-2]
    more = f"; {stream.chunks} chunks, {stream.pushed / (time.monotonic() - begun) * 1e-6:.2f} MB/s, last tenth at " \
           f"{100 * first / last:.0f} % of the first's rate"
    grew = print_growth(f"{args.bytes} bytes in pieces of {args.piece}", sizes[0], max(sizes[1:]), more)
    sutra.close()
    return grew or last > 2 * first


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--model", required=True)
    parser.add_argument("--small-model", default=str(ROOT / "tests/data/golden/models/base"))
    parser.add_argument("--library", default=str(ROOT / "build/release/libsutra.so"))
    parser.add_argument("--streams", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=256)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--share", type=float, default=0.5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--bytes", type=int, default=10 ** 9)
    parser.add_argument("--piece", type=int, default=4096)
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    measure_alone(args)
    print()
    measure_latency(args)
    print()
    grew = measure_slow(args)
    grew = measure_long(args) or grew
    return 1 if grew else 0


if __name__ == "__main__":
    sys.exit(main())
