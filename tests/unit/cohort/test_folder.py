"""A cohort's folder when things go wrong: what was there stays, nothing half-written remains."""

import os
import threading
from pathlib import Path

import pytest

from imnm_fhir.cohort import Cohort, read_cohort, read_manifest, write_cohort, write_manifest
from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.harmonise import harmonise_tables
from imnm_fhir.written import alone_in, replace_atomically
from tests.unit.small_site import CK, SEX, patients, rows, site


def cohort_with(value: str) -> Cohort:
    return harmonise_tables([patients({"CPK": [value]})], site(SEX + CK))


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def fail_at_issues(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Let the writing of the last table end in `error`."""

    def failing(issues: object) -> object:
        raise error

    monkeypatch.setattr("imnm_fhir.cohort.folder._issue_table", failing)


@pytest.mark.parametrize("error", [ImnmFhirError("the disk is full"), KeyboardInterrupt()])
def test_a_first_writing_that_fails_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        fail_at_issues(patch, error)
        with pytest.raises(type(error)):
            write_cohort(cohort_with("5"), out)
    assert not out.exists()
    write_cohort(cohort_with("5"), out)
    assert rows(read_cohort(out), "observations")[0]["value_number"] == "5"


def test_a_later_writing_that_fails_leaves_the_old_cohort(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_cohort(cohort_with("5"), tmp_path)
    before = files(tmp_path)
    fail_at_issues(monkeypatch, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        write_cohort(cohort_with("6"), tmp_path)
    assert files(tmp_path) == before
    assert rows(read_cohort(tmp_path), "observations")[0]["value_number"] == "5"


def test_a_writing_that_was_killed_does_not_block_the_next(tmp_path: Path) -> None:
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "patients.636f3f3fec663fab.parquet").write_bytes(b"x")
    (tmp_path / "tables" / ".observations.0a1b2c3d.part").write_bytes(b"x")
    write_cohort(cohort_with("5"), tmp_path)
    assert len(files(tmp_path)) == 9  # manifest, folder, five tables, issues, cells


def test_a_folder_with_files_of_others_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "mine.parquet").write_bytes(b"x")
    with pytest.raises(ImnmFhirError, match="holds no cohort"):
        write_cohort(cohort_with("5"), tmp_path)
    assert files(tmp_path) == ["tables", "tables/mine.parquet"]


def test_two_that_write_at_once_never_leave_a_broken_cohort(tmp_path: Path) -> None:
    both = [cohort_with("5"), cohort_with("6")]
    refused: list[str] = []

    def write(cohort: Cohort) -> None:
        try:
            write_cohort(cohort, tmp_path)
        except ImnmFhirError as error:
            refused.append(str(error))

    for _ in range(5):
        threads = [threading.Thread(target=write, args=(each,)) for each in both]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        assert rows(read_cohort(tmp_path), "observations")[0]["value_number"] in ("5", "6")
    assert all("another imnm-fhir is writing here" in each for each in refused)


@pytest.mark.parametrize("twice", [write_cohort, lambda cohort, folder: write_manifest({}, folder)])
def test_a_folder_that_another_one_holds_is_not_written(tmp_path: Path, twice: object) -> None:
    write_cohort(cohort_with("5"), tmp_path)
    with alone_in(tmp_path), pytest.raises(ImnmFhirError, match="another imnm-fhir is writing"):
        twice(cohort_with("6"), tmp_path)  # type: ignore[operator]


def test_a_validation_of_tables_that_were_replaced_is_not_written(tmp_path: Path) -> None:
    write_cohort(cohort_with("5"), tmp_path)
    old = read_manifest(tmp_path)
    write_cohort(cohort_with("6"), tmp_path)
    with pytest.raises(ImnmFhirError, match="written anew meanwhile"):
        write_manifest({**old, "validation": {"passed": True}}, tmp_path)
    assert read_cohort(tmp_path).manifest["validation"] is None


def test_a_disk_that_lets_nothing_be_written_is_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "unlink", refuse)
    monkeypatch.setattr(os, "replace", refuse)
    with (
        pytest.raises(ImnmFhirError, match="cannot be written"),
        replace_atomically(tmp_path / "x") as path,
    ):
        path.write_text("x")
