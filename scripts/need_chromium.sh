#!/bin/sh
# Makes sure of Chromium and its driver, which the tests of the report open it with.
set -eu

have() { command -v chromium >/dev/null && command -v chromedriver >/dev/null; }

if have; then exit 0; fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "installing Chromium" >&2
    apt-get update >&2
    apt-get install -y --no-install-recommends chromium chromium-driver fonts-dejavu-core >&2
    if have; then exit 0; fi
fi
echo "the tests need Chromium and its driver; type: sudo apt-get install chromium chromium-driver fonts-dejavu-core" >&2
exit 1
