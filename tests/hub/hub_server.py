"""A local server that speaks the hub's routes, and breaks them as a test asks.

Hub(files) serves one repository:
  GET /api/models/{repo}/revision/{revision}?blobs=true
  GET /{repo}/resolve/{commit}/{file}         large files by redirect to a second host, the "cdn"

Faults are one-shot: hub.fault(path_end, action) makes the next request whose path ends so take
`action` (a function of the handler and the bytes that would be sent; it returns True if it answered).
Every request is kept in hub.requests as (server, path, headers)."""

import hashlib
import http.server
import json
import socket
import ssl
import threading
import time
import urllib.parse

COMMIT = "1234567890abcdef1234567890abcdef12345678"


def blob_id(data):
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *args):
        pass

    def do_GET(self):
        hub, path = self.server.hub, urllib.parse.urlsplit(self.path).path
        path = urllib.parse.unquote(path)
        with hub.lock:
            hub.requests.append((self.server.label, path, dict(self.headers)))
        try:
            data = hub.content(self.server.label, path)
            action = hub.take_fault(self.server.label, path)
            if action and action(self, data):
                return
            if data is None:
                return self.error(404, "EntryNotFound")
            if self.server.label == "hub" and "/resolve/" in path and len(data) > hub.large:
                return self.redirect(hub.cdn.url + path)
            self.body(data)
        except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
            self.close_connection = True

    def error(self, code, error_code="", headers=()):
        body = b"<html>error</html>"
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        if error_code:
            self.send_header("X-Error-Code", error_code)
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def redirect(self, url):
        self.send_response(302)
        self.send_header("Location", url)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def head(self, data, ranges=True):
        """Answers with the part that was asked for; returns it."""
        asked = self.headers.get("Range")
        if asked and ranges:
            begin = int(asked.removeprefix("bytes=").split("-")[0])
            if begin >= len(data):
                self.error(416)
                return b""
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {begin}-{len(data) - 1}/{len(data)}")
            data = data[begin:]
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        return data

    def body(self, data):
        data = self.head(data)
        pace = self.server.hub.pace
        step = 1 << 16 if pace else max(len(data), 1)
        for at in range(0, len(data), step):
            self.wfile.write(data[at:at + step])
            if pace:
                time.sleep(pace)

    def drop(self):
        self.wfile.flush()
        self.connection.shutdown(socket.SHUT_RDWR)
        self.close_connection = True


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, hub, label, context=None):
        super().__init__(("127.0.0.1", 0), Handler)
        self.hub, self.label = hub, label
        if context:
            self.socket = context.wrap_socket(self.socket, server_side=True)
        scheme = "https" if context else "http"
        self.url = f"{scheme}://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def handle_error(self, request, client_address):
        pass


class Hub:
    def __init__(self, files, repo="org/model", context=None):
        self.files, self.repo, self.commit = dict(files), repo, COMMIT
        self.large = 100_000          # files beyond it are LFS files
        self.pace = 0                 # seconds after each 64 KiB
        self.requests, self.faults, self.lock = [], [], threading.Lock()
        self.revisions = {"main", COMMIT}
        self.edit_listing = lambda listing: listing
        self.server = Server(self, "hub", context)
        self.cdn = Server(self, "cdn")
        self.url = self.server.url

    def close(self):
        for server in (self.server, self.cdn):
            server.shutdown()
            server.server_close()

    def listing(self):
        siblings = []
        for name, data in self.files.items():
            entry = {"rfilename": name, "size": len(data), "blobId": blob_id(data)}
            if len(data) > self.large:
                entry["lfs"] = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data),
                                "pointerSize": 134}
            siblings.append(entry)
        return {"id": self.repo, "sha": self.commit, "gated": False,
                "cardData": {"license": "mit"}, "siblings": siblings}

    def content(self, label, path):
        api = f"/api/models/{self.repo}/revision/"
        if path.startswith(api) and path.removeprefix(api) in self.revisions:
            listing = self.edit_listing(self.listing())
            return listing if isinstance(listing, bytes) else json.dumps(listing).encode()
        files = f"/{self.repo}/resolve/{self.commit}/"
        return self.files.get(path.removeprefix(files)) if path.startswith(files) else None

    def fault(self, path_end, action, times=1, label=None):
        with self.lock:
            self.faults += [(label, path_end, action)] * times

    def take_fault(self, label, path):
        with self.lock:
            for i, (where, end, action) in enumerate(self.faults):
                if path.endswith(end) and where in (None, label):
                    del self.faults[i]
                    return action
        return None

    def asked(self, path_end, label=None):
        with self.lock:
            return [r for r in self.requests if r[1].endswith(path_end) and label in (None, r[0])]


# ---- faults ----

def status(code, error_code="", headers=()):
    def action(handler, data):
        handler.error(code, error_code, headers)
        return True
    return action


def cut(after):
    """Sends so many bytes of the body, then drops the connection."""
    def action(handler, data):
        data = handler.head(data)
        handler.wfile.write(data[:after])
        handler.drop()
        return True
    return action


def cut_without_length(after):
    """A body that ends with the connection, too early: only the stated size shows it."""
    def action(handler, data):
        handler.send_response(200)
        handler.send_header("Connection", "close")
        handler.end_headers()
        handler.wfile.write(data[:after])
        handler.drop()
        return True
    return action


def ignore_range(handler, data):
    handler.wfile.write(handler.head(data, ranges=False))
    return True


def wrong_range(handler, data):
    """Sends a part that was not asked for."""
    handler.send_response(206)
    handler.send_header("Content-Range", f"bytes 1-{len(data) - 1}/{len(data)}")
    handler.send_header("Content-Length", str(len(data) - 1))
    handler.end_headers()
    handler.wfile.write(data[1:])
    return True


def flip(handler, data):
    """The same size, one bit different."""
    data = bytearray(data)
    data[len(data) // 2] ^= 1
    handler.body(bytes(data))
    return True


def replace(content):
    def action(handler, data):
        handler.body(content)
        return True
    return action


def endless(handler, data):
    """Begins as the file does and never ends."""
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    chunk = (data or b"") + b" " * (1 << 20)
    while True:
        handler.wfile.write(b"%x\r\n" % len(chunk) + chunk + b"\r\n")


def stall(seconds):
    def action(handler, data):
        data = handler.head(data)
        handler.wfile.write(data[:1000])
        handler.wfile.flush()
        time.sleep(seconds)
        handler.drop()
        return True
    return action


def redirect(url, code=302):
    def action(handler, data):
        handler.send_response(code)
        handler.send_header("Location", url)
        handler.send_header("Content-Length", "0")
        handler.end_headers()
        return True
    return action


def after_half(function):
    """Sends half of the body, calls the function, sends the rest."""
    def action(handler, data):
        data = handler.head(data)
        handler.wfile.write(data[:len(data) // 2])
        handler.wfile.flush()
        time.sleep(0.2)
        function()
        handler.wfile.write(data[len(data) // 2:])
        return True
    return action
