"""Exports that meet other people, missing capabilities and a killed client, on a real server."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from imnm_fhir.server import Connection, connect
from imnm_fhir.transfer.journal import STORED, read_journal
from servers.fhir_server import FhirServer
from tests.integration.small_delivery import SYSTEM, cohort, export, held, put, version, write


@pytest.fixture
def connection(fhir_server: str) -> Iterator[Connection]:
    with connect(fhir_server) as connection:
        yield connection


def test_a_dry_run_says_what_would_be_done_and_does_nothing(
    connection: Connection, tmp_path: Path
) -> None:
    resources = cohort("dry", 30)
    said = export(connection, tmp_path, resources, dry_run=True)
    assert said.counts == {
        "Organization": {"created": 1},
        "Patient": {"created": 5},
        "Observation": {"created": 30},
    }
    assert said.requests == 3 and not held(connection, "dry")
    export(connection, tmp_path, resources)
    resources[7]["status"] = "amended"
    said = export(connection, tmp_path, resources[:-1], dry_run=True, withdraw_missing=True)
    counts = {"updated": 1, "unchanged": 28, "removed": 1}
    assert said.counts["Observation"] == counts and said.missing == {}
    assert len(held(connection, "dry")) == 36


def test_what_somebody_else_changed_or_deleted_is_reported_and_left(
    connection: Connection, tmp_path: Path
) -> None:
    resources = cohort("foreign", 30)
    export(connection, tmp_path, resources)
    theirs = {**resources[10], "status": "entered-in-error"}
    put(connection, theirs)
    assert connection.request("DELETE", "Observation/foreign-o9").status == 200
    resources[10]["valueQuantity"]["value"] = 1000
    resources[15]["valueQuantity"]["value"] = 1000

    done = export(connection, tmp_path, resources)
    assert {(each.id, each.outcome) for each in done.failures} == {
        ("foreign-o4", "changed by others"),
        ("foreign-o9", "changed by others"),
    }
    assert not done.complete and done.of("updated") == {}
    found = held(connection, "foreign")
    assert found["Observation/foreign-o4"]["status"] == "entered-in-error"
    assert "Observation/foreign-o9" not in found

    done = export(connection, tmp_path, resources, overwrite=True)
    assert done.complete
    found = held(connection, "foreign")
    assert found["Observation/foreign-o4"]["valueQuantity"]["value"] == 1000
    assert "Observation/foreign-o9" in found
    assert version(connection, "Observation/foreign-o4") == "3"


def test_a_fresh_journal_compares_with_what_is_there(
    connection: Connection, tmp_path: Path
) -> None:
    resources = cohort("fresh", 40)
    for name in "ab":
        (tmp_path / name).mkdir()
    export(connection, tmp_path / "a", resources)
    resources[20]["valueQuantity"]["value"] = 1000
    done = export(connection, tmp_path / "b", resources)
    assert done.of("unchanged")["Observation"] == 39
    assert [each.outcome for each in done.failures] == ["changed by others"]
    assert {each["meta"]["versionId"] for each in held(connection, "fresh").values()} == {"1"}


def test_a_patient_who_is_taken_out_is_listed_and_removed_on_demand(
    connection: Connection, tmp_path: Path
) -> None:
    resources = cohort("taken-out", 20)
    export(connection, tmp_path, resources)
    rest = [each for each in resources if "taken-out-p1" not in json.dumps(each)]
    done = export(connection, tmp_path, rest)
    assert done.missing == {"Observation": 4, "Patient": 1} and done.complete
    assert "taken out: 1 patient" in "\n".join(done.lines())
    assert len(held(connection, "taken-out")) == 26
    done = export(connection, tmp_path, rest, withdraw_missing=True)
    assert done.of("removed") == {"Observation": 4, "Patient": 1} and done.missing == {}
    assert len(held(connection, "taken-out")) == 21
    assert export(connection, tmp_path, rest).missing == {}
    assert export(connection, tmp_path, resources).total("created") == 5


def test_all_or_nothing(connection: Connection, tmp_path: Path) -> None:
    resources = cohort("whole", 12)
    resources[10]["effectiveDateTime"] = "1931-13-45"
    done = export(connection, tmp_path, resources, all_or_nothing=True)
    assert [each.id for each in done.failures] == ["whole-o4"]
    assert done.failures[0].expression == "Observation.effectiveDateTime"
    assert done.total("not sent") == 17 and "1931" not in repr(done)
    assert not held(connection, "whole")
    del resources[10]["effectiveDateTime"]
    done = export(connection, tmp_path, resources, all_or_nothing=True)
    assert done.complete and done.requests == 1
    assert len(held(connection, "whole")) == 18


def test_a_server_that_gives_ids_itself(
    start_hapi: Callable[..., FhirServer], tmp_path: Path
) -> None:
    server = start_hapi(client_ids="NOT_ALLOWED")
    resources = cohort("named", 30)
    with connect(server.url) as connection:
        done = export(connection, tmp_path, resources)
        assert done.complete and done.total("created") == 36
        found = held(connection, "named")
        people = {place for place in found if place.startswith("Patient/")}
        assert len(found) == 36 and "Patient/named-p0" not in people
        subjects = {each["subject"]["reference"] for each in found.values() if "subject" in each}
        assert subjects == people
        assert export(connection, tmp_path, resources).requests == 0
        resources[9]["status"] = "amended"
        assert export(connection, tmp_path, resources).of("updated") == {"Observation": 1}
        found = held(connection, "named")
        versions = sorted(each["meta"]["versionId"] for each in found.values())
        assert versions == ["1"] * 35 + ["2"]


@pytest.mark.parametrize("stored", [1, 40, 90, 200])
def test_killed_at_any_point_the_same_command_completes(
    connection: Connection, fhir_server: str, tmp_path: Path, stored: int
) -> None:
    site = f"killed-{stored}"
    resources = cohort(site, 300)
    files = write(tmp_path / "ndjson", resources)
    code = f"""
from pathlib import Path
from imnm_fhir.server import connect
from imnm_fhir.transfer import Choices, transfer
files = {{name: Path(path) for name, path in {json.dumps({k: str(v) for k, v in files.items()})}.items()}}
with connect({fhir_server!r}) as connection:
    transfer(connection, files, Path({str(tmp_path / "cohort")!r}), Choices(bundle_size=15),
             tags=[({SYSTEM!r}, {site!r})])
"""
    with subprocess.Popen([sys.executable, "-c", code]) as process:
        while process.poll() is None and _stored(tmp_path / "cohort", fhir_server) < stored:
            time.sleep(0.01)
        process.kill()
    assert process.returncode == -signal.SIGKILL
    done = export(connection, tmp_path, resources, bundle_size=15)
    assert done.complete
    found = held(connection, site)
    assert len(found) == 306
    assert {each["meta"]["versionId"] for each in found.values()} == {"1"}


def _stored(cohort: Path, url: str) -> int:
    with read_journal(cohort, url) as journal:
        counts = journal.counts() if journal else {}
    return sum(number for (_, state), number in counts.items() if state == STORED)
