"""Runs the peers: their processes, the sweep for each one's best mode and batch size, the interleaved rounds.

A peer that cannot be used is kept out with the reason, never left out without a word; Sutra failing ends the run.
"""

import contextlib
import json
import os
import shlex
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

from engines import PEERS, TOKENIZERS, bundle, environment, modes_of, parts

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
TEXT = "The cat sat on the mat."
FINALISTS = 3  # of the sweep, measured again on all texts
SWEEP_PASSES = 2
SETTLE_SECONDS = 0.3  # before each measurement: idle threads of the engine before may spin for 0.2 s (OpenMP)


class PeerFailed(Exception):
    """reason: one line."""

    def __init__(self, name, reason):
        super().__init__(f"{name}: {reason}")
        self.reason = reason


def last_line(text):
    """What a process that failed said last: of a Python traceback the error itself."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else "ended without a word"


class Bench:
    """Where things are; how a peer's process is started."""

    def __init__(self, settings, program):
        self.settings, self.program = settings, program
        self.work = Path(settings["work"])
        self.settings_file = self.work / "settings.json"
        self.settings_file.write_text(json.dumps(settings), encoding="utf-8")

    def command(self, name, mode):
        peer = {**PEERS, **TOKENIZERS}[parts(name)[0]]
        python = peer.python()
        if not python:
            raise PeerFailed(name, f"{peer.python_variable} names no Python that has it")
        if not os.access(python, os.X_OK):
            raise PeerFailed(name, f"{peer.python_variable}: {python} cannot be run")
        return ([python, str(HERE / "server.py"), name, mode, str(self.settings_file)],
                environment(name, mode, self.settings["threads"], self.work))

    def first_vector(self, name, mode):
        """Seconds from the start of a process to its first vector. Sutra is its program, as a user would start it."""
        command, variables = self.command(name, mode)
        command.append("--once")
        peer, compute = parts(name)
        if peer == "sutra":
            command = [self.program, "embed", "-m", bundle({**self.settings, "compute": compute}), "--threads",
                       str(self.settings["threads"]), TEXT]
        start = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True, env=variables, check=False)
        if done.returncode:
            raise PeerFailed(name, last_line(done.stderr))
        return time.perf_counter() - start

    def start(self, name, mode):
        command, variables = self.command(name, mode)
        return Server(name, mode, command, variables, self.work)


class Server:
    """A peer in one mode, loaded and waiting."""

    def __init__(self, name, mode, command, variables, log_folder):
        self.name, self.mode = name, mode
        self.log = log_folder / f"{name}{'-' * bool(mode)}{mode}.log"
        with open(self.log, "w", encoding="utf-8") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
                                            text=True, env=variables)
        self.receive()

    def receive(self):
        line = self.process.stdout.readline()
        if not line:
            self.close()
            raise PeerFailed(self.name, last_line(self.log.read_text(encoding="utf-8", errors="replace")))
        return json.loads(line)

    def ask(self, **request):
        with contextlib.suppress(BrokenPipeError):  # receive() says why
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
        return self.receive()

    def encode(self, file, batch, save=None):
        return self.ask(op="encode", texts=file, batch=batch, save=save)["seconds"]

    def latencies(self, file):
        """Seconds of each text on its own."""
        return self.ask(op="latency", texts=file)["seconds"]

    def close(self):
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def best_batches(server, row, batches):
    """[(seconds for all texts, batch)]: every batch size on some of the texts, the fastest few on all of them."""
    tried = [(min(server.encode(row.sweep_file, size) for _ in range(SWEEP_PASSES)), size) for size in batches]
    finalists = [size for _, size in sorted(tried)[:FINALISTS]]
    return [(server.encode(row.file, size), size) for size in finalists]


def tune(start, names, rows, queries, batch=None):
    """names: entries of engines.py. Returns {entry: {row name: (mode, batch)}} with the best of both for every row and
    for the queries, and {"entry" or "entry, mode": why it cannot be used}. start(entry, mode) is a Server."""
    choices, failures = {}, {}
    for name in names:
        found, failed = defaultdict(list), {}  # row name -> [(seconds, mode, batch)]; mode -> reason
        peer, modes = PEERS[parts(name)[0]], modes_of(name)
        if isinstance(modes, str):
            failures[name] = modes
            continue
        for mode in modes:
            try:
                server = start(name, mode)
                tried = {queries.name: [(statistics.median(server.latencies(queries.file)), 1)]}
                for row in rows:
                    sizes = (batch,) if batch and len(peer.batches) > 1 else peer.batches
                    tried[row.name] = best_batches(server, row, sizes)
                server.close()
            except PeerFailed as failure:
                failed[mode] = failure.reason
                continue
            for row_name, results in tried.items():
                found[row_name] += [(seconds, mode, size) for seconds, size in results]
        if found:
            choices[name] = {row_name: min(results)[1:] for row_name, results in found.items()}
            failures.update({f"{name}, {mode}": reason for mode, reason in failed.items()})
        else:
            failures[name] = "; ".join(dict.fromkeys(failed.values()))
        print(f"tuned {name}", file=sys.stderr, flush=True)
    return choices, failures


