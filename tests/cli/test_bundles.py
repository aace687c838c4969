#!/usr/bin/env python3
"""Bundles through the program: convert, verify, and the cache of packed models, with writers that start at once or die.

usage: test_bundles.py --program build/release/sutra [--model FOLDER] [unittest arguments]

tests/container has the same modules from within: formats, damage, forgery.
"""

import argparse
import ctypes
import fcntl
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent.parent
PROGRAM = MODEL = None
TEMPORARY = ".sutra-tmp"
TEXTS = ["a green garden", "", "silver music at night in the house over the river"]


def clean_environment(**more):
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "SUTRA_", "XDG_")) and k != "HOME"}
    return {**kept, **{k: str(v) for k, v in more.items()}}


class Base(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="sutra-bundles-")
        self.addCleanup(folder.cleanup)
        self.dir = Path(folder.name)
        self.cache = self.dir / "cache"

    def sutra(self, *args, code=0, message="", cwd=None, **env):
        """Runs the program; returns standard output. message: a pattern; "": there is none."""
        done = subprocess.run([PROGRAM, *map(str, args)], capture_output=True, text=True, cwd=cwd, check=False,
                              stdin=subprocess.DEVNULL, env=clean_environment(**(env or {"SUTRA_CACHE": self.cache})))
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertRegex(done.stderr, message or r"\A\Z")
        return done.stdout

    def embed(self, model=None, *args, **env):
        return self.sutra("embed", "-m", model or MODEL, *args, *TEXTS, **env)

    def reference(self, model=None):
        return self.embed(model, "--no-cache")

    def bundles(self, folder=None):
        """Bundles below the folder; each must pass sutra verify, and nothing else may be there."""
        found = sorted(p for p in (folder or self.cache).rglob("*") if p.is_file())
        for path in found:
            self.assertEqual(path.suffix, ".sutra", path)
            self.sutra("verify", path)
        return found

    def copy_of_model(self):
        shutil.copytree(MODEL, self.dir / "m")
        return self.dir / "m"


class CacheFolder(Base):
    def used(self, *args, **env):
        """Paths of the bundles below the test's folder after one run."""
        self.embed(None, *args, **env)
        found = [str(p.relative_to(self.dir).parent) for p in self.dir.rglob("*.sutra")]
        for path in self.dir.iterdir():
            shutil.rmtree(path)
        return found

    def test_variables(self):
        home, xdg = self.dir / "home", self.dir / "xdg"
        self.assertEqual(self.used(SUTRA_CACHE=self.cache), ["cache"])
        self.assertEqual(self.used(SUTRA_CACHE=self.cache, XDG_CACHE_HOME=xdg, HOME=home), ["cache"])
        self.assertEqual(self.used(XDG_CACHE_HOME=xdg, HOME=home), ["xdg/sutra"])
        self.assertEqual(self.used(HOME=home), ["home/.cache/sutra"])
        self.assertEqual(self.used(XDG_CACHE_HOME="", HOME=home), ["home/.cache/sutra"])
        self.assertEqual(self.used(XDG_CACHE_HOME="relative", HOME=home, cwd=self.dir), ["home/.cache/sutra"])
        self.assertEqual(self.used(SUTRA_CACHE="relative", HOME=home, cwd=self.dir), ["relative"])

    def test_off(self):
        home = self.dir / "home"
        self.assertEqual(self.used(SUTRA_CACHE="", XDG_CACHE_HOME=home, HOME=home), [])
        self.assertEqual(self.used("--no-cache", SUTRA_CACHE=self.cache, HOME=home), [])
        self.assertEqual(self.used(LC_ALL="C"), [])

    def test_which_commands_keep_a_copy(self):
        pairs = self.dir / "sts.tsv"
        pairs.write_text("1\ta\tb\n2\tgarden\twater\n")
        for keeps, args in ((True, ["embed", "a"]), (True, ["tokenize", "a"]), (True, ["similarity", "a", "b"]),
                            (True, ["eval", "sts", pairs]), (False, ["info"]), (False, ["verify"]),
                            (False, ["convert", "-o", self.dir / "x.sutra"])):
            with self.subTest(args[0]):
                self.sutra(*args, "-m", MODEL)
                self.assertEqual(self.cache.exists(), keeps)
                shutil.rmtree(self.cache, ignore_errors=True)

    def test_the_copy_is_used(self):
        """A tokenizer that was swapped in the copy shows; --no-cache does not see it."""
        expected = self.embed()
        path, = self.bundles()
        self.assertEqual(self.embed(), expected)
        before = path.stat()
        data = bytearray(path.read_bytes())
        data[-64:] = bytes(64)  # weights: opening does not read them
        path.write_bytes(data)
        self.sutra("verify", path, code=1, message="section tensor")
        self.embed()
        self.assertEqual((path.stat().st_ino, path.read_bytes()), (before.st_ino, bytes(data)))
        self.assertEqual(self.reference(), expected)


