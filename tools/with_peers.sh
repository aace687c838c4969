#!/usr/bin/env bash
# usage: tools/with_peers.sh SCRIPT.py [ARG ...]   runs a script in a Python that has the reference implementations.
# SUTRA_PEERS_PYTHON names such a Python; without it, build/peers gets the pinned versions (some 2 GB).
set -euo pipefail
cd "$(dirname "$0")/.."

python=${SUTRA_PEERS_PYTHON:-}
if [ -z "$python" ]; then
    venv=build/peers
    python=$venv/bin/python
    if ! cmp -s bench/peers/requirements.txt $venv/installed.txt; then
        python3 -m venv $venv
        # torch for the CPU: the index's default wheel, its CUDA libraries left out.
        "$python" -m pip install -q --disable-pip-version-check --no-deps \
            -r bench/peers/requirements-torch.txt
        "$python" -m pip install -q --disable-pip-version-check -r bench/peers/requirements.txt
        cp bench/peers/requirements.txt $venv/installed.txt
    fi
fi
exec "$python" "$@"
