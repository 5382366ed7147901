#!/bin/sh
# Makes sure of LibreOffice without a screen: a test opens the list of queries with it and saves it.
# About 90 MB to load and 260 MB on the disk.
set -eu

wanted="libreoffice-calc-nogui"
if ! command -v soffice >/dev/null; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "installing $wanted" >&2
        install="apt-get install -y --no-install-recommends -o Dpkg::Options::=--force-unsafe-io $wanted"
        $install >&2 || { apt-get update >&2 && $install >&2; }
    fi
    if ! command -v soffice >/dev/null; then
        echo "the tests need LibreOffice; type: sudo apt-get install --no-install-recommends $wanted" >&2
        exit 1
    fi
fi
