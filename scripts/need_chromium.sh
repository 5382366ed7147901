#!/bin/sh
# Makes sure of Chromium with its driver, and of axe-core by npm: the tests of the report open it with them.
set -eu

have() { command -v chromium >/dev/null && command -v chromedriver >/dev/null && command -v npm >/dev/null; }

if ! have; then
    wanted="chromium chromium-driver fonts-dejavu-core"
    command -v npm >/dev/null || wanted="$wanted npm"
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "installing $wanted" >&2
        apt-get update >&2
        apt-get install -y --no-install-recommends $wanted >&2
    fi
    if ! have; then
        echo "the tests need Chromium with its driver, and npm; type: sudo apt-get install $wanted" >&2
        exit 1
    fi
fi
cd tests/browser
if [ ! node_modules/axe-core/axe.min.js -nt package-lock.json ]; then
    npm ci --ignore-scripts --no-audit --no-fund >&2
    touch node_modules/axe-core/axe.min.js
fi
