#!/usr/bin/env python3
"""Writes the C source of sutra._native: the declarations of the public headers and of native_glue.h, by cffi in API
mode on the stable ABI. The headers are the one source: nothing is declared here a second time.

    python python/build_cffi.py INCLUDE_FOLDER OUTPUT.c
"""
import re
import sys
from pathlib import Path

import cffi

GLUE = Path(__file__).with_name("native_glue.h")
# Functions of Python that C calls.
CALLBACKS = """
extern "Python" void sutra_python_progress(void *user, const SutraHubProgress *progress);
"""
# In libsutra-hub.so, which is opened at run time.
ELSEWHERE = ["sutra_hub_pull", "sutra_hub_import", "sutra_hub_sha256_file"]


def declarations(text):
    """What cffi reads of a header: no comments, no preprocessor, and numbers for names in array sizes."""
    text = re.sub(r"/\*.*?\*/", " ", text, flags=re.S)
    sizes = dict(re.findall(r"^#define (\w+) (\d+)$", text, flags=re.M))
    text = re.sub(r"#ifdef __cplusplus\n.*?#endif", "", text, flags=re.S)
    text = re.sub(r"^#.*$", "", text, flags=re.M)
    for name, value in sizes.items():
        text = re.sub(rf"\b{name}\b", value, text)
    return text.replace("SUTRA_API ", "")


def header_names(include):
    """sutra.h, what comes with it, and the other libraries'."""
    with_it = re.findall(r'#include "(sutra_\w+\.h)"', (include / "sutra.h").read_text())
    return ["sutra.h", *with_it, "sutra_hub.h", "sutra_tools.h", "sutra_search.h"]


def without(text, names):
    for name in names:
        text = re.sub(rf"SutraStatus {name}\(.*?\);", "", text, flags=re.S)
    return text


def main():
    include, output = Path(sys.argv[1]), sys.argv[2]
    ffi = cffi.FFI()
    texts = [declarations((include / name).read_text()) for name in header_names(include)] + [declarations(GLUE.read_text())]
    ffi.cdef(without("\n".join(texts), ELSEWHERE) + CALLBACKS)
    ffi.set_source("sutra._native", '#include "native_glue.h"\n', py_limited_api=True)
    ffi.emit_c_code(output)


if __name__ == "__main__":
    main()
