#!/usr/bin/env python3
"""examples/sqlite and each block of docs/SQL.md, run by the shell of SQLite with sutra0.so.

usage: test_sql_examples.py --program build/release/sutra --extension build/release/sutra0.so [--vec0] [unittest arguments]

--vec0: with sqlite-vec too, of the Python that runs this. SUTRA_TEST_MODEL is the folder of all-MiniLM-L6-v2 in a cache.
"""

import argparse
import json
import os
import re
import struct
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent.parent
EXAMPLES = SOURCE / "examples/sqlite"


def blocks(language):
    """Of the SQLite section of docs/SQL.md."""
    section = (SOURCE / "docs/SQL.md").read_text(encoding="utf-8").split("\n## ")[1]
    assert section.startswith("SQLite\n")
    return re.findall(rf"(?ms)^```{language}\n(.*?)^```", section)


class Shell(unittest.TestCase):
    def setUp(self):
        self.folder = self.enterContext(tempfile.TemporaryDirectory())
        self.database = f"{self.folder}/test.db"
        cache = Path(MODEL).resolve().parents[2]  # models--org--name/snapshots/revision
        self.environment = {**os.environ, "HF_HUB_CACHE": str(cache), "HOME": self.folder, "SUTRA_CACHE": ""}
        self.environment.pop("SUTRA_MODEL", None)

    def run_sql(self, text, *extensions):
        loads = [word for path in (ARGUMENTS.extension, *extensions) for word in ("-cmd", f".load {os.path.splitext(path)[0]}")]
        ran = subprocess.run(["sqlite3", "-bail", *loads, self.database], input=text, env=self.environment,
                             capture_output=True, text=True, timeout=120)
        self.assertEqual((ran.returncode, ran.stderr), (0, ""))
        return ran.stdout.splitlines()

    def embed(self, *texts):
        ran = subprocess.run([ARGUMENTS.program, "embed", "--format", "jsonl", "--", *texts], env=self.environment,
                             capture_output=True, text=True, check=True)
        vectors = [json.loads(line)["embedding"] for line in ran.stdout.splitlines()]
        return [struct.pack(f"<{len(vector)}f", *vector).hex().upper() for vector in vectors]

    def test_plain_sql(self):
        rows = self.run_sql((EXAMPLES / "semantic_search.sql").read_text(encoding="utf-8"))
        self.assertEqual([row.split("|")[2] for row in rows][0], "Two puppies play in the garden.")
        self.assertEqual(len(rows), 3)
        made = [row.split("|") for row in self.run_sql("SELECT body, hex(vector) FROM passages ORDER BY id;")]
        self.assertEqual(len(made), 7)
        self.assertEqual([row[1] for row in made], self.embed(*(row[0] for row in made)))

    def test_sqlite_vec(self):
        import sqlite_vec
        path = sqlite_vec.loadable_path()
        rows = self.run_sql((EXAMPLES / "vec0_search.sql").read_text(encoding="utf-8"), path)
        self.assertEqual(rows[0].split("|")[1:], ["Keeping bees", "Bees gather nectar from spring to autumn. In winter they "
                                                  "live on the honey that they stored."])
        made = [row.split("|") for row in self.run_sql("SELECT body, hex(vector) FROM vectors JOIN chunks USING (id);", path)]
        self.assertEqual([row[1] for row in made], self.embed(*(row[0] for row in made)))
        distance = "abs(sutra_distance_cosine(a.vector, b.vector) - vec_distance_cosine(a.vector, b.vector))"
        self.assertEqual(self.run_sql(f"SELECT count(*) > 9, max({distance}) < 1e-6 FROM vectors a, vectors b;", path), ["1|1"])
        codes = ("SELECT vec_type(vec_int8(sutra_embed('a', 'all-MiniLM-L6-v2', '{\"dtype\": \"int8\"}'))), "
                 "vec_length(vec_bit(sutra_embed('a', 'all-MiniLM-L6-v2', '{\"dtype\": \"ubinary\"}')));")
        self.assertEqual(self.run_sql(codes, path), ["int8|384"])
        bits = "vec_bit(sutra_embed('a', 'all-MiniLM-L6-v2', '{\"dtype\": \"ubinary\"}'))"
        others = "vec_quantize_binary(sutra_embed('a'))"  # which begin at the other end of a byte: docs/SQL.md
        self.assertEqual(self.run_sql(f"SELECT vec_distance_hamming({bits}, {bits}), vec_distance_hamming({bits}, {others}) > 0;", path),
                         ["0.0|1"])

    def test_documentation(self):
        made, = blocks("sql")
        rows = self.run_sql(made)
        self.assertEqual(rows, ["A kitten sleeps on the windowsill.", "0|One sentence. Another one.", "1|A third.", "0", "0", "1"])

    def test_connections_of_python(self):
        program = ("import sqlite3, sys\nconnection = sqlite3.connect(':memory:')\nconnection.enable_load_extension(True)\n"
                   "connection.load_extension(sys.argv[1])\n"
                   "print(connection.execute('SELECT hex(sutra_embed(?))', ('a kitten',)).fetchone()[0])\n")
        # Not every Python can: Debian's does, which tools/packages.txt has.
        able = [python for python in (sys.executable, "/usr/bin/python3") if not subprocess.run(
            [python, "-c", "import sqlite3; sqlite3.Connection.enable_load_extension"], capture_output=True).returncode]
        ran = subprocess.run([able[0], "-c", program, os.path.splitext(ARGUMENTS.extension)[0]], env=self.environment,
                             capture_output=True, text=True, timeout=120)
        self.assertEqual((ran.returncode, ran.stderr), (0, ""))
        self.assertEqual(ran.stdout.split(), self.embed("a kitten"))

    def test_the_shell_line_of_the_documentation(self):
        line, = blocks("sh")
        line = line.replace("build/release/sutra0", os.path.splitext(os.path.abspath(ARGUMENTS.extension))[0])
        ran = subprocess.run(["bash", "-c", line], cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=120)
        self.assertEqual((ran.returncode, ran.stderr), (0, ""))
        self.assertRegex(ran.stdout, r"^[0-9.]+\|1536\n$")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True)
    parser.add_argument("--extension", required=True)
    parser.add_argument("--vec0", action="store_true")
    ARGUMENTS, rest = parser.parse_known_args()
    ARGUMENTS.extension = os.path.abspath(ARGUMENTS.extension)
    if not ARGUMENTS.vec0:
        del Shell.test_sqlite_vec
    MODEL = os.environ.get("SUTRA_TEST_MODEL", SOURCE / ".cache/model")
    unittest.main(argv=[sys.argv[0], *rest])