def start_chosen(start, choices):
    """{(engine, mode): Server}, each mode that some row uses: new processes, whose memory knows nothing of the sweep."""
    used = dict.fromkeys((name, mode) for name, rows in choices.items() for mode, _ in rows.values())
    return {(name, mode): start(name, mode) for name, mode in used}


def cosines(vectors, expected):
    import numpy as np
    return (vectors * expected).sum(1) / np.linalg.norm(vectors, axis=1) / np.linalg.norm(expected, axis=1)


def vectors_of(server, file, batch, work):
    import numpy as np
    saved = work / "vectors.npy"
    server.encode(file, batch, save=str(saved))
    return np.load(saved).astype(np.float64)


def compare(servers, choices, rows, work, reference):
    """{engine: how its vectors compare with those of `reference`, a Server}: the smallest cosine and the largest
    difference over all rows, mean and smallest cosine over the last row. Every engine meets every text here, which also
    warms it for the rounds."""
    import numpy as np
    facts = {name: {"min_cosine": 1.0, "max_difference": 0.0} for name in choices}
    for row in rows:
        expected = vectors_of(reference, row.file, 0, work)
        for name, agreement in facts.items():
            mode, batch = choices[name][row.name]
            vectors = vectors_of(servers[name, mode], row.file, batch, work)
            found = cosines(vectors, expected)
            largest = float(np.abs(vectors - expected).max())
            agreement.update(row=row.name, row_mean=float(found.mean()), row_min=float(found.min()),
                             min_cosine=min(float(found.min()), agreement["min_cosine"]),
                             max_difference=max(largest, agreement["max_difference"]))
    return facts


def ranks(values):
    """From 0; equal values share the mean of their places."""
    import numpy as np
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(count) - (count + 1) / 2)[place]


def spearman(first, second):
    import numpy as np
    return float(np.corrcoef(ranks(first), ranks(second))[0, 1])


def sts(servers, choices, row_name, pairs, work, reference):
    """{engine: {"sts": 100 x Spearman of its cosines with people's scores, "sts_drop": from the reference's}}, in the
    mode and with the batch size of a row."""
    def score(server, batch):
        vectors = vectors_of(server, pairs.file, batch, work)
        return 100 * spearman(pairs.scores, cosines(*vectors.reshape(2, len(pairs.scores), -1)))

    expected, facts = score(reference, 0), {}
    for name in choices:
        mode, batch = choices[name][row_name]
        found = score(servers[name, mode], batch)
        facts[name] = {"sts": found, "sts_drop": expected - found}
    return facts


def settle():
    time.sleep(SETTLE_SECONDS)


def rotated(items, number):
    return items[number % len(items):] + items[:number % len(items)]


def run_rounds(servers, choices, rows, queries, rounds, between):
    """{row name: {engine: [seconds of each round]}}; the queries' are lists of seconds. The engines take turns in an
    order that rotates. between(settle): called once a round."""
    seconds = {row.name: {name: [] for name in choices} for row in [*rows, queries]}
    for name, chosen in choices.items():
        servers[name, chosen[queries.name][0]].latencies(queries.file)  # compare() has warmed the rows
    for number in range(rounds):
        between(settle)
        for row in [*rows, queries]:
            for name in rotated(list(choices), number):
                mode, batch = choices[name][row.name]
                server = servers[name, mode]
                settle()
                took = server.latencies(row.file) if row is queries else server.encode(row.file, batch)
                seconds[row.name][name].append(took)
        print(f"round {number + 1} of {rounds}", file=sys.stderr, flush=True)
    return seconds


def compile_peak(work):
    program = work / "peak"
    subprocess.run([*shlex.split(os.environ.get("CC", "cc")), "-O3", "-march=native", "-ffp-contract=fast", "-pthread",
                    str(ROOT / "bench/peak.c"), "-o", str(program)], check=True)
    return program


def median_peak(samples):
    """Of what bench/peak.c printed each round, with the range of its multiply-adds."""
    rates = [s["fp32_gflops"] for s in samples]
    reads = zip(*(s["read"] for s in samples))
    dots = {key: {kind: statistics.median(s[key][kind] for s in samples) for kind in samples[0][key]}
            for key in ("bf16_gflops", "int8_gops")}
    return {**samples[0], **dots, "fp32_gflops": statistics.median(rates), "fp32_range": [min(rates), max(rates)],
            "read": [{"kb_per_core": r[0]["kb_per_core"], "gbs": statistics.median(x["gbs"] for x in r)}
                     for r in reads], "samples": samples}
