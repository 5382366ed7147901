#!/bin/sh
# Makes sure of a JDK (17 or newer) and Maven, which the FHIR server and the HL7 validator are built with.
set -eu

have() {
    command -v mvn >/dev/null || return 1
    javac=javac
    if [ -n "${JAVA_HOME:-}" ]; then javac="$JAVA_HOME/bin/javac"; fi
    version=$("$javac" -version 2>&1 | sed -n 's/^javac \([0-9]*\).*/\1/p') || return 1
    [ "${version:-0}" -ge 17 ]
}

if have; then exit 0; fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "installing a JDK and Maven" >&2
    apt-get update >&2
    # newer Debians have no 17 any more
    apt-get install -y --no-install-recommends openjdk-17-jdk-headless maven >&2 ||
        apt-get install -y --no-install-recommends default-jdk-headless maven >&2
    if have; then exit 0; fi
fi
echo "the tests need a JDK (17 or newer) and Maven; type: sudo apt-get install openjdk-17-jdk-headless maven" >&2
exit 1
