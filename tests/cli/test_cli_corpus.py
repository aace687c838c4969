"""sutra embed of files of many records: fields and ids of JSON lines, csv and tsv, duplicates, rejects, shards, and
runs that go on after they were killed.

A run that was killed must end with the bytes of one that was not, whatever was killed, and how often.
"""

import collections
import csv
import gzip
import io
import json
import random
import signal
import sqlite3
import struct
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

from cli_case import MODEL, PROGRAM, SANITIZED, embed, main

WORDS = "a green garden silver music night house river paper new old sea".split()
KILLS = 40 if SANITIZED else 200
FORMATS = ("npy", "jsonl", "csv", "safetensors", "db")


def corpus(count, seed=1, longest=3):
    """[(id, text)], many texts more than once."""
    rng = random.Random(seed)
    rows = []
    for i in range(count):
        text = " ".join(rng.choices(WORDS, k=rng.randint(0, longest)))
        if rng.random() < 0.1:
            text += ', "so"\nund "weiter"'
        rows.append((i if i % 2 else f'k"{i}\u00e9', text))
    return rows


def as_jsonl(rows):
    return "".join(json.dumps({"id": key, "text": text}) + "\n" for key, text in rows).encode()


def as_csv(rows, end="\r\n"):
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator=end)
    writer.writerow(["id", "more", "text"])
    writer.writerows([key, "x", text] for key, text in rows)
    return out.getvalue().encode()


def rows_of_database(path):
    base = sqlite3.connect(path)
    try:
        assert base.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return [base.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall() for table in ("embeddings", "sutra")]
    finally:
        base.close()


class Folder(unittest.TestCase):
    def setUp(self):
        held = tempfile.TemporaryDirectory()
        self.addCleanup(held.cleanup)
        self.path = Path(held.name)

    def file(self, name, data):
        (self.path / name).write_bytes(data if isinstance(data, bytes) else data.encode())
        return self.path / name

    def lines(self, name):
        return [json.loads(line) for line in (self.path / name).read_text().splitlines()]

    def names(self):
        return sorted(p.name for p in self.path.iterdir())


