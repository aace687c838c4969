#!/usr/bin/env python3
"""examples/postgres on servers that the test starts itself: in a temporary folder, on a socket there and no port, as a
user who is not root.

usage: test_postgres.py --program build/release/sutra --server FOLDER [unittest arguments]

FOLDER is the pginstall/bin of the package pgserver: a server with pgvector, for vector(N). The arrays are tested by a copy of
it without pgvector.
SUTRA_TEST_MODEL is the model's folder.
"""

import argparse
import json
import os
import pwd
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent.parent
IDS = ["plain", "comma, and \"quotes\"", "two\nlines", "it's \\back\\slashed\\n", "{braces}", "\\.", "naïve ☃", "tab\there"]
PATIENCE = 900  # seconds until what hangs is given up
BODIES = [f"Passage number {number} speaks of cats, \"dogs\" and\nother animals." for number in range(len(IDS) - 1)]
BODIES.append("Interest rates were raised by the central bank.")
ROWS = list(zip(IDS, BODIES))


class Database:
    """One server; programs of it run as the user that may start it."""

    def __init__(self, programs, folder):
        self.programs, self.folder = Path(programs), Path(folder)
        self.user = []
        if os.getuid() == 0:
            nobody = pwd.getpwnam("nobody")
            os.chown(folder, nobody.pw_uid, nobody.pw_gid)
            self.user = ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"]
        others = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        self.environment = {**others, "PGHOST": str(folder), "PGUSER": "sutra", "PGDATABASE": "postgres",
                            "PATH": f"{self.programs}:{os.environ['PATH']}", "LC_ALL": "C.UTF-8", "HOME": str(folder)}
        self.as_user("initdb", "-D", "data", "-U", "sutra", "-A", "trust", "-E", "UTF8", "--no-sync")
        self.as_user("pg_ctl", "-D", "data", "-w", "-t", "60", "-l", "log", "-o",
                     f"-c listen_addresses='' -k {folder} -c fsync=off -c dynamic_shared_memory_type=mmap", "start")

    def as_user(self, program, *arguments):
        ran = subprocess.run([*self.user, self.programs / program, *arguments], cwd=self.folder, env=self.environment,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=PATIENCE)
        if ran.returncode:
            log = self.folder / "log"
            raise AssertionError(f"{program}: {ran.stdout} {log.read_text() if log.exists() else ''}")

    def stop(self):
        self.as_user("pg_ctl", "-D", "data", "-m", "immediate", "-w", "stop")

    def run(self, *words):
        return subprocess.run(words, env=self.environment, capture_output=True, text=True, timeout=PATIENCE)

    def ask(self, statement):
        ran = self.run("psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", statement)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout.rstrip("\n")


