from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from imnm_fhir.download import Downloaded, How, Wanted, download, open_download
from imnm_fhir.server import connect
from imnm_fhir.server.reading.bulk import Polling
from tests.unit.server.conftest import Clock, clock, server
from tests.unit.server.fhir_source import PROJECT, FhirSource
from tests.unit.server.stand_in import StandIn

__all__ = ["clock", "server"]

TAG = (PROJECT["system"], PROJECT["code"])
TYPES = ("Organization", "Patient", "Observation")


def observation(number: int, value: str = "1", tagged: bool = True) -> dict[str, Any]:
    subject = {"reference": f"Patient/p{number % 5}"}
    return {
        "resourceType": "Observation", "id": f"o{number:02}", "subject": subject, "valueString": value,
        "meta": {"tag": [PROJECT]} if tagged else {},
    }  # fmt: skip


def patient(number: int) -> dict[str, Any]:
    return {
        "resourceType": "Patient", "id": f"p{number}", "meta": {"tag": [PROJECT]},
        "identifier": [{"system": "https://imnm-fhir.github.io/fhir/key", "value": f"madrid/{number}"}],
        "managingOrganization": {"reference": "Organization/org"},
    }  # fmt: skip


@pytest.fixture
def store(server: StandIn) -> FhirSource:
    store = FhirSource(server.base_url)
    store.put({"resourceType": "Organization", "id": "org", "meta": {"tag": [PROJECT]}})
    store.load(patient(number) for number in range(5))
    store.load(observation(number) for number in range(20))
    store.put(observation(99, tagged=False))
    server.answer = store
    return store


Run = Callable[..., Downloaded]


@pytest.fixture
def run(
    server: StandIn,
    store: FhirSource,
    clock: Clock,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Run]:
    """One download into `spool`, as a command does it; `keep` leaves it for the next one."""
    monkeypatch.setattr("imnm_fhir.server.reading.bulk.sleep", clock.sleep)
    monkeypatch.setattr("imnm_fhir.server.reading.bulk.monotonic", clock.monotonic)
    with connect(server.base_url) as connection:

        def run(
            method: str | None = None, since: str | None = None, page_size: int = 3,
            polling: Polling | None = None, keep: bool = False, keep_going: bool = False, **wanted: Any,
        ) -> Downloaded:  # fmt: skip
            from imnm_fhir.download import conclude

            how = How(method, since, page_size, polling or Polling(), keep_going)
            asked = Wanted(**{"types": TYPES, "tag": TAG, **wanted})
            with open_download(tmp_path / "spool") as spool:
                got = download(connection, spool, asked, how)
                if keep:
                    conclude(spool, keep=True)
            return got

        yield run