class Records(Folder):
    def expect(self, rows, done):
        """done: lines of jsonl of the rows with their ids; each vector is that of the text alone."""
        self.assertEqual([d["id"] for d in done], [key for key, _ in rows])
        self.assertEqual([d["index"] for d in done], list(range(len(rows))))
        alone = {}
        for line, (_, text) in zip(done, rows):
            if text not in alone:
                found = json.loads(embed(stdin=json.dumps({"t": text}), *("--field", "t")))
                alone[text] = (found["embedding"], found["tokens"], found["truncated"])
            self.assertEqual((line["embedding"], line["tokens"], line["truncated"]), alone[text])

    def test_fields_and_ids_of_each_layout(self):
        rows = corpus(60)
        self.expect(rows, [json.loads(x) for x in embed(self.file("c.jsonl", as_jsonl(rows)), "--field", "text",
                                                        "--id", "id").splitlines()])
        texts = [(str(key), text) for key, text in rows]
        for end in "\r\n", "\n":
            for name, data in ("c.csv", as_csv(rows, end)), ("c.CSV.gz", gzip.compress(as_csv(rows, end))):
                embed(self.file(name, data), "--field", "text", "--id", "id", "-o", self.path / "o.jsonl")
                self.expect(texts, self.lines("o.jsonl"))
        plain = [(str(i), text) for i, (_, text) in enumerate(rows) if '"' not in text] + [("t", ' say "no, no" ')]
        data = "id\ttext\n" + "".join(f"{key}\t{text}\n" for key, text in plain)
        embed(self.file("c.tsv", data), "--field", "text", "--id", "id", "-o", self.path / "o.jsonl")
        self.expect(plain, self.lines("o.jsonl"))
        out = embed("-i", "-", "--input-format", "csv", "--field", "text", "--id", "id", stdin=as_csv(rows))
        self.expect(texts, [json.loads(x) for x in out.splitlines()])

    def test_csv_is_what_the_csv_module_reads(self):
        rng = random.Random(7)
        pieces = ['"', '""', ",", "\n", "\r\n", "a", "é", " ", "x y"]
        good = 0
        for _ in range(300):
            data = "t,u\n" + "".join(rng.choices(pieces, k=rng.randint(1, 14)))
            try:
                rows = list(csv.reader(io.StringIO(data, newline=""), strict=True))[1:]
            except csv.Error:
                rows = None
            rows = None if rows is None else [r for r in rows if r]
            broken = rows is None or any(len(r) != 2 for r in rows) or "\r" in data.replace("\r\n", "")
            if broken or not rows:
                continue
            good += 1
            path = self.file("c.csv", data)
            out = self.path / "o.jsonl"
            embed(path, "--field", "u", "--id", "t", "-o", out)
            self.assertEqual([d["id"] for d in self.lines("o.jsonl")], [r[0] for r in rows], data)
            self.expect([(r[0], r[1]) for r in rows], self.lines("o.jsonl"))
        self.assertGreater(good, 20)

    def test_standard_input_to_standard_output(self):
        rows = corpus(20)
        whole = embed("-i", "-", "--field", "text", "--id", "id", "-o", "-", stdin=as_jsonl(rows))
        self.expect(rows, [json.loads(line) for line in whole.splitlines()])

    def test_ids_of_each_format(self):
        rows = corpus(30)
        path = self.file("c.jsonl", as_jsonl(rows))
        for form in "npy", "safetensors":
            out = self.path / f"o.{form}"
            embed(path, "--field", "text", "--id", "id", "-o", out)
            self.assertEqual(self.lines(f"o.{form}.ids.jsonl"), [key for key, _ in rows])
            plain = self.path / f"p.{form}"
            embed(path, "--field", "text", "-o", plain)
            self.assertEqual(out.read_bytes(), plain.read_bytes())
            self.assertFalse((self.path / f"p.{form}.ids.jsonl").exists())
        embed(path, "--field", "text", "--id", "id", "-o", self.path / "o.csv")
        with open(self.path / "o.csv", newline="") as file:
            self.assertEqual([row[0] for row in csv.reader(file)], [str(key) for key, _ in rows])

    def test_databases(self):
        rows = corpus(200) + [(1.5, "a"), (10 ** 20, "b"), ("\u00fc", "a")]
        path, out = self.file("c.jsonl", as_jsonl(rows)), self.path / "o.db"
        embed(path, "--field", "text", "--id", "id", "-o", out)
        found, facts = rows_of_database(out)
        stream = [json.loads(x) for x in embed(path, "--field", "text").splitlines()]
        keys = [str(key) if key == 10 ** 20 else key for key, _ in rows]
        self.assertEqual([(record, key, tokens, bool(truncated)) for record, key, tokens, truncated, _ in found],
                         [(d["index"], key, d["tokens"], d["truncated"]) for d, key in zip(stream, keys)])
        for row, line in zip(found, stream):
            self.assertEqual(row[4], struct.pack(f"<{len(line['embedding'])}f", *line["embedding"]))
        self.assertEqual(dict(facts)["dim"], "32")
        self.assertEqual(dict(facts)["dtype"], "float32")
        embed(path, "--field", "text", "-o", out, "--output-dtype", "ubinary", "--shard", "2/3")
        found, facts = rows_of_database(out)
        self.assertEqual([(r[0], r[1], len(r[4])) for r in found], [(i, None, 4) for i in range(1, len(rows), 3)])
        self.assertEqual(self.names(), ["c.jsonl", "o.db"])

    def test_ids_that_are_none(self):
        for value in "null", "[1]", "{}", "true", "NaN":
            path = self.file("c.jsonl", '{"id":%s,"text":"a"}\n' % value)
            embed(path, "--field", "text", "--id", "id", code=1, stderr=r'c\.jsonl:1: field "id" is neither a string')
        for value in "12345678901234567890123", "-1.5e3", '""':
            path = self.file("c.jsonl", '{"id":%s,"text":"a"}\n' % value)
            self.assertIn(b'"id":%s,' % value.encode(), embed(path, "--field", "text", "--id", "id"))

    def test_duplicates_are_embedded_once(self):
        rows = corpus(3000)
        path = self.file("c.jsonl", as_jsonl(rows))
        different = len({text for _, text in rows})
        done = json.loads(embed(path, "--field", "text", "-o", self.path / "o.npy", "--json"))
        self.assertEqual((done["texts"], done["duplicates"]), (3000, 3000 - different))
        stream = [json.loads(x) for x in embed(path, "--field", "text").splitlines()]
        embed(path, "--field", "text", "-o", self.path / "o.jsonl")
        self.assertEqual(self.lines("o.jsonl"), stream)
        values = struct.unpack(f"<{3000 * done['dim']}f", (self.path / "o.npy").read_bytes()[128:])
        dim = done["dim"]
        for i, line in enumerate(stream):
            for a, b in zip(line["embedding"], values[i * dim:(i + 1) * dim]):
                self.assertEqual(struct.pack("<f", a), struct.pack("<f", b))
        long = self.file("long.txt", ("night " * 2000 + "\n") * 3)
        done = json.loads(embed("-i", long, "-o", self.path / "l.npy", "--json", stderr="3 of 3 texts were truncated"))
        self.assertEqual((done["duplicates"], done["truncated"]), (2, 3))

    def test_shards_are_the_whole(self):
        rows = corpus(101)
        path = self.file("c.jsonl", as_jsonl(rows))
        whole = [json.loads(x) for x in embed(path, "--field", "text", "--id", "id").splitlines()]
        parts = []
        for i in range(1, 8):
            parts += [json.loads(x) for x in embed(path, "--field", "text", "--id", "id", f"--shard={i}/7").splitlines()]
        self.assertEqual(sorted(parts, key=lambda d: d["index"]), whole)
        self.assertEqual(embed(self.file("one.txt", "a\n"), "--shard", "2/2"), b"")


