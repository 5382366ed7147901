"""A real FHIR server and the HL7 validator. Without Java tests fail: they are never skipped."""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from imnm_fhir.server import Connection, connect
from imnm_fhir.terminology import load_project
from servers.faulty_proxy import Proxy, faulty_proxy
from servers.fhir_server import FhirServer, Setting, start_fhir_server
from servers.fhir_validator import validate_files
from servers.java import JavaError

ON_DISK = ("http://terminology.hl7.org/", "http://hl7.org/fhir/")


def start_or_fail(log: Path, **settings: Setting) -> FhirServer:
    """A running server, or a failed test that says why there is none."""
    try:
        return start_fhir_server(log, **settings)
    except JavaError as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture(scope="session")
def fhir_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the one FHIR server of this test run, shared by its tests: use your own site ids."""
    server = start_or_fail(tmp_path_factory.mktemp("fhir-server") / "server.log")
    yield server.url
    server.stop()


@pytest.fixture
def site(tmp_path: Path) -> str:
    """A site that no other test has."""
    return f"s{hashlib.sha256(str(tmp_path).encode()).hexdigest()[:12]}"


@pytest.fixture
def proxy(fhir_server: str) -> Iterator[Proxy]:
    """The one server behind a proxy that does wrong when it is told to."""
    with faulty_proxy(fhir_server) as proxy:
        yield proxy


@pytest.fixture
def at_server(fhir_server: str) -> Iterator[Connection]:
    """The server itself, to count there."""
    with connect(fhir_server) as connection:
        yield connection


@pytest.fixture
def start_hapi(tmp_path: Path) -> Iterator[Callable[..., FhirServer]]:
    """Starts a further server with settings of servers/README.md; it ends with the test.

    `start_hapi(max_bundle=10, token="secret").url` is its address; `.stop()` and `.kill()` end it.
    """
    started: list[FhirServer] = []

    def start(**settings: Setting) -> FhirServer:
        server = start_or_fail(tmp_path / f"server-{len(started)}.log", **settings)
        started.append(server)
        return server

    yield start
    for server in started:
        server.stop()


@pytest.fixture(scope="session")
def validate_fhir() -> Callable[..., list[dict[str, Any]]]:
    """Runs the HL7 validator: `validate_fhir(folder, profiles)` is the list of its errors and warnings.

    It reads every .ndjson and .json of `folder` but manifest.json. `profiles`: a folder with the
    project's own definitions, which count as known. Each problem is a dict with file, line,
    severity, id, location and message.
    """
    systems = load_project().systems.values()
    elsewhere = [s for s in systems if not s.startswith(ON_DISK) or "/sid/" in s]

    def validate(folder: Path, profiles: Path | None = None) -> list[dict[str, Any]]:
        files = [path for path in sorted(folder.iterdir()) if path.suffix in (".ndjson", ".json")]
        resources = [path for path in files if path.name != "manifest.json"]
        try:
            return validate_files(resources, [profiles] if profiles else [], elsewhere)
        except JavaError as error:
            pytest.fail(str(error), pytrace=False)

    return validate
