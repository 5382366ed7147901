"""Lines taken apart, what their places are, and what is learnt of them."""

from typing import Any

import pytest

from imnm_fhir.fhir import write_json
from imnm_fhir.fhir.reading.one_by_one import ResourceReader
from imnm_fhir.fhir.reading.skeletons import damaged, take_apart
from imnm_fhir.fhir.reading.slots import kind_of_path, slots_of
from imnm_fhir.fhir.reading.templates import FromHole, Template, learn_or_none

TEXT = b'{"a":"x","b":[1,{"c":-1.5e3}],"d\\"":"\\\\","e": 7}\n\n{"a":"no end}\n{"a":true}\n'
CK = {"coding": [{"system": "http://loinc.org", "code": "2157-6"}]}
QUANTITY = {"value": 7, "system": "http://unitsofmeasure.org", "code": "U/L"}
OBSERVATION: dict[str, Any] = {
    "resourceType": "Observation",
    "id": "o1",
    "status": "final",
    "code": CK,
    "subject": {"reference": "Patient/p1"},
    "effectiveDateTime": "2019-03-04",
    "valueQuantity": QUANTITY,
}


def learnt(resource: dict[str, Any]) -> Template | None:
    line = write_json(resource)
    tokens = take_apart(line + b"\n")
    count = int(tokens.count[0])
    pieces = tokens.segments.slice(0, 2 * count + 1).to_pylist()[::2]
    slots = slots_of(pieces, tokens.number[:count].tolist())
    return None if slots is None else learn_or_none(line, slots, ResourceReader())


def test_segments_are_the_text() -> None:
    tokens = take_apart(TEXT)
    assert "".join(tokens.segments.to_pylist()).encode() == TEXT
    assert tokens.count.tolist() == [4, 0, 0, 0]
    assert tokens.segments.to_pylist()[1:8:2] == ["x", "-1.5e3", "\\\\", "7"]


@pytest.mark.parametrize("token", ["01", "1.", "-", "1e", "+1"])
def test_bad_numbers_damage_their_line_alone(token: str) -> None:
    text = f'{{"a":1}}\n{{"a":{token}}}\n{{"a":2}}\n'.encode()
    tokens = take_apart(text)
    whole = slots_of(['{"a":', "}"], [True]) is not None
    assert whole
    bad = damaged(text, tokens).tolist()
    assert bad == ([False, True, False] if token != "+1" else [False] * 3)  # stays in the skeleton


@pytest.mark.parametrize("token", [r"\x", r"\u12", "\x01", "\t"])
def test_bad_strings_damage_their_line_alone(token: str) -> None:
    text = f'{{"a":"x"}}\n{{"a":"{token}"}}\n{{"a":"\\n"}}\n'.encode()
    assert damaged(text, take_apart(text)).tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("id", "id"),
        ("valueQuantity.value", "number"),
        ("valueQuantity.code", "constant"),
        ("extension[0].valueDateTime", "day"),
        ("extension[0].valueString", "free"),
        ("extension[0].url", "constant"),
        ("code.coding[1].display", "free"),
        ("code.coding[1].version", "free"),
        ("code.coding[1].system", "constant"),
        ("gender", "constant"),
        ("text.div", "free"),
        ("text.status", "constant"),
        ("active", "constant"),
        ("meta.tag[0].code", "constant"),
        ("subject.reference", "reference"),
    ],
)
def test_kinds_of_places(path: str, kind: str) -> None:
    assert kind_of_path(path) == kind


def test_holes_go_where_their_marks_came_out() -> None:
    template = learnt(OBSERVATION)
    assert template is not None
    from_holes = {name for name, each in template.columns.items() if isinstance(each, FromHole)}
    assert from_holes == {"resource_id", "n", "patient_id", "date", "value_number"}
    assert template.columns["element"] == "ck" and template.columns["unit"] == "U/L"


def test_unknown_codes_are_refused_by_their_template() -> None:
    unknown = {"coding": [{"system": "http://loinc.org", "code": "0-0"}]}
    template = learnt(OBSERVATION | {"code": unknown})
    assert template is not None and template.judged.refused == "code: no element has it"


def test_what_depends_on_two_holes_is_no_template() -> None:
    exact = {
        "url": "https://imnm-fhir.github.io/fhir/StructureDefinition/exact-date",
        "valueDateTime": "2019-03-04",
    }
    period = {"start": "2019", "_start": {"extension": [exact]}, "end": "2019"}
    statement: dict[str, Any] = {
        "resourceType": "MedicationStatement",
        "id": "m1",
        "status": "active",
        "medicationCodeableConcept": {"coding": [{"system": "http://www.whocc.no/atc", "code": "C10AA05"}]},
        "subject": {"reference": "Patient/p1"},
    }  # fmt: skip
    assert learnt(statement) is not None
    assert learnt(statement | {"effectivePeriod": period}) is None


@pytest.mark.parametrize("ident", [["o1"], {"value": "o1"}, 7, None])
def test_an_id_that_is_no_text_is_no_template(ident: Any) -> None:
    assert learnt(OBSERVATION | {"id": ident}) is None