class Rejects(Folder):
    def test_lines_that_are_no_records(self):
        lines = [b'{"text":"a"}', b"", b"nonsense", b'{"text":5}', b'{"other":"x"}', b'{"text":"\xff"}',
                 b'{"text":"\\ud800"}', b'{"text":"b"}']
        path = self.file("c.jsonl", b"\n".join(lines))
        out, bad = self.path / "o.jsonl", self.path / "bad.jsonl"
        embed(path, "--field", "text", "-o", out, "--rejects", bad, stderr="5 records were rejected")
        self.assertEqual([d["index"] for d in self.lines("o.jsonl")], [0, 6])
        found = self.lines("bad.jsonl")
        self.assertEqual([(d["line"], d["index"]) for d in found], [(3, 1), (4, 2), (5, 3), (6, 4), (7, 5)])
        for reason, wanted in zip(found, ("not a JSON object", 'field "text" is not a string', 'no field "text"',
                                          "invalid UTF-8 at byte 10", "surrogate")):
            self.assertIn(wanted, reason["reason"])
        embed(path, "--field", "text", code=1, stderr=r"c\.jsonl:3: not a JSON object; the vectors of the first|c.jsonl:3")

    def test_csv_with_a_broken_quote(self):
        data = 't,u\n1,a\n2,"b\n3,c\n4,"d"x\n5,e,f\n6,"g\nh"\n7\n8,i\n'
        path = self.file("c.csv", data)
        embed(path, "--field", "u", "--id", "t", "-o", self.path / "o.jsonl", "--rejects", self.path / "bad",
              stderr="4 records were rejected")
        self.assertEqual([d["id"] for d in self.lines("o.jsonl")], ["1", "3", "6", "8"])
        self.assertEqual([(d["line"], d["reason"]) for d in self.lines("bad")],
                         [(3, "text after a quoted field"), (5, "text after a quoted field"),
                          (6, "3 fields where the first line has 2"), (9, "1 fields where the first line has 2")])
        path = self.file("open.csv", 't,u\n1,a\n2,"b\n3,c\n')
        embed(path, "--field", "u", "--id", "t", "-o", self.path / "o.jsonl", "--rejects", self.path / "bad",
              stderr="1 records were rejected")
        self.assertEqual([d["id"] for d in self.lines("o.jsonl")], ["1", "3"])
        self.assertEqual(self.lines("bad")[0]["reason"], "a quoted field that does not end")
        embed(path, "--field", "u", "-o", self.path / "n.npy", code=1,
              stderr=r"open\.csv:3: a quoted field that does not end")
        self.assertFalse((self.path / "n.npy").exists())

    def test_columns_and_headers(self):
        path = self.file("c.csv", "a,b\n1,2\n")
        embed(path, "--field", "c", code=1, stderr=r'c\.csv: no column "c"; the columns are: a, b')
        embed(path, "--field", "a", "--id", "c", code=1, stderr=r'no column "c"')
        embed(self.file("e.csv", ""), "--field", "c", stderr=None)
        embed(self.file("q.csv", '"a,b\n'), "--field", "c", code=1, stderr="the first line: a quoted field")
        out = embed(self.file("bom.csv", b'\xef\xbb\xbf"a ""x""",b\r\n\r\n1,2\r\n'), "--field", 'a "x"', "--id", "b")
        self.assertEqual(json.loads(out)["id"], "2")

    def test_texts_that_the_engine_refuses(self):
        rows = ["night", "night " * 2000, "day", "night " * 2000]
        path = self.file("c.txt", "\n".join(rows))
        done = json.loads(embed("-i", path, "--long-text", "error", "-o", self.path / "o.npy", "--json", "--rejects",
                                self.path / "bad", stderr=r"2 records were rejected \(.*\)\n$"))
        self.assertEqual((done["texts"], done["rejects"], done["truncated"], done["tokens_seen"]), (2, 2, 0, 8))
        self.assertEqual([d["line"] for d in self.lines("bad")], [2, 4])
        self.assertRegex(self.lines("bad")[0]["reason"], "^[^:]*tokens")

    def test_a_line_that_is_too_long(self):
        with open(self.path / "c.txt", "wb") as file:
            file.write(b"a\n")
            for _ in range(257):
                file.write(b"x" * (1 << 20))
            file.write(b"\nb\n")
        embed("-i", self.path / "c.txt", "-o", self.path / "o.jsonl", "--rejects", self.path / "bad",
              stderr="1 records were rejected")
        self.assertEqual([d["index"] for d in self.lines("o.jsonl")], [0, 2])
        self.assertEqual(self.lines("bad"), [{"line": 2, "index": 1, "reason": "the line is longer than 256 MiB"}])


