#!/usr/bin/env python3
"""Runs every row of tests/errors.tsv: what goes wrong must end in the stated exit code, with one clear line on
standard error, and leave nothing half-written.

usage: errors.py --program build/release/sutra [--model FOLDER] [--table FILE] [-k WORD]

Columns of the table, between tabs:
  case     a name
  prepare  steps in a fresh folder, separated by ";": see the functions step_… below
  command  a bash line run in that folder, `sutra` being the program and $M the model's folder;
           "@SIGNAL line": the command reads an endless input, and gets the signal once its output is begun
  exit     the exit code
  words    regular expressions separated by " & ", all found in the message; "-": nothing on standard error
  next     what the user does about it
After each row the folder must hold what it held before, but for files named by a step `expect FILE`.
"""

import argparse
import ast
import json
import os
import re
import resource
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

NOBODY = 65534
PATIENCE = 300  # seconds until what hangs is given up
SOURCE = Path(__file__).resolve().parent.parent.parent


class Row:
    def __init__(self, line, number):
        columns = line.rstrip("\n").split("\t")
        if len(columns) != 6 or not all(columns):
            raise SystemExit(f"errors.tsv:{number}: expected six columns, none empty")
        self.case, self.prepare, self.command, code, self.words, self.next = columns
        self.exit = int(code)


class Skipped(Exception):
    pass


def read_header(path):
    data = path.read_bytes()
    size, = struct.unpack("<Q", data[:8])
    return json.loads(data[8:8 + size]), data[8 + size:]


def write_header(path, header, data):
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


