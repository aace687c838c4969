#!/usr/bin/env bash
# usage: tools/with_peers.sh SCRIPT.py [ARG ...]   runs a script in a Python that has the reference implementations.
# SUTRA_PEERS_PYTHON names such a Python; without it, build/peers gets the versions pinned in
# bench/peers/requirements.txt (some 5 GB, because PyPI's torch brings the CUDA libraries).
set -euo pipefail
cd "$(dirname "$0")/.."

python=${SUTRA_PEERS_PYTHON:-}
if [ -z "$python" ]; then
    python=build/peers/bin/python
    if ! cmp -s bench/peers/requirements.txt build/peers/installed.txt; then
        python3 -m venv build/peers
        "$python" -m pip install -q --disable-pip-version-check -r bench/peers/requirements.txt
        cp bench/peers/requirements.txt build/peers/installed.txt
    fi
fi
exec "$python" "$@"
