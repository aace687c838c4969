#!/usr/bin/env python3
"""What `sutra serve` says of its work: GET /metrics counts what was sent."""

import os
import unittest

import prometheus_text
from serve_case import MODEL, Server, main, parse_arguments, request_bytes

PROGRAM, ARGUMENTS = parse_arguments()
POSTED = {"method": "POST", "route": "/v1/embeddings"}
HEAVY = {"input": ["a b " * 50] * 2000}


def metrics(server):
    answer = server.request("GET", "/metrics")
    assert answer.status == 200 and answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8", answer.headers
    return Metrics(answer.body.decode())


class Metrics:
    def __init__(self, text):
        self.samples = prometheus_text.parse(text)

    def __call__(self, name, **labels):
        return self.samples.get((name, tuple(sorted(labels.items()))), 0)


def ended(seen):
    return seen("sutra_requests_abandoned_total") + seen("sutra_requests_total", **POSTED, status="200")


def wait_for_work(server, sent):
    """Until texts wait for a thread, or all requests that were sent are done already."""
    seen = metrics(server)
    while seen("sutra_engine_waiting_texts") == 0 and ended(seen) < sent:
        seen = metrics(server)


class Counts(unittest.TestCase):
    def test_requests_and_their_lengths(self):
        with Server(PROGRAM, "--truncate") as server:
            before = metrics(server)
            self.assertEqual(before("sutra_texts_total"), 0)
            tokens = 0
            for texts in (["a"], ["a", "b", "silver music"], ["night " * 400], ["x"] * 500):
                tokens += server.embed(texts).json["usage"]["total_tokens"]
            for body in ({"input": ""}, {"input": "x", "model": "none"}):
                server.request("POST", "/v1/embeddings", body)
            server.request("GET", "/v1/models/base")
            server.request("GET", "/none")
            server.request("GET", "/health", Host="example.org")
            with server.connect() as connection:
                connection.send(b"x\r\n\r\n")
                self.assertEqual(connection.answer().status, 400)
            after = metrics(server)
            for status, count in (("200", 4), ("400", 1), ("404", 1), ("503", 0)):
                self.assertEqual(after("sutra_requests_total", status=status, **POSTED), count)
            self.assertEqual(after("sutra_requests_total", method="GET", route="/v1/models/{}", status="200"), 1)
            self.assertEqual(after("sutra_requests_total", method="GET", route="/metrics", status="200"), 1)
            self.assertEqual(after("sutra_requests_total", method="GET", route="/health", status="403"), 1)
            for status in ("404", "400"):
                self.assertEqual(after("sutra_requests_total", method="", route="", status=status), 1)
            for name, value in (("texts_total", 505), ("tokens_total", tokens), ("truncated_texts_total", 1), ("cancelled_texts_total", 0),
                                ("request_texts_count", 4), ("request_texts_sum", 505), ("request_tokens_sum", tokens),
                                ("request_queue_seconds_count", 4), ("request_tokenize_seconds_count", 4),
                                ("request_compute_seconds_count", 4), ("request_duration_seconds_count", 11),
                                ("requests_in_flight", 1), ("connections_total", 12), ("engine_waiting_texts", 0)):
                self.assertEqual(after(f"sutra_{name}"), value, name)
            for bound, count in (("1", 2), ("4", 3), ("256", 3), ("512", 4), ("+Inf", 4)):
                self.assertEqual(after("sutra_request_texts_bucket", le=bound), count, bound)
            self.assertGreater(after("sutra_request_compute_seconds_sum"), 0)
            runs = [after("sutra_engine_run_tokens_total", kind=kind) - before("sutra_engine_run_tokens_total", kind=kind)
                    for kind in ("wide", "team")]
            self.assertEqual(sum(runs), tokens)
            self.assertGreater(after("process_resident_memory_bytes"), 1 << 20)
            self.assertGreater(after("sutra_received_bytes_total"), 500)
            self.assertGreater(after("sutra_sent_bytes_total"), 505 * 32)
            self.assertEqual([labels[0][0] for name, labels in after.samples if name == "sutra_build_info"], ["version"])

    def test_work_for_clients_that_left_is_cancelled(self):
        with Server(PROGRAM, "--threads", 1) as server:
            seen = metrics(server)
            sent = 0
            while seen("sutra_cancelled_texts_total") == 0:
                sent += 8
                clients = [server.connect() for _ in range(8)]
                for connection in clients:
                    connection.send(request_bytes("POST", "/v1/embeddings", HEAVY))
                wait_for_work(server, sent)
                for connection in clients:
                    connection.socket.close()
                seen = metrics(server)
                while ended(seen) < sent:
                    seen = metrics(server)
            for name in ("engine_waiting_requests", "held_answer_bytes", "held_request_bytes"):
                self.assertEqual(seen(f"sutra_{name}"), 0, name)

    def test_devices(self):
        core = min(os.sched_getaffinity(0))
        with Server(PROGRAM, "--device", f"cpu@{core},cpu@{core}-{core}") as server:
            before = metrics(server)
            server.embed(["x"] * 300)
            seen = metrics(server)
            names = {dict(labels)["device"] for name, labels in seen.samples if name == "sutra_device_texts_total"}
            self.assertEqual(len(names), 2)
            self.assertEqual(sum(seen("sutra_device_texts_total", device=name) - before("sutra_device_texts_total", device=name) for name in names), 300)

    def test_it_asks_for_the_key(self):
        with Server(PROGRAM, "--api-key", "k") as server:
            self.assertEqual(server.request("GET", "/metrics").status, 401)
            self.assertEqual(server.request("GET", "/metrics", Authorization="Bearer k").status, 200)


class Overload(unittest.TestCase):
    def test_a_full_queue_says_when_to_come_again(self):
        with Server(PROGRAM, "--threads", 1, "--max-queued-tokens", 300000) as server:
            busy = [server.connect() for _ in range(12)]
            pace, longest = 0, 0
            for _ in range(200):
                for connection in busy:
                    connection.send(request_bytes("POST", "/v1/embeddings", HEAVY))
                for connection in busy:
                    answer = connection.answer()
                    self.assertIn(answer.status, (200, 429))
                    if answer.status == 429:
                        wait = int(answer.headers["retry-after"])
                        self.assertTrue(1 <= wait <= 120)
                        longest = max(longest, wait)
                pace = metrics(server)("sutra_tokens_per_second")
                if pace and longest:
                    break
            self.assertTrue(pace and longest)
            for connection in busy:
                connection.socket.close()


if __name__ == "__main__":
    main(ARGUMENTS)
