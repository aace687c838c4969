#!/usr/bin/env python3
"""What browsers get of `sutra serve`, by bare sockets: whole files of fixed names, with the headers that keep a page to itself."""

import hashlib
import unittest

from serve_case import SOURCE, Server, main, parse_arguments

PROGRAM, ARGUMENTS = parse_arguments()
FOLDER = SOURCE / "server/page"
TYPES = {".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8",
         ".svg": "image/svg+xml", ".json": "application/json"}
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
KEPT = {"cache-control": "no-cache", "x-content-type-options": "nosniff", "referrer-policy": "no-referrer", "x-frame-options": "DENY",
        "cross-origin-opener-policy": "same-origin", "cross-origin-resource-policy": "same-origin"}


class Page(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(Server(PROGRAM, "--api-key", "k"))

    def check(self, answer, path):
        data = path.read_bytes()
        self.assertEqual((answer.status, answer.body), (200, data), path)
        self.assertEqual(answer.headers["content-type"], TYPES[path.suffix])
        self.assertEqual(answer.headers["etag"], f'"{hashlib.sha256(data).hexdigest()[:32]}"')
        self.assertEqual({name: answer.headers.get(name) for name in KEPT}, KEPT)
        policy = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
        self.assertEqual((policy["default-src"], policy["frame-ancestors"], policy["base-uri"]), ("'none'",) * 3)
        self.assertEqual({policy[name] for name in ("script-src", "style-src", "img-src", "connect-src")}, {"'self'"})

    def test_browsers_get_the_page_and_others_ollamas_words(self):
        for accept in (BROWSER, "text/html", "*/*, TEXT/HTML ;q=0.5"):
            answer = self.server.request("GET", "/", Accept=accept)
            self.check(answer, FOLDER / "page.html")
            self.assertEqual(answer.headers["vary"], "Accept")
        for accept in (None, "*/*", "application/json", "text/html2, text/plain", "", ",;,"):
            answer = self.server.request("GET", "/", Accept=accept)
            self.assertEqual((answer.status, answer.body), (200, b"Ollama is running"), accept)
            self.assertEqual(answer.headers["vary"], "Accept")

    def test_files_are_there_whole_and_without_a_key(self):
        for path in FOLDER.iterdir():
            self.check(self.server.request("GET", f"/page/{path.name}"), path)
        self.check(self.server.request("GET", "/docs"), FOLDER / "docs.html")
        self.check(self.server.request("GET", "/openapi.json"), SOURCE / "server/openapi.json")
        self.assertEqual(self.server.request("GET", "/v1/models").status, 401)

    def test_what_a_browser_has_is_not_sent_again(self):
        with self.server.connect() as connection:
            tag = connection.request("HEAD", "/page/page.js").headers["etag"]
            size = (FOLDER / "page.js").stat().st_size
            for given in (tag, f"W/{tag}", f'"x", {tag}', "*"):
                connection.send(f"GET /page/page.js HTTP/1.1\r\nHost: localhost\r\nIf-None-Match: {given}\r\n\r\n".encode())
                answer = connection.answer(has_body=False)
                self.assertEqual((answer.status, answer.headers["etag"], answer.headers["content-length"]), (304, tag, str(size)), given)
            answer = connection.request("GET", "/page/page.js", If_None_Match='"x"')
            self.assertEqual((answer.status, len(answer.body)), (200, size))

    def test_no_other_path_is_a_file(self):
        for path in ("/page/", "/page", "/page/none.js", "/page/../page.js", "/page/%2e%2e/page/page.js", "/page//etc/passwd", "/page/page.js%01",
                     "/page/PAGE.JS", "/page/page.js/", "/docs/"):
            self.assertEqual(self.server.request("GET", path, Authorization="Bearer k").status, 404, path)
        self.assertEqual(self.server.request("POST", "/page/page.js", {}, Authorization="Bearer k").status, 405)

    def test_a_server_without_the_page(self):
        for options, env in ((["--no-page"], {}), ([], {"SUTRA_NO_PAGE": "1"})):
            with Server(PROGRAM, *options, env=env) as server:
                self.assertEqual(server.request("GET", "/", Accept=BROWSER).body, b"Ollama is running")
                for path in ("/docs", "/page/page.html", "/page/openapi.json"):
                    self.assertEqual(server.request("GET", path).status, 404, path)
                self.check(server.request("GET", "/openapi.json"), SOURCE / "server/openapi.json")


if __name__ == "__main__":
    main(ARGUMENTS)
