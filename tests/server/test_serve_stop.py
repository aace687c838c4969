#!/usr/bin/env python3
"""How `sutra serve` begins and ends: nothing that it has begun is lost."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import unittest
from pathlib import Path

from serve_case import MODEL, Server, cli_vectors, listening_port, main, parse_arguments, request_bytes

PROGRAM, ARGUMENTS = parse_arguments()
BODY = {"input": ["silver music at night over the river"] * 50, "encoding_format": "base64"}


def wait_until_refused(server):
    while True:
        try:
            socket.create_connection((server.host, server.port)).close()
        except ConnectionError:
            return


class Start(unittest.TestCase):
    def test_without_its_library_the_program_says_what_is_missing(self):
        with tempfile.TemporaryDirectory() as folder:
            program = shutil.copy(PROGRAM, folder)
            done = subprocess.run([program, "serve", "-m", MODEL, "--port", "0"], capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, 1)
            self.assertRegex(done.stderr, r"^sutra: serving needs libsutra-server\.so\.0, which cannot be opened: .*\n$")

    @unittest.skipUnless(Path("/proc/self/net/tcp").exists(), "no /proc")
    def test_without_standard_streams_messages_go_into_nothing_else(self):
        command = ["bash", "-c", f"exec {PROGRAM} serve -m {MODEL} --port 0 <&- >&- 2>&-"]
        with subprocess.Popen(command, stdin=subprocess.DEVNULL) as process:
            listening_port(process)
            streams = [os.readlink(f"/proc/{process.pid}/fd/{fd}") for fd in "012"]
            process.terminate()
            self.assertEqual(process.wait(), 0)
            self.assertEqual(streams, ["/dev/null"] * 3)


class Stop(unittest.TestCase):
    def test_a_signal_ends_an_idle_server(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with Server(PROGRAM) as server, server.connect() as connection:
                self.assertEqual(connection.request("GET", "/health").status, 200)
                server.signal(number)
                self.assertTrue(connection.is_closed())
                self.assertEqual(server.wait(), 0)

    def test_so_does_its_terminal_when_it_goes(self):
        terminal, inside = os.openpty()
        with Server(PROGRAM, stdin=inside) as server:
            server.signal(signal.SIGHUP)
            self.assertEqual(server.wait(), 0)
        os.close(terminal)
        os.close(inside)

    def test_requests_in_flight_are_answered(self):
        expected = cli_vectors(PROGRAM, BODY["input"])
        with Server(PROGRAM) as server:
            connections = [server.connect() for _ in range(500)]
            for connection in connections:
                connection.send(request_bytes("POST", "/v1/embeddings", BODY))
            server.signal()
            for connection in connections:
                answer = connection.answer()
                self.assertEqual((answer.status, answer.vectors()), (200, expected))
                connection.socket.close()
            self.assertEqual(server.wait(), 0)

    def test_not_ready_at_once_and_no_new_connections(self):
        request = request_bytes("POST", "/v1/embeddings", BODY)
        with Server(PROGRAM) as server, server.connect() as begun, server.connect() as idle, server.connect() as used:
            self.assertEqual(used.request("GET", "/ready").status, 200)
            begun.send(request[:-10])
            self.assertEqual(idle.request("GET", "/health").status, 200)  # by now it has begun to read
            server.signal()
            wait_until_refused(server)
            answer = idle.request("GET", "/ready")
            self.assertEqual((answer.status, answer.headers["connection"]), (503, "close"))
            self.assertTrue(idle.is_closed())
            self.assertEqual(used.request("POST", "/v1/embeddings", BODY).status, 200)
            begun.send(request[-10:])
            answer = begun.answer()
            self.assertEqual((answer.status, answer.headers["connection"]), (200, "close"))
            self.assertTrue(begun.is_closed())
            for connection in (begun, idle, used):
                connection.socket.close()
            self.assertEqual(server.wait(), 0)

    def test_a_second_signal_ends_it_at_once(self):
        with Server(PROGRAM) as server, server.connect() as begun, server.connect() as other:
            begun.send(request_bytes("POST", "/v1/embeddings", BODY)[:-10])
            self.assertEqual(other.request("GET", "/health").status, 200)
            server.signal()
            wait_until_refused(server)
            server.signal()
            self.assertEqual(server.wait(), 0)

    def test_it_does_not_wait_for_ever(self):
        with Server(PROGRAM, "--drain-ms", 100) as server, server.connect() as begun, server.connect() as other:
            begun.send(request_bytes("POST", "/v1/embeddings", BODY)[:-10])
            self.assertEqual(other.request("GET", "/health").status, 200)
            server.signal()
            self.assertEqual(server.wait(), 0)

    def test_abandoned_work_does_not_hold_it_up(self):
        heavy = {"input": ["the river at night " * 30] * 2000}
        with Server(PROGRAM, "--threads", 1) as server:
            for _ in range(8):
                with server.connect() as connection:
                    connection.send(request_bytes("POST", "/v1/embeddings", heavy))
            server.signal()
            self.assertEqual(server.wait(), 0)


if __name__ == "__main__":
    main(ARGUMENTS)
