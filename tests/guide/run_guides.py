#!/usr/bin/env python3
"""Runs the guides of docs/guide as a reader would: every command and program as it stands there, in an empty folder of its own,
and compares what they print.

usage: run_guides.py --program build/release/sutra --package PYTHON --clients PYTHON [GUIDE.md ...]

PACKAGE is a Python with the package and LangChain, CLIENTS one with the clients of other servers. Blocks that are marked text
are the output of the one before: numbers with a point may differ in the last digit that is shown, and "…" stands for the rest of a
line. A block marked diff is run without its lines that go.

Not done as written: `make` and `pip install` are the work of other steps, and what is installed must be there; a server's port
is a free one, also where clients are told it or guess it; curl need not be there, what it sends is sent; models are pulled from a hub
on this machine.
"""

import argparse
import os
import re
import shlex
import subprocess
import sys
import tempfile
import urllib.request
from contextlib import ExitStack
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(SOURCE / "tests/hub"), str(SOURCE / "tests/server")]

from hub_server import Hub  # noqa: E402
from serve_case import Server  # noqa: E402

MODEL = Path(os.environ.get("SUTRA_TEST_MODEL", SOURCE / ".cache/model"))
NUMBER = r"-?\d+\.\d+"
NOT_RUN = ("make", "pip", "curl", "sutra serve")
MODULES = {".": "sutra", "langchain-core": "langchain_core"}


class Failure(Exception):
    pass


class Guide:
    def __init__(self, path, arguments, hub, folder, stack):
        self.text, self.arguments, self.stack = path.read_text(), arguments, stack
        self.folder = Path(folder, "here")
        self.folder.mkdir()
        bin_folder = Path(folder, "bin")
        bin_folder.mkdir()
        (bin_folder / "sutra").symlink_to(arguments.program)
        self.env = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "SUTRA_", "OLLAMA_", "OPENAI_"))}
        self.env.update(PATH=f"{bin_folder}:{os.environ['PATH']}", HOME=folder, HF_ENDPOINT=hub.url, XDG_CACHE_HOME=f"{folder}/.cache",
                        HAYSTACK_TELEMETRY_ENABLED="False")
        self.python = arguments.clients if "import ollama" in self.text else arguments.package
        self.ports = {}

    def run(self):
        """Blocks run, outputs compared"""
        blocks = re.findall(r"^```(\w*)\n(.*?)^```$", self.text, re.M | re.S)
        output, counts = None, [0, 0]
        for kind, block in blocks:
            if kind == "text":
                compare(block, output)
                counts[1] += 1
                continue
            try:
                output = {"sh": self.shell, "python": self.program, "diff": self.changed}[kind](block)
            except KeyError:
                raise Failure(f"a block marked {kind!r}") from None
            counts[0] += 1
        return counts

    def here(self, text):
        for written, port in self.ports.items():
            text = text.replace(f":{written}", f":{port}")
        return text

    def execute(self, command):
        done = subprocess.run(command, cwd=self.folder, env=self.env, text=True, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode:
            raise Failure(f"exit code {done.returncode} of\n{command[-1]}\n{done.stdout}")
        return done.stdout

    def program(self, block):
        return self.execute([self.python, "-B", "-W", "ignore", "-c", self.here(block)])

    def changed(self, block):
        if not re.search("^-", block, re.M) or not re.search("^[+]", block, re.M):
            raise Failure("a block marked diff that changes nothing")
        return self.program("".join(line[1:] or "\n" for line in block.splitlines(True) if line[0] != "-"))

    def shell(self, block):
        if not any(line.startswith(NOT_RUN) for line in block.splitlines()):
            return self.execute(["bash", "-eu", "-o", "pipefail", "-c", block])
        return "".join(self.line(line, shlex.split(line, comments=True)) for line in block.splitlines())

    def line(self, line, words):
        if words[:1] == ["make"]:
            return ""
        if words[:2] == ["pip", "install"]:
            return self.execute([self.python, "-c", "\n".join(f"import {MODULES[name]}" for name in words[2:])])
        if words[:2] == ["sutra", "serve"]:
            return self.serve(words[2:])
        if words[:2] == ["curl", "-s"]:
            return self.curl(words[2:])
        return self.execute(["bash", "-eu", "-o", "pipefail", "-c", line])

    def serve(self, words):
        at = words.index("--port")
        env = {name: self.env[name] for name in ("HOME", "XDG_CACHE_HOME")} | {"SUTRA_CACHE": f"{self.env['HOME']}/packed"}
        server = self.stack.enter_context(Server(self.arguments.program, *words[:at], *words[at + 2:], model=None, env=env))
        self.ports[words[at + 1]] = server.port
        self.env["OLLAMA_HOST"] = server.url  # where Ollama's clients look by themselves
        return ""

    def curl(self, words):
        url, option, body = words
        if option != "-d":
            raise Failure(f"curl {option}")
        request = urllib.request.Request(self.here(url), body.encode(), {"Content-Type": "application/x-www-form-urlencoded"})
        with urllib.request.urlopen(request) as answer:
            return answer.read().decode() + "\n"


def compare(expected, output):
    wanted, given = expected.splitlines(), (output or "").splitlines()
    if len(wanted) != len(given) or not all(map(same_line, wanted, given)):
        raise Failure(f"expected\n{expected}but it is\n{output}")


def same_line(wanted, given):
    pattern, numbers = "", []
    for piece in re.split(f"({NUMBER}|…)", wanted):
        if re.fullmatch(NUMBER, piece):
            numbers.append(piece)
            pattern += f"({NUMBER}(?:e-?\\d+)?)"
        else:
            pattern += ".*" if piece == "…" else re.escape(piece)
    found = re.fullmatch(pattern, given)
    return bool(found) and all(near(*pair) for pair in zip(numbers, found.groups()))


def near(wanted, given):
    digits = len(wanted.partition(".")[2])
    return abs(float(wanted) - float(given)) < 1.01 * 10.0 ** -digits


def check_itself():
    assert same_line("0.39\ta…", "0.3852\tabc") and same_line("took 1.0 s", "took 1.04 s")
    assert not same_line("0.39\ta", "0.36\ta") and not same_line("0.39 a", "0.39 b") and not same_line("a…", "b")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", type=os.path.abspath, required=True)
    parser.add_argument("--package", type=os.path.abspath, required=True)
    parser.add_argument("--clients", type=os.path.abspath, required=True)
    parser.add_argument("guides", nargs="*", type=Path)
    arguments = parser.parse_args()
    check_itself()
    files = {str(path.relative_to(MODEL)): path.read_bytes() for path in MODEL.rglob("*") if path.is_file() and path.name != "sutra.json"}
    hub = Hub(files, "sentence-transformers/all-MiniLM-L6-v2")
    failed = False
    guides = arguments.guides or sorted((SOURCE / "docs/guide").glob("[a-z]*.md"))
    for path in guides:
        with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
            try:
                blocks, outputs = Guide(path, arguments, hub, folder, stack).run()
                print(f"{path.name}: {blocks} blocks, {outputs} outputs compared")
                if not blocks or not outputs:
                    raise Failure("nothing to run, or nothing to compare")
            except Failure as failure:
                failed = True
                print(f"{path.name}: FAILED: {failure}")
    hub.close()
    return failed or len(guides) < 1


if __name__ == "__main__":
    sys.exit(main())
