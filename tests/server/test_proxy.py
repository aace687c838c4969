#!/usr/bin/env python3
"""packaging/nginx.conf in front of `sutra serve`: HTTP/2 is offered, answers have the server's bytes, connections to it are kept,
other origins are refused, and a WebSocket gets through. nginx listens to a socket of the file system; needs openssl.

usage: test_proxy.py --program build/release/sutra --nginx .cache/nginx/usr/sbin/nginx"""

import argparse
import os
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

import prometheus_text
from serve_case import PATIENCE, SOURCE, Connection, Server, main, parse_arguments

PROGRAM, ARGUMENTS = parse_arguments()
PARSER = argparse.ArgumentParser()
PARSER.add_argument("--nginx", required=True)
OPTIONS, REST = PARSER.parse_known_args(ARGUMENTS[1:])
NGINX = os.path.abspath(OPTIONS.nginx)
NAME = "embeddings.example"


class Proxy:
    """nginx with our configuration, in front of a port of this machine."""

    def __init__(self, port):
        self.port = port

    def configuration(self):
        text = (SOURCE / "packaging/nginx.conf").read_text()
        for old, new in (("listen 443 ssl http2;", f"listen unix:{self.folder}/socket ssl http2;"), ("listen [::]:443 ssl http2;", ""),
                         ("server 127.0.0.1:8080;", f"server 127.0.0.1:{self.port};"), ("/etc/nginx/tls/fullchain.pem", f"{self.folder}/cert.pem"),
                         ("/etc/nginx/tls/privkey.pem", f"{self.folder}/key.pem")):
            assert old in text, old
            text = text.replace(old, new)
        places = "".join(f"{kind}_temp_path {self.folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        user = f"user {os.environ.get('USER', 'root')};" if os.getuid() == 0 else ""
        return f"daemon off;\n{user}\npid {self.folder}/pid;\nerror_log stderr;\nevents {{}}\nhttp {{\naccess_log off;\n{places}{text}}}\n"

    def __enter__(self):
        self.temporary = tempfile.TemporaryDirectory()
        self.folder = Path(self.temporary.name)
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                        "-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}", "-keyout", self.folder / "key.pem",
                        "-out", self.folder / "cert.pem"], check=True, stderr=subprocess.DEVNULL)
        (self.folder / "nginx.conf").write_text(self.configuration())
        self.log = open(self.folder / "log", "w+")
        self.process = subprocess.Popen([NGINX, "-p", self.folder, "-c", self.folder / "nginx.conf"], stderr=self.log)
        while not (self.folder / "pid").exists():  # it is written once nginx listens
            if self.process.poll() is not None:
                raise AssertionError((self.folder / "log").read_text())
            time.sleep(0.01)
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(PATIENCE)
        self.log.close()
        self.temporary.cleanup()

    def connect(self, protocol="http/1.1"):
        context = ssl.create_default_context(cafile=self.folder / "cert.pem")
        context.set_alpn_protocols([protocol])
        plain = socket.socket(socket.AF_UNIX)
        plain.settimeout(PATIENCE)
        plain.connect(str(self.folder / "socket"))
        connection = Connection.__new__(Connection)
        connection.socket, connection.buffer = context.wrap_socket(plain, server_hostname=NAME), b""
        return connection


class BehindNginx(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(Server(PROGRAM, "--api-key", "k", "--cors-origin", f"https://{NAME}"))
        cls.proxy = cls.enterClassContext(Proxy(cls.server.port))

    def ask(self, connection, method, path, body=None, **headers):
        return connection.request(method, path, body, **{"Host": NAME, "Authorization": "Bearer k", **headers})

    def test_http_2_is_offered(self):
        with self.proxy.connect("h2") as connection:
            self.assertEqual(connection.socket.selected_alpn_protocol(), "h2")

    def test_answers_are_the_servers(self):
        texts = ["night music", "Über naïve café"] * 100
        with self.proxy.connect() as connection:
            through = self.ask(connection, "POST", "/v1/embeddings", {"input": texts, "encoding_format": "base64"}, X_Request_Id="mine")
            direct = self.server.request("POST", "/v1/embeddings", {"input": texts, "encoding_format": "base64"}, Authorization="Bearer k")
            self.assertEqual((through.status, through.vectors(), through.headers["x-request-id"]), (200, direct.vectors(), "mine"))
            self.assertEqual(self.ask(connection, "GET", "/v1/models", Authorization="Bearer x").status, 401)
            self.assertIn(b"<title>Sutra</title>", self.ask(connection, "GET", "/", Accept="text/html").body)

    def test_origins_are_the_servers_to_judge(self):
        with self.proxy.connect() as connection:
            for origin, status in ((f"https://{NAME}", 200), ("https://evil.example", 403), ("null", 403)):
                self.assertEqual(self.ask(connection, "GET", "/v1/models", Origin=origin).status, status, origin)

    def test_connections_to_the_server_are_kept(self):
        def accepted():
            text = self.ask(connection, "GET", "/metrics").body.decode()
            return prometheus_text.parse(text)[("sutra_connections_total", ())]
        with self.proxy.connect() as connection:
            before = accepted()
            for _ in range(20):
                self.assertEqual(self.ask(connection, "GET", "/v1/models").status, 200)
            self.assertEqual(accepted(), before)


class Upgrade(unittest.TestCase):
    def test_a_websocket_gets_through(self):
        with socket.create_server(("127.0.0.1", 0)) as listener, Proxy(listener.getsockname()[1]) as proxy, proxy.connect() as client:
            client.send(f"GET /v1/stream HTTP/1.1\r\nHost: {NAME}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                        "Sec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n\r\n".encode())
            there = listener.accept()[0]
            with there:
                there.settimeout(PATIENCE)
                head = b""
                while b"\r\n\r\n" not in head:
                    head += there.recv(4096)
                lines = head.decode().lower().split("\r\n")
                for line in ("get /v1/stream http/1.1", "upgrade: websocket", "connection: upgrade", "sec-websocket-key: x"):
                    self.assertIn(line, lines)
                there.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x01a")
                self.assertEqual(client.answer(has_body=False).status, 101)
                while not client.buffer.endswith(b"\x81\x01a"):
                    self.assertTrue(client.receive())
                client.send(b"from the client")
                self.assertEqual(there.recv(64), b"from the client")


if __name__ == "__main__":
    main([sys.argv[0], *REST])
