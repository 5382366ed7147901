"""Cohort to FHIR and back is identical, by every writer and reader, and all of them agree."""

import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from imnm_fhir.cohort import Cohort, read_cohort
from imnm_fhir.compare import compare
from imnm_fhir.dictionary import TABLES, load_dictionary
from imnm_fhir.fhir import (
    as_model,
    check_conformance,
    from_fhir,
    import_files,
    read_cohort_from_files,
    read_json,
    to_fhir,
    write_bundle,
    write_json,
    write_ndjson,
)
from imnm_fhir.shapes import fill, match
from imnm_fhir.shapes.tree import load_shapes
from tests.roundtrip.sample_rows import every_cohort
from tests.roundtrip.strategies import cohorts

OTHER_BLANKS = re.compile("[\u00a0\u2028]")
# A cohort holds many rows, so a few examples go a long way; each runs seven readers and two writers.
# A failing one is not made smaller: that would take hours.
few = settings(
    max_examples=8,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[
        HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture,
        HealthCheck.large_base_example,
    ],
)  # fmt: skip


def rows_of(cohort: Cohort) -> Iterator[tuple[str, dict[str, Any]]]:
    for name in TABLES:
        for row in cohort.tables[name].to_pylist():
            yield name, row


def check_reference(cohort: Cohort) -> None:
    """`match` reads what `fill` writes, through text, and `fhir.resources` accepts it."""
    for table, row in rows_of(cohort):
        resource = fill(table, row)
        if not OTHER_BLANKS.search(
            write_json(resource).decode()
        ):  # fhir.resources knows none of them
            as_model(resource)
        reading = match(read_json(write_json(resource)))
        assert (reading.refused, reading.unread) == (None, ())
        found = {
            name: reading.row.get(name) for name in load_dictionary().tables[table].data_columns
        }
        assert found == {name: row[name] for name in found}


def check_writers(cohort: Cohort, folder: Path) -> None:
    """The compiled writer gives the bytes of the reference, in the order of the key."""
    manifest = write_ndjson(cohort, folder)
    written = [
        line
        for shape in load_shapes().values()
        for line in _lines(folder / f"{shape.resource}.ndjson")
    ]
    assert sorted(written) == sorted(write_json(each) for each in to_fhir(cohort))
    assert len(written) == sum(about["resources"] for about in manifest["files"].values())


def _lines(path: Path) -> list[bytes]:
    return path.read_bytes().split(b"\n")[:-1] if path.exists() else []


def check_readers(cohort: Cohort, folder: Path) -> None:
    """Every way back gives the same cohort, with nothing to remark."""
    for name, found in _read_all_ways(cohort, folder):
        assert [each.line() for each in compare(cohort, found)] == [], name
        assert found.issues == (), name
        assert found.manifest["sites"].keys() == cohort.manifest["sites"].keys()


def _read_all_ways(cohort: Cohort, folder: Path) -> Iterator[tuple[str, Cohort]]:
    yield "objects", from_fhir(to_fhir(cohort))
    yield "own folder", read_cohort_from_files(folder)
    import_files(folder, folder.parent / "imported")
    yield "own folder on disk", read_cohort(folder.parent / "imported")
    (folder / "manifest.json").unlink()
    yield "lines that are ours", read_cohort_from_files(folder)
    import_files(folder, folder.parent / "imported")
    yield "lines that are ours, on disk", read_cohort(folder.parent / "imported")
    write_bundle(to_fhir(cohort), folder.parent / "bundle.json")
    yield "bundle", read_cohort_from_files(folder.parent / "bundle.json")
    for path in list(folder.iterdir()):
        turned = [_turned(line) for line in _lines(path)]
        (folder / f"{path.name}.gz").write_bytes(gzip.compress(b"\n".join(turned)))
        path.unlink()
    yield "lines with other orders of keys, packed", read_cohort_from_files(folder)


def _turned(line: bytes) -> bytes:
    """The same resource with its keys in another order and all beyond ASCII escaped."""
    text = write_json(_sorted(read_json(line))).decode()
    return re.sub(r"[^\x00-\x7f]", lambda found: json.dumps(found[0])[1:-1], text).encode()


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(each) for each in value] if isinstance(value, list) else value


def test_every_element_and_variant_by_every_way(tmp_path: Path) -> None:
    cohort = every_cohort()
    assert check_conformance(cohort) == []
    check_reference(cohort)
    check_writers(cohort, tmp_path / "fhir")
    check_readers(cohort, tmp_path / "fhir")


@given(cohorts())
@few
def test_any_cohort_by_every_way(tmp_path_factory: pytest.TempPathFactory, cohort: Cohort) -> None:
    folder = tmp_path_factory.mktemp("cohort") / "fhir"
    assert check_conformance(cohort) == []
    check_reference(cohort)
    check_writers(cohort, folder)
    check_readers(cohort, folder)
