#!/usr/bin/env bash
# Ray and Spark for tests and bench of the Python package: a virtual environment of its own in build/cluster, with the
# wheel of build/python-test, which tools/python_wheel.sh makes.
#   tools/cluster.sh                 builds and installs; WHEELS=FOLDER takes packages from there, without a network
#   tools/cluster.sh download FOLDER what WHEELS wants
#   tools/cluster.sh test            runs tests/cluster there
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$PWD/build/cluster
python=$folder/venv/bin/python
requirements=tests/cluster/requirements.txt
export SUTRA_TEST_MODEL=${SUTRA_TEST_MODEL:-$PWD/.cache/model}
export RAY_USAGE_STATS_ENABLED=0 SPARK_LOCAL_IP=127.0.0.1

wheel() {
    ls build/python-test/sutra-*.whl 2>/dev/null || { tools/python_wheel.sh >&2 && ls build/python-test/sutra-*.whl; }
}

build() {
    local from=()
    [ -z "${WHEELS:-}" ] || from=(--no-index --find-links "$WHEELS")
    rm -rf "$folder"
    python3 -m venv "$folder/venv"
    "$python" -m pip install -q --disable-pip-version-check --no-deps "${from[@]}" -r "$requirements"
    "$python" -m pip install -q --disable-pip-version-check --no-deps "$(wheel)"
}

case ${1:-} in
'') build ;;
download)
    python3 -m pip wheel -q --disable-pip-version-check --no-deps -w "$2" -r "$requirements"
    cp "$(wheel)" "$2"
    ;;
test) cd "$folder" && exec "$python" -B -m pytest -q -p no:cacheprovider ../../tests/cluster ;;
*)
    echo "usage: tools/cluster.sh [download FOLDER|test]" >&2
    exit 2
    ;;
esac
