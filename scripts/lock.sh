#!/bin/sh
# Makes requirements.lock from pyproject.toml: all packages for users and developers, for Python 3.11 to 3.13 on
# Linux, macOS and Windows, each with its hashes; and the same for each of the other clients that benchmarks
# measure (benchmarks/locks/). Versions stay as they are where they can; --upgrade renews all.
set -eu

python=$(sh scripts/find_python.sh)
[ -x build/lock/bin/uv ] || { "$python" -m venv build/lock && build/lock/bin/pip install --quiet uv; }

lock() {
    build/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --only-binary :all: \
        --no-header --no-emit-index-url --no-emit-find-links --no-emit-build-options "$@"
}

lock --group dev "$@" --output-file requirements.lock pyproject.toml
for client in benchmarks/locks/*.in; do
    lock "$@" --output-file "${client%.in}.lock" "$client"
done