class Folder:
    """The folder of one case."""

    def __init__(self, root, model, program):
        self.root, self.model, self.expected, self.mounted = Path(root), Path(model), set(), []
        self.program = program
        self.commands_model = str(model)
        self.unprivileged = False

    def prepare(self, steps):
        for step in steps.split(";"):
            words = step.split(None, 3)
            if words and words != ["-"]:
                getattr(self, "step_" + words[0])(*words[1:])

    def step_copy(self):
        """The model is copied to m/, to be damaged."""
        shutil.copytree(self.model, self.root / "m", symlinks=False)
        self.commands_model = "m"

    def step_reranker(self):
        """A reranker in m/."""
        golden = SOURCE / "tests/data/golden"
        shutil.copytree(golden / "models/base", self.root / "m", ignore=shutil.ignore_patterns("modules.json", "1_Pooling"))
        shutil.copytree(golden / "rerankers/bert", self.root / "m", dirs_exist_ok=True)
        self.commands_model = "m"

    def step_needs_isa(self, name):
        facts = subprocess.run([self.program, "--version"], capture_output=True, text=True, check=True).stdout
        if not json.loads(facts.splitlines()[1])["isa"].startswith(name):
            raise Skipped(f"this processor has no {name}")

    def step_convert(self, name, isa=""):
        """A bundle of the model."""
        env = {**os.environ, "SUTRA_ISA": isa} if isa else None
        subprocess.run([self.program, "convert", self.model, "-o", self.root / name], stdout=subprocess.DEVNULL,
                       env=env, check=True)

    def step_remove(self, name):
        (self.root / name).unlink()

    def step_cut(self, name, size):
        """The file keeps its first `size` bytes."""
        os.truncate(self.root / name, int(size))

    def step_flip(self, name, offset, bit="0"):
        """A negative offset counts from the file's end."""
        data = bytearray((self.root / name).read_bytes())
        data[int(offset)] ^= 1 << int(bit)
        (self.root / name).write_bytes(data)

    def step_flip_in(self, name, word):
        """A bit of the first such word."""
        self.step_flip(name, (self.root / name).read_bytes().index(word.encode()), "6")

    def step_write(self, name, literal=""):
        """The file is the Python bytes literal; blanks in it as \\x20."""
        (self.root / name).write_bytes(ast.literal_eval(f"b'{literal}'"))

    def step_repeat(self, name, count, literal):
        (self.root / name).write_bytes(ast.literal_eval(f"b'{literal}'") * int(count))

    def step_set(self, name, key, value):
        """A field of a JSON file."""
        config = json.loads((self.root / name).read_text())
        config[key] = json.loads(value)
        (self.root / name).write_text(json.dumps(config))

    def step_tensor(self, field, tensor, value):
        """A field of a tensor in the header of the weights; `name`: renames it; `drop`: leaves it out, with
        its data."""
        header, data = read_header(self.root / "m/model.safetensors")
        if field == "drop":
            first, end = header.pop(tensor)["data_offsets"]
            data = data[:first] + data[end:]
            for other in header.values():
                if "data_offsets" in other and other["data_offsets"][0] >= end:
                    other["data_offsets"] = [offset - (end - first) for offset in other["data_offsets"]]
        elif field == "name":
            header[value] = header.pop(tensor)
        else:
            header[tensor][field] = json.loads(value)
        write_header(self.root / "m/model.safetensors", header, data)

    def step_nan(self):
        """Every weight becomes NaN."""
        header, data = read_header(self.root / "m/model.safetensors")
        write_header(self.root / "m/model.safetensors", header, b"\xff" * len(data))

    def step_weight(self, tensor, value):
        """The first element of a tensor of F32."""
        header, data = read_header(self.root / "m/model.safetensors")
        at = header[tensor]["data_offsets"][0]
        write_header(self.root / "m/model.safetensors", header,
                     data[:at] + struct.pack("<f", float(value)) + data[at + 4:])

    def step_mkdir(self, name):
        (self.root / name).mkdir()

    def step_link(self, name, target):
        (self.root / name).symlink_to(target)

    def step_forbid(self, name):
        """Read-only; the command runs as a user whom that stops."""
        self.unprivileged = os.geteuid() == 0
        os.chmod(self.root / name, 0o555 if (self.root / name).is_dir() else 0o444)

    def step_hide(self, name):
        """The command runs as a user who can't read it."""
        self.unprivileged = os.geteuid() == 0
        os.chmod(self.root / name, 0)

    def step_as_user(self):
        """The command does not run as root: a program that replaced a device by a file would do it to the machine's."""
        self.unprivileged = os.geteuid() == 0

    def step_small_disk(self, name):
        (self.root / name).mkdir()
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(self.root / name)],
                              capture_output=True, text=True, check=False)
        if done.returncode:
            raise Skipped("a small tmpfs cannot be mounted here")
        self.mounted.append(self.root / name)

    def step_expect(self, name):
        self.expected.add(name)

    def listing(self):
        return {str(p.relative_to(self.root)): p.read_bytes() if p.is_file() and p.stat().st_size < 1 << 16 else None
                for p in self.root.rglob("*")}

    def close(self):
        for path in self.mounted:
            subprocess.run(["umount", str(path)], check=True)


def environment(folder, program):
    env = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "SUTRA_"))}
    env.update(PATH=f"{folder / 'bin'}:{env['PATH']}", HF_HUB_CACHE=str(folder / "cache"), HF_HUB_OFFLINE="1",
               SUTRA_CACHE=str(folder / "packed"), TMPDIR=str(folder / "tmp"), LC_ALL="C.UTF-8")
    for name in ("bin", "cache", "packed", "tmp"):
        (folder / name).mkdir()
    (folder / "bin/sutra").symlink_to(Path(program).resolve())
    return env


def default_signals():
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def run_with_signal(command, cwd, env):
    """Feeds lines without end until the output's temporary file is there, then sends the signal."""
    name, line = command[1:].split(" ", 1)
    process = subprocess.Popen(["bash", "-c", "exec " + line], cwd=cwd, env=env, stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=default_signals)
    for _ in range(50):
        process.stdin.write(b"a green garden\n" * 20)
        process.stdin.flush()
        time.sleep(0.01)
    while process.poll() is None and not list(cwd.glob(".*.tmp")):
        time.sleep(0.01)
    begun = bool(list(cwd.glob(".*.tmp")))
    process.send_signal(getattr(signal, "SIG" + name))
    code = process.wait()
    process.stdin = None
    out, err = process.communicate()
    return code, out, err, [] if begun else ["there was no temporary file when the signal was sent"]


