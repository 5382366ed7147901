"""A patient withdrawn from server and disk: absent everywhere, and not brought back."""

import gzip
import json
import logging
from pathlib import Path

import pytest
from click.testing import CliRunner

from imnm_fhir.cli.main import imnm_fhir as command_line
from imnm_fhir.cohort import read_cohort, read_manifest, write_cohort
from imnm_fhir.flow import export, pass_gate, verify, withdraw
from imnm_fhir.report import write_report
from imnm_fhir.server import connect
from imnm_fhir.validation import validate_folder
from imnm_fhir.withdrawal import find_traces, parse_person
from tests.unit.small_cohort import cohort, observation, person

CANARY = "CANARY-77"
VALUE = "7077.77"


@pytest.fixture
def build(fhir_server: str, tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A cohort with a report, exports of every form, a journal; one patient is the canary."""
    site = f"withdrawn{len(request.node.name)}"
    value = observation(CANARY, "ck", time_point="month_6", value_number=VALUE, unit="U/L")
    made = cohort(person("P1"), person(CANARY), person("P3"), value, name=site)
    folder = tmp_path / "build" / "cohort"
    write_cohort(made, folder)
    validation = validate_folder(folder)
    write_report(validation, read_cohort(folder), tmp_path / "build" / "report")
    export([folder], str(tmp_path / "build" / "ndjson"))
    export([folder], str(tmp_path / "build" / "bundle.json"))
    packed = (tmp_path / "build" / "ndjson" / "Observation.ndjson").read_bytes()
    (tmp_path / "build" / "sent.ndjson.gz").write_bytes(gzip.compress(packed))
    assert not export([folder], fhir_server).failures
    verify(folder, fhir_server, certificate=tmp_path / "build" / "certificate.json")
    return tmp_path / "build"


def site_of(build: Path) -> str:
    (site,) = read_manifest(build / "cohort")["sites"]
    return str(site)


def test_a_withdrawn_patient_is_absent_everywhere_and_does_not_come_back(
    build: Path, fhir_server: str, caplog: pytest.LogCaptureFixture
) -> None:
    who = parse_person(f"{site_of(build)}/{CANARY}")
    before = read_cohort(build / "cohort")
    ids = [
        row["id"]
        for table in before.tables.values()
        for row in table.to_pylist()
        if row["patient"] == CANARY
    ]
    said: list[str] = []
    done = withdraw(f"{who.site}/{who.patient}", [build], [fhir_server], say=said.append)
    assert done.is_complete, (done, said)
    assert any("old versions are expunged too" in line for line in said), said
    assert find_traces([build], who.pattern(ids)) == []
    assert VALUE not in "".join(
        path.read_text("utf-8", "replace") for path in build.rglob("*") if path.is_file()
    )
    with connect(fhir_server) as connection:
        for kind in ("Observation", "Patient", "Condition"):
            search = "_id" if kind == "Patient" else "subject"
            answer = connection.request("GET", f"{kind}?{search}={who.id}&_summary=count").json()
            assert isinstance(answer, dict) and answer["total"] == 0
        assert connection.request("GET", f"Patient/{who.id}").status == 404
        assert connection.request("GET", f"Patient/{who.id}/_history").status == 404

    manifest = read_manifest(build / "cohort")
    assert manifest["redactions"]["patients"] == 1 and manifest["validation"]["redacted"] == 1
    assert pass_gate(build / "cohort").people.num_rows == 2  # the validation still holds
    verified = verify(build / "cohort", fhir_server)
    assert verified.verification.holds

    write_cohort(before, build / "old")  # the next delivery has the patient again
    validate_folder(build / "old")
    with caplog.at_level(logging.WARNING, logger="imnm_fhir"):
        assert pass_gate(build / "old").people.num_rows == 2
    assert f"{who.site}: 1 withdrawn, left out" in caplog.text
    assert CANARY not in caplog.text


def test_withdrawing_twice_is_the_same_and_a_server_that_is_gone_stops_no_file(
    build: Path,
) -> None:
    who = f"{site_of(build)}/{CANARY}"
    gone = "http://127.0.0.1:9/fhir"
    first = withdraw(who, [build], [gone])
    assert len(first.server_problems) == 1 and not first.is_complete
    assert (first.changed > 4, first.traces, first.problems) == (True, [], [])
    again = withdraw(who, [build])
    assert (again.changed, again.is_complete) == (0, True)


def test_a_damaged_journal_does_not_keep_the_patient(build: Path, fhir_server: str) -> None:
    journals = list(build.rglob("*.sqlite"))
    assert journals
    for journal in journals:
        journal.write_bytes(b"SQLite format 3\0" + CANARY.encode() * 50)
    done = withdraw(f"{site_of(build)}/{CANARY}", [build], [fhir_server])
    assert done.is_complete and not any(journal.exists() for journal in journals)


def test_a_file_of_the_site_is_named_and_left_alone(build: Path) -> None:
    source = build / "patients.csv"
    source.write_text(f"NHC;CK\n{CANARY};100\n", "utf-8")
    run = CliRunner().invoke(
        command_line, ["withdraw", str(build), "--patient", f"{site_of(build)}/{CANARY}"]
    )
    assert run.exit_code == 1 and f"still names the patient: {source}" in run.output
    assert source.read_text("utf-8").count(CANARY) == 1
    assert CANARY not in run.output.replace(str(source), "")


def test_what_another_system_wrote_holds_the_patient_until_cascade(
    build: Path, fhir_server: str
) -> None:
    who = parse_person(f"{site_of(build)}/{CANARY}")
    note = {
        "resourceType": "Communication", "id": f"note-{who.site}", "status": "completed",
        "subject": {"reference": f"Patient/{who.id}"},
    }  # fmt: skip
    with connect(fhir_server) as connection:
        body = json.dumps(note).encode()
        assert connection.request("PUT", f"Communication/{note['id']}", body=body).status == 201
    said: list[str] = []
    first = withdraw(f"{who.site}/{who.patient}", [build], [fhir_server], say=said.append)
    assert not first.is_complete
    assert f"Communication/{note['id']} stays: another system wrote it" in "".join(said)
    second = withdraw(f"{who.site}/{who.patient}", [build], [fhir_server], cascade=True)
    assert second.is_complete, second
    with connect(fhir_server) as connection:
        assert connection.request("GET", f"Communication/{note['id']}").status in (404, 410)
