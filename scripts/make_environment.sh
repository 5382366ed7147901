#!/bin/sh
# Makes or completes .venv from requirements.lock. $1: the Python version wanted, such as 3.12.
set -eu

if ! .venv/bin/python -c '' 2>/dev/null; then
    python=$(sh scripts/find_python.sh "${1:-}")
    echo "making .venv with $("$python" --version)" >&2
    rm -rf .venv
    "$python" -m venv .venv
fi
PIP_DISABLE_PIP_VERSION_CHECK=1
export PIP_DISABLE_PIP_VERSION_CHECK
# The lock names every package and its hashes: nothing is resolved, nothing compiled.
.venv/bin/python -m pip install --quiet --require-hashes --no-deps --only-binary :all: -r requirements.lock
.venv/bin/python -m pip install --quiet --no-deps --no-build-isolation --no-index --editable .
touch .venv/complete
