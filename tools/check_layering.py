#!/usr/bin/env python3
"""Checks the rules of docs/ARCHITECTURE.md that a compiler does not see.

usage: tools/check_layering.py [--self-test]

 - a folder includes only what LAYERS gives it, and calls nothing else either; programs see public headers and
   their own files
 - no circles between the modules of a folder: a module is what has one stem (x.h, x.c); it needs another when
   its header includes the other's, or when it uses a su_ or sutra_ function that the other defines
 - a function of a public header is defined once, where HOMES says
 - kernels know no model, allocation, thread or input and output
 - OS_HEADERS only where OS_FOLDERS lists the folder
 - memory comes from base/memory.h; the library neither prints, exits nor reads the environment
 - file names are unique in the tree; header guards are the file's name
 - no file holds a path of somebody's machine
Prints one line a violation; exits 1 when there is any.
"""

import re
import subprocess
import sys
from pathlib import Path

# Folder -> folders it may include besides its own. The longest matching prefix counts.
LAYERS = {
    "src/base": (),
    "src/unicode": ("base",),
    "src/container": ("base",),
    "src/weights": ("base",),
    "src/batch": ("base",),
    "src/kernels": ("base",),
    "src/tokenizer": ("base", "unicode"),
    "src/encoder": ("base", "kernels", "batch"),
    "src/backend": ("base", "kernels", "batch", "encoder"),
    "src/model": ("base", "weights", "container", "tokenizer"),
    "src/pipeline": ("base", "batch", "tokenizer", "model", "backend"),
    "src/api": ("base", "kernels", "batch", "tokenizer", "model", "backend", "pipeline"),
    "src/search": ("base", "batch", "kernels"),
    # Besides the public API, quantize makes encoders of its own; the bench times kernels, the tokenizer and the encoder
    # that an engine made.
    "src/tools": ("base", "unicode", "kernels", "search", "tokenizer", "encoder", "backend", "model"),
    "src/onnx": ("base", "kernels", "encoder", "model", "tools"),
    "src/bench": ("base", "kernels", "tokenizer", "encoder", "backend", "model", "tools"),
    "src/train": ("base", "container", "kernels", "tools"),
    "src/hub": ("base",),
    "server": ("base",),
    "cli": (),
    "plugins/sqlite": (),
    "plugins/cuda": ("kernels",),
    "examples": (),
}
PUBLIC = {"sutra.h", "sutra_chunks.h", "sutra_models.h", "sutra_tokens.h", "sutra_backend.h", "sutra_tools.h",
          "sutra_search.h", "sutra_hub.h", "sutra_server.h", "sutra_train.h"}
# What programs may include of the library's inside: it depends on nothing.
SHARED_HEADERS = {"base/number_text.h"}
# Public headers are on a level too.
PUBLIC_USERS = {
    "sutra_backend.h": ("src/kernels", "src/encoder", "src/backend", "src/model", "src/pipeline", "src/api",
                        "src/tools", "src/onnx", "src/bench", "plugins/cuda"),
    "sutra_hub.h": ("src/hub", "cli", "plugins/sqlite"),
    "sutra_server.h": ("server", "cli"),
    "sutra_tools.h": ("src/tools", "src/onnx", "src/bench", "src/train", "cli"),
    "sutra_train.h": ("src/train", "cli"),
    "sutra_search.h": ("src/search", "cli"),
}
# What is held to the rules of a library, those on memory and on modules among them.
ENGINE = tuple(f for f in LAYERS if f.startswith("src/") or f == "server")

# Public header -> where its functions are defined.
HOMES = {
    "include/sutra.h": ("src/api/api_",),
    "include/sutra_chunks.h": ("src/api/api_",),
    "include/sutra_models.h": ("src/api/api_",),
    "include/sutra_tokens.h": ("src/api/api_",),
    "include/sutra_hub.h": ("src/hub/",),
    "include/sutra_server.h": ("server/",),
    "include/sutra_tools.h": ("src/tools/", "src/onnx/onnx_write.c", "src/bench/"),
    "include/sutra_search.h": ("src/search/",),
    "include/sutra_train.h": ("src/train/",),
}
# Function -> its file, where that is another.
HOME_EXCEPTIONS = {
    # Every layer puts these names into its messages and files.
    "sutra_version": "src/base/status.c",
    "sutra_status_name": "src/base/status.c",
    "sutra_compute_name": "src/base/status.c",
}