class Resume(Folder):
    def start(self, *args):
        return subprocess.Popen([PROGRAM, "embed", "-m", MODEL, *map(str, args)], stderr=subprocess.PIPE,
                                stdout=subprocess.DEVNULL)

    def content(self, name):
        return rows_of_database(self.path / name) if name.endswith(".db") else (self.path / name).read_bytes()

    def run_killed(self, args, seconds, rng):
        """Starts it and kills it after a while; True: it had ended."""
        with self.start(*args) as process:
            time.sleep(rng.uniform(0, seconds))
            process.send_signal(signal.SIGKILL)
            message = process.stderr.read().decode()
        self.resumed += "going on after record" in message
        if process.returncode == -signal.SIGKILL:
            return False
        self.assertEqual(process.returncode, 0, message)
        return True

    def test_runs_that_are_killed(self):
        rng = random.Random(3)
        rows = corpus(6000, longest=4)
        rows[100] = rows[4000] = (7, 5)
        path = self.file("c.jsonl", as_jsonl(rows))
        kills = collections.Counter()
        folder, self.resumed = self.path, 0
        for form in FORMATS:
            self.path = folder / form
            self.path.mkdir()
            args = (path, "--field", "text", "--id", "id", "--rejects", self.path / "bad", "--resume", "--checkpoint",
                    "200", "-o", self.path / f"o.{form}")
            begun = time.monotonic()
            embed(*args, stderr="2 records were rejected")
            seconds = 1.1 * (time.monotonic() - begun)
            names = self.names()
            self.assertEqual([n for n in names if "partial" in n], [])
            wanted = {n: self.content(n) for n in names}
            while kills[form] < KILLS // len(FORMATS):
                for name in names:
                    (self.path / name).unlink()
                while not self.run_killed(args, seconds, rng):
                    kills[form] += 1
                self.assertEqual(self.names(), names)
                for name in names:
                    self.assertTrue(self.content(name) == wanted[name], (form, name))
        self.assertGreater(self.resumed, KILLS // 10)

    def interrupted(self, data, *args, records=2000):
        """A run that waits for more than `data` and is killed after a checkpoint; its FILE.partial is left."""
        process = subprocess.Popen([PROGRAM, "embed", "-m", MODEL, "-i", "-", "--resume", "--checkpoint", "1",
                                    *map(str, args)], stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        state = Path(str(args[-1]) + ".partial.state")
        with process:
            process.stdin.write(data)
            process.stdin.flush()
            while not state.exists() or json.loads(state.read_text())["records"] < records:
                self.assertIsNone(process.poll())
                time.sleep(0.01)
            process.send_signal(signal.SIGTERM)
            self.assertIn("terminated", process.stderr.read().decode())
        self.assertEqual(process.returncode, 143)

    def test_what_is_left_and_gone_on_with(self):
        rows = corpus(4000)
        data, out = as_jsonl(rows), self.path / "o.npy"
        args = ("--field", "text", "-o", out)
        embed(*args, stdin=data)
        whole = out.read_bytes()
        out.unlink()
        half = b"".join(data.splitlines(keepends=True)[:2048])
        self.interrupted(half, *args)
        self.assertEqual(self.names(), ["o.npy.partial", "o.npy.partial.state"])
        embed("--dim", "16", "--resume", *args, stdin=data, code=1, stderr="was begun with dim=32, not dim=16")
        other = data.replace(b"green", b"greem")
        embed("--resume", *args, stdin=other, code=1, stderr=r"standard input is not what .*o\.npy\.partial was begun")
        embed("--resume", *args, stdin=data[:100], code=1, stderr="ends before record|first .* records differ|c")
        done = json.loads(embed("--resume", "--json", *args, stdin=data, stderr="going on after record"))
        self.assertEqual(done["texts"], 4000)
        self.assertEqual(out.read_bytes(), whole)
        self.assertEqual(self.names(), ["o.npy"])

    def test_files_of_others(self):
        path, out = self.file("c.txt", "a\nb\n"), self.path / "o.npy"
        self.file("o.npy.partial", "mine")
        embed("-i", path, "--resume", "-o", out, code=1, stderr="was not left by --resume: remove it")
        self.assertEqual((self.path / "o.npy.partial").read_text(), "mine")
        self.file("o.npy.partial.state", "{}\n")
        embed("-i", path, "--resume", "-o", out, code=1, stderr="not a checkpoint of this program")
        self.assertEqual((self.path / "o.npy.partial").read_text(), "mine")

    def test_two_at_once(self):
        out = self.path / "o.npy"
        process = subprocess.Popen([PROGRAM, "embed", "-m", MODEL, "-i", "-", "--resume", "-o", out],
                                   stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        with process:
            while not (self.path / "o.npy.partial.state").exists():
                self.assertIsNone(process.poll())
                time.sleep(0.01)
            embed("-i", self.file("c.txt", "a\n"), "--resume", "-o", out, code=1, stderr="another program writes to it")
            process.communicate(b"a\n")
        self.assertEqual(process.returncode, 0)

    def test_all_written_but_not_named(self):
        rows = corpus(50)
        path, out = self.file("c.jsonl", as_jsonl(rows)), self.path / "o.npy"
        args = (path, "--field", "text", "--id", "id", "-o", out)
        self.interrupted(as_jsonl(rows), "--field", "text", "--id", "id", "-o", out, records=50)
        state = json.loads((self.path / "o.npy.partial.state").read_text())
        state["finished"] = 1
        self.file("o.npy.partial.state", json.dumps(state) + "\n")
        names = self.names()
        left = {n: (self.path / n).read_bytes() for n in names}
        for named in (), ("o.npy.ids.jsonl",), ("o.npy.ids.jsonl", "o.npy"):
            for name in self.names():
                (self.path / name).unlink()
            for name, data in left.items():
                stem = name.removesuffix(".partial")
                self.file(stem if stem in named else name, data)
            done = json.loads(embed("--resume", "--json", *args, stderr="an earlier run had written all of it"))
            self.assertEqual((done["texts"], done["duplicates"]), (50, state["duplicates"]))
            self.assertEqual(self.names(), ["c.jsonl", "o.npy", "o.npy.ids.jsonl"])
            self.assertEqual((out.read_bytes(), len(self.lines("o.npy.ids.jsonl"))), (left["o.npy.partial"], 50))

    def test_all_written_of_something_else(self):
        rows = corpus(50)
        path, out = self.file("c.jsonl", as_jsonl(rows)), self.path / "o.npy"
        args = (path, "--field", "text", "-o", out, "--resume")
        embed(*args)
        whole = out.read_bytes()
        self.interrupted(as_jsonl(rows), "--field", "text", "-o", out, records=50)
        state = json.loads((self.path / "o.npy.partial.state").read_text())
        state["finished"] = 1
        state = json.dumps(state) + "\n"
        self.file("o.npy.partial.state", state)
        embed("--dim", "16", *args, code=1, stderr="was begun with dim=32, not dim=16")
        self.file("c.jsonl", as_jsonl(rows + rows))
        embed(*args, code=1, stderr=r"c\.jsonl has more records than the 50 that .*o\.npy was made of")
        self.file("c.jsonl", as_jsonl(rows[:49]))
        embed(*args, code=1, stderr="ends before record 50")
        self.file("c.jsonl", as_jsonl(rows[1:] + rows[:1]))
        embed(*args, code=1, stderr="first 50 records differ; remove it and .*state to begin again")
        self.file("c.jsonl", as_jsonl(rows))
        out.unlink()
        embed(*args)
        self.assertEqual((self.names(), out.read_bytes()), (["c.jsonl", "o.npy"], whole))

    def test_files_that_are_replaced(self):
        path, real = self.file("c.txt", "a\nb\n"), self.file("real.npy", "old")
        real.chmod(0o600)
        (self.path / "folder").mkdir()
        link = self.path / "folder" / "link.npy"
        link.symlink_to("../real.npy")
        for resume in (), ("--resume",):
            embed("-i", path, "-o", link, *resume)
            self.assertTrue(link.is_symlink())
            self.assertEqual((real.stat().st_mode & 0o777, real.stat().st_size), (0o600, 128 + 2 * 32 * 4))
            self.assertEqual(self.names(), ["c.txt", "folder", "real.npy"])
        link.unlink()
        link.symlink_to("nowhere")
        for resume in (), ("--resume",):
            embed("-i", path, "-o", link, *resume, code=1, stderr="No such file")

    def test_databases_of_that_name(self):
        path, out = self.file("c.txt", "a\nb\n"), self.path / "o.db"
        for ending in "-wal", "-journal":
            stranger = self.file(f"o.db{ending}", "x")
            for resume in (), ("--resume",):
                embed("-i", path, "-o", out, *resume, code=1, stderr=rf"o\.db{ending} belongs to the database there")
            self.assertFalse(out.exists())
            stranger.unlink()
        embed("-i", path, "-o", out, "--resume")
        self.assertEqual(len(rows_of_database(out)[0]), 2)

    def test_a_database_that_is_looked_at(self):
        out = self.path / "o.db"
        process = subprocess.Popen([PROGRAM, "embed", "-m", MODEL, "-i", "-", "--resume", "--checkpoint", "1", "-o", out],
                                   stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        state = self.path / "o.db.partial.state"
        with process:
            process.stdin.write(b"a\n")
            process.stdin.flush()
            while not state.exists() or json.loads(state.read_text())["records"] < 1:
                self.assertIsNone(process.poll())
                time.sleep(0.01)
            base = sqlite3.connect(self.path / "o.db.partial", isolation_level=None)
            base.execute("BEGIN")
            self.assertEqual(base.execute("SELECT count(*) FROM embeddings").fetchone(), (1,))
            process.stdin.write(b"b\n")
            process.stdin.flush()
            time.sleep(0.5)
            base.close()
            message = process.communicate()[1].decode()
        self.assertEqual((process.returncode, message), (0, ""))
        self.assertEqual(len(rows_of_database(out)[0]), 2)

    def test_names_that_are_escaped_in_the_state(self):
        name = '"' * 1500
        path, out = self.file("c.jsonl", json.dumps({name: "a"}) + "\n"), self.path / "o.npy"
        self.interrupted(path.read_bytes(), "--field", name, "-o", out, records=1)
        embed(path, "--field", name, "-o", out, "--resume", stderr="going on after record 1")


if __name__ == "__main__":
    main()
