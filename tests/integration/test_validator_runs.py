"""The HL7 validator of the tests finds what is wrong and leaves what is right."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ValidateFhir = Callable[..., list[dict[str, Any]]]
PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "p1",
    "gender": "female",
    "birthDate": "1960",
}
CREATINE_KINASE: dict[str, Any] = {
    "resourceType": "Observation",
    "id": "o1",
    "status": "final",
    "code": {"coding": [{"system": "http://loinc.org", "code": "2157-6"}]},
    "subject": {"reference": "Patient/p1"},
    "valueQuantity": {"value": 5100, "system": "http://unitsofmeasure.org", "code": "U/L"},
}
GRADE: dict[str, Any] = {
    "resourceType": "CodeSystem",
    "url": "https://example.org/fhir/CodeSystem/grade",
    "status": "active",
    "content": "complete",
    "concept": [{"code": "strong", "display": "Strong"}],
}


def write(path: Path, *resources: dict[str, Any]) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps(resource) + "\n" for resource in resources), "utf-8")


def with_code(system: str, code: str) -> dict[str, Any]:
    return {**CREATINE_KINASE, "code": {"coding": [{"system": system, "code": code}]}}


def test_validator_places_each_fault(tmp_path: Path, validate_fhir: ValidateFhir) -> None:
    write(tmp_path / "Patient.ndjson", PATIENT, {**PATIENT, "gender": "femenino"})
    quantity = {**CREATINE_KINASE["valueQuantity"], "code": "IU/L"}
    faulty = {**CREATINE_KINASE, "valueQuantity": quantity}
    wrong_digit = with_code("http://loinc.org", "2157-7")
    write(tmp_path / "Observation.ndjson", CREATINE_KINASE, faulty, wrong_digit)
    (tmp_path / "manifest.json").write_text("{}")
    problems = validate_fhir(tmp_path)
    places = {(Path(p["file"]).name, p["line"], p["location"]) for p in problems}
    assert places == {
        ("Patient.ndjson", 2, "Patient.gender"),
        ("Observation.ndjson", 2, "Observation.value.ofType(Quantity)"),
        ("Observation.ndjson", 3, "Observation.code"),
    }
    assert {p["severity"] for p in problems} == {"error"}


def test_own_codes_count_where_they_are_defined(
    tmp_path: Path, validate_fhir: ValidateFhir
) -> None:
    written = [
        with_code(GRADE["url"], "strong"),
        with_code(GRADE["url"], "stronk"),
        with_code("https://example.org/fhir/CodeSystem/undefined", "strong"),
    ]
    write(tmp_path / "data" / "Observation.ndjson", *written)
    write(tmp_path / "profiles" / "CodeSystem-grade.json", GRADE)
    problems = validate_fhir(tmp_path / "data", tmp_path / "profiles")
    assert {(p["line"], p["severity"]) for p in problems} == {(2, "error"), (3, "error")}


def test_nothing_to_look_at_is_no_success(tmp_path: Path, validate_fhir: ValidateFhir) -> None:
    with pytest.raises(pytest.fail.Exception, match="0 resources"):
        validate_fhir(tmp_path)
