"""An export of ours from which something was taken is never read as if it were whole."""

import json
from pathlib import Path

import pytest

from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.fhir import import_files, write_ndjson
from imnm_fhir.fhir.reading.own_export import trusted_manifest
from imnm_fhir.withdrawal.fhir_files import redact_ndjson_folder
from imnm_fhir.withdrawal.person import Person
from imnm_fhir.written import file_hash
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


def test_an_edit_with_its_new_hash_is_read_leaf_by_leaf(export: Path, tmp_path: Path) -> None:
    assert trusted_manifest(export)
    path, manifest = export / "Observation.ndjson", export / "manifest.json"
    first, *others = path.read_bytes().splitlines(keepends=True)
    marked = first.replace(b'"status":', b'"modifierExtension":[{"url":"x"}],"status":', 1)
    path.write_bytes(b"".join([marked, *others]))
    said = json.loads(manifest.read_text("utf-8"))
    said["files"][path.name]["sha256"] = file_hash(path)
    manifest.write_text(json.dumps(said), "utf-8")
    assert trusted_manifest(export) is None
    assert import_files(export, tmp_path / "back")["imported"]["refused"] == 1


@pytest.mark.parametrize("edited", [False, True])
def test_a_redaction_seals_what_was_sealed(export: Path, edited: bool) -> None:
    row = every_cohort().tables["patients"].slice(0, 1).to_pylist()[0]
    if edited:
        path = export / "Condition.ndjson"
        path.write_bytes(path.read_bytes() + b"\n")
    person = Person(row["site"], row["patient"])
    assert redact_ndjson_folder(export, person)
    assert (trusted_manifest(export) is None) == edited


@pytest.mark.parametrize("files", [None, [1], {"Patient.ndjson": "x"}, {"Patient.ndjson": {}}])
def test_a_damaged_manifest_is_told(export: Path, tmp_path: Path, files: object) -> None:
    path = export / "manifest.json"
    said = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps({**said, "files": files}), "utf-8")
    with pytest.raises(ImnmFhirError, match=r"manifest\.json: is damaged"):
        import_files(export, tmp_path / "back")
