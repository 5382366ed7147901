"""A resource that came back, compared with the one that was sent."""

import copy
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from imnm_fhir.fhir import read_json, to_fhir, write_json
from imnm_fhir.fhir.likeness import content_hash, likeness
from tests.unit.small_cohort import cohort, observation, person

Change = Callable[[dict[str, Any]], object]


def resources() -> dict[str, dict[str, Any]]:
    """One patient's resources by type, as they are sent; the Observation is a CK of 5000.5 U/L."""
    sent = cohort(
        person("P1", deceased_date="2020"),
        observation("P1", "ck", value_number="5000.5", unit="U/L"),
    )
    return {each["resourceType"]: read_json(write_json(each)) for each in to_fhir(sent)}


def put(*path: Any, value: Any) -> Change:
    def change(resource: dict[str, Any]) -> None:
        place: Any = resource
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "state", "differs"),
    [
        (lambda r: None, "identical", ()),
        (put("meta", "versionId", value="7"), "identical", ()),
        (put("meta", "lastUpdated", value="2026-01-01T00:00:00Z"), "identical", ()),
        (lambda r: r["meta"].update(source=r["meta"]["source"] + "#a1b2"), "identical", ()),
        (lambda r: r["meta"]["tag"].append({"system": "urn:other", "code": "x"}), "identical", ()),
        (lambda r: r["meta"]["tag"].reverse(), "identical", ()),
        (lambda r: r["code"]["coding"].reverse(), "equivalent", ()),
        (put("valueQuantity", "value", value=Decimal("5000.50")), "equivalent", ()),
        (put("text", value={"status": "generated", "div": "<div>ck</div>"}), "equivalent", ()),
        (put("valueQuantity", "value", value=Decimal("5000.6")), "changed", ("value_number",)),
        (put("valueQuantity", "comparator", value="<"), "changed", ("comparator",)),
        (put("effectiveDateTime", value="2019-03-02"), "changed", ("date",)),
        (put("issued", value="2019-03-02T00:00:00Z"), "equivalent", ()),
        (put("bodySite", value={"text": "arm"}), "changed", ("added: bodySite.text",)),
        (put("subject", "reference", value="Patient/other"), "changed", ("patient_id",)),
    ],
)
def test_what_a_server_may_do_and_what_changes_a_resource(
    change: Change, state: str, differs: tuple[str, ...]
) -> None:
    sent = resources()["Observation"]
    found = copy.deepcopy(sent)
    change(found)
    like = likeness(sent, found)
    assert (like.state, like.differs) == (state, differs)


def test_a_status_that_takes_the_value_back_is_a_change() -> None:
    sent = resources()["Observation"]
    like = likeness(sent, {**sent, "status": "entered-in-error"})
    assert like.state == "changed" and "not read any more" in like.differs[0]


def test_a_difference_is_named_without_a_value() -> None:
    sent = resources()["Patient"]
    like = likeness(sent, {**sent, "birthDate": "1931-01-01"})
    assert like.differs == ("birth_date",)


def test_the_hash_of_a_content_keeps_every_digit() -> None:
    sent = resources()["Observation"]
    other = copy.deepcopy(sent)
    other["valueQuantity"]["value"] = Decimal("5000.50")
    assert content_hash(other) != content_hash(sent) == content_hash(copy.deepcopy(sent))


def test_a_reference_by_the_servers_own_id_is_the_same_patient() -> None:
    sent = resources()["Observation"]
    found = {**sent, "id": "71", "subject": {"reference": "Patient/17"}}
    ours = sent["subject"]["reference"].removeprefix("Patient/")
    assert (
        likeness(sent, found, lambda kind, ident: ours if ident == "17" else ident).state
        == "equivalent"
    )
    assert likeness(sent, found, lambda kind, ident: ident).differs == ("patient_id",)
