"""Importing from a real server: every way gives the same cohort, and changes are followed."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from imnm_fhir.cohort import read_cohort
from imnm_fhir.compare import compare
from imnm_fhir.errors import ServerError
from imnm_fhir.fhir import write_ndjson
from imnm_fhir.flow import FromServer, Imported, harmonise_files, import_fhir
from imnm_fhir.terminology import load_project
from tests.acceptance.canaries import MAPPING

ROWS = ["Patient,Sex,Birth,CK,Onset,Comorbidity"] + [
    f"T-{n},{'wm'[n % 2]},19{n + 40}-07-1{n},{n}00.50,2019-0{n + 1}-09,illness {n}"
    for n in range(5)
]
Resource = dict[str, Any]


def make(folder: Path, site: str) -> tuple[Path, list[Resource]]:
    """A cohort of five patients of the site, and its resources."""
    mapping = folder / "site.toml"
    mapping.write_text(MAPPING.replace("teststadt", site), "utf-8")
    (folder / "patients.csv").write_text("\n".join(ROWS) + "\n", "utf-8")
    harmonise_files([folder / "patients.csv"], str(mapping), folder / "cohort")
    write_ndjson(folder / "cohort", folder / "fhir")
    resources = [
        json.loads(line)
        for path in (folder / "fhir").glob("*.ndjson")
        for line in path.read_text("utf-8").splitlines()
    ]
    return folder / "cohort", resources


def send(url: str, entries: list[Resource]) -> list[Resource]:
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    answer = requests.post(url, json=bundle, timeout=60)
    assert answer.status_code == 200, answer.text
    entries = answer.json()["entry"]
    return entries


def put(url: str, *resources: Resource) -> None:
    send(url, [
        {"resource": each, "request": {"method": "PUT", "url": f"{each['resourceType']}/{each['id']}"}}
        for each in resources
    ])  # fmt: skip


def site_tag(site: str) -> str:
    return f"{load_project().base}/site|{site}"


@pytest.fixture
def importing(fhir_server: str, tmp_path: Path) -> Callable[..., Imported]:
    def importing(site: str, **chosen: Any) -> Imported:
        choice = FromServer(tag=site_tag(site), page_size=7, poll=2, **chosen)
        return import_fhir(fhir_server, tmp_path / "back", chosen=choice)

    return importing


@pytest.mark.parametrize("method", [None, "search", "everything", "bulk"])
def test_each_way_gives_the_same_cohort(
    method: str | None, fhir_server: str, importing: Callable[..., Imported], tmp_path: Path
) -> None:
    cohort, resources = make(tmp_path, "import-ways")
    put(fhir_server, *resources)
    imported = importing("import-ways", method=method)
    assert imported.issues == []
    assert compare(read_cohort(cohort), read_cohort(tmp_path / "back")) == []
    assert not (tmp_path / "back.import").exists()


def test_changes_are_followed(
    fhir_server: str, importing: Callable[..., Imported], tmp_path: Path
) -> None:
    cohort, resources = make(tmp_path, "import-changes")
    put(fhir_server, *resources)
    importing("import-changes", since="last")
    changed = next(each for each in resources if "valueQuantity" in each)
    changed["valueQuantity"]["value"] = 77
    put(fhir_server, changed)
    gone = next(each for each in resources if each["resourceType"] == "Condition")
    requests.delete(f"{fhir_server}/Condition/{gone['id']}", timeout=60).raise_for_status()
    imported = importing("import-changes", since="last")
    assert "read changes (since" in imported.notes[0]
    assert "1 Condition are not at the server any more, and left" in imported.notes
    found = [each.line() for each in compare(read_cohort(cohort), read_cohort(tmp_path / "back"))]
    assert len(found) == 2 and any("only in the first" in line for line in found)
    importing("import-changes")  # all of it again: the same
    again = [each.line() for each in compare(read_cohort(cohort), read_cohort(tmp_path / "back"))]
    assert again == found


@pytest.mark.parametrize("method", ["everything", "bulk"])
def test_members_of_a_group(
    method: str, fhir_server: str, importing: Callable[..., Imported], tmp_path: Path
) -> None:
    _, resources = make(tmp_path, "import-group")
    put(fhir_server, *resources)
    patients = [each["id"] for each in resources if each["resourceType"] == "Patient"]
    members = [{"entity": {"reference": f"Patient/{ident}"}} for ident in patients[:2]]
    group = {
        "resourceType": "Group", "id": "import-group", "type": "person", "actual": True, "member": members,
    }  # fmt: skip
    put(fhir_server, group)
    imported = importing("import-group", method=method, group="import-group")
    assert imported.rows["patients"] == 2
    assert imported.rows["conditions"] == 4


def test_ids_that_the_server_gave_change_nothing(
    fhir_server: str, importing: Callable[..., Imported], tmp_path: Path
) -> None:
    """References lead to the server's ids; the business identifier holds the key."""
    cohort, resources = make(tmp_path, "import-posted")
    text = json.dumps(resources)
    for each in resources:
        text = text.replace(f"{each['resourceType']}/{each['id']}", f"urn:uuid:{_uuid(each['id'])}")
    entries = [
        {
            "fullUrl": f"urn:uuid:{_uuid(each['id'])}",
            "resource": {key: value for key, value in each.items() if key != "id"},
            "request": {"method": "POST", "url": each["resourceType"]},
        }
        for each in json.loads(text)
    ]
    send(fhir_server, entries)
    imported = importing("import-posted")
    assert imported.issues == []
    assert compare(read_cohort(cohort), read_cohort(tmp_path / "back")) == []


def _uuid(ident: str) -> str:
    digits = ident[1:]
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def test_what_is_not_there_leaves_the_old_cohort(
    fhir_server: str, importing: Callable[..., Imported], tmp_path: Path
) -> None:
    cohort, resources = make(tmp_path, "import-old")
    put(fhir_server, *resources)
    importing("import-old")
    with pytest.raises(ServerError, match="reading the Group: answered 404"):
        importing("import-old", group="nobody")
    assert compare(read_cohort(cohort), read_cohort(tmp_path / "back")) == []
