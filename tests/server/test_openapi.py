#!/usr/bin/env python3
"""Schemathesis asks `sutra serve` what server/openapi.json allows and what it does not: each answer must be one that is described
there, and requests that are not allowed be refused; in a second run, all that are allowed be taken, with what depends on the models
(dimensions, prompts, names) narrowed to those that there are. Always the same requests: the seed and their number are fixed."""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from serve_case import MODEL, SOURCE, Server, parse_arguments

PROGRAM, ARGUMENTS = parse_arguments()
EXAMPLES, SEED, KEY = 40, 1, "sk-1"
REFUSED = ["/api/generate", "/api/chat", "/api/delete", "/embed_sparse", "/predict"]  # whatever they are asked
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
NARROW = {"prompt_name": [None], "truncate": [None, True], "priority": [None, 0, 255], "timeout_ms": [None, 60000],
          **dict.fromkeys(("stream", "format", "raw", "system", "template", "context", "think", "insecure"), [None, True, "x"]),
          "options": [None, {}, {"num_ctx": 16}, {"num_ctx": None, "temperature": 0.5}]}


def narrowed(document, info):
    for name, schema in document["components"]["schemas"].items():
        fields = schema.get("properties", {})
        if not fields or not name.endswith(("Request", "OllamaName")):
            continue
        for place in (fields, fields.get("parameters", {}).get("properties", {})):
            place.update({field: {"enum": values} for field, values in NARROW.items() if field in place})
        if "dimensions" in fields:
            fields["dimensions"] = {"enum": [None, *range(1, info["dimensions"] + 1)]}
        if "model" in fields:
            model = "reranker" if name == "RerankRequest" else "base"
            fields["model"] = {"enum": [model] if "model" in schema.get("required", []) else [None, model]}
        schema["additionalProperties"] = False
    return document


def make_reranker(folder):
    """Its scores are raw ones: all of /rerank's fields are for it."""
    shutil.copytree(MODEL, folder, ignore=shutil.ignore_patterns("modules.json", "1_Pooling"))
    shutil.copytree(SOURCE / "tests/data/golden/rerankers/bert", folder, dirs_exist_ok=True)
    config = json.loads((folder / "config.json").read_text())
    config["sentence_transformers"] = {"activation_fn": "torch.nn.modules.linear.Identity"}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


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
        reranker = make_reranker(folder / "reranker")
        with Server(PROGRAM, "--api-key", KEY, "--truncate", "-m", reranker, "--alias", "all-MiniLM-L6-v2=base") as server:
            document = server.request("GET", "/openapi.json").json
            info = server.request("GET", "/info", Authorization=f"Bearer {KEY}").json
            good = ask(server, folder, document, "--exclude-checks", "positive_data_acceptance")
            return not (ask(server, folder, narrowed(document, info), "--mode", "positive") and good)


if __name__ == "__main__":
    sys.exit(main())
