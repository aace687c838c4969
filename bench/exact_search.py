"""Exact search beside NumPy and FAISS (flat), interleaved, and against the speed at which memory is read.

usage: exact_search.py [--rows 400000] [--dim 384] [--threads 1,16] [--rounds 5] [--library build/release/libsutra.so]

Every engine gets the same float32 rows in memory. "read" is the time to add the rows up by NumPy, as one vector a
thread: what no search of one query can beat. Each figure is the median of the rounds, in which engines take turns.
FAISS and NumPy are limited to as many threads; NumPy's top k is argpartition. The best k of all must agree but for
rounding: scores are compared. NumPy's threads are told not to wait at work for more than a moment
(OPENBLAS_THREAD_TIMEOUT): by default they take the cores from whoever comes after them.
"""

import argparse
import concurrent.futures
import ctypes
import os
import statistics
import time
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("--rows", type=int, default=400_000)
parser.add_argument("--dim", type=int, default=384)
parser.add_argument("--threads", default="1,%d" % (os.cpu_count() or 1))
parser.add_argument("--rounds", type=int, default=5)
parser.add_argument("--queries", default="1,8,64,256")
parser.add_argument("--top", type=int, default=10)
parser.add_argument("--library", default=str(Path(__file__).resolve().parent.parent / "build/release/libsutra.so"))
args = parser.parse_args()
os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "4")

import numpy  # noqa: E402
from threadpoolctl import threadpool_limits  # noqa: E402

try:
    import faiss
except ImportError:
    faiss = None


class Rows(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("count", ctypes.c_size_t), ("dtype", ctypes.c_int), ("dim", ctypes.c_uint32)]


class Options(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_uint32), ("num_threads", ctypes.c_uint32)]


class Sutra:
    """sutra_search.h by ctypes."""

    DOT = 1
    TYPES = {"float32": 0, "float16": 1, "int8": 2, "ubinary": 5}

    def __init__(self, threads):
        self.library = ctypes.CDLL(args.library)
        self.error = ctypes.create_string_buffer(512)
        self.search = ctypes.c_void_p()
        self.check(self.library.sutra_search_create(ctypes.byref(Options(ctypes.sizeof(Options), threads)),
                                                    ctypes.byref(self.search), self.error))

    def check(self, status):
        if status:
            raise RuntimeError(self.error.raw[4:].split(b"\0")[0].decode())

    def top(self, queries, rows, k, dtype="float32", metric=DOT):
        indices = numpy.empty((len(queries), k), numpy.uint64)
        scores = numpy.empty((len(queries), k), numpy.float32)
        sides = [Rows(x.ctypes.data, len(x), self.TYPES[dtype], args.dim) for x in (queries, rows)]
        self.check(self.library.sutra_search_run(self.search, metric, ctypes.byref(sides[0]), ctypes.byref(sides[1]),
                                                 ctypes.c_size_t(k), ctypes.c_void_p(indices.ctypes.data),
                                                 ctypes.c_void_p(scores.ctypes.data), self.error))
        return scores, indices


def numpy_top(queries, rows, k):
    products = queries @ rows.T
    best = numpy.argpartition(-products, k - 1, axis=1)[:, :k]
    scores = numpy.take_along_axis(products, best, axis=1)
    order = numpy.argsort(-scores, axis=1, kind="stable")
    return numpy.take_along_axis(scores, order, axis=1), numpy.take_along_axis(best, order, axis=1)


def read_all(rows, pool, threads):
    parts = numpy.array_split(rows.reshape(-1), threads)
    list(pool.map(numpy.add.reduce, parts))


def timed(call):
    begun = time.perf_counter()
    result = call()
    return time.perf_counter() - begun, result


def compare(threads, rows, all_queries):
    sutra = Sutra(threads)
    engines = {"sutra": lambda q: sutra.top(q, rows, args.top), "numpy": lambda q: numpy_top(q, rows, args.top)}
    if faiss:
        faiss.omp_set_num_threads(threads)
        faiss.cvar.distance_compute_blas_threshold = 20  # the default, 128,000, leaves BLAS out
        index = faiss.IndexFlatIP(args.dim)
        index.add(rows)
        engines["faiss"] = lambda q: index.search(q, args.top)
    with concurrent.futures.ThreadPoolExecutor(threads) as pool, threadpool_limits(threads):
        for count in map(int, args.queries.split(",")):
            queries = all_queries[:count]
            times = {name: [] for name in ("read", *engines)}
            for turn in range(args.rounds + 1):  # the first is not counted
                results = {}
                spent = timed(lambda: read_all(rows, pool, threads))[0]
                if turn:
                    times["read"].append(spent)
                for name, call in engines.items():
                    if name == "numpy" and count * len(rows) > 2e8:
                        continue  # its table of products takes gigabytes
                    spent, results[name] = timed(lambda call=call: call(queries))
                    if turn:
                        times[name].append(spent)
            for name, (scores, _) in results.items():
                worst = float(numpy.abs(scores - results["sutra"][0]).max())
                assert worst < 1e-4, (name, worst)
            medians = {name: statistics.median(t) for name, t in times.items() if t}
            flops = 2 * count * rows.size / 1e9
            line = "  ".join(f"{name} {1e3 * t:9.2f} ms ({medians['sutra'] and t / medians['sutra']:5.2f}x)"
                             for name, t in medians.items())
            print(f"{threads:3d} threads {count:5d} queries  {line}  sutra {rows.nbytes / medians['sutra'] / 1e9:6.1f} GB/s "
                  f"{flops / medians['sutra']:7.0f} GFLOP/s", flush=True)


def small_types(threads, rows, queries):
    """One query over smaller rows: bytes a second beside those of float32."""
    sutra = Sutra(threads)
    codes = numpy.clip(numpy.rint(127 * rows), -127, 127).astype(numpy.int8)
    kinds = {"float16": (rows.astype(numpy.float16), queries.astype(numpy.float16)),
             "int8": (codes, numpy.clip(numpy.rint(127 * queries), -127, 127).astype(numpy.int8)),
             "ubinary": (numpy.packbits(rows > 0, axis=1), numpy.packbits(queries > 0, axis=1))}
    for name, (documents, asked) in kinds.items():
        documents, asked = numpy.ascontiguousarray(documents), numpy.ascontiguousarray(asked[:1])
        spent = [timed(lambda: sutra.top(asked, documents, args.top, name))[0] for _ in range(args.rounds + 2)][2:]
        best = statistics.median(spent)
        print(f"{threads:3d} threads     1 query   {name:8s} {1e3 * best:9.2f} ms  {documents.nbytes / best / 1e9:6.1f} GB/s",
              flush=True)


def main():
    random = numpy.random.default_rng(1)
    rows = random.standard_normal((args.rows, args.dim), numpy.float32)
    rows /= numpy.linalg.norm(rows, axis=1, keepdims=True)
    queries = random.standard_normal((256, args.dim), numpy.float32)
    queries /= numpy.linalg.norm(queries, axis=1, keepdims=True)
    print(f"{args.rows} x {args.dim} float32, {rows.nbytes / 1e6:.0f} MB; numpy {numpy.__version__}, "
          f"faiss {faiss.__version__ if faiss else 'not installed'}")
    for threads in map(int, args.threads.split(",")):
        compare(threads, rows, queries)
        small_types(threads, rows, queries)


main()
