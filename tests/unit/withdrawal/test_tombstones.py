"""Tombstones: who was withdrawn, unreadable without the key, and never silently ignored."""

import stat
from pathlib import Path

import pytest

from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.flow.withdrawn import leave_out_withdrawn
from imnm_fhir.withdrawal.tombstones import (
    FILE,
    KEY,
    KEY_FILE,
    bury,
    read_tombstones,
    tombstones_beside,
)
from tests.unit.small_cohort import cohort, person

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
