#!/usr/bin/env bash
# usage: tools/with_peers.sh SCRIPT.py [ARG ...]   runs a script in a Python that has the reference implementations.
# SUTRA_PEERS_PYTHON names such a Python; without it, build/peers gets the versions pinned in
# bench/peers/requirements.txt (some 5 GB, because PyPI's torch brings the CUDA libraries).
# zentorch, which only the bench uses, needs another torch: SUTRA_ZENTORCH_PYTHON names a Python that has it. With
# neither variable set, build/peers-zentorch gets bench/peers/requirements-zentorch.txt (as much again).
set -euo pipefail
cd "$(dirname "$0")/.."

# environment FOLDER REQUIREMENTS: a virtual environment with exactly these, made anew only when they changed
environment() {
    cmp -s "$2" "$1/installed.txt" && return
    python3 -m venv "$1" && "$1/bin/python" -m pip install -q --disable-pip-version-check -r "$2" &&
        cp "$2" "$1/installed.txt"
}

python=${SUTRA_PEERS_PYTHON:-}
if [ -z "$python" ]; then
    python=build/peers/bin/python
    environment build/peers bench/peers/requirements.txt
    if [ -z "${SUTRA_ZENTORCH_PYTHON:-}" ] && [[ $1 == bench/* ]]; then
        # The report says so where this fails: the bench goes on without it.
        environment build/peers-zentorch bench/peers/requirements-zentorch.txt || true
        export SUTRA_ZENTORCH_PYTHON=$PWD/build/peers-zentorch/bin/python
    fi
fi
exec "$python" "$@"
