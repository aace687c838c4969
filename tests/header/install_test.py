#!/usr/bin/env python3
"""Installs a build into a staging folder and uses it as a stranger would.

usage: install_test.py --build DIR --source DIR --cc CC --cxx CXX
 - DESTDIR and prefix are honoured, every promised file is there, nothing lies outside the prefix
 - examples/embed.c builds through pkg-config (shared and static) and runs as far as opening a missing model
 - a CMake project with find_package(sutra) builds and runs, in C and in C++
 - the installed program starts
With SUTRA_TEST_MODEL set to a model folder the example embeds a text.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

parser = argparse.ArgumentParser()
for name in ("--build", "--source"):
    parser.add_argument(name, type=Path, required=True)
for name in ("--cc", "--cxx"):
    parser.add_argument(name, required=True)
args = parser.parse_args()

EXPECTED = [
    "bin/sutra", "lib/libsutra.a", "lib/libsutra.so", "lib/libsutra.so.0", "lib/pkgconfig/sutra.pc",
    "lib/cmake/sutra/sutraConfig.cmake", "lib/cmake/sutra/sutraConfigVersion.cmake", "include/sutra.h",
    "include/sutra_chunks.h", "include/sutra_models.h", "include/sutra_tokens.h", "include/sutra_backend.h",
    "include/sutra_hub.h", "include/sutra_search.h", "include/sutra_tools.h", "include/sutra_server.h",
    "include/sutra_train.h", "lib/libsutra_tools.a", "lib/libsutra_registry.a", "lib/libsutra-hub.so.0", "lib/libsutra-server.so.0", "lib/sutra0.so",
    "share/man/man1/sutra.1", "share/bash-completion/completions/sutra",
    "share/zsh/site-functions/_sutra", "share/doc/sutra/LICENSE",
]
PROJECT = """cmake_minimum_required(VERSION 3.25)
project(user LANGUAGES C CXX)
find_package(sutra 0.1 REQUIRED)
add_executable(user_c user.c)
target_link_libraries(user_c PRIVATE sutra::sutra)
add_executable(user_static user.c)
target_link_libraries(user_static PRIVATE sutra::static)
add_executable(user_cxx user.cpp)
target_link_libraries(user_cxx PRIVATE sutra::sutra)
"""
USER = """#include <sutra.h>
#include <stdio.h>
int main(void) { sutra_stream_free(NULL); sutra_models_free(NULL); printf("%s\\n", sutra_version()); return 0; }
"""


def run(command, expect=0, **kwargs):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, **kwargs)
    if done.returncode != expect:
        sys.exit(f"{' '.join(map(str, command))}: exit {done.returncode}, not {expect}\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def install(work):
    """Stages under DESTDIR with a prefix of its own, then moves it: the result must be relocatable."""
    stage, prefix = work / "stage", "/usr/local/sutra-test"
    run(["cmake", "--install", args.build, "--prefix", prefix], env=dict(os.environ, DESTDIR=str(stage)))
    outside = [p for p in stage.rglob("*") if p.is_file() and not str(p).startswith(str(stage) + prefix)]
    if outside:
        sys.exit(f"installed outside the prefix: {outside}")
    home = work / "moved"
    shutil.move(str(stage) + prefix, home)
    # Debian's multiarch folder is chosen for the prefix /usr alone; here it is lib.
    missing = [name for name in EXPECTED if not (home / name).exists()]
    if missing:
        sys.exit(f"not installed: {missing}")
    for name in ("lib/pkgconfig/sutra.pc", "lib/cmake/sutra/sutraConfig.cmake"):
        text = (home / name).read_text()
        if str(args.source) in text or str(args.build) in text:
            sys.exit(f"{name} names the build machine's folders")
    return home


def use_pkg_config(home, work):
    env = dict(os.environ, PKG_CONFIG_PATH=str(home / "lib/pkgconfig"))
    example = args.source / "examples/embed.c"
    model = os.environ.get("SUTRA_TEST_MODEL", "")
    for kind in ([], ["--static"]):
        flags = run(["pkg-config", *kind, "--cflags", "--libs", "sutra"], env=env).split()
        if kind:
            flags = [f for f in flags if f != "-lsutra"] + [str(home / "lib/libsutra.a"), "-ljansson", "-lpcre2-8", "-lm", "-pthread"]
        program = work / ("embed" + "".join(kind))
        run([args.cc, "-std=c17", "-Wall", "-Wextra", "-Werror", example, *flags, "-o", program])
        runtime = dict(os.environ, LD_LIBRARY_PATH=str(home / "lib"))
        said = run([program, "/nowhere/model", "text"], expect=1, env=runtime)
        if "/nowhere/model" not in said:
            sys.exit(f"the example does not name the missing folder: {said}")
        if os.path.isdir(model):
            said = run([program, model, "The cat sat on the mat."], env=runtime)
            if not said.startswith("[384] "):
                sys.exit(f"the example printed {said!r}")
    print("pkg-config: built, ran" + ("" if os.path.isdir(model) else "; SUTRA_TEST_MODEL is no folder: did not embed"))


def use_find_package(home, work):
    project = work / "user"
    project.mkdir()
    (project / "CMakeLists.txt").write_text(PROJECT)
    (project / "user.c").write_text(USER)
    (project / "user.cpp").write_text(USER)
    run(["cmake", "-G", "Ninja", "-S", project, "-B", project / "build", f"-DCMAKE_PREFIX_PATH={home}",
         f"-DCMAKE_C_COMPILER={args.cc}", f"-DCMAKE_CXX_COMPILER={args.cxx}"])
    run(["cmake", "--build", project / "build"])
    for name in ("user_c", "user_static", "user_cxx"):
        if run([project / "build" / name]).strip() != "0.1.0":
            sys.exit(f"{name} printed another version")
    print("find_package: built and ran in C, static C and C++")


with tempfile.TemporaryDirectory() as folder:
    work = Path(folder)
    home = install(work)
    use_pkg_config(home, work)
    use_find_package(home, work)
    if "0.1.0" not in run([home / "bin/sutra", "--version"]):
        sys.exit("bin/sutra --version does not print the version")
    print("install: done")
