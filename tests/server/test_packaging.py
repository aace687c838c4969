#!/usr/bin/env python3
"""packaging/: its variables are options of `sutra serve`, the server starts with them, the health check of the image tells a server
that is there from one that is not, and the unit gives it time to end."""

import json
import os
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from serve_case import SOURCE, Server, main, parse_arguments

PROGRAM, ARGUMENTS = parse_arguments()
FOLDER = SOURCE / "packaging"
HELP = subprocess.run([PROGRAM, "serve", "--help"], capture_output=True, check=True, text=True).stdout
OPTIONS = set(re.findall(r"^ +(?:-\w, )?--([a-z-]+)", HELP, re.M))
OTHERS = {"SUTRA_CACHE", "SUTRA_NO_AUTH", "SUTRA_TESTS"}  # no options; the last is the build's
LIBRARIES = {"libjansson.so.4": "libjansson4", "libpcre2-8.so.0": "libpcre2-8-0", "libz.so.1": "zlib1g", "libzstd.so.1": "libzstd1",
             "libcurl.so.4": "libcurl4", "libcrypto.so.3": "libssl3", "libevent_core-2.1.so.7": "libevent-core-2.1-7",
             "libwslay.so.1": "libwslay1"}


def variables(text):
    """{name: value} of lines NAME=value, those that are commented out with a value too."""
    return dict(re.findall(r"^#?(SUTRA_\w+)=(.+)$", text, re.M))


class Packaging(unittest.TestCase):
    def test_variables_are_options(self):
        self.assertGreater(len(OPTIONS), 20)
        known = {"SUTRA_" + option.upper().replace("-", "_") for option in OPTIONS} | OTHERS
        for path in FOLDER.iterdir():
            used = set(re.findall(r"SUTRA_[A-Z_]+", path.read_text()))
            self.assertLessEqual(used, known, path)

    def test_the_server_starts_with_them(self):
        given = variables((FOLDER / "serve.env").read_text())
        for name in ("SUTRA_MODEL", "SUTRA_PORT"):  # the test has its own
            del given[name]
        given["SUTRA_ALIAS"] = given["SUTRA_ALIAS"].split("=")[0] + "=base"
        with Server(PROGRAM, env={**given, "SUTRA_LOG": "json"}) as server:
            self.assertEqual(server.embed(["night " * 400], model="text-embedding-3-small").json["truncated"], 1)

    def test_the_image(self):
        text = (FOLDER / "Dockerfile").read_text()
        self.assertRegex(text, r"\nUSER (?!root|0)\w+\n")
        command = json.loads(re.search(r"HEALTHCHECK .*?CMD (\[[^\n]*\])\n", text, re.S)[1])
        with Server(PROGRAM, "--api-key", "k") as server:
            env = {**os.environ, "SUTRA_PORT": str(server.port)}
            self.assertEqual(subprocess.run(command, env=env, check=False).returncode, 0)
        self.assertNotEqual(subprocess.run(command, env=env, check=False, stderr=subprocess.DEVNULL).returncode, 0)

    def test_the_image_has_the_libraries(self):
        installed = re.search(r"FROM debian:12-slim\nRUN .*?install (.*?) \\\n", (FOLDER / "Dockerfile").read_text(), re.S)[1].split()
        needed = set()
        for file in (PROGRAM, *(Path(PROGRAM).parent / f"libsutra-{name}.so" for name in ("server", "hub"))):
            done = subprocess.run(["readelf", "-d", file], capture_output=True, check=True, text=True)
            needed |= set(re.findall(r"\(NEEDED\).*\[(.+)\]", done.stdout))
        needed = {name for name in needed if not re.match(r"(libc|libm|libdl|libpthread|libasan|libubsan|libtsan|libgcc_s|ld-linux.*)\.so", name)}
        self.assertLessEqual(needed, set(LIBRARIES))
        self.assertLessEqual(set(LIBRARIES.values()), set(installed))

    def test_the_unit(self):
        text = (FOLDER / "sutra.service").read_text()
        drain = int(re.search(r"--drain-ms.*?default: (\d+)", HELP, re.S)[1])
        self.assertGreater(int(re.search(r"^TimeoutStopSec=(\d+)$", text, re.M)[1]) * 1000, drain + 5000)
        self.assertEqual(re.findall(r"^ExecStart=(.*)$", text, re.M), ["/usr/bin/sutra serve"])
        self.assertEqual(re.findall(r"^ExecReload=(.*)$", text, re.M), ["/bin/kill -HUP $MAINPID"])
        if not shutil.which("systemd-analyze"):
            print("no systemd-analyze here: the unit's directives are not verified")
            return
        with tempfile.TemporaryDirectory() as folder:
            unit = Path(folder) / "sutra.service"
            unit.write_text(text.replace("/usr/bin/sutra", str(PROGRAM)).replace("Documentation=man:sutra(1)\n", ""))
            done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
            self.assertEqual([line for line in (done.stdout + done.stderr).splitlines() if "sutra.service" in line], [])


if __name__ == "__main__":
    main(ARGUMENTS)
