"""Lines of other systems, read by templates, come to what `match` reads one by one, however they differ.

Each example takes some of our resources, changes their structure as one system would for all its
lines, and then the values of single lines: the structure makes the template, the values fill it.
"""

import json
import re
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from imnm_fhir.compare import compare
from imnm_fhir.fhir import from_fhir, read_cohort_from_files, read_resources, to_fhir, write_json
from imnm_fhir.fhir.reading import bulk
from tests.roundtrip.sample_rows import every_cohort

RAW = re.compile(rb'"~([^"~]*)~"')  # "~1.50~" is written as the number 1.50
LOINC = "http://loinc.org"
VALUES: list[Any] = [
    "", " ", "x ", 'a"b', "a\\b", "ñ\U0001f9ec", "\x01", "true", "false", "unknown", "final", "entered-in-error",
    "2019", "2019-03", "2019-02-30", "2019-03-04T10:00:00+01:00", "2019-03-04T10:00Z", "0000-01-01",
    "Patient/p1", "http://a.example/fhir/Patient/p1", "urn:uuid:p1", "Group/p1", "#p1", "Patient/p1/_history/2",
    "U/L", "ukat/L", "µkat/L", "{tbl}", "http://unitsofmeasure.org", LOINC, "2157-6", "L-17", "SUBSETTED", "empty",
    "m/p1/ck//", "m/p1/ck//7", "m//ck//", "m/p%2F1/ck/baseline/x", "/", "m/p1",
    "~0~", "~1.50~", "~-0.0~", "~1e3~", "~0.0000001~", "~123456789012345678~", "~60.000001~", "~01~", "~1.~", "~-~",
    "~" + "9" * 30 + "~", True, False, None, [], {}, [""], ["x", "y"], {"a": "x"}, [{"url": "u", "valueString": "s"}],
    [{"text": "one"}, {"text": "two"}],
]  # fmt: skip
ADDED: list[tuple[str, Any]] = [
    ("meta", {"versionId": "3", "lastUpdated": "2026-11-29T10:15:30Z"}),
    ("text", {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">x</div>'}),
    ("identifier", [{"system": "http://lab.example", "value": "17"}]),
    ("extension", [{"url": "http://lab.example/ward", "valueString": "4B"}]),
    ("modifierExtension", [{"url": "http://lab.example/not", "valueBoolean": True}]),
    ("performer", [{"reference": "Practitioner/1"}]),
    ("note", [{"text": "one"}, {"text": "two"}]),
    ("valueInteger", "~7~"),
    ("valueString", "said"),
    ("status", "not-done"),
    ("status", "not-taken"),
    ("effectiveInstant", "2019-03-04T10:00:00Z"),
    ("performedDateTime", "2019-03-04T10:00:00Z"),
    ("medicationReference", {"reference": "Medication/1"}),
    ("active", False),
    ("verificationStatus", {"coding": [{"system": "x", "code": "refuted"}]}),
    ("code", {"coding": [{"system": LOINC, "code": "2157-6", "display": "CK"}], "text": "CK"}),
    ("valueQuantity", {"value": "~1.50~", "system": "http://unitsofmeasure.org", "code": "ukat/L"}),
]  # fmt: skip

shares = st.floats(0, 1, exclude_max=True)
edits = st.lists(st.tuples(shares, st.sampled_from(VALUES)), max_size=2)
changes = st.tuples(
    st.lists(st.sampled_from(ADDED), max_size=3),  # keys that all lines get
    st.lists(st.sampled_from(["identifier", "meta", "extension", "category", "id"]), max_size=3),
    edits,  # values of all lines
    st.lists(edits, min_size=6, max_size=6),  # values of single lines
    st.booleans(),  # whether the text has blanks
)


@pytest.fixture(scope="module")
def resources() -> list[dict[str, Any]]:
    return [json.loads(write_json(each)) for each in to_fhir(every_cohort())]


def places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    inner = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for key, each in inner:
        yield (*place, key)
        yield from places(each, (*place, key))


def edited(resource: dict[str, Any], listed: list[tuple[float, Any]]) -> dict[str, Any]:
    out = deepcopy(resource)
    for where, value in listed:
        found = list(places(out))
        *way, last = found[int(where * len(found))]
        inside: Any = out
        for key in way:
            inside = inside[key]
        inside[last] = deepcopy(value)
    return out


def lines(resource: dict[str, Any], change: Any) -> Iterator[bytes]:
    added, left_out, for_all, for_each, spaced = change
    kept = {key: value for key, value in resource.items() if key not in left_out}
    pattern = edited(kept | dict(added), for_all)
    for number, listed in enumerate(for_each):
        line = pattern if "id" in left_out or number < 2 else pattern | {"id": f"x{number}"}
        separators = (", ", ": ") if spaced else (",", ":")
        text = json.dumps(edited(line, listed), ensure_ascii=spaced, separators=separators)
        yield RAW.sub(rb"\1", text.encode()) + b"\n"


@given(
    chosen=st.lists(st.tuples(shares, changes), min_size=5, max_size=12),
    size=st.sampled_from([1 << 12, 1 << 23]),
)
@settings(
    max_examples=25,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
def test_foreign_lines(
    resources: list[dict[str, Any]],
    tmp_path_factory: pytest.TempPathFactory,
    chosen: Any,
    size: int,
) -> None:
    folder = tmp_path_factory.mktemp("foreign")
    texts = [
        line
        for where, change in chosen
        for line in lines(resources[int(where * len(resources))], change)
    ]
    (folder / "lines.ndjson").write_bytes(b"".join(texts))
    patients = [each for each in resources if each["resourceType"] in ("Patient", "Organization")]
    patients.append({"resourceType": "Patient", "id": "p1"})
    (folder / "a.ndjson").write_bytes(b"".join(write_json(each) + b"\n" for each in patients))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("imnm_fhir.fhir.reading.imports.BLOCK", size)
        patch.setattr("imnm_fhir.fhir.reading.parts.ROWS", size >> 8)
        quick = read_cohort_from_files(folder, site="m", keep_going=True)
    by_match = from_fhir(read_resources(folder, keep_going=True), site="m")
    assert [each.line() for each in compare(quick, by_match)] == []
    assert quick.manifest["imported"] == by_match.manifest["imported"]
    assert sorted(map(repr, quick.issues)) == sorted(map(repr, by_match.issues))


def test_lines_are_read_by_templates(
    resources: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lest the test above compare `match` with itself."""
    read: list[int] = []
    by_block = bulk.BulkReader.read

    def counted(self: bulk.BulkReader, *given: Any) -> Any:
        taken = by_block(self, *given)
        read.append(int(taken.sum()))
        return taken

    monkeypatch.setattr(bulk.BulkReader, "read", counted)
    facts = [each for each in resources if each["resourceType"] not in ("Patient", "Organization")]
    copies = [write_json(each) + b"\n" for each in facts for _ in range(bulk.FROM)]
    (tmp_path / "lines.ndjson").write_bytes(b"".join(copies))
    read_cohort_from_files(tmp_path, site="m")
    assert sum(read) > 0.9 * len(copies)
