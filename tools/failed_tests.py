#!/usr/bin/env python3
"""Prints the end of the output of each failed or skipped test of ctest.

usage: failed_tests.py JUNIT_FILE LINES    the file that ctest --output-junit wrote
"""
import sys
import xml.etree.ElementTree


def main():
    path, lines = sys.argv[1], int(sys.argv[2])
    for case in xml.etree.ElementTree.parse(path).iter("testcase"):
        if case.get("status") == "run":
            continue
        output = (case.findtext("system-out") or "").splitlines()
        reasons = [part.get("message") or "" for tag in ("failure", "skipped") for part in case.iter(tag)]
        print(f"--- {case.get('name')}: {case.get('status')} {' '.join(reasons).strip()}")
        print("\n".join(output[-lines:]))


if __name__ == "__main__":
    main()
