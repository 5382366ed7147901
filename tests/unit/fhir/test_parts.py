"""Rows are placed part by part in little memory; what comes out is what one part would give."""

import json
import random
from collections.abc import Collection
from pathlib import Path
from typing import Any

import duckdb
import pytest

from imnm_fhir import engine
from imnm_fhir.cohort import Cohort, read_cohort
from imnm_fhir.dictionary import TABLES, load_dictionary
from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.fhir import import_files, read_cohort_from_files, to_fhir, write_json
from imnm_fhir.fhir.reading import assembly, imports, parts
from imnm_fhir.fhir.reading.finished import write_cohort_folder
from tests.unit.small_cohort import cohort, person

# Names whose order differs by language or case, and that SQL must not trip over.
NAMES = ["a", "A", "b", "É", "z", "O'Brien", 'x"y', "ñ\U0001f9ec", "\ue000", "10", "9", "a b", "ß"]


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    """Facts of many patients, shuffled: a twin, one that says something else, one of nobody, a denial."""
    resources = [json.loads(write_json(each)) for each in to_fhir(_cohort())]
    facts = [each for each in resources if each["resourceType"] == "Observation"]
    other = facts[1] | {"effectiveDateTime": "2019-05-05"}
    nobody = facts[2] | {"id": "nobody", "subject": {"reference": "Patient/unknown"}}
    listed = [*resources, facts[0], other, nobody]
    random.Random(1).shuffle(listed)
    folder = tmp_path / "lines"
    folder.mkdir()
    (folder / "all.ndjson").write_bytes(b"".join(write_json(each) + b"\n" for each in listed))
    return folder


def _cohort() -> Cohort:
    return cohort(*(person(name) for name in NAMES))


@pytest.fixture
def dealt(monkeypatch: pytest.MonkeyPatch) -> list[Collection[int]]:
    """The parts of each table that is placed."""
    found: list[Collection[int]] = []

    def noted(*given: Any) -> dict[int, Path]:
        files = parts.write_parts(*given)
        found.append(files.keys())
        return files

    monkeypatch.setattr(assembly, "write_parts", noted)
    return found


def test_parts_give_what_one_part_gives(
    lines: Path, dealt: list[Collection[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = read_cohort_from_files(lines)
    assert max(map(len, dealt)) == 1
    monkeypatch.setattr(parts, "ROWS", 7)
    by_parts = read_cohort_from_files(lines)
    assert max(map(len, dealt)) > 4
    for table in TABLES:
        assert by_parts.tables[table].equals(whole.tables[table])
    assert by_parts.manifest["imported"] == whole.manifest["imported"]
    assert by_parts.issues == whole.issues
    assert whole.manifest["imported"]["repeated"] == 1
    assert whole.manifest["imported"]["refused"] == 3  # both of one key, and the one of nobody


def test_tables_are_in_the_order_of_their_key(
    lines: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "ROWS", 7)
    import_files(lines, tmp_path / "back")
    for table, rows in read_cohort(tmp_path / "back").tables.items():
        names = [row["patient"].encode() for row in rows.to_pylist()]
        assert names == sorted(names), table
        keys = load_dictionary().tables[table].key
        assert rows.equals(rows.sort_by([(key, "ascending") for key in keys]))


def test_a_step_that_runs_out_of_memory_is_done_again_with_more(
    lines: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = []

    def too_much_at_first(opened: duckdb.DuckDBPyConnection, *given: Any) -> Any:
        limits.append(opened.execute("select current_setting('memory_limit')").fetchall())
        if len(limits) == 1:
            raise duckdb.OutOfMemoryException("no more")
        return write_cohort_folder(opened, *given)

    import_files(lines, tmp_path / "plain")
    monkeypatch.setattr(imports, "write_cohort_folder", too_much_at_first)
    import_files(lines, tmp_path / "again")
    assert len(limits) == 2 and limits[0] != limits[1]
    plain, again = read_cohort(tmp_path / "plain"), read_cohort(tmp_path / "again")
    assert again.manifest["tables"] == plain.manifest["tables"]
    assert again.manifest["imported"] == plain.manifest["imported"]
    assert again.issues == plain.issues


def test_too_little_memory_is_said_and_leaves_what_was_there(
    lines: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_files(lines, tmp_path / "back")
    there = read_cohort(tmp_path / "back").manifest
    monkeypatch.setattr(imports, "MEMORY", "1MB")
    monkeypatch.setattr(engine, "MORE", "1MB")
    with pytest.raises(ImnmFhirError, match="more than 1MB of memory"):
        import_files(lines, tmp_path / "back")
    assert read_cohort(tmp_path / "back").manifest == there
