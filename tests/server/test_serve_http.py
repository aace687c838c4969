#!/usr/bin/env python3
"""The HTTP layer of `sutra serve` by bare sockets: framing, limits, deadlines, access."""

import contextlib
import random
import re
import socket
import struct
import unittest

from serve_case import MODEL, Connection, Server, main, parse_arguments, request_bytes

PROGRAM, ARGUMENTS = parse_arguments()
TEXT = {"input": "silver music"}


class Http(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(Server(PROGRAM))

    def test_health_and_ready(self):
        for path, status in (("/health", "ok"), ("/ready", "ready"), ("/health?x=1", "ok"), ("/%68ealth", "ok")):
            answer = self.server.request("GET", path)
            self.assertEqual((answer.status, answer.json), (200, {"status": status}))
            self.assertEqual(answer.headers["content-type"], "application/json")
            self.assertRegex(answer.headers["date"], r"^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$")

    def test_head_is_get_without_its_body(self):
        with self.server.connect() as connection:
            head = connection.request("HEAD", "/health")
            self.assertEqual((head.status, head.headers["content-length"]), (200, "15"))
            self.assertEqual(connection.request("GET", "/ready").json, {"status": "ready"})

    def test_request_ids_come_back_or_are_made(self):
        self.assertEqual(self.server.request("GET", "/health", X_Request_Id="a-B_1.2").headers["x-request-id"], "a-B_1.2")
        made = {self.server.request("GET", "/health", X_Request_Id=given).headers["x-request-id"]
                for given in (None, "a b", "x" * 129, "\u00e9", "")}
        self.assertEqual(len(made), 5)
        for name in made:
            self.assertRegex(name, r"^req_[0-9a-f]+$")

    def test_a_connection_takes_one_request_after_the_other(self):
        with self.server.connect() as connection:
            for i in range(50):
                answer = connection.request("POST", "/v1/embeddings", TEXT, X_Request_Id=str(i))
                self.assertEqual((answer.status, answer.headers["x-request-id"]), (200, str(i)))
                self.assertNotIn("connection", answer.headers)

    def test_a_connection_ends_when_the_client_says_so(self):
        closing = (request_bytes("GET", "/health", Connection="close"), request_bytes("GET", "/health", Connection="x, Close"),
                   b"GET /health HTTP/1.0\r\n\r\n")
        for request in closing:
            with self.server.connect() as connection:
                connection.send(request)
                self.assertEqual(connection.answer().headers["connection"], "close")
                self.assertTrue(connection.is_closed())
        with self.server.connect() as connection:
            for _ in range(2):
                connection.send(b"GET /health HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
                self.assertEqual(connection.answer().headers["connection"], "keep-alive")

    def test_requests_sent_ahead_are_answered_in_order(self):
        kinds = (("GET", "/health", None), ("POST", "/v1/embeddings", TEXT), ("GET", "/none", None),
                 ("POST", "/v1/embeddings", {"input": ["a", "b", "c"] * 300}), ("POST", "/v1/embeddings", {"input": ""}))
        statuses = (200, 200, 404, 200, 400)
        requests = [(kinds[i % 5], statuses[i % 5]) for i in range(100)]
        data = b"\r\n".join(request_bytes(*kind, X_Request_Id=f"n{i}") for i, (kind, _) in enumerate(requests))
        with self.server.connect() as connection:
            connection.send(data)
            for i, (_, status) in enumerate(requests):
                answer = connection.answer()
                self.assertEqual((answer.headers["x-request-id"], answer.status), (f"n{i}", status))

    def test_bytes_may_come_one_at_a_time(self):
        with self.server.connect() as connection:
            for byte in request_bytes("POST", "/v1/embeddings", TEXT):
                connection.send(bytes([byte]))
            self.assertEqual(connection.answer().json["usage"]["prompt_tokens"],
                             self.server.embed(TEXT["input"]).json["usage"]["prompt_tokens"])

    def test_chunked_bodies(self):
        body = b'{"input": "silver music at night"}'
        plain = self.server.request("POST", "/v1/embeddings", body).body
        for size in (1, 7, len(body)):
            chunks = b"".join(b"%X;name=\"v\"\r\n%s\r\n" % (len(piece), piece)
                              for piece in (body[i:i + size] for i in range(0, len(body), size)))
            for trailer in (b"", b"Trailer: x\r\nOther: y\r\n"):
                with self.server.connect() as connection:
                    for _ in range(2):
                        connection.send(b"POST /v1/embeddings HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n" +
                                        chunks + b"0\r\n" + trailer + b"\r\n")
                        self.assertEqual(connection.answer().body, plain)

    def test_wrong_chunks(self):
        for chunks in (b"x\r\n", b"\r\n", b"-1\r\n", b"3\r\nabcd\r\n", b"3\nabc\r\n", b"1" * 16 + b"\r\n", b"0\r\nx\n",
                       b"1;" + b"e" * 5000):
            with self.server.connect() as connection:
                connection.send(b"POST /v1/embeddings HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks)
                self.assertEqual(connection.answer().status, 400, chunks)
                self.assertTrue(connection.is_closed())

    def test_expect_100_continue(self):
        body = b'{"input": "x"}'
        with self.server.connect() as connection:
            request = request_bytes("POST", "/v1/embeddings", body, Expect="100-continue")
            connection.send(request[:-len(body)])
            self.assertEqual(connection.answer().status, 100)
            connection.send(body)
            self.assertEqual(connection.answer().status, 200)
        self.assertEqual(self.server.request("POST", "/v1/embeddings", body, Expect="x").status, 417)

    def test_the_target_may_be_a_url(self):
        with self.server.connect() as connection:
            for target, host, status in (("http://localhost:80/health", "evil.example", 200), ("http://127.0.0.1/health?x", "localhost", 200),
                                         ("http://evil.example/health", "localhost", 403), ("http://localhost", "localhost", 200),
                                         ("http://localhost/none", "localhost", 404)):
                answer = connection.request("GET", target, Host=host)
                self.assertEqual(answer.status, status, target)
            for origin, status in (("http://localhost:80", 200), ("http://evil.example", 403)):
                answer = connection.request("GET", "http://localhost:80/health", Host="evil.example", Origin=origin)
                self.assertEqual(answer.status, status, origin)

    def test_malformed_requests_are_refused_and_the_connection_closed(self):
        host = b"Host: localhost\r\n"
        for status, data in (
            (400, b"GET\r\n\r\n"), (400, b"GET /health\r\n\r\n"), (400, b"GET  /health HTTP/1.1\r\n" + host + b"\r\n"),
            (400, b"G@T /health HTTP/1.1\r\n" + host + b"\r\n"), (400, b"GET health HTTP/1.1\r\n" + host + b"\r\n"),
            (400, b"GET http://u@localhost/health HTTP/1.1\r\n" + host + b"\r\n"),
            (400, b"GET /a b HTTP/1.1\r\n" + host + b"\r\n"), (400, b"GET /%zz HTTP/1.1\r\n" + host + b"\r\n"),
            (400, b"GET /%00 HTTP/1.1\r\n" + host + b"\r\n"), (400, b"GET /%4 HTTP/1.1\r\n" + host + b"\r\n"),
            (505, b"GET /health HTTP/2.0\r\n" + host + b"\r\n"), (400, b"GET /health HTXP/1.1\r\n" + host + b"\r\n"),
            (400, b"GET /health HTTP/1.1\r\n\r\n"), (400, b"GET /health HTTP/1.1\r\n" + host * 2 + b"\r\n"),
            (400, b"GET /health HTTP/1.1\r\nHost : localhost\r\n\r\n"), (400, b"GET /health HTTP/1.1\r\n" + host + b"A\r\n\r\n"),
            (400, b"GET /health HTTP/1.1\r\n" + host + b"A: b\r\n folded\r\n\r\n"),
            (400, b"GET /health HTTP/1.1\r\n" + host + b"A: b\0c\r\n\r\n"),
            (400, b"GET /health HTTP/1.1\r\n" + host + b"A: b\rc\r\n\r\n"),
            (400, b"GET /health HTTP/1.1\r\n" + host + b"A: b\n\r\n\r\n"), (400, b"GET /health HTTP/1.1\n" + host + b"\r\n"),
            (400, b"POST /v1/embeddings HTTP/1.1\r\n" + host + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\nx"),
            (400, b"POST /v1/embeddings HTTP/1.1\r\n" + host + b"Content-Length: 1, 1\r\n\r\nx"),
            (400, b"POST /v1/embeddings HTTP/1.1\r\n" + host + b"Content-Length: +1\r\n\r\nx"),
            (400, b"POST /v1/embeddings HTTP/1.1\r\n" + host + b"Content-Length: -1\r\n\r\nx"),
            (400, b"POST /v1/embeddings HTTP/1.1\r\n" + host + b"Content-Length: 99999999999999999999\r\n\r\nx"),
            (400, b"POST /v1/embeddings HTTP/1.1\r\n" + host + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
            (501, b"POST /v1/embeddings HTTP/1.1\r\n" + host + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
            (400, b"POST /v1/embeddings HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
            (431, b"GET /health HTTP/1.1\r\n" + host + b"A: b\r\n" * 100 + b"\r\n"),
            (431, b"GET /health HTTP/1.1\r\n" + host + b"A: " + b"b" * 20000 + b"\r\n\r\n"),
            (400, b"\x16\x03\x01\x02\x00\x01\x00"), (400, b"GET /health HTTP/1.1\n" + b"Host: localhost\n\n"), (400, b" GET"),
            (431, b"GET /" + b"b" * 20000)):
            with self.subTest(data=data[:80]), self.server.connect() as connection:
                connection.send(data)
                answer = connection.answer()
                self.assertEqual(answer.status, status)
                self.assertTrue(answer.json["error"]["message"])
                self.assertEqual(answer.headers["connection"], "close")
                self.assertTrue(connection.is_closed())

    def test_wrong_paths_and_methods(self):
        for method, path, status, allow in (("DELETE", "/", 405, "GET, HEAD, POST"), ("GET", "/v1", 404, None), ("GET", "/health/", 404, None),
                                            ("GET", "/../health", 404, None), ("POST", "/health", 405, "GET, HEAD"),
                                            ("GET", "/v1/embeddings", 405, "POST"), ("BREW", "/ready", 405, "GET, HEAD"),
                                            ("GET", "/v1/models/", 404, None), ("OPTIONS", "*", 404, None)):
            answer = self.server.request(method, path)
            self.assertEqual((answer.status, answer.headers.get("allow")), (status, allow), (method, path))
            self.assertTrue(answer.json["error"]["message"])

    def test_other_hosts_and_origins_are_refused(self):
        for host in ("localhost", "LOCALHOST:1", "127.0.0.1", "127.0.0.1:80", "[::1]:80"):
            self.assertEqual(self.server.request("GET", "/health", Host=host).status, 200, host)
        for host in ("example.org", "localhost.example.org", "127.0.0.2", "", "[::2]"):
            self.assertEqual(self.server.request("GET", "/health", Host=host).status, 403, host)
        for origin, status in (("http://localhost", 200), ("https://localhost", 200), ("http://localhost:3000", 403),
                               ("http://example.org", 403), ("null", 403)):
            self.assertEqual(self.server.request("GET", "/health", Origin=origin).status, status, origin)

    def test_clients_that_leave_do_no_harm(self):
        large = request_bytes("POST", "/v1/embeddings", {"input": ["the river at night " * 30] * 1000})
        for i in range(30):
            connection = self.server.connect()
            connection.send(large[:len(large) * (i % 3 + 1) // 3])
            if i % 2:  # a reset instead of an orderly end
                connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.socket.close()
        self.assertEqual(self.server.embed("x").status, 200)

    def test_noise_is_answered_or_ignored(self):
        chance = random.Random(19)
        good = [request_bytes("POST", "/v1/embeddings", TEXT), request_bytes("GET", "/v1/models"),
                b"POST /v1/embeddings HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"]
        for _ in range(1000):
            data = bytearray(chance.choice(good))
            for _ in range(chance.randrange(1, 8)):
                place = chance.randrange(len(data))
                data[place:place + chance.randrange(4)] = chance.randbytes(chance.randrange(4))
            with self.server.connect() as connection:
                connection.send(data)
                connection.socket.shutdown(socket.SHUT_WR)
                try:
                    while connection.receive():
                        pass
                except ConnectionResetError:
                    pass
        self.assertEqual(self.server.embed("x").status, 200)


class Limits(unittest.TestCase):
    def test_bodies(self):
        with Server(PROGRAM, "--max-body", 1000) as server:
            self.assertEqual(server.request("POST", "/v1/embeddings", b'{"input": "%s"}' % (b"a " * 490)).status, 400)
            for head in (b"Content-Length: 1001\r\n", b"Content-Length: 100000000000\r\nExpect: 100-continue\r\n"):
                with server.connect() as connection:  # refused before the body is there
                    connection.send(b"POST /v1/embeddings HTTP/1.1\r\nHost: localhost\r\n" + head + b"\r\n")
                    self.assertEqual(connection.answer().status, 413)
                    self.assertTrue(connection.is_closed())
            with server.connect() as connection:
                connection.send(b"POST /v1/embeddings HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
                connection.send(b"190\r\n" + b"x" * 400 + b"\r\n")
                connection.send(b"190\r\n" + b"x" * 400 + b"\r\n")
                connection.send(b"190\r\n" + b"x" * 400 + b"\r\n")
                self.assertEqual(connection.answer().status, 413)

    def test_a_client_that_goes_on_sending_reads_why_it_was_refused(self):
        with Server(PROGRAM, "--max-body", 1000) as server, server.connect() as connection:
            connection.send(b"POST /v1/embeddings HTTP/1.1\r\nHost: localhost\r\nContent-Length: 300000\r\n\r\n" + b"x" * 300000)
            self.assertEqual(connection.answer().status, 413)

    def test_bodies_together(self):
        with Server(PROGRAM, "--max-body", 1000) as server:
            request = request_bytes("POST", "/v1/embeddings", b'{"input": "x"}' + b" " * 986)
            held = [server.connect() for _ in range(16)]
            for connection in held:
                connection.send(request[:-1])
            for connection in held[:-1]:  # it has read them all when it has answered a later one
                self.assertEqual(server.request("GET", "/health").status, 200)
            with server.connect() as connection:
                connection.send(request)
                answer = connection.answer()
                self.assertEqual((answer.status, answer.headers["retry-after"]), (503, "1"))
            for connection in held:
                connection.send(request[-1:])
                self.assertEqual(connection.answer().status, 200)
                connection.socket.close()
            self.assertEqual(server.request("POST", "/v1/embeddings", request[-1000:]).status, 200)

    def test_connections(self):
        with Server(PROGRAM, "--max-connections", 3) as server:
            held = [server.connect() for _ in range(3)]
            for connection in held:
                self.assertEqual(connection.request("GET", "/health").status, 200)
            with server.connect() as connection:
                answer = connection.answer()
                self.assertEqual((answer.status, answer.headers["retry-after"]), (503, "1"))
            held.pop().socket.close()
            status = None
            while status != 200:
                try:
                    status = server.request("GET", "/health").status
                except ConnectionError:  # turned away while it was still sending
                    pass
            for connection in held:
                connection.socket.close()

    def test_a_request_that_trickles_in_gets_408(self):
        with Server(PROGRAM, "--receive-ms", 300) as server:
            for request in (b"GET /health HTTP/1.1\r\n" + b"A: b\r\n" * 1000,
                            b"POST /v1/embeddings HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000\r\n\r\n" + b" " * 8000):
                with server.connect() as connection:
                    connection.socket.settimeout(0.01)
                    for byte in request:  # no pause is longer than the deadline
                        try:
                            connection.send(bytes([byte]))
                            if not connection.receive():
                                break
                        except TimeoutError:
                            continue
                        except ConnectionError:
                            break
                        if connection.buffer:
                            break
                    connection.socket.settimeout(60)
                    answer = connection.answer()
                    self.assertEqual((answer.status, answer.headers["connection"]), (408, "close"))
            with server.connect() as connection:  # nothing was asked, nothing is said
                self.assertTrue(connection.is_closed())

    def test_an_idle_connection_is_closed(self):
        with Server(PROGRAM, "--idle-ms", 100) as server, server.connect() as connection:
            self.assertEqual(connection.request("GET", "/health").status, 200)
            self.assertTrue(connection.is_closed())

    def test_a_client_that_does_not_read_is_dropped(self):
        with Server(PROGRAM, "--send-ms", 300) as server, server.connect() as connection:
            request = request_bytes("POST", "/v1/embeddings", {"input": ["a"] * 2000})
            connection.send(request)
            connection.socket.setblocking(False)
            try:
                for _ in range(100):
                    connection.socket.send(request)
            except BlockingIOError:
                pass
            answer = server.request("GET", "/metrics")
            while b"\nsutra_open_connections 1\n" not in answer.body:  # it sees itself alone
                self.assertEqual(answer.status, 200)
                answer = server.request("GET", "/metrics")
            self.assertEqual(server.embed("x").status, 200)


    def test_answers_that_nobody_reads_take_bounded_memory(self):
        request = request_bytes("POST", "/v1/embeddings", {"input": ["a"] * 2000})
        with Server(PROGRAM, "--max-answers", 1 << 20) as server:
            with server.connect() as lazy:
                lazy.socket.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    while True:
                        lazy.socket.send(request)
                answer = server.embed(["a"] * 2000)
                while answer.status == 200:  # the kernel still takes answers
                    answer = server.embed(["a"] * 2000)
                self.assertEqual((answer.status, answer.json["error"]["code"]), (503, "overloaded"))
                self.assertEqual(server.request("GET", "/health").status, 200)
            while server.embed(["a"] * 2000).status != 200:  # until it has seen that the client left
                pass

    def test_with_few_descriptors_it_takes_fewer_connections(self):
        with Few(PROGRAM) as server:
            self.assertRegex(server.lines[0], r"^sutra: at most 50 connections instead of 4096: ")
            held = [server.connect() for _ in range(60)]
            self.assertIn(b" 503 ", held[-1].socket.recv(100))
            self.assertEqual(held[0].request("GET", "/health").status, 200)
            for connection in held:
                connection.socket.close()


class Few(Server):
    """One that may open 100 files."""

    def __init__(self, program):
        super().__init__(program)
        self.command = ["bash", "-c", 'ulimit -n 100; exec "$@"', "bash", *self.command]


class Origins(unittest.TestCase):
    def test_pages_of_other_origins_have_to_be_named(self):
        page = "https://app.example"
        with Server(PROGRAM, "--cors-origin", f"http://other.example,{page}", "--api-key", "k") as server:
            asked = {"Origin": page, "Access_Control_Request_Method": "POST",
                     "Access_Control_Request_Headers": "authorization,content-type,x-stainless-os"}
            before = server.request("OPTIONS", "/v1/embeddings", **asked)
            self.assertEqual((before.status, before.body), (200, b""))
            for name, value in (("allow-origin", page), ("allow-headers", asked["Access_Control_Request_Headers"])):
                self.assertEqual(before.headers[f"access-control-{name}"], value)
            self.assertIn("POST", before.headers["access-control-allow-methods"])
            for key, status in (("k", 200), ("wrong", 401)):
                answer = server.request("POST", "/v1/embeddings", TEXT, Origin=page, Authorization=f"Bearer {key}")
                self.assertEqual((answer.status, answer.headers["access-control-allow-origin"]), (status, page))
                self.assertIn("X-Request-Id", answer.headers["access-control-expose-headers"])
                self.assertEqual(answer.headers["vary"], "Origin")
            refused = server.request("POST", "/v1/embeddings", b"", Origin=page, Transfer_Encoding="gzip", Content_Length=None)
            self.assertEqual((refused.status, refused.headers["access-control-allow-origin"]), (501, page))
            for origin in ("https://app.example:8443", "https://evil.example", "null"):
                answer = server.request("OPTIONS", "/v1/embeddings", **{**asked, "Origin": origin})
                self.assertEqual((answer.status, answer.headers.get("access-control-allow-origin")), (403, None))
            self.assertNotIn("access-control-allow-origin", server.request("GET", "/health").headers)
        with Server(PROGRAM) as server:
            self.assertNotIn("vary", server.request("GET", "/health").headers)


class Environment(unittest.TestCase):
    def test_variables_stand_for_options(self):
        env = {"SUTRA_MODEL": str(MODEL), "SUTRA_ALIAS": "other=base", "SUTRA_MAX_INPUTS": "2", "SUTRA_TRUNCATE": "1", "SUTRA_API_KEY": "k",
               "SUTRA_LOG": "json", "SUTRA_THREADS": "1", "SUTRA_HOST": "", "SUTRA_PORT": "1"}
        for options, most in ((), 2), (("--max-inputs", 3), 3):
            with Server(PROGRAM, *options, model=None, env=env) as server:  # the command has --port 0
                self.assertEqual(server.host, "127.0.0.1")
                key = {"Authorization": "Bearer k"}
                for n in (most, most + 1):
                    answer = server.request("POST", "/v1/embeddings", {"input": ["night " * 400] * n, "model": "other"}, **key)
                    self.assertEqual(answer.status, 200 if n == most else 400)
                self.assertEqual(server.request("GET", "/health").status, 200)
            self.assertEqual(sum(line.startswith("{") for line in server.lines), 3)


class Keys(unittest.TestCase):
    def test_requests_need_the_key(self):
        for options, env in ((("--api-key", "k-1"), {}), ((), {"SUTRA_API_KEY": "k-1"})):
            with Server(PROGRAM, *options, env=env) as server:
                for given in (None, "Bearer", "Bearer ", "Bearer k-", "Bearer k-2", "Bearer k-11", "Bearer k-1k-1", "Basic k-1", "k-1"):
                    for path in ("/v1/models", "/none"):
                        answer = server.request("GET", path, Authorization=given)
                        self.assertEqual((answer.status, answer.json["error"]["code"]), (401, "invalid_api_key"), given)
                        self.assertEqual(answer.headers["www-authenticate"], "Bearer")
                for given in ("Bearer k-1", "bearer k-1"):
                    self.assertEqual(server.request("GET", "/v1/models", Authorization=given).status, 200)
                self.assertEqual(server.request("GET", "/health").status, 200)

    def test_a_server_that_others_reach_makes_a_key(self):
        with Server(PROGRAM, "--host", "0.0.0.0") as server:
            key = re.fullmatch(r"sutra: API key: (sk-[0-9a-f]{48})", server.lines[0])[1]
            self.assertEqual(server.request("GET", "/v1/models").status, 401)
            self.assertEqual(server.request("GET", "/v1/models", Authorization=f"Bearer {key}", Host="a.example").status, 200)
        with Server(PROGRAM, "--host", "0.0.0.0") as server:
            self.assertNotIn(key, server.lines[0])
        with Server(PROGRAM, "--host", "0.0.0.0", env={"SUTRA_NO_AUTH": "1"}) as server:
            self.assertEqual(len(server.lines), 1)
            self.assertEqual(server.request("GET", "/v1/models").status, 200)

    def test_a_port_that_is_taken(self):
        with Server(PROGRAM) as server, self.assertRaisesRegex(AssertionError, f"port {server.port}: Address already in use"):
            with Server(PROGRAM, "--port", server.port):
                pass

    def test_ipv6(self):
        try:
            socket.create_server(("::1", 0), family=socket.AF_INET6).close()
        except OSError:
            return  # this machine has none
        with Server(PROGRAM, "--host", "::1") as server:
            self.assertRegex(server.url, r"^http://\[::1\]:\d+$")
            with Connection("::1", server.port) as connection:
                self.assertEqual(connection.request("GET", "/health", Host=f"[::1]:{server.port}").status, 200)


if __name__ == "__main__":
    main(ARGUMENTS)
