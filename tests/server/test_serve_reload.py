#!/usr/bin/env python3
"""`sutra serve` and SIGHUP: models opened anew under requests, and what stays when that fails."""

import datetime
import os
import shutil
import signal
import tempfile
import threading
import time
import unittest
from pathlib import Path

from serve_case import MODEL, SOURCE, Server, cli_vectors, main, make_reranker, parse_arguments
from web_socket import WebSocket, vector

PROGRAM, ARGUMENTS = parse_arguments()
OTHER = SOURCE / "tests/data/golden/models/roberta"
TEXTS = ["a green garden", "silver music at night"]
BEFORE, AFTER = (cli_vectors(PROGRAM, TEXTS, model=model) for model in (MODEL, OTHER))


class Case(unittest.TestCase):
    """A link that models are put behind; the server's model is the link."""

    def setUp(self):
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.count = 0
        self.put(MODEL)

    def start(self, *options, **more):
        return self.enterContext(Server(PROGRAM, *options, **{"model": self.folder / "m", **more}))

    def put(self, model):
        """Copies a model to where the server finds it from now on; returns the copy."""
        self.count += 1
        copy = shutil.copytree(model, self.folder / f"{self.count}")
        os.symlink(copy, self.folder / "link")
        os.replace(self.folder / "link", self.folder / "m")
        return copy

    def reload(self, server, wanted="reloads"):
        name = f"sutra_model_{'reload_failures' if wanted == 'failures' else 'reloads'}_total"
        before = server.metric(name)
        server.signal(signal.SIGHUP)
        while server.metric(name) == before:
            time.sleep(0.005)

    def check(self, server, expected):
        answer = server.embed(TEXTS, encoding_format="base64")
        self.assertEqual((answer.status, answer.vectors()), (200, expected))

    def is_mapped(self, server, folder):
        return f"{folder}/" in Path(f"/proc/{server.process.pid}/maps").read_text()


class Reload(Case):
    def test_vectors_are_those_of_the_new_files(self):
        server = self.start("--alias", "other=m", "--cache-bytes", 1 << 20)
        self.check(server, BEFORE)
        self.put(OTHER)
        self.check(server, BEFORE)
        self.reload(server)
        self.check(server, AFTER)
        self.assertEqual(server.embed(TEXTS, model="other", encoding_format="base64").vectors(), AFTER)
        self.assertEqual(server.request("GET", "/info").json["family"], "roberta")
        while self.is_mapped(server, self.folder / "1"):
            time.sleep(0.005)
        self.reload(server)  # of the same files
        self.check(server, AFTER)
        self.assertEqual(server.lines[1:], [])

    def test_no_request_fails_meanwhile(self):
        server = self.start()
        answers, stops, errors = {0: 0, 1: 0}, threading.Event(), []

        def ask():
            try:
                with server.connect() as connection:
                    while not stops.is_set():
                        answer = connection.request("POST", "/v1/embeddings", {"input": TEXTS, "encoding_format": "base64"})
                        answers[[BEFORE, AFTER].index(answer.vectors())] += 1
            except Exception as error:  # pylint: disable=broad-except
                errors.append(error)

        threads = [threading.Thread(target=ask) for _ in range(6)]
        for thread in threads:
            thread.start()
        for i in range(30):
            self.put(MODEL if i % 2 else OTHER)
            self.reload(server)
        stops.set()
        for thread in threads:
            thread.join()
        self.assertEqual(errors, [])
        self.assertGreater(min(answers.values()), 0)
        while any(self.is_mapped(server, self.folder / str(i)) for i in range(1, self.count)):
            time.sleep(0.005)

    def test_signals_that_come_at_once(self):
        server = self.start()
        for _ in range(100):
            server.signal(signal.SIGHUP)
        self.put(OTHER)
        self.reload(server)
        while server.embed(TEXTS, encoding_format="base64").vectors() != AFTER:  # another reload was at work
            time.sleep(0.005)

    def test_a_stream_goes_on_with_its_model(self):
        server = self.start()
        with WebSocket(server) as ws:
            ws.say("start", encoding_format="base64")
            self.assertEqual(ws.hear()["dimensions"], 32)
            self.put(OTHER)
            self.reload(server)
            self.check(server, AFTER)
            self.assertTrue(self.is_mapped(server, self.folder / "1"))
            ws.say("text", text=TEXTS[0])
            ws.say("finish")
            self.assertEqual(vector(ws.until("end")[0]), BEFORE[0])
            while self.is_mapped(server, self.folder / "1"):
                time.sleep(0.005)
            ws.say("text", text=TEXTS[0])
            ws.say("finish")
            self.assertEqual(vector(ws.until("end")[1]), AFTER[0])

    def test_how_long_it_stays_open_is_kept(self):
        server = self.start()

        def embed(keep_alive):
            self.assertEqual(server.request("POST", "/api/embed", {"model": "m", "input": "x", "keep_alive": keep_alive}).status, 200)

        embed("2h")
        self.reload(server)
        end = datetime.datetime.fromisoformat(server.request("GET", "/api/ps").json["models"][0]["expires_at"])
        left = (end - datetime.datetime.now(datetime.timezone.utc)).total_seconds()
        self.assertTrue(6900 < left < 7300, left)
        with WebSocket(server) as ws:  # the model before, which is said of what holds for the new one too
            ws.say("start")
            ws.hear()
            self.reload(server)
            embed(0)
            ws.say("finish")
            ws.until("end")
        while server.request("GET", "/api/ps").json["models"]:
            time.sleep(0.005)

    def test_one_that_is_closed_is_not_opened_but_found_anew(self):
        server = self.start()
        server.request("POST", "/api/embed", {"model": "m", "input": "x", "keep_alive": 0})
        while server.request("GET", "/api/ps").json["models"]:
            time.sleep(0.005)
        self.put(OTHER)
        server.signal(signal.SIGHUP)
        self.check(server, AFTER)
        self.assertEqual(server.metric("sutra_model_reloads_total"), 0)

    def test_models_that_come_and_go(self):
        """Reloads, models that are closed after each request, and requests, all at once."""
        server = self.start()
        stops, errors = threading.Event(), []

        def ask(keep_alive):
            try:
                with server.connect() as connection:
                    while not stops.is_set():
                        answer = connection.request("POST", "/api/embed", {"model": "m", "input": "x", "keep_alive": keep_alive})
                        if answer.status != 200:
                            errors.append(answer.body)
            except Exception as error:  # pylint: disable=broad-except
                errors.append(error)

        threads = [threading.Thread(target=ask, args=(k,)) for k in (0, 0, "1ms", "5m")]
        for thread in threads:
            thread.start()
        for i in range(60):
            self.put(MODEL if i % 2 else OTHER)
            for _ in range(3):
                server.signal(signal.SIGHUP)
                time.sleep(0.002)
        stops.set()
        for thread in threads:
            thread.join()
        self.assertEqual(errors, [], server.lines)

    def test_a_reranker(self):
        with tempfile.TemporaryDirectory() as folder:
            scorer = make_reranker(Path(folder) / "scorer")
            server = self.start(model=scorer)
            body = {"query": "a", "texts": ["b", "a c"]}
            before = server.request("POST", "/rerank", body).json
            self.reload(server)
            self.assertEqual(server.request("POST", "/rerank", body).json, before)

    def test_a_name_in_the_cache_comes_to_stand_for_another_revision(self):
        hub = self.folder / "hub"
        repo = hub / "models--test--tiny"
        revisions = {model: letter * 40 for model, letter in ((MODEL, "a"), (OTHER, "b"))}
        for model, revision in revisions.items():
            shutil.copytree(model, repo / "snapshots" / revision)
        (repo / "refs").mkdir()
        (repo / "refs/main").write_text(revisions[MODEL])
        server = self.start(model="test/tiny", env={"HF_HUB_CACHE": str(hub)})
        self.check(server, BEFORE)
        (repo / "refs/main").write_text(revisions[OTHER])
        self.reload(server)
        self.check(server, AFTER)
        self.assertEqual(server.request("GET", "/v1/models").json["data"][0]["id"], "test/tiny")


