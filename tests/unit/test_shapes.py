"""Filling and matching single resources, and the promise of `match`: no leaf is lost in silence."""

from collections.abc import Iterator
from copy import deepcopy
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.fhir import as_model, read_json, write_json
from imnm_fhir.shapes import fill, match
from imnm_fhir.shapes.found import Leaf, leaves
from imnm_fhir.shapes.match import is_harmless
from imnm_fhir.shapes.tree import load_shapes
from tests.roundtrip.sample_rows import keyed
from tests.roundtrip.strategies import FACTS, facts, patients

Resource = dict[str, Any]
CK = {"site": "madrid_es", "patient": "P1", "element": "ck", "n": "1"}


def test_fill_writes_one_resource() -> None:
    row = {**CK, "time_point": "month_3", "value_number": "512.5", "unit": "U/L", "date": "2019-03"}
    resource = fill("observations", row)
    assert resource["valueQuantity"] == {
        "value": Decimal("512.5"), "unit": "U/L", "system": "http://unitsofmeasure.org", "code": "U/L",
    }  # fmt: skip
    assert resource["identifier"][0]["value"] == "madrid_es/P1/ck/month_3/1"
    assert resource["code"]["coding"][0]["code"] == "2157-6"
    assert as_model(resource).effectiveDateTime is not None


@pytest.mark.parametrize(
    ("columns", "why"),
    [
        ({}, "value or a missing reason"),
        ({"value_number": "1"}, None),  # a unit is a matter of the row rules
        ({"value_number": "1", "unit": "U/L", "missing": "unknown"}, "no place for missing"),
        ({"value_boolean": True, "unit": "U/L", "comparator": "<"}, "no place for comparator"),
        ({"value_code": "positive"}, "does not have"),
        ({"missing": "lost"}, "does not have"),
        ({"value_number": "1", "colour": "red"}, "no place for colour"),
    ],
)
def test_fill_refuses_what_it_could_not_carry(columns: Resource, why: str | None) -> None:
    if why is None:
        assert fill("observations", {**CK, **columns})
        return
    with pytest.raises(ImnmFhirError, match=why):
        fill("observations", {**CK, **columns})


def test_every_shape_starts_alike() -> None:
    """The reader of lines that are ours rests on it."""
    for shape in load_shapes().values():
        assert [each.key for each in shape.before][:3] == ["resourceType", "id", "meta"]


def test_a_resource_of_ours_that_a_server_changed_reads_the_same() -> None:
    row = keyed("observations", {**CK, "value_number": "1.5", "unit": "U/L"})
    resource = fill("observations", row)
    resource["meta"] |= {"versionId": "7", "lastUpdated": "2024-01-01T00:00:00Z", "source": "x#1"}
    resource["meta"]["tag"].append({"system": "http://x.example", "code": "other", "display": "o"})
    resource["text"] = {"status": "generated", "div": "<div>CK</div>"}
    reading = match(read_json(write_json(resource)))
    assert (reading.refused, reading.unread) == (None, ())
    assert {name: reading.row.get(name) for name in row} == row


def test_numbers_are_read_digit_by_digit() -> None:
    resource = fill("observations", {**CK, "value_number": "123456789.123456", "unit": "U/L"})
    assert match(read_json(write_json(resource))).row["value_number"] == "123456789.123456"
    resource["valueQuantity"]["value"] = 1.5
    assert "no number" in str(match(resource).refused)


@pytest.mark.parametrize(
    "key", ["madrid_es/P1/ldh//1", "madrid_es/P1/ck/baseline/1", "a/b", "//ck//"]
)
def test_a_key_that_contradicts_refuses(key: str) -> None:
    resource = fill("observations", {**CK, "value_number": "1", "unit": "U/L"})
    resource["identifier"][0]["value"] = key
    assert "identifier" in str(match(resource).refused)


def test_the_exact_end_of_a_period() -> None:
    row = {
        "site": "madrid_es", "patient": "P1", "element": "statin", "value_code": "atorvastatin",
        "status": "unknown", "start_date": "2019", "end_date": "2019-03-04",
    }  # fmt: skip
    resource = fill("medications", row)
    period = resource["effectivePeriod"]
    assert (period["start"], period["end"]) == ("2019", "2019")
    assert match(resource).row["end_date"] == "2019-03-04"
    period["end"] = "2020"
    assert "contradicts" in str(match(resource).refused)


# --- The promise


