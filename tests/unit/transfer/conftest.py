import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import pytest

from imnm_fhir.server import Connection, connect
from imnm_fhir.transfer import Choices, Transferred, transfer
from tests.unit.server.conftest import Clock
from tests.unit.server.stand_in import StandIn, stand_in
from tests.unit.transfer.fhir_store import FhirStore

TAG = ("urn:site", "madrid")
Resource = dict[str, Any]


class Export(Protocol):
    def __call__(self, *resources: Resource, **choices: Any) -> Transferred: ...


def observation(number: int, patient: int = 0, **members: Any) -> Resource:
    subject = {"reference": f"Patient/p{patient}"}
    return _resource("Observation", f"o{number}", subject=subject, **members)


def patient(number: int, **members: object) -> Resource:
    return _resource("Patient", f"p{number}", **members)


def organization() -> Resource:
    return _resource("Organization", "madrid")


def _resource(kind: str, identifier: str, **members: object) -> Resource:
    meta = {"tag": [{"system": TAG[0], "code": TAG[1]}]}
    key = [{"system": "urn:key", "value": f"madrid/{identifier}"}]
    return {"resourceType": kind, "id": identifier, "meta": meta, "identifier": key, **members}


def cohort_of(patients: int, each: int) -> list[Resource]:
    facts = [observation(n, n % patients) for n in range(patients * each)]
    return [organization(), *map(patient, range(patients)), *facts]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in ("server.request.retries", "transfer.sending"):
        monkeypatch.setattr(f"imnm_fhir.{module}.sleep", clock.sleep)
        monkeypatch.setattr(f"imnm_fhir.{module}.monotonic", clock.monotonic)
    return clock


@pytest.fixture
def store() -> FhirStore:
    return FhirStore()


@pytest.fixture
def server(store: FhirStore) -> Iterator[StandIn]:
    with stand_in() as server:
        server.answer = store
        yield server


@pytest.fixture
def connection(server: StandIn, clock: Clock) -> Iterator[Connection]:
    with connect(server.base_url) as connection:
        yield connection


def write_files(folder: Path, resources: Sequence[Resource]) -> dict[str, Path]:
    folder.mkdir(exist_ok=True)
    files: dict[str, Path] = {}
    for path in folder.iterdir():
        path.unlink()
    for resource in resources:
        path = files.setdefault(
            resource["resourceType"], folder / f"{resource['resourceType']}.ndjson"
        )
        with path.open("a") as file:
            file.write(json.dumps(resource) + "\n")
    return files


@pytest.fixture
def export(connection: Connection, tmp_path: Path) -> Callable[..., Transferred]:
    """Export resources from files to the server; keywords are `Choices`."""

    def export(*resources: Resource, partial: bool = False, **choices: Any) -> Transferred:
        files = write_files(tmp_path / "ndjson", resources)
        chosen = Choices(**choices)
        return transfer(connection, files, tmp_path / "cohort", chosen, tags=[TAG], partial=partial)

    return export
