#!/usr/bin/env python3
"""Schemathesis asks `sutra serve` what server/openapi.json allows and what it does not: each answer must be one that is described
there, and requests that are not allowed be refused; in a second run, all that are allowed be taken, with what depends on the models
(dimensions, prompts, names) narrowed to those that there are. Always the same requests: the seed and their number are fixed."""

import base64
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from serve_case import Server, make_reranker, parse_arguments

PROGRAM, ARGUMENTS = parse_arguments()
EXAMPLES, SEED, KEY = 40, 1, "sk-1"
REFUSED = ["/api/generate", "/api/chat", "/api/delete", "/embed_sparse", "/v1/stream"]  # whatever they are asked by plain HTTP
CONFIG = f"""
[checks.negative_data_rejection]
expected-statuses = [400, 401, 403, 404, 405, 413, 422, 424]

[checks.not_a_server_error]
expected-statuses = ["2xx", "3xx", "4xx", 503]

[[operations]]
include-path = {json.dumps(REFUSED)}
checks.positive_data_acceptance.enabled = false
"""
# Fields of requests whose values depend on the models, or on what JSON Schema cannot say: 8.0 is a whole number to it, and a name
# may hold NUL.
NARROW = {"prompt_name": [None], "truncate": [None, True], "truncation": [None, True], "priority": [None, 0, 255], "timeout_ms": [None, 60000],
          **dict.fromkeys(("stream", "format", "raw", "system", "template", "context", "think", "insecure"), [None, True, "x"]),
          "options": [None, {}, {"num_ctx": 16}, {"num_ctx": None, "temperature": 0.5}],
          **dict.fromkeys(("max_tokens", "top_n"), [None, 16]), "max_tokens_per_doc": [None, 4096]}
OTHERS = {"propertyNames": {"pattern": "^[a-z]{1,20}$"}, "additionalProperties": {"enum": [None, 1, "x", ["x"]]}}
DIMENSIONS = ("dimensions", "output_dimension", "target_dimension")


def objects(schema):
    """All objects of a schema that may have other fields than it names."""
    if isinstance(schema, dict):
        yield from [schema] if schema.get("type") == "object" and "additionalProperties" not in schema else []
        schema = list(schema.values())
    for value in schema if isinstance(schema, list) else []:
        yield from objects(value)


def narrowed(document, info):
    for name, schema in document["components"]["schemas"].items():
        fields = schema.get("properties", {})
        if not fields or not ("Request" in name or name == "OllamaName"):
            continue
        for place in (fields, fields.get("parameters", {}).get("properties", {})):
            place.update({field: {"enum": values} for field, values in NARROW.items() if field in place})
        fields.update({field: {"enum": [None, *range(1, info["dimensions"] + 1)]} for field in DIMENSIONS if field in fields})
        if "model" in fields:
            model = "reranker" if name.startswith(("Rerank", "Predict")) else "base"
            fields["model"] = {"enum": [model] if "model" in schema.get("required", []) else [None, model]}
        schema["additionalProperties"] = False
        for part in objects(schema):
            part.update(OTHERS)
    schemas = document["components"]["schemas"]
    schemas["CohereEmbedRequest"]["properties"]["truncate"] = {"enum": [None, "START", "END"]}
    schemas["TokenId"] = {"enum": list(range(256))}
    return document


def make_tokens(path):
    """A token a byte."""
    path.write_bytes(b"".join(b"%s %d\n" % (base64.b64encode(bytes([i])), i) for i in range(256)))
    return path


def ask(server, folder, document, *options):
    """Whether all went well."""
    (folder / "openapi.json").write_text(json.dumps(document))
    (folder / "schemathesis.toml").write_text(CONFIG)
    command = [sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()", "--no-color", "run", "openapi.json",
               "--url", server.url, "-H", f"Authorization: Bearer {KEY}", "--phases", "examples,coverage,fuzzing",
               "--continue-on-failure", "--max-examples", str(EXAMPLES), "--seed", str(SEED), "--generation-database", "none",
               "--suppress-health-check", "all", "--warnings", "off", *options]
    return subprocess.run(command, cwd=folder, check=False).returncode == 0


def main():
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        reranker = make_reranker(folder / "reranker", "Identity")
        with Server(PROGRAM, "--api-key", KEY, "--truncate", "-m", reranker, "--alias", "all-MiniLM-L6-v2=base", "--cache-bytes", 65536,
                    "--openai-tokens", make_tokens(folder / "bytes.tiktoken")) as server:
            document = server.request("GET", "/openapi.json").json
            info = server.request("GET", "/info", Authorization=f"Bearer {KEY}").json
            good = ask(server, folder, document, "--exclude-checks", "positive_data_acceptance")
            return not (ask(server, folder, narrowed(document, info), "--mode", "positive") and good)


if __name__ == "__main__":
    sys.exit(main())
