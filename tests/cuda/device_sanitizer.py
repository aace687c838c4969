"""`sutra embed` on the device under compute-sanitizer's tools: what their summaries count."""

import itertools
import re
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

TOOLS = ("memcheck", "racecheck", "synccheck")
AT_A_TIME = 4  # programs
SUMMARY = re.compile(r"(ERROR SUMMARY: .*|RACECHECK SUMMARY: .*)")
TEXTS = ["the river", "a small green house over the water at night, and music in the garden", "one", "stone " * 70]


def find_sanitizer():
    return shutil.which("compute-sanitizer") or next(
        (str(path) for path in sorted(Path("/usr/local").glob("cuda*/bin/compute-sanitizer"))), None)


def judge(tool, done):
    """(good, figures): the program ended well and the tool found nothing."""
    lines = SUMMARY.findall(done.stdout + done.stderr)
    if not lines:
        last = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        return False, f"exit {done.returncode}, no summary: {last[-1].strip()[:200] if last else 'not a word'}"
    counts = [int(n) for n in re.findall(r"(\d+) (?:errors?|hazards?|warnings?)", lines[-1])]
    good = done.returncode == 0 and counts and not any(counts)
    return bool(good), f"{lines[-1]}" + (f", exit {done.returncode}" if done.returncode else "")


def check_sanitizer(report, program, plugins, device, cases, computes):
    sanitizer = find_sanitizer()
    if not sanitizer:
        report.check(False, "sanitizer", "there is no compute-sanitizer on PATH or in /usr/local/cuda*/bin")
        return

    def look(job):
        number, (tool, case, compute) = job
        command = [sanitizer, "--tool", tool, "--error-exitcode", "99", program, "embed", "--no-cache", "-m", str(case.folder),
                   "--device", device, "--strict", "--plugins", str(plugins), "--compute", compute, "-i", str(texts),
                   "-o", f"{folder}/{number}.npy"]  # strict: not the processor in its place
        try:
            done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
        except OSError as error:
            return False, str(error)
        return judge(tool, done)

    jobs = list(itertools.product(TOOLS, cases, computes))
    with tempfile.TemporaryDirectory(prefix="sutra-sanitizer-") as folder, ThreadPoolExecutor(AT_A_TIME) as pool:
        texts = Path(folder, "texts.txt")
        texts.write_text("\n".join(TEXTS) + "\n")
        for (tool, case, compute), (good, figures) in zip(jobs, pool.map(look, enumerate(jobs))):
            report.check(good, f"{tool} {case.name} {compute}", figures)
