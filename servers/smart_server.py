"""A FHIR server behind SMART Backend Services, made with oidc-provider; needs Node.js 20 and npm.

`python -m servers.smart_server` runs the whole way through it: a cohort is exported with an encrypted
ES384 key and tokens of two seconds, imported with an RS384 key, and compared.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from servers.fhir_server import start_fhir_server
from servers.java import cache_folder

HERE = Path(__file__).resolve().parent / "smart"
FILES = ("package.json", "package-lock.json", "server.mjs")
CLIENT = "imnm-fhir"
LIFETIME = 2  # seconds of a token
SMALL_BUNDLES = "5"  # many requests, so that tokens end between them


@dataclass
class SmartServer:
    """A running server: the address of its FHIR base, and what it says of each token."""

    url: str
    log: Path

    def tokens(self) -> list[dict[str, str]]:
        """Result and algorithm of each request for a token."""
        return [json.loads(line) for line in self.log.read_text("utf-8").splitlines()[1:]]


@contextmanager
def smart_server(folder: Path, fhir: str, jwks: Mapping[str, Any]) -> Iterator[SmartServer]:
    """Yield a server in front of `fhir` that knows one client by the public keys `jwks`."""
    settings = {"fhir": fhir, "client": CLIENT, "jwks": jwks, "lifetime": LIFETIME}
    log = folder / "smart.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["node", "server.mjs", json.dumps(settings)],
            cwd=_installed(), stdin=subprocess.PIPE, stdout=output, stderr=sys.stderr,
        )  # fmt: skip
    assert process.stdin is not None
    try:
        while not log.read_text("utf-8").endswith("\n"):
            if process.poll() is not None:
                sys.exit("the authorization server ended while starting")
        yield SmartServer(log.read_text("utf-8").split()[1], log)
    finally:
        process.stdin.close()
        process.wait(timeout=30)


def _installed() -> Path:
    """The folder with the server and its packages, installed by the lock's hashes."""
    target = cache_folder() / "smart"
    target.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        shutil.copy(HERE / name, target)
    subprocess.run(["npm", "ci", "--no-fund", "--no-audit", "--silent"], cwd=target, check=True)
    return target


def _run(*arguments: str | Path, **environment: str) -> str:
    """What a command prints; it must leave with 0."""
    command = [sys.executable, "-m", "imnm_fhir.cli", *map(str, arguments)]
    print("imnm-fhir", *arguments, flush=True)
    ran = subprocess.run(
        command, env={**os.environ, **environment}, stdout=subprocess.PIPE, text=True, check=True
    )
    return ran.stdout


def _key(path: Path, algorithm: str, password: str) -> tuple[dict[str, str], dict[str, Any]]:
    """The variables of a new key, and the public key to register."""
    protected = {"IMNM_FHIR_SMART_KEY_PASSWORD": password}
    jwks = json.loads(_run("smart-key", path, "--make", algorithm, **protected))
    named = {"IMNM_FHIR_SMART_CLIENT_ID": CLIENT, "IMNM_FHIR_SMART_KEY_FILE": str(path)}
    return {**named, **protected}, jwks


def main() -> None:
    """Export, import and compare through the server; say which tokens were given."""
    site = Path(__file__).resolve().parents[1] / "imnm_fhir/demo_data/madrid/madrid16_es.csv"
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        hapi = start_fhir_server(folder / "hapi.log")
        stack.callback(hapi.stop)
        first, one = _key(folder / "es384.pem", "ES384", "a password")
        second, two = _key(folder / "rs384.pem", "RS384", "")
        both = {"keys": [*one["keys"], *two["keys"]]}
        server = stack.enter_context(smart_server(folder, hapi.url, both))
        _run("harmonise", site, "--site", "madrid_es", "--out", folder / "there")
        _run("validate", folder / "there")
        sent = ("--to", server.url, "--bundle-size", SMALL_BUNDLES)
        _run("export", folder / "there", *sent, **first)
        read = ("--out", folder / "back", "--rewrite-links")
        _run("import", server.url, *read, **second)
        print(_run("compare", folder / "there", folder / "back"))
        for token in server.tokens():
            print(token["algorithm"], token["result"])


if __name__ == "__main__":
    main()
