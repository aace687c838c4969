#!/usr/bin/env bash
# The wheel of the Python package, from the sources, and a clean virtual environment in build/python-test that has it
# and what its tests need.
#   tools/python_wheel.sh         builds and installs
#   tools/python_wheel.sh test    runs the package's tests there
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$PWD/build/python-test
export SUTRA_TEST_MODEL=${SUTRA_TEST_MODEL:-$PWD/.cache/model}
python=$folder/venv/bin/python

build() {
    rm -rf "$folder"
    python3 -m venv "$folder/venv"
    "$python" -m pip install -q --disable-pip-version-check --no-deps -r python/tests/requirements.txt \
        -r python/tests/adapters.txt
    "$python" -m pip wheel -q --disable-pip-version-check --no-build-isolation --no-deps -w "$folder" .
    "$python" -m pip install -q --disable-pip-version-check --no-deps "$folder"/sutra-*.whl
    ls -l "$folder"/sutra-*.whl
}

case ${1:-} in
'') build ;;
test) cd "$folder" && exec "$python" -B -m pytest -q -p no:cacheprovider ../../python/tests ;;
*)
    echo "usage: tools/python_wheel.sh [test]" >&2
    exit 2
    ;;
esac
