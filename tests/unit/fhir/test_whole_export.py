"""An export of ours from which something was taken is never read as if it were whole."""

from pathlib import Path

import pytest

from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.fhir import import_files, write_ndjson
from tests.roundtrip.sample_rows import every_cohort


@pytest.fixture
def export(tmp_path: Path) -> Path:
    write_ndjson(every_cohort(), tmp_path / "ndjson")
    return tmp_path / "ndjson"


def test_a_missing_file_stops(export: Path, tmp_path: Path) -> None:
    (export / "Condition.ndjson").unlink()
    with pytest.raises(ImnmFhirError, match=r"Condition\.ndjson: changed, removed or added"):
        import_files(export, tmp_path / "back")
    assert not (tmp_path / "back" / "manifest.json").exists()


def test_a_missing_line_stops_and_is_listed_when_going_on(export: Path, tmp_path: Path) -> None:
    path = export / "Observation.ndjson"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[1:]))
    with pytest.raises(ImnmFhirError, match="--keep-going"):
        import_files(export, tmp_path / "back")
    import_files(export, tmp_path / "back", keep_going=True)
    from imnm_fhir.cohort import read_cohort

    assert "export-changed" in {issue.rule for issue in read_cohort(tmp_path / "back").issues}


def test_one_page_of_a_search_is_not_the_whole(tmp_path: Path) -> None:
    page = '{"resourceType": "Bundle", "link": [{"relation": "next", "url": "x"}], "entry": []}'
    (tmp_path / "page.json").write_text(page, "utf-8")
    with pytest.raises(ImnmFhirError, match="one page of several"):
        import_files(tmp_path / "page.json", tmp_path / "back")


def test_a_bundle_without_resources_is_no_import(tmp_path: Path) -> None:
    (tmp_path / "empty.json").write_text('{"resourceType": "Bundle"}', "utf-8")
    with pytest.raises(ImnmFhirError, match="holds no resource"):
        import_files(tmp_path / "empty.json", tmp_path / "back")