class Examples:
    """Of a server with pgvector or without it; the classes below say which."""

    @classmethod
    def setUpClass(cls):
        cls.folder = Path(tempfile.mkdtemp())
        os.chmod(cls.folder, 0o755)
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        data = cls.folder / "server"
        data.mkdir()
        site = PROGRAMS.parents[2]
        for part in (PROGRAMS.parent, site / "pgserver.libs"):  # where it is the user that runs it may not get at it
            shutil.copytree(part, cls.folder / part.relative_to(site), symlinks=True)
        programs = cls.folder / PROGRAMS.relative_to(site)
        controls = list(programs.parent.glob("share/**/extension/vector.control"))
        assert controls, "the server has no pgvector"
        if cls.kind == "array":
            controls[0].unlink()
        cls.database = Database(programs, data)
        cls.addClassCleanup(cls.database.stop)
        cls.database.environment.update(SUTRA=str(Path(PROGRAM).resolve()), SUTRA_MODEL=str(Path(MODEL).resolve()))
        cls.corpus = f"{cls.folder}/corpus.jsonl"
        cls.write(ROWS)
        cls.load = cls.database.run(SOURCE / "examples/postgres/load_vectors.sh", cls.corpus)

    @classmethod
    def write(cls, rows):
        lines = [json.dumps({"id": name, "body": body}, ensure_ascii=number % 2 == 0) for number, (name, body) in enumerate(rows)]
        Path(cls.corpus).write_text("\n".join(lines) + "\n", encoding="utf-8")

    def test_vectors_are_those_of_the_program(self):
        self.assertEqual((self.load.returncode, self.load.stderr), (0, ""))
        program = self.database.environment["SUTRA"]
        ran = self.database.run(program, "embed", self.corpus, "--field", "body", "--id", "id", "--format", "jsonl")
        expected = {row["id"]: row["embedding"] for row in map(json.loads, ran.stdout.splitlines())}
        found = json.loads(self.database.ask("SELECT json_object_agg(id, to_json(vector::real[])) FROM passages"))
        self.assertEqual(set(found), set(IDS))
        for name, vector in found.items():
            floats = struct.Struct(f"{len(vector)}f")
            self.assertEqual(floats.pack(*vector), floats.pack(*expected[name]))
        bodies = json.loads(self.database.ask("SELECT json_object_agg(id, body) FROM passages"))
        self.assertEqual(bodies, dict(ROWS))

    def test_a_search(self):
        ran = self.database.run(SOURCE / "examples/postgres/search_vectors.sh", "it's the \"economy\"; DROP TABLE passages")
        self.assertEqual((ran.returncode, ran.stderr), (0, ""))
        distance, name, body = ran.stdout.splitlines()[0].split(",", 2)
        self.assertEqual((name, body), ("tab\there", ROWS[-1][1]))
        self.assertTrue(0 < float(distance) < 1)

    def test_another_size_is_refused(self):
        ran = self.database.run(SOURCE / "examples/postgres/search_vectors.sh", "cats", "--dim", "8")
        self.assertNotEqual(ran.returncode, 0)
        self.assertRegex(ran.stderr, "different vector dimensions|violates check constraint")

    def refused(self, rows, words):
        self.write(rows)
        ran = self.database.run(SOURCE / "examples/postgres/load_vectors.sh", self.corpus)
        self.assertNotEqual(ran.returncode, 0)
        self.assertRegex(ran.stderr, words)

    def test_lines_of_windows(self):
        self.addCleanup(self.write, ROWS)
        Path(self.corpus).write_bytes(Path(self.corpus).read_bytes().replace(b"\n", b"\r\n"))
        self.aside()
        ran = self.database.run(SOURCE / "examples/postgres/load_vectors.sh", self.corpus)
        self.assertEqual((ran.returncode, ran.stderr), (0, ""))
        self.assertEqual(json.loads(self.database.ask("SELECT json_object_agg(id, body) FROM passages")), dict(ROWS))
        self.database.ask("DROP TABLE passages")
        if self.kind == "array":
            self.database.ask("DROP DOMAIN sutra_vector CASCADE")

    def aside(self):
        """What the load made is kept under other names until the test ends."""
        self.database.ask("ALTER TABLE passages RENAME TO kept")
        self.addCleanup(self.database.ask, "ALTER TABLE kept RENAME TO passages")
        if self.kind == "array":  # one domain, of one length
            self.database.ask("ALTER DOMAIN sutra_vector RENAME TO kept_vector")
            self.addCleanup(self.database.ask, "ALTER DOMAIN kept_vector RENAME TO sutra_vector")
            self.database.ask("ALTER FUNCTION cosine_distance RENAME TO kept_distance")
            self.addCleanup(self.database.ask, "ALTER FUNCTION kept_distance RENAME TO cosine_distance")

    def test_what_fails_changes_nothing(self):
        before = self.database.ask("SELECT count(*), max(id) FROM passages")
        self.addCleanup(self.write, ROWS)
        self.refused(ROWS, "there is a table passages already")
        self.assertEqual(self.database.ask("SELECT count(*), max(id) FROM passages"), before)
        self.aside()
        for rows, words in (([("a", "x"), ("a", "y")], "duplicate key|unique"), ([("a", "x\0y")], "u0000|NUL")):
            self.refused(rows, words)
            self.assertEqual(self.database.ask("SELECT to_regclass('passages') IS NULL"), "t")
        ran = self.database.run(SOURCE / "examples/postgres/load_vectors.sh", f"{self.folder}/none.jsonl")
        self.assertIn("none.jsonl", ran.stderr)


class Vectors(Examples, unittest.TestCase):
    kind = "vector"


class Arrays(Examples, unittest.TestCase):
    kind = "array"


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True)
    parser.add_argument("--server", required=True)
    ARGUMENTS, rest = parser.parse_known_args()
    PROGRAM = ARGUMENTS.program
    MODEL = os.environ.get("SUTRA_TEST_MODEL", SOURCE / ".cache/model")
    PROGRAMS = Path(ARGUMENTS.server).resolve()
    unittest.main(argv=[sys.argv[0], *rest])
