#!/bin/sh
# Makes requirements.lock from pyproject.toml: all packages for users and developers, for Python 3.11 to 3.13 on
# Linux, macOS and Windows, each with its hashes. Versions stay as they are where they can; --upgrade renews all.
set -eu

python=$(sh scripts/find_python.sh)
[ -x build/lock/bin/uv ] || { "$python" -m venv build/lock && build/lock/bin/pip install --quiet uv; }
build/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --only-binary :all: \
    --group dev --no-header --no-emit-index-url --no-emit-find-links --no-emit-build-options "$@" \
    --output-file requirements.lock pyproject.toml
