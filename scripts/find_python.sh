#!/bin/sh
# Prints a Python of version 3.11 to 3.13 that can make environments. $1: the version wanted, such as 3.12.
set -eu

fits() {
    "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null
}

complete() {
    "$1" -c 'import ensurepip, venv' 2>/dev/null
}

if [ -n "${1:-}" ]; then candidates="python$1"; else candidates="python3 python3.13 python3.12 python3.11"; fi
found=""
for candidate in $candidates; do
    if fits "$candidate"; then
        found=$candidate
        if complete "$candidate"; then
            echo "$candidate"
            exit 0
        fi
    fi
done

# Debian leaves venv out of its Python.
if [ -n "$found" ]; then
    version=$("$found" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        { apt-get update && apt-get install -y --no-install-recommends "python$version-venv"; } >&2
        echo "$found"
        exit 0
    fi
    echo "$found has no venv; type: sudo apt-get install python$version-venv" >&2
    exit 1
fi
echo "no Python 3.11 to 3.13 found (looked for: $candidates); install one and type make again" >&2
exit 1
