#!/usr/bin/env python3
"""Cold start: from the start of a process to the vector that `sutra embed` prints and its end, page cache warm.

usage: bench/cold_start.py --model FOLDER [--program build/release/sutra] [--runs 40] [--threads 2] [--json]

Interleaved in every round: the folder read anew, the folder by way of the cache, a .sutra file; and the floor: /bin/true,
and a C program that maps as many bytes of the same .sutra file as the program has resident of it and reads a word of
every page. Time is wall time of fork to wait; user and system time and peak resident memory come from wait4. Memory of a
.sutra file that is mapped counts as resident although the system can drop it; what is below this script's own memory,
which a new process starts from, shows as "under". Everything written lies in a temporary folder.
"""

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TEXT = "The cat sat on the mat."

TOUCH = r"""
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

int main(int argc, char **argv)
{
    size_t size = argc > 2 ? strtoull(argv[2], NULL, 10) : 0;
    int fd = argc > 1 ? open(argv[1], O_RDONLY) : -1;
    const unsigned char *data = fd < 0 ? MAP_FAILED : mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (data == MAP_FAILED) return 1;
    unsigned sum = 0;
    for (size_t i = 0; i < size; i += 4096) sum += data[i];
    return printf("%u\n", sum) < 0;
}
"""


def run(command, env):
    """One process: seconds, user seconds, system seconds, peak resident bytes, faults without input."""
    actions = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    start = time.perf_counter()
    pid = os.posix_spawn(command[0], command, env, file_actions=actions)
    _, status, usage = os.wait4(pid, 0)
    seconds = time.perf_counter() - start
    if os.waitstatus_to_exitcode(status):
        sys.exit(f"cold_start: {' '.join(command)} failed")
    return seconds, usage.ru_utime, usage.ru_stime, usage.ru_maxrss * 1024, usage.ru_minflt


def compile_floor(folder):
    source, program = folder / "touch.c", folder / "touch"
    source.write_text(TOUCH, encoding="utf-8")
    subprocess.run([os.environ.get("CC", "cc"), "-O2", "-o", program, source], check=True)
    return program


def prepare(options, folder):
    """Name -> (command, environment), in the order of a round."""
    program, model = str(Path(options.program).resolve()), str(Path(options.model).resolve())
    bundle = str(folder / "model.sutra")
    env = {k: v for k, v in os.environ.items() if not k.startswith("SUTRA_")}
    env["SUTRA_CACHE"] = str(folder / "cache")
    subprocess.run([program, "convert", model, "-o", bundle], env=env, stdout=subprocess.DEVNULL, check=True)

    def embed(*words):
        return [program, "embed", "--threads", str(options.threads), *words, TEXT]

    commands = {
        "a folder, read anew": embed("--no-cache", "-m", model),
        "a folder, by the cache": embed("-m", model),
        "a .sutra file": embed("-m", bundle),
        "/bin/true": [shutil.which("true")],
    }
    for command in commands.values():  # fills the caches
        run(command, env)
    touched = min(run(commands["a .sutra file"], env)[3], os.stat(bundle).st_size)
    commands[f"map and touch {touched / 1e6:.0f} MB"] = [str(compile_floor(folder)), bundle, str(touched)]
    return commands, env


def measure(options):
    with tempfile.TemporaryDirectory(prefix="sutra-cold-start-") as name:
        commands, env = prepare(options, Path(name))
        samples = {k: [] for k in commands}
        for _ in range(options.runs):
            for key, command in commands.items():
                samples[key].append(run(command, env))
    rows = []
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    for key, values in samples.items():
        seconds, user, system, memory, faults = zip(*values)
        rows.append({"what": key, "median_ms": 1e3 * statistics.median(seconds), "min_ms": 1e3 * min(seconds),
                     "user_ms": 1e3 * statistics.mean(user), "system_ms": 1e3 * statistics.mean(system),
                     "resident_mb": statistics.median(memory) / 1e6,
                     "resident_is_bound": statistics.median(memory) <= own, "faults": statistics.median(faults)})
    return rows


def main():
    parser = argparse.ArgumentParser(description="process start to first vector")
    parser.add_argument("--model", required=True)
    parser.add_argument("--program", default=str(ROOT / "build/release/sutra"))
    parser.add_argument("--runs", type=int, default=40)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = measure(options)
    if options.json:
        print(json.dumps({"threads": options.threads, "runs": options.runs, "rows": rows}))
        return
    print(f"{options.threads} threads, {options.runs} interleaved runs each\n")
    print("| start to first vector of | median ms | min ms | user ms, mean | system ms, mean | peak resident MB | page faults |")
    print("|---|---|---|---|---|---|---|")
    for r in rows:
        print(f"| {r['what']} | {r['median_ms']:.1f} | {r['min_ms']:.1f} | {r['user_ms']:.1f} | {r['system_ms']:.1f} | "
              f"{'under ' * r['resident_is_bound']}{r['resident_mb']:.1f} | {r['faults']:.0f} |")


if __name__ == "__main__":
    main()
