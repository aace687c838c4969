#!/usr/bin/env python3
"""server/openapi.json is about the routes that there are, no more and no fewer."""

import json
import re
import subprocess
import tempfile
import unittest
from pathlib import Path

from serve_case import SOURCE, Server, main, make_reranker, parse_arguments

PROGRAM, ARGUMENTS = parse_arguments()
DOCUMENT = json.loads((SOURCE / "server/openapi.json").read_text())
OPERATIONS = {(method.upper(), path): operation for path, methods in DOCUMENT["paths"].items() for method, operation in methods.items()}


def routes():
    """{(method, pattern): asks for no key} of the table in server_api.c; {…} of a documented path is {} there."""
    table = re.search(r"SuRoute routes\[\] = \{(.*?)\n\};", (SOURCE / "server/server_api.c").read_text(), re.S)[1]
    return {(method, pattern): is_open == "true"
            for method, pattern, is_open in re.findall(r'\{\s*"(\w+)",\s*"([^"]+)",\s*\w+,\s*(true|false)[^}]*\}', table)}


def pattern_of(path):
    return re.sub(r"\{\w+\}$", "{}", path)


def examples(operation):
    """Bodies of requests; [None] of one that has no body."""
    if "requestBody" not in operation:
        return [None]
    content = operation["requestBody"]["content"]["application/json"]
    return [content["example"]] if "example" in content else [example["value"] for example in content["examples"].values()]


def error_fields(operation, status):
    """What objects of this error hold, one of these sets."""
    response = resolve(operation["responses"][str(status)])
    schema = response["content"]["application/json"]["schema"]
    return [set(resolve(one)["required"]) for one in schema.get("oneOf", [schema])]


def resolve(value):
    while "$ref" in value:
        part = DOCUMENT
        for name in value["$ref"].removeprefix("#/").split("/"):
            part = part[name]
        value = part
    return value


def references(value):
    if isinstance(value, dict):
        yield from ([value["$ref"]] if "$ref" in value else [])
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from references(item)


class Document(unittest.TestCase):
    def test_it_has_the_routes_of_the_table(self):
        table = routes()
        self.assertGreater(len(table), 20)
        self.assertEqual({(method, pattern_of(path)) for method, path in OPERATIONS}, set(table))
        for (method, path), operation in OPERATIONS.items():
            is_open = table[method, pattern_of(path)]
            self.assertEqual(operation.get("security"), [] if is_open else None, path)
            self.assertEqual("401" in operation["responses"], not is_open, path)

    def test_it_is_whole(self):
        version = subprocess.run([PROGRAM, "--version"], capture_output=True, check=True, text=True).stdout.split()[1]
        self.assertEqual((DOCUMENT["openapi"], DOCUMENT["info"]["version"]), ("3.1.0", version))
        names = [operation["operationId"] for operation in OPERATIONS.values()]
        self.assertEqual(len(set(names)), len(names))
        tags = {tag["name"] for tag in DOCUMENT["tags"]}
        used = set(references(DOCUMENT))
        for reference in used:
            resolve({"$ref": reference})
        for kind in ("schemas", "responses", "headers"):
            self.assertEqual({f"#/components/{kind}/{name}" for name in DOCUMENT["components"][kind]} - used, set())
        for (method, path), operation in OPERATIONS.items():
            self.assertTrue(operation["summary"] and set(operation["tags"]) <= tags, path)
            self.assertEqual("requestBody" in operation, method in ("POST", "DELETE") and path != "/cache/clear", path)
            self.assertEqual([p["name"] for p in operation.get("parameters", [])], re.findall(r"\{(\w+)\}", path))

    def test_the_server_takes_its_methods_and_its_examples(self):
        folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        with Server(PROGRAM, "--truncate", "-m", make_reranker(folder / "reranker"), "--alias", "all-MiniLM-L6-v2=base") as server:
            for path, methods in DOCUMENT["paths"].items():
                there = re.sub(r"\{\w+\}", "x", path)
                allowed = set(server.request("PATCH", there).headers["allow"].split(", "))
                self.assertEqual(allowed - {"HEAD"}, {method.upper() for method in methods}, path)
            for (method, path), operation in OPERATIONS.items():
                parameters = {p["name"]: p.get("example", "base") for p in operation.get("parameters", [])}
                for body in examples(operation):
                    answer = server.request(method, path.format(**parameters), body)
                    self.assertIn(str(answer.status), operation["responses"], path)
                    if "200" in operation["responses"]:
                        self.assertEqual(answer.status, 200, (path, answer.body))

    def test_errors_are_in_the_words_that_it_says(self):
        long, key = "x" * 40000, {"Authorization": "Bearer k"}
        with Server(PROGRAM, "--api-key", "k", "--max-body", 1000) as server:
            for (method, path), operation in OPERATIONS.items():
                there = re.sub(r"\{\w+\}", "x", path)
                for status, body, headers in ((401, {}, {}), (413, long, key), (431, {}, {"X": long, **key})):
                    if str(status) in operation["responses"]:
                        answer = server.request(method, there, body, **headers)
                        self.assertEqual(answer.status, status, (method, path))
                        self.assertIn(set(answer.json), error_fields(operation, status), (method, path, status))


if __name__ == "__main__":
    main(ARGUMENTS)