class Failures(Case):
    def check_stays(self, server, reason):
        lines = len(server.lines)
        self.reload(server, "failures")
        self.check(server, BEFORE)
        while len(server.lines) == lines:
            time.sleep(0.005)
        self.check(server, BEFORE)
        self.assertEqual(len(server.lines), lines + 1)
        self.assertRegex(server.lines[-1], "^sutra: model m stays as it is, it cannot be opened anew: .*" + reason)
        self.assertEqual(server.metric("sutra_model_reloads_total"), 0)

    def test_files_that_are_damaged(self):
        server = self.start()
        copy = self.put(OTHER)
        weights = copy / "model.safetensors"
        weights.write_bytes(weights.read_bytes()[:-100])
        self.check_stays(server, "model.safetensors")
        copy = self.put(OTHER)
        (copy / "config.json").write_text("{")
        self.check_stays(server, "config.json")
        copy = self.put(OTHER)
        self.reload(server)
        self.check(server, AFTER)

    def test_files_that_are_gone(self):
        """What is open goes on, whatever becomes of its files."""
        server = self.start()
        shutil.rmtree(self.folder / "1")
        self.check(server, BEFORE)
        self.check_stays(server, "no such model folder")
        os.unlink(self.folder / "m")
        self.check_stays(server, "no such model folder")
        with WebSocket(server) as ws:
            ws.say("text", text=TEXTS[0])
            ws.say("finish")
            self.assertEqual(vector(ws.until("end")[1]), BEFORE[0])
        self.put(OTHER)
        self.reload(server)
        self.check(server, AFTER)

    def test_the_server_ends_in_the_midst_of_it(self):
        for _ in range(10):
            with Server(PROGRAM, model=self.folder / "m") as server:
                server.signal(signal.SIGHUP)
                server.signal(signal.SIGTERM)
                self.assertEqual(server.wait(), 0)


if __name__ == "__main__":
    main(ARGUMENTS)
