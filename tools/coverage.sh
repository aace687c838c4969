#!/usr/bin/env bash
# Line coverage of the tests: build/coverage/report/index.html and a summary.
set -euo pipefail
cd "$(dirname "$0")/.."

cmake --preset coverage >/dev/null
cmake --build --preset coverage
find build/coverage -name '*.gcda' -delete
ctest --test-dir build/coverage --no-tests=error --output-on-failure -j "$(nproc)"
mkdir -p build/coverage/report
gcovr --root . --object-directory build/coverage --filter src/ --filter cli/ \
    --html-details build/coverage/report/index.html --print-summary
