#!/usr/bin/env python3
"""The log of `sutra serve`: a line a request, nothing of what requests hold, and no harm when nobody takes it."""

import json
import os
import re
import subprocess
import unittest
from pathlib import Path

from serve_case import MODEL, Connection, Server, listening_port, main, parse_arguments

PROGRAM, ARGUMENTS = parse_arguments()
SECRET = "words that nobody but the model may see"


def lines_of(*options, ask):
    with Server(PROGRAM, *options) as server:
        answers = ask(server)
    return server.lines[1:], answers


def ask_some(server):
    key = {"Authorization": "Bearer of-the-test"}
    return [server.request("POST", "/v1/embeddings", {"input": [SECRET, "x"]}, X_Request_Id="first", **key),
            server.request("POST", "/v1/embeddings", {"input": SECRET, "model": SECRET}, **key),
            server.request("GET", "/h%0a%22%ff?" + SECRET.replace(" ", "+"), **key),
            server.request("GET", "/v1/models", Authorization="Bearer of-somebody")]


class Log(unittest.TestCase):
    def test_json(self):
        lines, answers = lines_of("--log", "json", "--api-key", "of-the-test", ask=ask_some)
        rows = [json.loads(line) for line in lines]
        self.assertEqual([row["status"] for row in rows], [200, 404, 404, 401])
        self.assertEqual([row["id"] for row in rows], [answer.headers["x-request-id"] for answer in answers])
        self.assertEqual([row["sent"] for row in rows], [len(answer.body) for answer in answers])
        first = rows[0]
        self.assertEqual(list(first), ["time", "id", "method", "path", "status", "received", "sent", "texts", "tokens", "truncated",
                                       "seconds", "queue_seconds", "tokenize_seconds", "compute_seconds"])
        self.assertRegex(first["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        self.assertEqual((first["id"], first["method"], first["path"], first["texts"], first["tokens"], first["truncated"]),
                         ("first", "POST", "/v1/embeddings", 2, answers[0].json["usage"]["total_tokens"], 0))
        self.assertGreater(first["compute_seconds"], 0)
        self.assertGreaterEqual(first["seconds"], first["compute_seconds"])
        self.assertEqual(rows[2]["path"], '/h\n"\ufffd')
        for line in lines:
            for word in ("nobody", "of-the-test", "of-somebody"):
                self.assertNotIn(word, line)

    def test_text(self):
        lines, answers = lines_of("--log", "text", "--api-key", "of-the-test", ask=ask_some)
        tokens = answers[0].json["usage"]["total_tokens"]
        self.assertRegex(lines[0], rf"^\S+Z POST /v1/embeddings 200 \d+\+\d+ bytes, 2 texts, {tokens} tokens, \d+\.\d+ s, first$")
        self.assertEqual(len(lines), 4)
        self.assertNotIn("nobody", "".join(lines))

    def test_off(self):
        for options in ((), ("--log", "off")):
            self.assertEqual(lines_of(*options, ask=lambda server: server.embed("x"))[0], [])


def start(stderr):
    return subprocess.Popen([PROGRAM, "serve", "-m", MODEL, "--port", "0", "--log", "json"], stderr=stderr)


@unittest.skipUnless(Path("/proc/self/net/tcp").exists() and Path("/dev/full").exists(), "no /proc")
class Trouble(unittest.TestCase):
    def ask(self, process, count):
        with Connection("127.0.0.1", listening_port(process)) as connection:
            for _ in range(count):
                self.assertEqual(connection.request("GET", "/health").status, 200)

    def end(self, process):
        process.terminate()
        self.assertEqual(process.wait(), 0)

    def test_a_full_disk(self):
        with open("/dev/full", "wb") as full:
            process = start(full)
        self.ask(process, 100)
        self.end(process)

    def test_nobody_is_there_to_read(self):
        reading, writing = os.pipe()
        process = start(writing)
        os.close(writing)
        listening_port(process)
        os.close(reading)
        self.ask(process, 100)
        self.end(process)

    def test_somebody_reads_too_late(self):
        reading, writing = os.pipe()
        process = start(writing)
        os.close(writing)
        self.ask(process, 4000)  # more lines than there is room for
        with open(reading, encoding="utf-8") as lines:
            for line in lines:
                if line.startswith("{"):
                    break
            self.ask(process, 100)
            process.terminate()
            rest = lines.read()
        self.assertEqual(process.wait(), 0)
        missing = re.findall(r"^sutra: (\d+) lines of the log are missing here$", rest, re.MULTILINE)
        self.assertTrue(missing)
        self.assertEqual(1 + rest.count('{"time"') + sum(map(int, missing)), 4100)

    def test_nobody_ever_reads(self):
        reading, writing = os.pipe()
        process = start(writing)
        os.close(writing)
        self.ask(process, 4000)
        self.end(process)
        os.close(reading)


if __name__ == "__main__":
    main(ARGUMENTS)
