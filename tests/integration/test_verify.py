"""Proof on a real server: identical at first, then every way in which somebody spoils it."""

import json
from pathlib import Path
from typing import Any

import pytest

from imnm_fhir.cohort import read_cohort, write_cohort
from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.fhir import to_fhir
from imnm_fhir.flow import Verified, export, verify
from imnm_fhir.proof import read_certificate, write_certificate
from imnm_fhir.server import Connection, connect
from imnm_fhir.validation import validate_folder
from tests.unit.small_cohort import cohort, person


@pytest.fixture
def folder(fhir_server: str, tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A cohort of three patients that the server holds, of another site in each test."""
    site = f"verified{len(request.node.name)}"
    made = cohort(person("P1"), person("P2", sex="male"), person("P3"), name=site)
    write_cohort(made, tmp_path / "cohort")
    validate_folder(tmp_path / "cohort")
    assert not export([tmp_path / "cohort"], fhir_server).failures
    return tmp_path / "cohort"


def by_type(folder: Path, kind: str) -> list[dict[str, Any]]:
    return [each for each in to_fhir(read_cohort(folder)) if each["resourceType"] == kind]


def put(connection: Connection, resource: dict[str, Any]) -> None:
    body = json.dumps(resource, default=str).encode()
    place = f"{resource['resourceType']}/{resource['id']}"
    assert connection.request("PUT", place, body=body).status in (200, 201)


def states(verified: Verified) -> dict[str, int]:
    return {state: count for state, count in verified.verification.states.items() if count}


def test_what_is_there_is_certified_and_what_somebody_did_is_named(
    fhir_server: str, folder: Path, tmp_path: Path
) -> None:
    certificate = tmp_path / "certificate.json"
    first = verify(folder, fhir_server, certificate=certificate)
    assert (states(first), first.verification.holds) == ({"identical": 10}, True)
    assert read_certificate(certificate)["states"]["identical"] == 10
    assert len((tmp_path / "certificate.resources.ndjson").read_text().splitlines()) == 10

    observations = by_type(folder, "Observation")
    stranger = {**observations[2], "id": "stranger", "identifier": []}
    with connect(fhir_server) as connection:
        put(connection, {**observations[0], "effectiveDateTime": "2019-03-02"})
        put(
            connection,
            {
                **observations[1],
                "text": {
                    "status": "generated",
                    "div": '<div xmlns="http://www.w3.org/1999/xhtml">x</div>',
                },
            },
        )
        assert connection.request("DELETE", f"Observation/{observations[2]['id']}").status == 200
        put(connection, stranger)
    spoilt = verify(folder, fhir_server)
    assert states(spoilt) == {
        "identical": 7, "equivalent": 1, "changed": 1, "missing": 1, "foreign": 1,
    }  # fmt: skip
    found = {one.state: one for one in spoilt.verification.exceptions}
    assert (found["changed"].id, found["changed"].differs) == (observations[0]["id"], ("date",))
    assert found["changed"].version == "2"
    assert found["missing"].differs == ("deleted at the server",)
    assert found["foreign"].server_id == "stranger"
    assert not spoilt.verification.holds


def test_a_page_is_made_again_from_its_certificate_and_a_changed_one_is_refused(
    fhir_server: str, folder: Path, tmp_path: Path
) -> None:
    certificate = tmp_path / "certificate.json"
    verify(folder, fhir_server, certificate=certificate)
    page = certificate.with_suffix(".html")
    before = page.read_bytes()
    page.unlink()
    write_certificate(read_certificate(certificate), certificate)
    assert page.read_bytes() == before
    certificate.write_text(certificate.read_text().replace('"changed": 0', '"changed": 1'))
    with pytest.raises(ImnmFhirError, match="was changed after it was made"):
        read_certificate(certificate)


def test_no_pseudonym_stands_in_the_certificate(
    fhir_server: str, folder: Path, tmp_path: Path
) -> None:
    verify(folder, fhir_server, certificate=tmp_path / "certificate.json")
    for name in ("certificate.json", "certificate.html", "certificate.resources.ndjson"):
        text = (tmp_path / name).read_text()
        assert not [word for word in ("P1", "1950", "5000", "2018-11") if word in text]


def test_a_journal_that_is_damaged_is_made_anew_from_the_server(
    fhir_server: str, folder: Path
) -> None:
    from imnm_fhir.transfer.journal import journal_path, read_journal

    path = journal_path(folder, fhir_server)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"no database at all")
    assert "journal made anew" in verify(folder, fhir_server).lines()[-1]
    with read_journal(folder, fhir_server) as journal:
        assert journal is not None
        entries = list(journal.entries())
    assert len(entries) == 10 and {each.state for each in entries} == {"stored"}
    assert len({each.subject for each in entries if each.type == "Observation"}) == 3
    assert verify(folder, fhir_server).journal == ""
    assert [each.name for each in path.parent.glob("*.replaced-*")] != []