def rows() -> st.SearchStrategy[tuple[str, Resource]]:
    """A table and a row of it."""
    long = [st.tuples(st.just(table), facts(table, "P 1/ä", "7")) for table in FACTS]
    return st.one_of(patients("P 1/ä").map(lambda row: ("patients", row)), *long)


JUNK = st.sampled_from(
    [
        None, True, False, 0, 7, Decimal("1.25"), "x", "2019-03-04", "positive", [], {}, ["x"],
        {"text": "x"}, [{"text": "x"}], {"coding": [{"system": "http://loinc.org", "code": "2532-0"}]},
        [{"url": "http://x.example/e", "valueCode": "unknown"}], {"reference": "Patient/other"},
    ]
).map(deepcopy)  # fmt: skip
KEYS = st.sampled_from(
    [
        "text", "coding", "code", "status", "display", "unit", "comparator", "valueString", "note",
        "valueQuantity", "extension", "modifierExtension", "dataAbsentReason", "value", "system",
        "bodySite", "subject", "id", "method", "category", "interpretation", "_birthDate", "gender",
        "verificationStatus", "active", "link", "identifier", "start", "end", "dosage", "route",
    ]
)  # fmt: skip


def places(value: Any) -> Iterator[Any]:
    """Every object and list inside a resource, itself first."""
    if isinstance(value, dict | list):
        yield value
        for inner in value.values() if isinstance(value, dict) else value:
            yield from places(inner)


@st.composite
def mutations(draw: st.DrawFn) -> tuple[str, Resource, Resource]:
    """Table, row and its resource after one to three keys or items were added, changed or removed."""
    table, row = draw(rows())
    resource = read_json(write_json(fill(table, row)))
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.sampled_from(list(places(resource))))
        keys: list[Any] = list(place) if isinstance(place, dict) else list(range(len(place)))
        what = draw(st.sampled_from(["add", "change", "remove"]))
        if what == "remove" and keys:
            del place[draw(st.sampled_from(keys))]
        elif what == "change" and keys:
            place[draw(st.sampled_from(keys))] = draw(JUNK)
        elif isinstance(place, dict):
            place[draw(KEYS)] = draw(JUNK)
        else:
            place.insert(draw(st.integers(0, len(place))), draw(JUNK))
    return table, row, resource


def bare(path: str) -> str:
    """The path without the places in lists."""
    return "".join(part.partition("]")[2] if "]" in part else part for part in path.split("["))


def said(resource: Resource) -> set[tuple[str, str]]:
    """What a resource says: its leaves, wherever in a list they stand, without the harmless ones."""
    return {
        (bare(leaf.path), repr(leaf.value)) for leaf in leaves(resource) if not is_harmless(leaf)
    }


@given(mutations())
@settings(max_examples=500, suppress_health_check=[HealthCheck.too_slow])
def test_no_leaf_is_lost_and_no_changed_meaning_read(case: tuple[str, Resource, Resource]) -> None:
    _, row, resource = case
    reading = match(resource)
    if reading.refused:
        return
    own = {**reading.row, **_key_of(reading.row, row)}
    table = reading.table
    again = read_json(write_json(fill(table, {k: own.get(k) for k in row})))
    listed = {bare(path) for path in reading.unread}
    accounted = said(again) | {(path, value) for path, value in said(resource) if path in listed}
    # References and the id are read apart; a status or code may have been another that means the same.
    apart = ("id", "subject.reference", "managingOrganization.reference", "status")
    lost = {
        (path, value)
        for path, value in said(resource) - accounted
        if path not in apart and not _other_coding(path)
    }
    assert not lost
    if all(own.get(name) == row[name] for name in row):
        for path, value in said(resource) - said(read_json(write_json(fill(table, row)))):
            assert path in (*listed, *apart) or _other_coding(path), (path, value)


def _key_of(found: Any, row: Resource) -> Resource:
    """The parts of the key, which a resource without our identifier does not have."""
    return {
        name: row[name] for name in ("site", "patient", "n") if name in row and name not in found
    }


def _other_coding(path: str) -> bool:
    """Leaves of codings: one that means the same is taken in place of ours."""
    return path.endswith(("coding.code", "coding.system"))


def test_leaves_of_empty_things() -> None:
    assert list(leaves({"a": {}, "b": [], "c": [None]})) == [
        Leaf("a", {}),
        Leaf("b", []),
        Leaf("c[0]", None),
    ]
