#!/usr/bin/env python3
"""The page of `sutra serve` in a headless Chromium: its numbers are those of the API, keys do what the mouse does, files may be
dropped, what goes wrong is said; no other host is asked, and axe-core finds nothing serious. Needs numpy, and axe_playwright_python
for the axe-core in it."""

import importlib.util
import json
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

import numpy

from browser import Browser
from serve_case import MODEL, Server, main, parse_arguments

PROGRAM, ARGUMENTS = parse_arguments()
AXE = next(Path(importlib.util.find_spec("axe_playwright_python").submodule_search_locations[0]).rglob("axe.min.js"))
WIDTHS = (360, 800, 1440)
TEXTS = ["night music", "silver", "the old river", "a", "night river music", "Über naïve café", "こんにちは 世界", "silver silver silver"]
BUSY_OVER = "document.querySelector('#embed').textContent === 'Embed' && !document.querySelector('#embed').disabled"
SHOWN = f"{BUSY_OVER} && document.querySelectorAll('#near tr').length > 0"
READY = "document.querySelector('#server').dataset.state === 'ready'"
LONG = "night " * 400


def similarities(server, texts):
    """As POST /similarity writes them: [text][other text]."""
    rows = []
    for text in texts:
        body = server.request("POST", "/similarity", {"inputs": {"source_sentence": text, "sentences": texts}}).body.decode()
        rows.append(re.fullmatch(r"\[(.*)\]", body)[1].split(","))
    return rows


def luminance(colour):
    parts = [int(x) / 255 for x in re.findall(r"\d+", colour)[:3]]
    linear = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in parts]
    return sum(weight * x for weight, x in zip((0.2126, 0.7152, 0.0722), linear))


