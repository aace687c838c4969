#!/usr/bin/env python3
"""Help, completions and manual page: they list the same commands and options."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from cli_case import PROGRAM, SOURCE, Base, main, sutra


class Help(Base):
    def commands(self):
        overview = sutra("--help").decode()
        return re.findall(r"^  (\w+) +\S", overview.split("Commands:")[1].split("\n\n")[0], re.M)

    def options(self, command):
        return re.findall(r"^  (?:-(\w), |    )--([\w-]+)", sutra(command, "--help").decode(), re.M)

    def test_every_command_has_help(self):
        commands = self.commands()
        self.assertEqual(commands, ["embed", "tokenize", "similarity", "search", "rerank", "serve", "eval", "bench", "pull",
                                    "list", "info", "convert", "quantize", "distill", "verify"])
        for command in commands:
            shown = sutra(command, "--help").decode()
            self.assertTrue(shown.startswith(f"Usage: sutra {command} "), shown)
            self.assertEqual(sutra(command, "-h").decode(), shown)
            self.assertEqual(sutra("help", command).decode(), shown)
            self.assertEqual(sutra(command, "x", "--help", "--unknown").decode(), shown)
            for line in shown.splitlines():
                self.assertLessEqual(len(line), 100, line)
                self.assertEqual(line.rstrip(), line)
        self.assertEqual(sutra("help"), sutra("-h"))

    def test_version(self):
        shown = sutra("--version").decode().splitlines()
        self.assertRegex(shown[0], r"^sutra \d+\.\d+\.\d+$")
        self.assertIn("isa", json.loads(shown[1]))

    def test_completions_list_every_option(self):
        done = subprocess.run([sys.executable, SOURCE / "completions/generate.py", "--program", PROGRAM, "--check"],
                              capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stdout), (0, ""), done.stderr)
        completion = (SOURCE / "completions/sutra.bash").read_text(encoding="utf-8")
        for command in self.commands():
            words = re.search(rf'^    {command}\) words="([^"]*)"', completion, re.M)[1].split()
            for letter, name in self.options(command):
                self.assertIn(f"--{name}", words)
                if letter:
                    self.assertIn(f"-{letter}", words)

    def test_bash_completes(self):
        script = (f'source "{SOURCE}/completions/sutra.bash"; complete_words() {{ COMP_WORDS=("$@"); '
                  'COMP_CWORD=$(($# - 1)); _sutra; echo "${COMPREPLY[*]}"; }; ')
        for words, expected in ((("em",), "embed"), (("embed", "--form"), "--format"), (("embed", "--format", "j"), "jsonl"),
                                (("eval", "ret"), "retrieval"), (("bench", "br"), "breakdown"), (("help", "li"), "list"), (("info", "all-mp"), "all-mpnet-base-v2")):
            quoted = " ".join(f"'{w}'" for w in words)
            env = {"PATH": f"{Path(PROGRAM).resolve().parent}:{os.environ['PATH']}", "HF_HUB_CACHE": str(self.dir)}
            done = subprocess.run(["bash", "-c", script + f"complete_words sutra {quoted}"], capture_output=True, text=True,
                                  cwd=self.dir, env=env, check=False)
            self.assertEqual(done.stdout.strip(), expected, done.stderr)

    def test_man_page_has_every_option(self):
        page = (SOURCE / "docs/sutra.1").read_text(encoding="utf-8")
        entries = " ".join(re.findall(r"^\.TP\n(.+)$", page, re.M))
        for command in self.commands():
            self.assertIn(f"\\fBsutra {command}\\fR", page)
            for _, name in self.options(command):
                self.assertRegex(entries, rf"--{name}\b")
        self.assertIn(f"sutra {sutra('--version').decode().split()[1]}", page)


if __name__ == "__main__":
    main()
