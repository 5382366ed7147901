"""The project's FHIR definitions: every local code defined, valid FHIR, files as they should be."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from fhir.resources.R4B import get_fhir_model_class

from imnm_fhir.dictionary import load_dictionary
from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.fhir.definitions import fhir_definitions, load_extensions, write_definitions
from imnm_fhir.fhir.endorsement import TEXTS, endorsement_resource
from imnm_fhir.terminology import load_codes, load_project, mappings

DEFINITIONS = fhir_definitions()
BY_URL = {each["url"]: each for each in DEFINITIONS}
each_definition = pytest.mark.parametrize("definition", DEFINITIONS, ids=lambda each: each["url"])


def concepts(url: str) -> dict[str, dict[str, Any]]:
    return {concept["code"]: concept for concept in BY_URL[url]["concept"]}


@each_definition
def test_definition_is_fhir(definition: dict[str, Any]) -> None:
    model = get_fhir_model_class(definition["resourceType"])
    assert model.model_validate(definition).model_dump(exclude_none=True)["id"] == definition["id"]


@each_definition
def test_definition_says_who_when_and_which_version(definition: dict[str, Any]) -> None:
    project = load_project()
    assert definition["version"] == project.dictionary_version
    assert definition["date"] == project.dictionary_date
    assert definition["publisher"] == project.publisher
    assert definition["status"] == "active"
    assert definition["experimental"] is False
    assert definition["url"].startswith(project.base + "/")
    assert re.fullmatch(r"[A-Za-z0-9\-.]{1,64}", definition["id"])
    assert re.fullmatch(r"[A-Z][A-Za-z0-9_]{0,254}", definition["name"])
    assert definition["description"]


def test_addresses_and_files_are_unique() -> None:
    assert len(BY_URL) == len(DEFINITIONS)
    assert len({(each["resourceType"], each["id"]) for each in DEFINITIONS}) == len(DEFINITIONS)


def test_every_own_code_that_is_written_is_defined() -> None:
    dictionary = load_dictionary()
    base = load_project().base
    written = [coding for each in dictionary.elements.values() for coding in each.codings]
    for value_set in dictionary.value_sets.values():
        written += [coding for code in value_set.codes.values() for coding in code.codings]
    own = [coding for coding in written if coding.system.startswith(base)]
    assert len(own) > 200
    for coding in own:
        assert concepts(coding.system)[coding.code]["display"] == coding.display


def test_every_concept_is_defined_and_named_in_each_language() -> None:
    languages = load_project().languages[1:]
    for each in DEFINITIONS:
        for concept in each.get("concept", []):
            assert concept["definition"]
            named = [d["language"] for d in concept.get("designation", [])]
            assert named == list(languages) or each["id"] == "project"


def test_every_code_system_has_the_value_set_of_all_its_codes() -> None:
    for each in DEFINITIONS:
        if each["resourceType"] == "CodeSystem":
            assert each.get("count") == (len(each["concept"]) if "concept" in each else None)
        if "valueSet" in each:
            assert BY_URL[each["valueSet"]]["compose"] == {"include": [{"system": each["url"]}]}


def test_value_sets_name_codes_that_exist() -> None:
    for each in DEFINITIONS:
        for include in each.get("compose", {}).get("include", []):
            for concept in include.get("concept", []):
                known = (include["system"], concept["code"]) in load_codes()
                assert known or include["system"].endswith("quantity-comparator")


def test_every_value_set_of_the_dictionary_is_published() -> None:
    for name in load_dictionary().value_sets:
        assert load_project().local("ValueSet", name) in BY_URL


def test_every_extension_that_the_shapes_write_is_defined_for_its_resource_and_type() -> None:
    text = (mappings() / "shapes.toml").read_text("utf-8")
    used = set()
    for part in re.split(r"^resourceType = ", text, flags=re.M)[1:]:
        resource = part.split('"')[1]
        pattern = r'\{base\}/StructureDefinition/([a-z-]+)", "?value([A-Z]\w+)'
        used |= {(name, kind, resource) for name, kind in re.findall(pattern, part)}
    endorsement = endorsement_resource(dict.fromkeys(("site", *TEXTS), "x"))
    for place, where in (
        ("Provenance", endorsement),
        ("Provenance.agent", endorsement["agent"][0]),
    ):
        (extension,) = where["extension"]
        assert set(extension) == {"url", "valueString"}
        used.add((extension["url"].rpartition("/")[2], "String", place))
    declared = {
        (name, raw["value"][0].upper() + raw["value"][1:], each)
        for name, raw in load_extensions().items()
        for each in raw["resources"]
    }
    inside = {
        name for name, _, context in declared if "." in context
    }  # of a Period, wherever it is
    assert {each for each in used if each[0] not in inside} == {
        each for each in declared if each[0] not in inside
    }
    assert {each[:2] for each in used} == {each[:2] for each in declared}
    assert ("time-point", "Code", "Observation") in used


def test_every_system_of_a_tag_is_defined() -> None:
    text = (mappings() / "shapes.toml").read_text("utf-8")
    systems = set(re.findall(r'\{ system = "(\{base\}/\w+)", code = ', text))
    assert systems == {"{base}/project", "{base}/site"}
    for system in systems:
        assert system.replace("{base}", load_project().base) in BY_URL
    assert set(concepts(f"{load_project().base}/project")) == {"imnm-fhir"}


def test_extensions_bind_the_value_set_of_their_codes() -> None:
    extension = BY_URL[load_project().local("StructureDefinition", "time-point")]
    value = extension["differential"]["element"][-1]
    assert value["binding"]["valueSet"] in BY_URL
    assert concepts(load_project().local("CodeSystem", "time-point"))["month-6"]


def test_definitions_are_written_one_file_each(tmp_path: Path) -> None:
    paths = write_definitions(tmp_path / "new" / "folder")
    assert [json.loads(path.read_text("utf-8")) for path in paths] == DEFINITIONS
    assert sorted((tmp_path / "new" / "folder").iterdir()) == sorted(paths)
    assert {path.name for path in paths} >= {"CodeSystem-element.json", "ValueSet-drug.json"}
    before = [path.read_bytes() for path in paths]
    assert [path.read_bytes() for path in write_definitions(tmp_path / "new" / "folder")] == before


def test_definitions_are_not_written_over_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(ImnmFhirError, match="file: "):
        write_definitions(tmp_path / "file")