class Convert(Base):
    def test_same_vectors_as_the_folder(self):
        path = self.dir / "x.sutra"
        self.sutra("convert", MODEL, "-o", path)
        self.assertEqual(self.embed(path), self.reference())
        self.assertFalse(self.cache.exists())
        moved = self.dir / "elsewhere" / "y.sutra"
        moved.parent.mkdir()
        path.rename(moved)
        self.assertEqual(self.embed(moved), self.reference())
        tokens = self.sutra("tokenize", "--json", "-m", moved, *TEXTS)
        self.assertEqual(tokens, self.sutra("tokenize", "--json", "-m", MODEL, *TEXTS))
        again = self.dir / "again.sutra"
        self.sutra("convert", "-m", moved, "-o", again)
        self.assertEqual(self.embed(again), self.reference())

    def test_says_bytes_and_digest(self):
        path = self.dir / "x.sutra"
        shown = self.sutra("convert", MODEL, "-o", path)
        digest = f"xxh3:{path.read_bytes()[32:48].hex()}"
        self.assertEqual(shown, f"{path}  {path.stat().st_size} bytes  {digest}\n")
        self.assertEqual(self.sutra("verify", path), shown)
        facts = {"path": str(path), "bytes": path.stat().st_size, "digest": digest}
        self.assertEqual(json.loads(self.sutra("verify", "--json", path)), facts)
        self.assertEqual(json.loads(self.sutra("convert", "--json", MODEL, "-o", path)), facts)
        self.assertEqual(json.loads(self.sutra("info", "--json", path))["bundle_digest"], digest)
        self.assertEqual(json.loads(self.sutra("info", "--json", MODEL))["bundle_digest"], "")
        self.assertEqual(self.sutra("verify", MODEL), f"{MODEL}\n")

    def test_facts_stay(self):
        path = self.dir / "x.sutra"
        self.sutra("convert", MODEL, "-o", path)
        folder, bundle = (json.loads(self.sutra("info", "--json", m)) for m in (MODEL, path))
        for facts in (folder, bundle):
            facts.pop("path"), facts.pop("bundle_digest")
        self.assertEqual(folder, bundle)

    def test_old_file_is_replaced(self):
        path = self.dir / "x.sutra"
        path.write_text("old")
        self.sutra("convert", MODEL, "-o", path)
        self.sutra("verify", path)
        self.assertEqual(os.listdir(self.dir), ["x.sutra"])