class PageCase(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.browser = cls.enterClassContext(Browser())

    def open(self, server, path="/", ready=READY, **options):
        page = self.enterContext(self.browser.page(**options))
        page.go(server.url + path)
        page.wait(ready)
        return page

    def write(self, page, texts):
        page.evaluate(f"""(area => {{
            area.value = {json.dumps(chr(10).join(texts))};
            area.dispatchEvent(new Event("input", {{bubbles: true}}));
        }})(document.querySelector("#texts"))""")

    def embed(self, page, texts):
        self.write(page, texts)
        page.click("#embed")
        page.wait(SHOWN)

    def check_quiet(self, page, server, errors=()):
        """Nothing in the console but what `errors` allows, and no other host was asked."""
        self.assertEqual([line for line in page.errors if not any(known in line for known in errors)], [])
        self.assertEqual([url for url in page.requests if not url.startswith(server.url + "/")], [])

    def check_axe(self, page):
        page.evaluate(AXE.read_text() + "; true")
        found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
        serious = [(rule["id"], [node["html"][:200] for node in rule["nodes"][:3]]) for rule in found if rule["impact"] in ("serious", "critical")]
        self.assertEqual(serious, [])

    def check_fits(self, page):
        self.assertLessEqual(page.evaluate("document.documentElement.scrollWidth"), page.evaluate("innerWidth"))


class Numbers(PageCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = cls.enterClassContext(Server(PROGRAM, "--alias", "other=base"))
        cls.expected = similarities(cls.server, TEXTS)

    def heat(self, page):
        return page.evaluate("[...document.querySelectorAll('#heat tr')].slice(1).map(row => [...row.querySelectorAll('td')].map(cell => cell.textContent))")

    def check_contrast(self, page):
        """Of digits in cells, which are made by CSS: axe does not see them."""
        colours = page.evaluate("""[...document.querySelectorAll('#heat td[data-row]')].map(cell =>
            [getComputedStyle(cell).backgroundColor, getComputedStyle(cell, '::after').color])""")
        for pair in colours:
            low, high = sorted(map(luminance, pair))
            self.assertGreaterEqual((high + 0.05) / (low + 0.05), 4.5, pair)

    def test_cells_are_the_apis_values_at_all_widths_and_in_both_schemes(self):
        for width in WIDTHS:
            for dark in (False, True):
                with self.subTest(width=width, dark=dark):
                    page = self.open(self.server, width=width, dark=dark)
                    self.check_axe(page)
                    self.embed(page, TEXTS)
                    self.assertEqual(self.heat(page), self.expected)
                    self.check_contrast(page)
                    self.check_axe(page)
                    self.check_fits(page)
                    page.paint_dark(not dark)
                    page.wait("new Promise(resolve => requestAnimationFrame(() => resolve(true)))")
                    self.check_contrast(page)
                    self.check_quiet(page, self.server)

    def test_it_is_light_and_asks_for_its_own_files_alone(self):
        page = self.open(self.server)
        page.wait("document.querySelector('#all-flight').textContent !== '–'")
        asked = {url.removeprefix(self.server.url) for url in page.requests}
        files = {path for path in asked if path.startswith("/page/")}
        self.assertEqual(asked - files, {"/", "/v1/models", "/metrics"})
        self.assertLess(sum(len(self.server.request("GET", path, Accept="text/html").body) for path in files | {"/"}), 64 << 10)
        self.check_quiet(page, self.server)

    def test_neighbours_of_any_text(self):
        page = self.open(self.server)
        self.embed(page, TEXTS)
        for chosen in (0, 5):
            page.evaluate(f"document.querySelector('#chosen').value = {chosen}; document.querySelector('#chosen').dispatchEvent(new Event('change'))")
            order = sorted((i for i in range(len(TEXTS)) if i != chosen), key=lambda i: (-float(self.expected[chosen][i]), i))
            self.assertEqual(page.texts("#near td:first-child"), [self.expected[chosen][i] for i in order])
            self.assertEqual(page.texts("#near td:last-child"), [f"{i + 1} {TEXTS[i]}" for i in order])
        page.click("#near tr:first-child button")
        self.assertEqual(page.evaluate("document.querySelector('#chosen').value"), str(order[0]))

    def test_the_map_is_of_principal_components(self):
        texts = TEXTS + [f"{a} {b}" for a in ("river", "silver", "old") for b in ("music", "night", "the", "a")]
        page = self.open(self.server)
        self.embed(page, texts)
        rows = numpy.array([numpy.frombuffer(row, "<f4") for row in self.server.embed(texts, encoding_format="base64").vectors()], "f8")
        rows -= rows.mean(0)
        _, values, axes = numpy.linalg.svd(rows, full_matrices=False)
        axes = [axis if axis[numpy.abs(axis).argmax()] > 0 else -axis for axis in axes[:2]]
        wanted = rows @ numpy.array(axes).T * (1, -1)
        seen = numpy.array([[float(x) for x in re.findall(r"[-\d.]+", place)] for place in page.evaluate(
            "[...document.querySelectorAll('#map [role=option]')].map(point => point.getAttribute('transform'))")])
        wanted -= (wanted.max(0) + wanted.min(0)) / 2
        seen -= (seen.max(0) + seen.min(0)) / 2
        scale = (seen * wanted).sum() / (wanted * wanted).sum()
        self.assertLess(numpy.abs(seen - scale * wanted).max(), 0.05)
        shares = values[:2] ** 2 / (values ** 2).sum()
        self.assertEqual(page.text("#map-note"), f"{100 * shares[0]:.1f} % + {100 * shares[1]:.1f} % of the variance")

    def test_texts_that_are_alike_or_alone(self):
        page = self.open(self.server)
        self.embed(page, ["night"] * 3)
        self.assertEqual(len(set(page.evaluate("[...document.querySelectorAll('#map [role=option]')].map(point => point.getAttribute('transform'))"))), 1)
        self.write(page, ["night"])
        page.click("#embed")
        page.wait(f"{BUSY_OVER} && !document.querySelector('#empty').hidden")
        self.assertIn("One text", page.text("#empty"))
        self.check_quiet(page, self.server)

    def test_many_texts_are_bounded_and_said_to_be(self):
        page = self.open(self.server)
        self.embed(page, [f"{TEXTS[i % 8]} {i}" for i in range(500)])
        self.assertEqual(page.text("#heat-note"), "the first 64 of 500 texts")
        self.assertEqual(page.evaluate("document.querySelectorAll('#heat td[data-row]').length"), 64 * 64)
        self.assertEqual(page.evaluate("document.querySelectorAll('#map [role=option]').length"), 500)
        self.assertEqual(page.text("#near-note"), "the 10 nearest of 499 others")
        self.check_axe(page)
        self.write(page, ["night"] * 2001)
        self.assertEqual(page.text("#count"), "2,001 texts; the first 2,000 are taken")

    def test_models_and_pace(self):
        page = self.open(self.server)
        self.assertEqual(page.texts("#model option"), ["base", "other (base)"])
        page.evaluate("document.querySelector('#model').value = 'other'")
        self.embed(page, TEXTS)
        tokens = self.server.embed(TEXTS).json["usage"]["total_tokens"]
        self.assertEqual(page.text("#own-note"), f"1 request, 8 texts, {tokens} tokens so far; throughput of the last run.")
        for figure in ("texts", "tokens", "p50", "p95"):
            self.assertGreater(float(page.text(f"#own-{figure}").replace(",", "")), 0)
        page.wait("document.querySelector('#all-tokens').textContent !== '–'")
        page.evaluate("document.querySelector('#repeat').checked = true")
        page.click("#embed")
        page.wait("parseInt(document.querySelector('#own-note').textContent) > 10 && document.querySelector('#all-tokens').textContent !== '0'")
        page.click("#embed")
        page.wait(BUSY_OVER)
        self.assertEqual(page.text("#status"), "Stopped.")
        self.check_quiet(page, self.server)

    def test_everything_by_keys(self):
        page = self.open(self.server)
        focused = "(element => element.id || element.tagName)(document.activeElement)"
        seen = []
        while page.evaluate(focused) != "texts" and len(seen) < 20:
            page.press("Tab")
            seen.append(page.evaluate(focused))
            self.assertNotEqual(page.evaluate("getComputedStyle(document.activeElement).outlineStyle"), "none", seen)
        page.type("\n".join(TEXTS))
        page.press("Control+Enter")
        page.wait(SHOWN)
        while not page.evaluate("document.activeElement.matches('#heat td')"):
            page.press("Tab")
        self.assertNotEqual(page.evaluate("getComputedStyle(document.activeElement).outlineStyle"), "none")
        place = "[document.activeElement.dataset.row, document.activeElement.dataset.column].map(Number)"
        for key, there in (("ArrowDown", [1, 0]), ("ArrowRight", [1, 1]), ("End", [1, 7]), ("ArrowRight", [1, 7]), ("Control+End", [7, 7]),
                           ("PageUp", [0, 7]), ("ArrowUp", [0, 7]), ("Home", [0, 0]), ("PageDown", [7, 0]), ("ArrowUp", [6, 0]), ("ArrowLeft", [6, 0])):
            page.press(key)
            self.assertEqual(page.evaluate(place), there, key)
        self.assertEqual(page.text("#heat-detail"), f"{self.expected[6][0]} 7 {TEXTS[6]} · 1 {TEXTS[0]}")
        page.press("Enter")
        self.assertEqual(page.evaluate("document.querySelector('#chosen').value"), "6")
        self.assertEqual(page.evaluate("document.querySelectorAll('#heat td[tabindex=\"0\"]').length"), 1)
        page.press("Tab")
        self.assertTrue(page.evaluate("document.activeElement.matches('#map [role=option]')"), page.evaluate("document.activeElement.outerHTML.slice(0, 300)"))
        page.press("End")
        self.assertEqual(page.text("#map-detail"), f"8 {TEXTS[7]}")
        page.press("Enter")
        self.assertEqual(page.evaluate("document.querySelector('#chosen').value"), "7")
        self.assertEqual(page.evaluate("document.querySelectorAll('#map [aria-selected=true]').length"), 1)
        reached = set()
        page.press("Home")
        for key in ("ArrowUp", "ArrowLeft", "ArrowDown", "ArrowRight") * 8:
            reached.add(page.evaluate("document.activeElement.dataset.index"))
            page.press(key)
        self.assertGreater(len(reached), 2)
        page.press("Tab", "Tab", "Enter")
        self.assertNotEqual(page.evaluate("document.querySelector('#chosen').value"), "7")
        self.check_quiet(page, self.server)


class Files(PageCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = cls.enterClassContext(Server(PROGRAM))
        cls.folder = Path(cls.enterClassContext(tempfile.TemporaryDirectory()))

    def drop(self, page, name, data):
        path = self.folder / name
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        page.drop("#texts", path)
        page.wait(f"document.querySelector('#file-note').textContent.startsWith({json.dumps(name)}) || "
                  f"document.querySelector('#problem').textContent.startsWith({json.dumps(name)})")
        return page.evaluate("document.querySelector('#texts').value").split("\n"), page.text("#file-note"), page.text("#problem")

    def test_files_that_are_dropped(self):
        page = self.open(self.server)
        for name, data, texts, note in (
                ("a.txt", "one\r\ntwo\n\n  \nthree\n", ["one", "two", "three"], "a.txt: 3 texts."),
                ("b.jsonl", '"one"\n{"id": "7", "text": "two\\nlines"}\n{"text": ""}\n', ["one", "two lines"],
                 "b.jsonl: 2 texts; field “text”; 1 empty ones left out; line breaks became spaces in 1."),
                ("c.jsonl", '{"id": "7", "claim": "x"}\n', ["7"], "c.jsonl: 1 text; field “id”."),
                ("d.csv", 'id,Text\n1,"a ""b"", c"\n2,d\n', ['a "b", c', "d"], "d.csv: 2 texts; column “Text”."),
                ("e.csv", "1;some words\n2;more words\n", ["some words", "more words"],
                 "e.csv: 2 texts; column 2, the longest; the first line taken for a text."),
                ("f.tsv", "score\tsentence\n1\tü, x\n", ["ü, x"], "f.tsv: 1 text; column “sentence”.")):
            self.assertEqual(self.drop(page, name, data), (texts, note, ""), name)
        self.embed(page, ["x", "y"])
        self.assertEqual(page.text("#file-note"), "")

    def test_files_that_cannot_be_read(self):
        page = self.open(self.server)
        for name, data, message in (("a.txt", b"\xff\xfe\x00", "not UTF-8 text"), ("b.txt", "\n", "no texts in it"), ("c.jsonl", "{", "line 1 is not JSON"),
                                    ("d.jsonl", "7", "line 1 is neither a text nor an object"), ("e.jsonl", '{"n": 1}', "line 1 has no text"),
                                    ("f.csv", 'a,"b\n', "a quote is not closed"), ("g.pdf", "x", "not a .txt, .jsonl, .csv or .tsv file")):
            self.assertEqual(self.drop(page, name, data)[2], f"{name}: {message}.", name)
            self.assertFalse(page.evaluate("document.querySelector('#problem').hidden"))
        self.check_axe(page)
        self.check_quiet(page, self.server)


class Docs(PageCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = cls.enterClassContext(Server(PROGRAM, "--api-key", "sk-1"))
        cls.api = cls.server.request("GET", "/openapi.json").json
        cls.names = [operation["operationId"] for methods in cls.api["paths"].values() for operation in methods.values()]

    def open_docs(self, **options):
        return self.open(self.server, "/docs", f"document.querySelectorAll('.operation').length === {len(self.names)}", **options)

    def test_it_shows_all_operations_and_their_fields(self):
        for width in WIDTHS:
            for dark in (False, True):
                with self.subTest(width=width, dark=dark):
                    page = self.open_docs(width=width, dark=dark)
                    self.assertEqual(sorted(page.evaluate("[...document.querySelectorAll('.operation')].map(panel => panel.id)")), sorted(self.names))
                    page.evaluate("for (const name of ['embeddings', 'embed']) document.querySelector(`#${name} details`).open = true")
                    self.check_axe(page)
                    self.check_fits(page)
                    self.check_quiet(page, self.server)
        fields = page.texts("#embeddings .wide tbody code")
        self.assertEqual(fields[:9], list(self.api["components"]["schemas"]["EmbeddingsRequest"]["properties"]))
        self.assertIn("data[].embedding", fields)

    def test_fields_of_one_or_another(self):
        page = self.open_docs()
        schemas = self.api["components"]["schemas"]
        either = [*schemas["TeiVectorsRequest"]["properties"], *schemas["SutraVectorsRequest"]["properties"], *schemas["SutraVectorsAnswer"]["properties"]]
        self.assertEqual(set(page.texts("#embed tbody code")), set(either))
        self.assertEqual(page.texts("#tei_predict .wide + h4 + .wide tbody code"), ["[].score", "[].label", "[][].score", "[][].label"])
        self.assertLess(set(schemas["CohereEmbedRequest"]["properties"]), set(page.texts("#cohere_embed tbody code")))

    def test_one_of_several_examples_is_chosen(self):
        page = self.open_docs()
        self.assertEqual(page.texts("#embeddings select"), [])
        self.assertEqual(page.texts("#embed option"), ["inputs", "texts"])
        page.click("#embed summary")
        page.evaluate("document.querySelector('#embed select').focus()")
        page.press("ArrowDown")
        body = page.evaluate("document.querySelector('#embed textarea').value")
        media = self.api["paths"]["/embed"]["post"]["requestBody"]["content"]["application/json"]
        self.assertEqual(json.loads(body), media["examples"]["texts"]["value"])
        self.assertIn(body, page.text("#embed form pre code"))

    def test_operations_are_found_by_words(self):
        page = self.open_docs()
        page.evaluate("document.querySelector('#find').focus()")
        page.type("source_sentence cosines")
        shown = "[...document.querySelectorAll('.operation:not([hidden])')].map(panel => panel.id)"
        self.assertEqual(page.evaluate(shown), ["tei_similarity", "tei_any", "tei_invocations"])
        page.type(" nothing of the kind")
        self.assertEqual(page.evaluate(f"[{shown}.length, document.querySelector('#none').hidden]"), [0, False])

    def test_requests_are_sent_and_are_what_the_curl_line_says(self):
        page = self.open_docs()
        page.click("#embeddings summary")
        page.click("#embeddings button[type=submit]")
        answered = "document.querySelector('#embeddings pre[role=status]').textContent"
        page.wait(f"{answered}.startsWith('401 Unauthorized')")
        page.evaluate("document.querySelector('#key').focus()")
        page.type("sk-1")
        page.evaluate("(area => { area.value = '{\"input\": \"it\\'s\"}'; area.dispatchEvent(new Event('input', {bubbles: true})); })(document.querySelector('#embeddings textarea'))")
        page.evaluate("document.querySelector('#embeddings textarea').focus()")
        page.press("Tab", "Tab", "Enter")
        page.wait(f"{answered}.startsWith('200 OK')")
        self.assertIn('"object":"embedding"', page.text("#embeddings pre[role=status]"))
        line = page.text("#embeddings form pre code")
        done = subprocess.run(["sh", "-c", line.replace("curl", 'printf "%s\\n"', 1)], capture_output=True, text=True, check=True, env={"SUTRA_API_KEY": "sk-1"})
        self.assertEqual(done.stdout.split("\n")[:-1], [f"{self.server.url}/v1/embeddings", "-H", "Authorization: Bearer sk-1", "-d", '{"input": "it\'s"}'])
        page.click("#model summary")
        page.evaluate("(input => { input.value = 'base'; input.dispatchEvent(new Event('input', {bubbles: true})); })(document.querySelector('#model input'))")
        page.click("#model button[type=submit]")
        page.wait("document.querySelector('#model pre[role=status]').textContent.startsWith('200 OK')")
        self.check_quiet(page, self.server, errors=["status of 401"])


class Trouble(PageCase):
    def test_the_key_is_asked_for_and_forgotten_with_the_tab(self):
        server = self.enterContext(Server(PROGRAM, "--api-key", "sk-1"))
        page = self.open(server, ready="!document.querySelector('#key-form').hidden")
        self.check_axe(page)
        page.type("wrong")
        page.press("Enter")
        page.wait("!document.querySelector('#problem').hidden")
        self.assertEqual(page.text("#problem"), "The server does not take this API key.")
        page.type("sk-1")
        page.press("Enter")
        page.wait(READY)
        self.assertTrue(page.evaluate("document.querySelector('#key-form').hidden && document.querySelector('#problem').hidden"))
        self.embed(page, TEXTS)
        page.wait("document.querySelector('#all-tokens').textContent !== '–'")
        self.assertEqual(page.evaluate("[Object.values(sessionStorage), localStorage.length, document.cookie]"), [["sk-1"], 0, ""])
        self.check_quiet(page, server, errors=["status of 401"])
        other = self.open(server, ready="!document.querySelector('#key-form').hidden")
        self.assertEqual(other.text("#server"), "A key is needed")

    def test_texts_that_are_too_long_are_refused_or_cut_and_said_to_be(self):
        server = self.enterContext(Server(PROGRAM))
        page = self.open(server)
        self.embed(page, ["x", LONG, LONG])
        self.assertRegex(page.text("#status"), r"^3 texts, \d+ dimensions, [\d.]+ ms\. 2 texts were cut to what the model takes\.$")
        page.click("#truncate")
        page.click("#embed")
        page.wait("!document.querySelector('#problem').hidden")
        said = server.embed(["x", LONG, LONG]).json["error"]["message"]
        self.assertEqual(page.text("#problem"), said)
        page.click("#truncate")
        page.click("#embed")
        page.wait("document.querySelector('#problem').hidden && document.querySelector('#status').textContent.includes('cut')")
        self.check_quiet(page, server, errors=["status of 400"])

    def test_a_busy_server_is_asked_again(self):
        server = self.enterContext(Server(PROGRAM))
        page = self.open(server)
        page.refuse_once("*/v1/embeddings", 503, {"Retry-After": "1"}, b'{"error": {"message": "full"}}')
        self.write(page, TEXTS)
        page.click("#embed")
        page.wait("document.querySelector('#status').textContent === 'The server is busy; asking again in 1 s.'")
        page.wait(SHOWN)
        self.check_quiet(page, server, errors=["status of 503"])

    def test_a_server_that_has_gone(self):
        with Server(PROGRAM) as server:
            page = self.open(server)
            self.embed(page, TEXTS)
        page.click("#embed")
        page.wait("document.querySelector('#server').dataset.state === 'gone'")
        page.wait("document.querySelector('#problem').textContent === 'The server does not answer.'")
        self.assertEqual(page.evaluate("document.querySelectorAll('#heat td[data-row]').length"), 64)

    def test_a_model_that_gives_no_vectors(self):
        folder = Path(self.enterContext(tempfile.TemporaryDirectory())) / "reranker"
        shutil.copytree(MODEL, folder, ignore=shutil.ignore_patterns("modules.json", "1_Pooling"))
        shutil.copytree(MODEL.parent.parent / "rerankers/bert", folder, dirs_exist_ok=True)
        server = self.enterContext(Server(PROGRAM, "-m", folder))
        page = self.open(server)
        page.evaluate("document.querySelector('#model').selectedIndex = 1")
        self.write(page, TEXTS)
        page.click("#embed")
        page.wait("!document.querySelector('#problem').hidden")
        self.assertNotEqual(page.text("#problem"), "")
        self.check_quiet(page, server, errors=["status of 4"])


if __name__ == "__main__":
    main(ARGUMENTS)
