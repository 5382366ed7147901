"""The project's FHIR R4 definitions, made from the dictionary: CodeSystems, ValueSets, extensions.

Whoever reads our resources needs them: the HL7 validator, servers, other registries.
https://hl7.org/fhir/R4/codesystem.html, valueset.html, extensibility.html
"""

import json
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from imnm_fhir.dictionary import Code, Element, ValueSet, load_dictionary
from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.languages import translate
from imnm_fhir.terminology import load_project, mappings

Resource = dict[str, Any]
ELEMENTS = "element"  # name of the CodeSystem of all elements
RULES = "rule"  # and of that of all rules
OURS = "The resource was written by this project's software."
SITES = "Identifiers of the sites that send data; each site chooses its own."


def fhir_definitions() -> list[Resource]:
    """Every definition as FHIR JSON: CodeSystems, then ValueSets, then StructureDefinitions."""
    dictionary = load_dictionary()
    sets = dictionary.value_sets
    local = [each for each in sets.values() if each.local]
    elements = f"The common data elements of registries of {load_project().disease}."
    return [
        *_tag_systems(),
        _rule_system(),
        _code_system(ELEMENTS, elements, dictionary.elements.values()),
        *(_code_system(each.name, each.definition, each.codes.values()) for each in local),
        _value_set(ELEMENTS, elements, [{"system": load_project().local("CodeSystem", ELEMENTS)}]),
        *(_value_set(name, each.definition, _include(each)) for name, each in sets.items()),
        *(_extension(name, raw) for name, raw in load_extensions().items()),
    ]


def write_definitions(folder: Path) -> list[Path]:
    """Write each definition to `folder` (made where it lacks), one JSON file each; their paths.

    Raises `ImnmFhirError` where the folder cannot be written to.
    """
    from imnm_fhir.written import replace_atomically

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ImnmFhirError(f"{folder}: cannot be made a folder: {error.strerror}") from error
    paths = []
    for each in fhir_definitions():
        path = folder / f"{each['resourceType']}-{each['id']}.json"
        with replace_atomically(path) as unfinished:
            unfinished.write_text(json.dumps(each, ensure_ascii=False, indent=2) + "\n", "utf-8")
        paths.append(path)
    return paths


def load_extensions() -> dict[str, dict[str, Any]]:
    """`mappings/extensions.toml`: title, definition, value type, value set and resources by name."""
    return tomllib.loads((mappings() / "extensions.toml").read_text("utf-8"))


def _metadata(kind: str, name: str, title: str, description: str) -> Resource:
    project = load_project()
    words = name.replace("_", "-").split("-")
    return {
        "resourceType": kind,
        "id": "-".join(words),
        "url": project.local(kind, name),
        "version": project.dictionary_version,
        "name": "Imnm" + "".join(word.capitalize() for word in words),
        "title": title,
        "status": "active",
        "experimental": False,
        "date": project.dictionary_date,
        "publisher": project.publisher,
        "description": description,
    }


def _title(name: str) -> str:
    return f"IMNM {name.replace('_', ' ')}"


def _code_system(name: str, description: str, members: Iterable[Code | Element]) -> Resource:
    concepts = [_concept(each) for each in members]
    return {
        **_metadata("CodeSystem", name, _title(name), description),
        "caseSensitive": True,
        "valueSet": load_project().local("ValueSet", name),
        "content": "complete",
        "count": len(concepts),
        "concept": concepts,
    }


def _tag_systems() -> list[Resource]:
    """The systems of the tags of our resources: that they are ours, and which site they are of."""
    project = load_project()
    ours = {"code": project.publisher, "display": project.publisher, "definition": OURS}
    return [
        {
            **_metadata("CodeSystem", "project", _title("project"), "The project's own tag."),
            "url": f"{project.base}/project",
            "caseSensitive": True,
            "content": "complete",
            "count": 1,
            "concept": [ours],
        },
        {
            **_metadata("CodeSystem", "site", _title("site"), SITES),
            "url": f"{project.base}/site",
            "caseSensitive": True,
            "content": "not-present",
        },
    ]


def _rule_system() -> Resource:
    """The rules of the catalogue and their parts, by which an OperationOutcome names what it found."""
    concepts = list(_rules())
    return {
        **_metadata("CodeSystem", RULES, _title(RULES), "The rules of validation and their parts."),
        "caseSensitive": True,
        "content": "complete",
        "count": len(concepts),
        "concept": concepts,
    }


def _rules() -> Iterator[Resource]:
    text = (files("imnm_fhir.expectations") / "rules.toml").read_text("utf-8")
    for rule, about in tomllib.loads(text).items():
        limits, parts = about.get("limits", {}), about.get("parts", {})
        for part, own in ({"": about} | parts).items():
            said = own.get("sentence", about["sentence"])
            yield {
                "code": rule_code(rule, part),
                "display": said.format(**limits),
                "definition": about["advice"].format(**limits),
                "designation": [
                    {"language": language, "value": translate(said, language, **limits)}
                    for language in load_project().languages[1:]
                ],
            }


def rule_code(rule: str, part: str | None) -> str:
    """The code of a rule, or of its part, in our CodeSystem of rules."""
    return f"{rule}.{part}" if part else rule


def _concept(each: Code | Element) -> Resource:
    label, *others = load_project().languages
    return {
        "code": each.codings[-1].code,  # the project's own
        "display": each.labels[label],
        "definition": each.definition,
        "designation": [{"language": lang, "value": each.labels[lang]} for lang in others],
    }


def _value_set(name: str, description: str, include: list[Resource]) -> Resource:
    metadata = _metadata("ValueSet", name, _title(name), description)
    return {**metadata, "compose": {"include": include}}


def _include(value_set: ValueSet) -> list[Resource]:
    """All codes of a local set by their system, of another set one by one."""
    if value_set.local:
        return [{"system": load_project().local("CodeSystem", value_set.name)}]
    by_system: dict[str, list[Resource]] = {}
    for code in value_set.codes.values():
        coding = code.codings[0]
        by_system.setdefault(coding.system, []).append({"code": coding.code})
    return [{"system": system, "concept": codes} for system, codes in by_system.items()]


def _extension(name: str, raw: Mapping[str, Any]) -> Resource:
    url = load_project().local("StructureDefinition", name)
    value: Resource = {
        "id": "Extension.value[x]",
        "path": "Extension.value[x]",
        "min": 1,
        "type": [{"code": raw["value"]}],
    }
    if "value_set" in raw:
        address = load_project().local("ValueSet", raw["value_set"])
        value["binding"] = {"strength": "required", "valueSet": address}
    return {
        **_metadata("StructureDefinition", name, raw["title"], raw["definition"]),
        "fhirVersion": "4.0.1",
        "kind": "complex-type",
        "abstract": False,
        "context": [{"type": "element", "expression": each} for each in raw["resources"]],
        "type": "Extension",
        "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Extension",
        "derivation": "constraint",
        "differential": {
            "element": [
                {
                    "id": "Extension",
                    "path": "Extension",
                    "short": raw["title"],
                    "definition": raw["definition"],
                    "max": "1",
                },
                {"id": "Extension.extension", "path": "Extension.extension", "max": "0"},
                {"id": "Extension.url", "path": "Extension.url", "fixedUri": url},
                value,
            ]
        },
    }