class Quantize(Base):
    def setUp(self):
        super().setUp()
        self.path = self.dir / "x.sutra"
        self.texts = self.dir / "texts.txt"
        self.texts.write_text("\n".join(f"{a} {b} in the {c}" for a in ("green", "silver") for b in ("garden", "river")
                                        for c in ("house", "water")))

    def report(self, *args, **options):
        return json.loads(self.sutra("quantize", "--json", MODEL, "-o", self.path, *args, **options))

    def totals(self, *args):
        return {row["what"]: row["value"] for row in self.report(*args)["totals"]}

    def test_dynamic_is_the_folder_in_int8(self):
        expected = self.embed(None, "--no-cache", "--compute", "int8", "--strict") if self.native() else None
        self.sutra("quantize", MODEL, "--embeddings", "fp32", "-o", self.path)
        if expected:
            self.assertEqual(self.embed(self.path), expected)
        self.sutra("verify", self.path)
        moved = self.dir / "again.sutra"
        self.sutra("convert", self.path, "-o", moved)
        self.assertEqual(self.embed(moved), self.embed(self.path))
        self.assertFalse(self.cache.exists())

    def native(self):
        done = subprocess.run([PROGRAM, "embed", "-m", MODEL, "--no-cache", "--strict", "--compute", "int8", "a"],
                              capture_output=True, check=False, env=clean_environment())
        return done.returncode == 0

    def test_report(self):
        found = self.report()
        self.assertEqual(found["bytes"], self.path.stat().st_size)
        facts = json.loads(self.sutra("info", "--json", MODEL))
        self.assertEqual(len(found["linears"]), 4 * facts["num_layers"])
        self.assertEqual([row["name"] for row in found["linears"][:4]], ["qkv", "attention out", "up", "down"])
        for row in found["linears"]:
            self.assertEqual((row["format"], row["alone %"]), ("int8", "-"))
            self.assertTrue(0 < row["error %"] < 5, row)
        totals = {row["what"]: row["value"] for row in found["totals"]}
        self.assertEqual(totals["linears"], sum(row["bytes"] for row in found["linears"]))
        tables = (facts["vocab_size"] + facts["max_positions"]) * (facts["hidden_size"] + 4)
        self.assertEqual(totals["embeddings in int8"], tables)
        for compute in ("bf16", "fp16"):
            found = self.report("--compute", compute)
            self.assertEqual({row["format"] for row in found["linears"]}, {compute})
            self.assertEqual(json.loads(self.sutra("info", "--json", self.path))["compute"], compute)
            for row in found["linears"]:
                self.assertTrue(0 < row["error %"] < (0.3 if compute == "bf16" else 0.04), row)
        shown = self.sutra("quantize", MODEL, "-o", self.path)
        self.assertRegex(shown, r"(?s)^linears\nlayer +name +format.*\ntotals\n.*x.sutra  \d+ bytes  xxh3:")

    def test_calibration(self):
        found = self.report("--calibrate", self.texts, "--scales", "min-max", "--smooth", "0.5", "--compare")
        rows = {(row["scales"], row["smoothing"]) for row in found["comparison"]}
        scales = ("dynamic", "min-max", "percentile", "mse", "entropy")
        self.assertEqual(rows, {(s, a) for s in scales for a in ("none", "alpha 0.5")})
        totals = {row["what"]: row["value"] for row in found["totals"]}
        self.assertEqual(totals["measured on"], 4)
        chosen, = (row for row in found["comparison"] if (row["scales"], row["smoothing"]) == ("min-max", "alpha 0.5"))
        self.assertEqual(totals["quality (mean cosine to fp32)"], chosen["quality %"])
        whole = self.embed(self.path)
        self.assertEqual(self.sutra("embed", "-m", self.path, "--threads", "1", *TEXTS), whole)
        self.report("--calibrate", self.texts, "--scales", "min-max", "--smooth", "0.5", "--threads", "1")
        self.assertEqual(self.embed(self.path), whole)

    def test_keep(self):
        plain = self.totals("--keep", "1")
        self.assertEqual(plain["kept in bf16"], 0)
        quality = "quality (mean cosine to fp32)"
        best = self.totals("--keep", "1", "--compute", "bf16", "--embeddings", "int8")[quality]
        wanted = (plain[quality] + best) / 2
        found = self.report("--keep", wanted)
        totals = {row["what"]: row["value"] for row in found["totals"]}
        self.assertGreaterEqual(totals[quality], wanted)
        kept = [row["alone %"] for row in found["linears"] if row["format"] == "bf16"]
        rest = [row["alone %"] for row in found["linears"] if row["format"] == "int8"]
        self.assertEqual(len(kept), totals["kept in bf16"])
        self.assertGreater(len(kept), 0)
        self.assertGreaterEqual(min(kept), max(rest, default=-1))

    def test_old_file_is_replaced_whole(self):
        self.path.write_text("old")
        self.report("--calibrate", self.texts)
        self.sutra("verify", self.path)
        self.assertEqual(sorted(os.listdir(self.dir)), ["texts.txt", "x.sutra"])


class Start(Base):
    def test_no_library_is_looked_for_in_the_current_folder(self):
        """An empty entry of the run path would do that."""
        for name in ("libm.so.6", "libc.so.6", "libjansson.so.4"):
            (self.dir / name).write_text("not a library")
        self.sutra("--version", cwd=self.dir)

    def test_the_downloader_is_not_loaded(self):
        done = subprocess.run([PROGRAM, "embed", "-m", MODEL, "a"], capture_output=True, text=True, check=True,
                              env=clean_environment(SUTRA_CACHE=self.cache, LD_DEBUG="files"))
        self.assertIn("libc.so", done.stderr)
        self.assertNotRegex(done.stderr, "libsutra-hub|libcurl|libssl|libcrypto")


class Renewal(Base):
    def test_changed_folder(self):
        model = self.copy_of_model()
        first = self.embed(model)
        weights = model / "model.safetensors"
        data = bytearray(weights.read_bytes())
        data[-4000:] = data[-8000:-4000]
        weights.write_bytes(data)
        second = self.embed(model)
        self.assertNotEqual(second, first)
        self.assertEqual(second, self.reference(model))
        self.assertEqual(len(self.bundles()), 1)

    def test_damaged_copy(self):
        expected = self.embed()
        path, = self.bundles()
        for data in (b"", b"hello" * 100, path.read_bytes()[:-1], path.read_bytes()[:5000]):
            path.write_bytes(data)
            self.assertEqual(self.embed(), expected)
            self.assertEqual(self.bundles(), [path])

    def test_other_instruction_set(self):
        """Each has a file of its own; the vectors are those of the folder under that instruction set."""
        native = json.loads(self.sutra("--version").splitlines()[1])["isa"]
        env = {"SUTRA_CACHE": self.cache, "SUTRA_ISA": "scalar"}
        for round_number in range(2):
            self.assertEqual(self.embed(), self.reference())
            self.assertEqual(self.embed(**env), self.embed(None, "--no-cache", **env))
            found = self.bundles()
            self.assertEqual(len(found), 1 if native == "scalar" else 2)
            times = {p: p.stat().st_mtime_ns for p in found}
            if round_number:
                self.assertEqual(times, before)
            before = times


