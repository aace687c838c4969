#!/usr/bin/env python3
"""Each line of README's section on what `sutra serve` takes the place of does what it says, with the tiny model and on a free port.

usage: test_readme.py --program build/release/sutra [unittest arguments]
The clients are those of clients.txt. curl need not be there: what it sends is sent.
"""

import os
import re
import shlex
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from urllib.parse import urlsplit

from serve_case import MODEL, SOURCE, Server, cli_vectors, main, parse_arguments
from web_socket import vector

PROGRAM, ARGUMENTS = parse_arguments()
TEXT = "The cat sat on the mat."
PORT, NAME = 8080, "all-MiniLM-L6-v2"
# Programs that know nothing of Sutra, by the variable that tells them where to go; each prints the vector of its argument.
PROGRAMS = {
    "OPENAI_BASE_URL": "import sys, openai\n"
                       "answer = openai.OpenAI().embeddings.create(model='text-embedding-3-small', input=sys.argv[1])\n"
                       "print(*answer.data[0].embedding)\n",
    "OLLAMA_HOST": "import sys, ollama\nprint(*ollama.embed(model='all-minilm', input=sys.argv[1])['embeddings'][0])\n",
    "CO_API_URL": "import sys, cohere\n"
                  "answer = cohere.ClientV2().embed(texts=[sys.argv[1]], model='embed-v4.0', input_type='search_query', embedding_types=['float'])\n"
                  "print(*answer.embeddings.float_[0])\n",
}


def lines():
    section = re.search(r"(?ms)^## In place of.*?^```\n(.*?)^```", (SOURCE / "README.md").read_text())[1]
    return [shlex.split(line, comments=True) for line in section.splitlines()]


class Readme(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.begin, *cls.lines = lines()
        cls.expected = cli_vectors(PROGRAM, [TEXT])[0]
        aliases = [word.replace(f"={NAME}", f"={MODEL.name}") for word in cls.begin if f"={NAME}" in word]
        assert cls.begin[:4] == ["sutra", "serve", "-m", NAME] and cls.begin[-2:] == ["--port", str(PORT)], cls.begin
        # names that the real model has by itself (Ollama's), and that Cohere's clients send
        names = [*aliases, f"all-minilm={MODEL.name}", f"*={MODEL.name}"]
        cls.server = cls.enterClassContext(Server(PROGRAM, *(word for name in names for word in ("--alias", name))))

    def here(self, word):
        self.assertNotIn("https://", word)
        return word.replace(f":{PORT}", f":{self.server.port}")

    def test_every_line(self):
        self.assertGreaterEqual(len(self.lines), 5)
        done = set()
        for words in self.lines:
            kind = words[0].partition("=")[0]
            with self.subTest(line=words):
                self.curl(words) if kind == "curl" else self.program(kind, words)
            done.add(kind)
        self.assertEqual(done, {"curl", *PROGRAMS})

    def program(self, kind, words):
        variables = dict(word.split("=", 1) for word in words[:-2])
        self.assertEqual(words[-2:], ["python3", "my_program.py"])
        env = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "OLLAMA_", "CO_"))}
        env.update({name: self.here(value) for name, value in variables.items()})
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "my_program.py")
            path.write_text(PROGRAMS[kind])
            done = subprocess.run([sys.executable, "-B", path, TEXT], env=env, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(vector({"embedding": [float(number) for number in done.stdout.split()]}), self.expected)

    def curl(self, words):
        self.assertEqual((words[0], words[2], len(words)), ("curl", "-d", 4))
        url = urlsplit(self.here(words[1]))
        self.assertEqual((url.hostname, url.port), (self.server.host, self.server.port))
        self.assertIn(TEXT, words[3])
        answer = self.server.request("POST", url.path, words[3].encode(), Content_Type="application/x-www-form-urlencoded")
        self.assertEqual(answer.status, 200, answer.body)
        row = answer.json["data"][0]["embedding"] if "data" in answer.json else answer.json[0]
        self.assertEqual(vector({"embedding": row}), self.expected)


if __name__ == "__main__":
    main(ARGUMENTS)
