"""Tombstones: who was withdrawn, unreadable without the key, and never silently ignored."""

import json
import stat
from pathlib import Path

import pytest

from imnm_fhir.errors import ImnmFhirError, UsageError
from imnm_fhir.flow import harmonise_files
from imnm_fhir.flow.withdrawn import leave_out_withdrawn
from imnm_fhir.pseudonyms import KEY as SECRET
from imnm_fhir.pseudonyms import pseudonym
from imnm_fhir.withdrawal.tombstones import (
    FILE,
    KEY,
    KEY_FILE,
    bury,
    read_tombstones,
    tell_apart,
    tombstones_beside,
)
from tests.unit.small_cohort import cohort, person
from tests.unit.small_site import SEX, site_text

ENVIRON: dict[str, str] = {}


def test_a_buried_patient_is_known_and_nobody_else(tmp_path: Path) -> None:
    path = tmp_path / FILE
    assert read_tombstones(path, ENVIRON) is None
    assert bury(path, "madrid", "P1", ENVIRON) and not bury(path, "madrid", "P1", ENVIRON)
    found = read_tombstones(path, ENVIRON)
    assert found is not None
    assert [found.has(*who) for who in (("madrid", "P1"), ("madrid", "P10"), ("lyon", "P1"))] == [
        True, False, False,
    ]  # fmt: skip
    assert "P1" not in path.read_text("utf-8") and "madrid" not in path.read_text("utf-8")


def test_the_key_is_its_owners_alone(tmp_path: Path) -> None:
    bury(tmp_path / FILE, "madrid", "P1", ENVIRON)
    key = tmp_path / KEY_FILE
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    key.chmod(0o644)
    with pytest.raises(ImnmFhirError, match="chmod 600"):
        read_tombstones(tmp_path / FILE, ENVIRON)


def test_without_its_key_or_with_another_nothing_goes_on(tmp_path: Path) -> None:
    bury(tmp_path / FILE, "madrid", "P1", {KEY: "k" * 40})
    with pytest.raises(ImnmFhirError, match="its key is missing"):
        read_tombstones(tmp_path / FILE, ENVIRON)
    with pytest.raises(ImnmFhirError, match="made with another key"):
        read_tombstones(tmp_path / FILE, {KEY: "other" * 10})
    with pytest.raises(ImnmFhirError, match="too short"):
        read_tombstones(tmp_path / FILE, {KEY: "short"})
    assert not (tmp_path / KEY_FILE).exists()


@pytest.mark.parametrize("content", ["", "{}", '{"format": "imnm-fhir withdrawn 1"}', "[1]"])
def test_a_damaged_file_stops(tmp_path: Path, content: str) -> None:
    (tmp_path / FILE).write_text(content, "utf-8")
    with pytest.raises(ImnmFhirError, match="take it from a backup"):
        read_tombstones(tmp_path / FILE, ENVIRON)


def test_a_later_delivery_is_read_without_the_patient_and_says_how_many(tmp_path: Path) -> None:
    bury(tombstones_beside(tmp_path / "cohort"), "madrid", "P2")
    kept = leave_out_withdrawn(cohort(person("P1"), person("P2")), tmp_path / "cohort")
    assert kept.tables["patients"]["patient"].to_pylist() == ["P1"]
    assert set(kept.tables["observations"]["patient"].to_pylist()) == {"P1"}
    assert kept.manifest["withdrawn"] == ["madrid: 1 withdrawn, left out"]


@pytest.mark.parametrize("other", ["p-1", "P\u20111 ", "P1", "\uff30-1"])
def test_another_spelling_of_a_withdrawn_patient_is_held_back(
    tmp_path: Path, other: str, caplog: pytest.LogCaptureFixture
) -> None:
    bury(tombstones_beside(tmp_path / "cohort"), "madrid", "P-1")
    kept = leave_out_withdrawn(cohort(person(other), person("P-11")), tmp_path / "cohort")
    assert kept.tables["patients"]["patient"].to_pylist() == ["P-11"]
    assert caplog.messages == kept.manifest["withdrawn"]
    assert "1 held back: spelt like a withdrawn patient" in caplog.text


def test_who_is_another_person_is_let_through(tmp_path: Path) -> None:
    path = tombstones_beside(tmp_path / "cohort")
    assert not tell_apart(path, "madrid", "p1")
    bury(path, "madrid", "P1")
    assert tell_apart(path, "madrid", "p1")
    kept = leave_out_withdrawn(cohort(person("p1"), person("P1")), tmp_path / "cohort")
    assert kept.tables["patients"]["patient"].to_pylist() == ["p1"]
    with pytest.raises(UsageError, match="this is the withdrawn patient"):
        tell_apart(path, "madrid", "P1")
    assert bury(path, "madrid", "p1")  # withdraws later: the note does not stand in the way
    assert (
        leave_out_withdrawn(cohort(person("p1")), tmp_path / "c").tables["patients"].num_rows == 0
    )


def test_older_tombstones_know_likely_spellings(tmp_path: Path) -> None:
    path = tmp_path / FILE
    bury(path, "madrid", "MAD-03")
    content = json.loads(path.read_text("utf-8"))
    del content["spellings"], content["others"]
    path.write_text(json.dumps(content), "utf-8")
    found = read_tombstones(path)
    assert found is not None
    assert found.is_like("madrid", "mad-03") and found.is_like("madrid", "MAD\u201303")
    assert not found.is_like("madrid", "MAD-04") and not found.is_like("lyon", "mad-03")


KEYED = site_text(SEX).replace('"pseudonym"', '"record-number"').replace('"keep"', '"hmac"')


@pytest.mark.parametrize(
    ("mapping", "withdrawn", "cells"),
    [(site_text(SEX), "MAD-03", ("mad-03", "MAD-04")), (KEYED, "00123", ("123", "124"))],
)
def test_the_row_of_another_spelling_is_refused_and_named_by_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mapping: str, withdrawn: str,
    cells: tuple[str, str],
) -> None:  # fmt: skip
    monkeypatch.setenv(SECRET, "0123456789abcdef" * 3)
    keyed = pseudonym(withdrawn, b"0123456789abcdef" * 3) if mapping == KEYED else withdrawn
    bury(tombstones_beside(tmp_path / "c"), "here", keyed)
    (tmp_path / "site.toml").write_text(mapping, "utf-8")
    (tmp_path / "site.csv").write_text(f"ID;Sexo\n{cells[0]};M\n{cells[1]};V\n", "utf-8")
    made = harmonise_files([tmp_path / "site.csv"], str(tmp_path / "site.toml"), tmp_path / "c")
    assert made.tables["patients"]["sex"].to_pylist() == ["male"]
    (issue,) = made.issues
    assert (issue.rule, issue.row, issue.kind) == ("like-withdrawn", 2, "impossible")
    assert cells[0] not in str(issue)
