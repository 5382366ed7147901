"""A manifest that somebody edited, and tables that belong elsewhere: one line, never a traceback."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from imnm_fhir.cohort import MANIFEST, read_cohort, read_people, write_cohort
from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.harmonise import harmonise_tables
from tests.unit.small_site import CK, SEX, patients, site

SITE = ("sites", "here")
PATIENTS = ("tables", "patients")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_cohort(harmonise_tables([patients({"CPK": ["5"]})], site(SEX + CK)), tmp_path)
    return tmp_path


def edit(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
    change(manifest)
    (folder / MANIFEST).write_text(json.dumps(manifest), "utf-8")


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        (("tables",), None, "tables"),
        (("tables",), [], "tables"),
        (PATIENTS, None, "tables.patients"),
        (PATIENTS, "tables/x.parquet", "tables.patients"),
        ((*PATIENTS, "rows"), "many", "tables.patients"),
        ((*PATIENTS, "sha256"), 5, "tables.patients"),
        (("issues",), None, "issues"),
        (("sites",), [], "sites"),
        (SITE, "Here", "sites.here"),
        ((*SITE, "cut_off"), "yesterday", "sites.here"),
        ((*SITE, "cut_off"), 5, "sites.here"),
        ((*SITE, "sources"), None, "sites.here"),
        (("validation",), "passed", "validation"),
        (("stamps",), None, "stamps"),
        (("stamps",), [5], "stamps"),
        (("dictionary_version",), 1, "dictionary_version"),
    ],
)
def test_an_entry_of_another_form_is_named(
    folder: Path, path: tuple[str, ...], value: object, named: str
) -> None:
    def change(manifest: dict[str, Any]) -> None:
        for name in path[:-1]:
            manifest = manifest[name]
        manifest[path[-1]] = value

    edit(folder, change)
    with pytest.raises(ImnmFhirError, match=f"'{named}' is not as it was written") as caught:
        read_cohort(folder)
    assert "\n" not in str(caught.value)


def read_all(folder: Path) -> None:
    read_cohort(folder)


def read_some(folder: Path) -> None:
    read_people(folder, ["consent_reuse"])


@pytest.mark.parametrize("read", [read_all, read_some])
def test_a_table_in_the_place_of_another_is_refused(
    folder: Path, read: Callable[[Path], None]
) -> None:
    read(folder)
    edit(folder, lambda whole: whole["tables"].update(patients=whole["tables"]["procedures"]))
    with pytest.raises(ImnmFhirError, match="a file for patients that is none"):
        read(folder)


@pytest.mark.parametrize("read", [read_all, read_some])
def test_tables_of_a_site_that_the_manifest_does_not_name_are_refused(
    folder: Path, read: Callable[[Path], None]
) -> None:
    edit(folder, lambda whole: whole["sites"].update(there=whole["sites"].pop("here")))
    with pytest.raises(ImnmFhirError, match="rows of a site that the manifest does not name"):
        read(folder)