class Writers(Base):
    def start(self, *args, **options):
        return subprocess.Popen([PROGRAM, *map(str, args)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, env=clean_environment(SUTRA_CACHE=self.cache), **options)

    def test_first_use_by_eight_at_once(self):
        expected = self.reference()
        for _ in range(5):
            runs = [self.start("embed", "-m", MODEL, *TEXTS) for _ in range(8)]
            for run in runs:
                out, err = run.communicate()
                self.assertEqual((run.returncode, out.decode(), err), (0, expected, b""))
            self.assertEqual(len(self.bundles()), 1)
            shutil.rmtree(self.cache)

    def test_converters_of_one_name_at_once(self):
        path = self.dir / "out" / "x.sutra"
        path.parent.mkdir()
        runs = [self.start("convert", MODEL, "-o", path) for _ in range(8)]
        for run in runs:
            self.assertEqual((run.wait(), run.communicate()[1]), (0, b""))
        self.assertEqual(self.bundles(path.parent), [path])

    def die_at(self, size, *args):
        """Runs the program, which is killed when it writes beyond `size` bytes of a file: of a signal that a program
        ignores its tracer is told all the same. Returns the exit code."""
        libc = ctypes.CDLL(None, use_errno=True)
        libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
        libc.ptrace.restype = ctypes.c_long
        trace_me, go_on = 0, 7
        environment = clean_environment(SUTRA_CACHE=self.cache, ASAN_OPTIONS="detect_leaks=0")  # which wants no tracer
        child = os.fork()
        if child == 0:
            try:
                null = os.open(os.devnull, os.O_RDWR)
                for number in range(3):
                    os.dup2(null, number)
                resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
                if libc.ptrace(trace_me, 0, None, None) == 0:
                    os.execve(PROGRAM, [PROGRAM, *map(str, args)], environment)
            finally:
                os._exit(127)
        while True:
            _, status = os.waitpid(child, 0)
            if not os.WIFSTOPPED(status):
                return os.waitstatus_to_exitcode(status)
            number = os.WSTOPSIG(status)
            if number == signal.SIGXFSZ:
                os.kill(child, signal.SIGKILL)
            else:
                self.assertEqual(number, signal.SIGTRAP)  # it begins
                libc.ptrace(go_on, child, None, None)

    def test_ended_at_any_byte(self):
        folder = self.dir / "out"
        folder.mkdir()
        path = folder / "x.sutra"
        self.sutra("convert", MODEL, "-o", path)
        whole = path.read_bytes()
        for old in (None, b"old"):
            for size in [1, 63, 64, *range(100, len(whole), len(whole) // 20), len(whole) - 1]:
                path.unlink(missing_ok=True)
                if old:
                    path.write_bytes(old)
                self.assertEqual(self.die_at(size, "convert", MODEL, "-o", path), -signal.SIGKILL)
                self.assertEqual(path.read_bytes() if path.exists() else None, old)
                self.assertEqual(len(list(folder.glob(f"*{TEMPORARY}"))), 1)  # its own: those before are gone
        self.assertEqual(self.die_at(len(whole), "convert", MODEL, "-o", path), 0)
        self.assertEqual(self.bundles(folder), [path])

    def test_first_use_ended_at_any_byte(self):
        expected = self.embed()
        path, = self.bundles()
        whole = path.stat().st_size
        for size in [1, *range(100, whole, whole // 10), whole - 1]:
            path.unlink(missing_ok=True)
            self.assertEqual(self.die_at(size, "embed", "-m", MODEL, "a"), -signal.SIGKILL)
            self.assertFalse(path.exists())
            self.assertEqual(self.embed(), expected)
            self.assertTrue(path.exists())
        self.assertEqual(self.bundles(), [path])

    def limited(self, size, *args):
        """Runs the program with a limit on the size of its files."""
        done = subprocess.run([PROGRAM, *map(str, args)], capture_output=True, text=True, check=False,
                              stdin=subprocess.DEVNULL, env=clean_environment(SUTRA_CACHE=self.cache),
                              preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size)))
        return done.returncode, done.stdout, done.stderr

    def test_a_file_that_grows_too_large(self):
        folder = self.dir / "out"
        folder.mkdir()
        path = folder / "x.sutra"
        path.write_bytes(b"old")
        for size in (1, 5000):
            self.assertEqual(self.limited(size, "convert", MODEL, "-o", path),
                             (1, "", f"sutra: {path}: cannot be written: File too large\n"))
        (self.dir / "a.txt").write_text("music\n" * 100)
        for name in ("x.npy", "x.jsonl", "x.csv", "x.safetensors"):
            self.assertEqual(self.limited(500, "embed", "-m", MODEL, "--no-cache", "-i", self.dir / "a.txt", "-o", folder / name),
                             (1, "", f"sutra: {folder / name}: File too large\n"))
        self.assertEqual([(file.name, file.read_bytes()) for file in folder.iterdir()], [("x.sutra", b"old")])
        code, rows, message = self.limited(5000, "embed", "-m", MODEL, "a")
        self.assertEqual((code, rows), (0, self.sutra("embed", "-m", MODEL, "--no-cache", "a")))
        self.assertRegex(message, r"^sutra: warning: the packed model was not kept: [^\n]*: File too large[^\n]*\n$")
        self.assertEqual(self.bundles(), [])

    def signal_at_many_times(self, number):
        """Yields the exit code of converters that get the signal at times spread over a whole run and a bit more."""
        folder = self.dir / "out"
        folder.mkdir()
        start = time.monotonic()
        self.sutra("convert", MODEL, "-o", folder / "x.sutra")
        whole = time.monotonic() - start
        for i in range(50):
            (folder / "x.sutra").unlink(missing_ok=True)
            run = self.start("convert", MODEL, "-o", folder / "x.sutra")
            time.sleep(whole * 1.2 * i / 50)
            run.send_signal(number)
            run.communicate()
            yield run.returncode, folder

    def test_killed(self):
        for _, folder in self.signal_at_many_times(signal.SIGKILL):
            left = [path for path in folder.iterdir() if path.suffix == TEMPORARY]
            self.assertLessEqual(len(left), 2)  # of this run, and of one that was ended before it began to write
            if (folder / "x.sutra").exists():
                self.sutra("verify", folder / "x.sutra")
        self.sutra("convert", MODEL, "-o", folder / "x.sutra")
        self.assertEqual(self.bundles(folder), [folder / "x.sutra"])

    def test_what_the_dead_left_goes_and_nothing_else(self):
        path = self.dir / "x.sutra"
        dead, alive = self.dir / f"x.sutra.1-1-0{TEMPORARY}", self.dir / f"x.sutra.1-2-0{TEMPORARY}"
        others = [self.dir / name for name in (f"y.sutra.1-1-0{TEMPORARY}", f"x.sutra{TEMPORARY}", "x.sutra.1-1-0",
                                               f"ax.sutra.1-1-0{TEMPORARY}", f"x.sutra.1-3-0{TEMPORARY}.")]
        for file in (dead, alive, *others):
            file.write_bytes(b"x")
        (self.dir / f"x.sutra.1-4-0{TEMPORARY}").mkdir()
        with open(alive, "rb") as writer:
            fcntl.flock(writer, fcntl.LOCK_EX)
            self.sutra("convert", MODEL, "-o", path)
            self.assertFalse(dead.exists())
            self.assertTrue(alive.exists())
        self.sutra("convert", MODEL, "-o", "x.sutra", cwd=self.dir)
        self.assertFalse(alive.exists())
        self.assertTrue(all(file.exists() for file in others))
        self.assertTrue((self.dir / f"x.sutra.1-4-0{TEMPORARY}").is_dir())

    def test_terminated(self):
        """Unlike SIGKILL, this leaves nothing but a whole file."""
        for code, folder in self.signal_at_many_times(signal.SIGTERM):
            self.assertIn(code, (0, 143, -signal.SIGTERM))
            self.assertIn(self.bundles(folder), ([], [folder / "x.sutra"]))
            if code == 0:
                self.assertEqual(len(self.bundles(folder)), 1)


def main():
    global PROGRAM, MODEL
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True)
    parser.add_argument("--model", default=str(SOURCE / "tests/data/golden/models/base"))
    options, rest = parser.parse_known_args()
    PROGRAM, MODEL = os.path.abspath(options.program), os.path.abspath(options.model)
    unittest.main(argv=[sys.argv[0], *rest])


if __name__ == "__main__":
    main()