def run_row(row, program, model):
    """Returns what is wrong, a list of lines."""
    with tempfile.TemporaryDirectory(prefix="sutra-errors-") as top:
        env = environment(Path(top), program)
        work = Path(top, "work")
        work.mkdir()
        folder = Folder(work, model, program)
        try:
            folder.prepare(row.prepare)
            before = folder.listing()
            env["M"] = folder.commands_model
            problems = []
            if row.command.startswith("@"):
                code, out, err, problems = run_with_signal(row.command, work, env)
            else:
                user = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if folder.unprivileged else {}
                if user:
                    os.chmod(top, 0o755)
                    for path in (work, Path(top, "tmp"), Path(top, "cache"), Path(top, "packed")):
                        os.chown(path, NOBODY, NOBODY)
                    if subprocess.run(["test", "-x", program], check=False, **user).returncode:
                        raise Skipped("other users than root cannot run the program here")
                try:
                    done = subprocess.run(["bash", "-c", row.command], cwd=work, env=env, stdin=subprocess.DEVNULL, timeout=PATIENCE,
                                          capture_output=True, preexec_fn=default_signals, check=False, **user)
                    code, out, err = done.returncode, done.stdout, done.stderr
                except subprocess.TimeoutExpired as hung:
                    code, out, err = "none: it does not end", hung.stdout or b"", hung.stderr or b""
            after = folder.listing()
            left = os.listdir(Path(top, "tmp"))
        finally:
            folder.close()
    return problems + judge(row, code, out, err, before, after, folder.expected, left)


def check_table(rows):
    """What names a device as its output must not run as root."""
    for row in rows:
        if re.search(r"-o\s*/(dev|sys|proc)/", row.command) and not re.search(r"\b(as_user|forbid)\b", row.prepare):
            raise SystemExit(f"errors.tsv: {row.case}: an output below /dev, /sys or /proc needs the step as_user")


def judge(row, code, out, err, before, after, expected, left):
    problems = []
    message = err.decode("utf-8", "replace")
    if code != row.exit:
        problems.append(f"exit code {code}, not {row.exit}")
    if row.words == "-":
        if message:
            problems.append("there is a message")
    else:
        for words in row.words.split(" & "):
            if not re.search(words, message):
                problems.append(f"not in the message: {words}")
        if message.count("\n") != 1 or not message.endswith("\n"):
            problems.append("the message is not one line")
        if not message.startswith("sutra"):
            problems.append("the message does not say which program speaks")
    if row.exit in (1, 2) and out:
        problems.append(f"standard output holds {out[:60]}")
    for name in sorted(before.keys() | after.keys()):
        if name in expected:
            if name not in after:
                problems.append(f"{name} is missing")
        elif before.get(name) != after.get(name) or (name in before) != (name in after):
            problems.append(f"{name} was left behind or changed")
    if left:
        problems.append(f"left in TMPDIR: {left}")
    if problems:
        problems.append(f"message: {message.strip()}")
    return problems


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True)
    parser.add_argument("--model", default=str(SOURCE / "tests/data/golden/models/base"))
    parser.add_argument("--table", default=str(SOURCE / "tests/errors.tsv"))
    parser.add_argument("-k", default="", help="only cases whose name holds this")
    options = parser.parse_args()
    with open(options.table, encoding="utf-8") as file:
        rows = [Row(line, i + 2) for i, line in enumerate(list(file)[1:])]
    check_table(rows)
    failed = skipped = 0
    selected = [row for row in rows if options.k in row.case]
    for row in selected:
        try:
            problems = run_row(row, options.program, os.path.abspath(options.model))
        except Skipped as reason:
            print(f"{row.case}: not run: {reason}")
            skipped += 1
            continue
        for problem in problems:
            print(f"{row.case}: {problem}")
        failed += bool(problems)
    print(f"{len(selected)} cases, {failed} failed, {skipped} not possible here")
    return 1 if failed or not selected else 0


if __name__ == "__main__":
    sys.exit(main())