KERNEL_FORBIDDEN = {"stdlib.h", "stdio.h", "pthread.h", "threads.h", "base/memory.h", "base/thread_pool.h",
                    "base/file_map.h", "base/json_file.h"}
OS_HEADERS = re.compile(r"^(sys/.*|unistd\.h|fcntl\.h|dirent\.h|netdb\.h|termios\.h|signal\.h|poll\.h)$")
OS_FOLDERS = ("src/base", "src/hub", "cli", "plugins/sqlite", "server")
LOADER_FOLDERS = ("src/backend", "cli")  # dlfcn.h

ALLOCATION = re.compile(r"(?<![\w.>])(malloc|calloc|realloc|free|strdup|strndup|aligned_alloc|posix_memalign|"
                        r"v?asprintf|getline)\s*\(")
PROCESS = re.compile(r"(?<![\w.>])(exit|_exit|abort|printf|vprintf|puts|putchar|perror|getenv|setenv)\s*\(|"
                     r"(?<!\w)(stdout|stderr)(?!\w)")
FILE_EXCEPTIONS = {
    ("src/base/memory.c", "malloc"), ("src/base/memory.c", "calloc"), ("src/base/memory.c", "realloc"),
    ("src/base/memory.c", "free"), ("src/base/memory.c", "aligned_alloc"),
    ("src/base/cpu_features.c", "getenv"),  # SUTRA_ISA
}
MACHINE_PATH = re.compile(r"(?<![\w.~$}])/(work|home|root|opt|mnt|Users)/[\w.]")
SHARED_NAMES = {"CMakeLists.txt", "README.md", "__init__.py", "requirements.txt"}
UNIQUE_SUFFIXES = {".c", ".h", ".cu", ".cuh", ".py", ".sh", ".md", ".cmake"}

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]+(["<])([^">]+)[">]', re.M)
COMMENT_OR_STRING = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def folder_of(path):
    matching = [f for f in LAYERS if path.startswith(f + "/")]
    return max(matching, key=len) if matching else None


def code_only(text):
    """The text without comments and the insides of literals; line breaks stay."""
    return COMMENT_OR_STRING.sub(lambda m: "\n" * m.group().count("\n") or " ", text)


def line_of(text, position):
    return text.count("\n", 0, position) + 1


def check_include(path, folder, header, quoted):
    """Yields what is wrong with one #include."""
    if header in PUBLIC:
        users = PUBLIC_USERS.get(header)
        if users and folder not in users and not (folder == "examples"):
            yield f"{folder} is not on the level of {header}"
        return
    if folder == "src/kernels" and header in KERNEL_FORBIDDEN:
        yield f"kernels may not include {header}"
    if not quoted:
        if OS_HEADERS.match(header) and folder not in OS_FOLDERS:
            yield f"{folder} may not include <{header}>: only {', '.join(OS_FOLDERS)} touch the system"
        if header == "dlfcn.h" and folder not in LOADER_FOLDERS:
            yield f"{folder} may not include <dlfcn.h>: only {', '.join(LOADER_FOLDERS)} load code"
        return
    target = header.split("/")[0] if "/" in header else None
    own = folder.split("/", 1)[1] if folder.startswith("src/") else folder
    if target is None or target == own or (folder == "cli" and header in SHARED_HEADERS):
        return
    if target not in LAYERS[folder]:
        allowed = ", ".join(LAYERS[folder]) or "nothing but public headers"
        yield f"{folder} may not include {header} (it may include {allowed})"


def check_source(path, text):
    folder = folder_of(path)
    if folder is None:
        return
    for match in INCLUDE.finditer(text):
        for problem in check_include(path, folder, match.group(2), match.group(1) == '"'):
            yield f"{path}:{line_of(text, match.start())}: {problem}"
    if folder not in ENGINE:
        return
    code = code_only(text)
    for pattern, what in ((ALLOCATION, "memory comes from base/memory.h, not from"),
                          (PROCESS, "the library may not use")):
        for match in pattern.finditer(code):
            name = match.group(1) or match.group(2)
            if (path, name) not in FILE_EXCEPTIONS:
                yield f"{path}:{line_of(code, match.start())}: {what} {name}"


FUNCTION = re.compile(r"^(?!static\b|typedef\b|return\b)[A-Za-z_][\w \t*]*?[\s*(]((?:su|sutra)_\w+)\)?"
                      r"\s*\([^;{}]*\)\s*\{", re.M)
PUBLIC_FUNCTION = re.compile(r"\bSUTRA_API\b[^;{}()]*?\b(sutra_\w+)\s*\(")
NAME = re.compile(r"\b(?:su|sutra)_\w+")


def definitions(code):
    """path -> text without comments. Returns function -> files that define it."""
    defined = {}
    for path, text in sorted(code.items()):
        if path.endswith(".c"):
            for name in FUNCTION.findall(text):
                defined.setdefault(name, []).append(path)
    return defined


def check_homes(code, defined):
    for header, homes in HOMES.items():
        for name in PUBLIC_FUNCTION.findall(code.get(header, "")):
            files = defined.get(name, [])
            expected = HOME_EXCEPTIONS.get(name)
            good = files == [expected] if expected else len(files) == 1 and files[0].startswith(homes)
            if not good:
                yield (f"{header}: {name} is defined in {', '.join(files) or 'no file'}, "
                       f"not in {expected or ' or '.join(home + '*' for home in homes)}")


def check_calls(code, defined):
    """Calls of functions that the caller's folder may not know. Tools and hub are on the level of the public API."""
    for path, text in sorted(code.items()):
        folder = folder_of(path)
        for name in sorted(set(NAME.findall(text))) if path.endswith(".c") else ():
            owner = folder_of(defined[name][0]) if name in defined else folder
            if owner == folder or owner.removeprefix("src/") in LAYERS[folder]:
                continue
            public = name.startswith("sutra_") and folder in ("src/tools", "src/onnx", "src/bench", "src/train", "src/hub",
                                                              "server")
            if public or name in HOME_EXCEPTIONS:
                continue
            yield f"{path}: {folder} may not call {name} of {owner}"


def needs(code, texts, defined):
    """Module -> the modules of its folder that it needs."""
    edges = {}
    for path, text in sorted(code.items()):
        module = path.rsplit(".", 1)[0]
        if path.endswith(".h"):
            root = "src/" if path.startswith("src/") else folder_of(path) + "/"
            wanted = {root + match.group(2) for match in INCLUDE.finditer(texts[path])}
        else:  # what it includes may only declare what it defines
            wanted = {defined[name][0] for name in NAME.findall(text) if name in defined}
        for other in wanted:
            stem = other.rsplit(".", 1)[0]
            if stem != module and folder_of(other) == folder_of(path):
                edges.setdefault(module, set()).add(stem)
    return edges


def check_circles(code, texts, defined):
    """One shortest circle for each set of modules that need each other."""
    edges = needs(code, texts, defined)
    reported = set()
    for start in sorted(edges):
        if start in reported:
            continue
        routes, seen = [[start]], set()
        while routes:
            route = routes.pop(0)
            for following in sorted(edges.get(route[-1], ())):
                if following == start:
                    reported.update(route)
                    yield "circle: " + " -> ".join([*route, start])
                    routes = []
                    break
                if following not in seen:
                    seen.add(following)
                    routes.append([*route, following])


def check_modules(files):
    code = {path: code_only(text) for path, text in files.items()
            if path.endswith((".c", ".h")) and folder_of(path) in ENGINE}
    public = {path: code_only(files[path]) for path in HOMES if path in files}
    defined = definitions(code)
    yield from check_homes(public, defined)
    yield from check_calls(code, defined)
    yield from check_circles(code, files, defined)


def check_guard(path, text):
    stem = re.sub(r"\W", "_", Path(path).name).upper()
    expected = stem if path.startswith("include/") else "SU_" + stem.removeprefix("SU_")
    guard = re.search(r"^#ifndef (\w+)\n#define (\w+)$", text, re.M)
    if not guard or guard.group(1) != guard.group(2) or guard.group(1) != expected:
        yield f"{path}: the header guard is not {expected}"


def check_tree(files):
    """files: path -> text. Returns the violations."""
    problems = []
    seen = {}
    for path, text in sorted(files.items()):
        name = Path(path).name
        if Path(path).suffix in UNIQUE_SUFFIXES and name not in SHARED_NAMES:
            if name in seen:
                problems.append(f"{path}: {seen[name]} has the same name")
            seen.setdefault(name, path)
        for match in MACHINE_PATH.finditer(text):
            problems.append(f"{path}:{line_of(text, match.start())}: a path of one machine: {match.group()}…")
        if path.endswith((".c", ".h")):
            problems += check_source(path, text)
        if path.endswith(".h") and path.startswith(("src/", "include/")):
            problems += check_guard(path, text)
    return problems + list(check_modules(files))


def read_tree(root):
    names = subprocess.run(["git", "-C", root, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                           check=True, capture_output=True).stdout.decode().split("\0")
    files = {}
    for name in filter(None, names):
        path = Path(root, name)
        if not path.is_file() or path.is_symlink():
            continue
        data = path.read_bytes()
        if b"\0" not in data:
            files[name] = data.decode("utf-8", "replace")
    return files


GUARDED = "#ifndef SU_X_H\n#define SU_X_H\n%s\n#endif\n"
BAD = [  # path -> text that must be found, and a word of the message
    ({"src/base/x.c": '#include "model/model.h"'}, "may not include model/model.h"),
    ({"src/kernels/x.c": '#include "encoder/encoder.h"'}, "may not include encoder/encoder.h"),
    ({"src/kernels/x86/x.c": "#include <stdlib.h>"}, "kernels may not include stdlib.h"),
    ({"src/kernels/arm/x.c": '#include "base/memory.h"'}, "kernels may not include base/memory.h"),
    ({"src/kernels/x.c": '#include "base/memory.h"'}, "kernels may not include base/memory.h"),
    ({"src/tokenizer/x.c": '#include "sutra_backend.h"'}, "not on the level"),
    ({"src/encoder/x.h": GUARDED % '#include "backend/cpu_backend.h"'}, "may not include backend"),
    ({"src/tokenizer/x.c": '#include "weights/safetensors.h"'}, "may not include weights"),
    ({"cli/x.c": '#include "base/memory.h"'}, "may not include base/memory.h"),
    ({"src/tools/x.c": '#include "pipeline/engine.h"'}, "may not include pipeline"),
    ({"src/model/x.c": "#include <unistd.h>"}, "touch the system"),
    ({"src/model/x.c": "  #  include <sys/stat.h>"}, "touch the system"),
    ({"src/pipeline/x.c": "#include <dlfcn.h>"}, "load code"),
    ({"src/model/x.c": "void f(void) { g(malloc(3)); }"}, "not from malloc"),
    ({"src/model/x.c": "void f(char *p) { free(p); }"}, "not from free"),
    ({"src/model/x.c": "void f(void) { fputs(\"x\", stderr); }"}, "may not use stderr"),
    ({"src/model/x.c": 'char *f(void) { return getenv("HOME"); }'}, "may not use getenv"),
    ({"src/model/x.c": "", "src/weights/x.c": ""}, "same name"),
    ({"src/model/x.h": "#ifndef X_H\n#define X_H\n#endif\n"}, "header guard"),
    ({"src/model/x.c": "void su_x(void)\n{\n    su_y();\n}", "src/model/y.c": "void su_y(void) { su_x(); }"},
     "circle: src/model/x -> src/model/y -> src/model/x"),
    ({"src/model/x.h": GUARDED % '#include "model/y.h"', "src/model/y.h": GUARDED.replace("_X_", "_Y_") %
      '#include "model/x.h"'}, "circle: src/model/x -> src/model/y"),
    ({"src/model/x.h": GUARDED % '#include "model/y.h"', "src/model/x.c": "int su_x(int a,\n         int b)\n{\n}",
      "src/model/y.c": "int su_y(void) { return su_z(); }", "src/model/z.c": "int su_z(void) { f(su_x); }",
      "src/model/y.h": GUARDED.replace("_X_", "_Y_") % ""}, "circle: src/model/x -> src/model/y -> src/model/z"),
    ({"src/api/api_x.c": "void sutra_x(void) {}", "src/pipeline/y.c": "void su_y(void) { sutra_x(); }"},
     "may not call sutra_x of src/api"),
    ({"include/sutra.h": GUARDED.replace("SU_X", "SUTRA") % "SUTRA_API void sutra_x(void);",
      "src/pipeline/y.c": "void sutra_x(void) {}"}, "sutra_x is defined in src/pipeline/y.c"),
    ({"include/sutra_chunks.h": GUARDED.replace("SU_X", "SUTRA_CHUNKS") % "SUTRA_API void sutra_x(void);",
      "src/pipeline/y.c": "void sutra_x(void) {}"}, "sutra_x is defined in src/pipeline/y.c"),
    ({"include/sutra.h": GUARDED.replace("SU_X", "SUTRA") % "SUTRA_API void sutra_x(void);"}, "defined in no file"),
    ({"server/x.c": "void f(char *p) { free(p); }"}, "not from free"),
    ({"server/x.c": "void su_x(void)\n{\n    su_y();\n}", "server/y.c": "void su_y(void) { su_x(); }"},
     "circle: server/x -> server/y -> server/x"),
    ({"docs/X.md": "see " + "/ho" + "me/me/notes"}, "a path of one machine"),
]
GOOD = [
    {"src/base/memory.c": "void *su_alloc(void) { return malloc(1); }"},
    {"src/model/x.c": '#include "weights/safetensors.h"\n#include "sutra_backend.h"\n// free(x); getenv("x")\n'},
    {"src/model/y.c": "void f(H *h) { h->free(h); su_free(h); const char *s = \"exit(1)\"; }"},
    {"cli/x.c": '#include <unistd.h>\n#include "sutra.h"\n#include "options.h"\nint main(void) { exit(1); }'},
    {"src/base/x.h": GUARDED % ""},
    {"src/model/x.c": "void su_x(void) { su_y(); } // su_z", "src/model/y.c": "static void f(void) { su_y(); }\n"
     "void su_y(void) { f(); }", "src/model/z.c": "void su_z(void) { su_x(); }"},
    {"include/sutra.h": GUARDED.replace("SU_X", "SUTRA") % "SUTRA_API const char *sutra_x(int a,\n  int b);",
     "src/api/api_x.c": "const char *sutra_x(int a,\n  int b)\n{\n}", "src/tools/y.c": "void su_y(void) { sutra_x(); }"},
    {"cli/x.c": '#include "base/number_text.h"'},
    {"server/x.c": '#include <sys/socket.h>\n#include "base/memory.h"\nvoid su_x(void) { sutra_x(); }'},
    {"tools/x.sh": "ls /usr/bin /tmp/x ~/home/x build/opt/x"},
]


def self_test():
    failures = 0
    for files, word in BAD:
        if not any(word in problem for problem in check_tree(files)):
            print(f"self-test: not found ({word}): {files}")
            failures += 1
    for files in GOOD:
        for problem in check_tree(files):
            print(f"self-test: found in good code: {problem}")
            failures += 1
    print(f"{len(BAD) + len(GOOD)} self-tests, {failures} failed")
    return failures


def main():
    if sys.argv[1:] == ["--self-test"]:
        return 1 if self_test() else 0
    root = str(Path(__file__).resolve().parent.parent)
    files = read_tree(root)
    problems = check_tree(files)
    print(*problems, sep="\n", end="\n" if problems else "")
    print(f"layering: {len(files)} files, {len(problems)} violations")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
