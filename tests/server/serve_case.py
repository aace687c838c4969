"""What the tests of the server share: the program as a server on a free port, and a client of bare sockets.

usage of each: test_serve_….py --program build/release/sutra [unittest arguments]

The model is the tiny one of tests/data/golden, whatever is installed.
"""

import argparse
import base64
import contextlib
import faulthandler
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import unittest
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent.parent
MODEL = SOURCE / "tests/data/golden/models/base"
PATIENCE = 300  # seconds until what hangs is given up


class Server:
    """`with Server(PROGRAM, "--option", …) as server`; ends by SIGTERM and must then have exited with 0."""

    def __init__(self, program, *options, model=MODEL, env=None, stdin=subprocess.DEVNULL):
        self.stdin = stdin
        self.command = [str(program), "serve", "--port", "0", *(["-m", str(model)] if model else []),
                        *map(str, options)]
        self.env = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "SUTRA_"))}
        self.env.update({"SUTRA_CACHE": "", **(env or {})})
        self.lines = []

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdin=self.stdin, stderr=subprocess.PIPE, env=self.env, text=True)
        for line in self.process.stderr:
            self.lines.append(line.rstrip("\n"))
            found = re.fullmatch(r"listening on (http://(\S+):(\d+))", self.lines[-1])
            if found:
                self.url, self.host, self.port = found[1], found[2].strip("[]"), int(found[3])
                break
        else:
            self.process.stderr.close()
            raise AssertionError(f"{self.command}: exit code {self.process.wait()}: {self.lines}")
        self.reader = threading.Thread(target=lambda: self.lines.extend(line.rstrip("\n") for line in
                                                                        self.process.stderr))
        self.reader.start()
        return self

    def signal(self, number=signal.SIGTERM):
        self.process.send_signal(number)

    def wait(self):
        code = self.process.wait(PATIENCE)
        self.reader.join()
        self.process.stderr.close()
        return code

    def __exit__(self, kind, value, trace):
        if self.process.returncode is None:
            self.signal()
            code = self.wait()
            if kind is None and code != 0:
                raise AssertionError(f"exit code {code}: {self.lines}")

    def connect(self):
        return Connection(self.host, self.port)

    def request(self, *args, **options):
        with self.connect() as connection:
            return connection.request(*args, **options)

    def embed(self, texts, **fields):
        return self.request("POST", "/v1/embeddings", {"input": texts, **fields})

    def metric(self, name):
        return float(re.search(rf"(?m)^{name} (\S+)$", self.request("GET", "/metrics").body.decode())[1])


class Answer:
    def __init__(self, head, body):
        lines = head.decode("latin-1").split("\r\n")
        self.status = int(lines[0].split()[1])
        self.headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines[1:])}
        self.body = body

    @property
    def json(self):
        return json.loads(self.body)

    def vectors(self):
        """As bytes: float32, little-endian, of base64 answers."""
        return [base64.b64decode(row["embedding"]) for row in self.json["data"]]


class Connection:
    def __init__(self, host, port):
        self.socket = socket.create_connection((host, port), PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def receive(self):
        """More bytes into the buffer; False: the server has closed."""
        data = self.socket.recv(1 << 16)
        self.buffer += data
        return bool(data)

    def is_closed(self):
        """Waits until the server has closed; whatever it sends before is an error."""
        try:
            return not self.buffer and not self.receive()
        except ConnectionResetError:
            return True

    def answer(self, has_body=True):
        while b"\r\n\r\n" not in self.buffer:
            if not self.receive():
                raise EOFError(f"closed after {self.buffer!r}")
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        answer = Answer(head, b"")
        size = int(answer.headers.get("content-length", 0)) if has_body and answer.status >= 200 else 0
        while len(self.buffer) < size:
            if not self.receive():
                raise EOFError(f"closed after {len(self.buffer)} of {size} bytes")
        answer.body, self.buffer = self.buffer[:size], self.buffer[size:]
        return answer

    def request(self, method, path, body=None, **headers):
        self.send(request_bytes(method, path, body, **headers))
        return self.answer(has_body=method != "HEAD")


def request_bytes(method, path, body=None, **headers):
    """body: bytes, or what becomes JSON. Headers: X_Request_Id="a"; None leaves one out."""
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
    lines = {"Host": "localhost"}
    if body is not None:
        lines["Content-Length"] = str(len(body))
    lines.update({k.replace("_", "-"): v for k, v in headers.items()})
    head = "".join(f"{k}: {v}\r\n" for k, v in lines.items() if v is not None)
    return f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + (body or b"")


def cli_vectors(program, texts, *options, model=MODEL):
    """The bytes of `sutra embed` for these texts."""
    lines = "".join(json.dumps({"t": text}) + "\n" for text in texts)
    env = {**os.environ, "SUTRA_CACHE": ""}
    done = subprocess.run([program, "embed", "-m", model, "-i", "-", "--field", "t", "--format", "npy", "-o", "-", *map(str, options)],
                          input=lines.encode(), capture_output=True, check=True, env=env)
    size = int.from_bytes(done.stdout[8:10], "little")
    rows = done.stdout[10 + size:]
    width = len(rows) // len(texts)
    return [rows[i * width:(i + 1) * width] for i in range(len(texts))]


def listening_port(process):
    """Of a program that cannot say it, once it listens; any other socket, as of its standard streams, is none."""
    while True:
        assert process.poll() is None
        listening = {}
        for line in Path(f"/proc/{process.pid}/net/tcp").read_text(encoding="ascii").splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A":
                listening[fields[9]] = int(fields[1].split(":")[1], 16)
        for fd in os.listdir(f"/proc/{process.pid}/fd"):
            with contextlib.suppress(FileNotFoundError):
                found = re.fullmatch(r"socket:\[(\d+)\]", os.readlink(f"/proc/{process.pid}/fd/{fd}"))
                if found and found[1] in listening:
                    return listening[found[1]]


def make_reranker(folder, activation=None):
    """One that gives the sigmoid of its scores, or them as they are: activation "Identity"."""
    shutil.copytree(MODEL, folder, ignore=shutil.ignore_patterns("modules.json", "1_Pooling"))
    shutil.copytree(SOURCE / "tests/data/golden/rerankers/bert", folder, dirs_exist_ok=True)
    if activation:
        path = folder / "config.json"
        config = json.loads(path.read_text())
        config["sentence_transformers"] = {"activation_fn": f"torch.nn.modules.linear.{activation}"}
        path.write_text(json.dumps(config))
    return folder


def cli_scores(program, model, query, texts):
    """Score of each text by `sutra rerank`, in their order."""
    done = subprocess.run([program, "rerank", "-m", model, "--json", "--", query, *texts], capture_output=True, check=True)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    return [row["score"] for row in sorted(found, key=lambda row: row["line"])]


def parse_arguments():
    """The program under test; what is left is unittest's."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True)
    options, rest = parser.parse_known_args()
    return os.path.abspath(options.program), [sys.argv[0], *rest]


def main(arguments, warnings=None):
    faulthandler.dump_traceback_later(4 * PATIENCE, exit=True)  # what hangs all the same says where
    unittest.main(argv=arguments, warnings=warnings)
