"""What changed since the last delivery, and the findings as JSON, Parquet and FHIR."""

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from imnm_fhir.cohort import Cohort
from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.fhir.definitions import fhir_definitions
from imnm_fhir.fhir.models import as_model
from imnm_fhir.findings import Validation
from imnm_fhir.issues import Issue
from imnm_fhir.report import Written, write_report
from imnm_fhir.report.changes import changes_since, findings_record, identity, read_findings
from imnm_fhir.report.outcomes import outcome_bundle
from imnm_fhir.report.words import load_words
from imnm_fhir.validation import validate
from tests.unit.small_cohort import cohort, observation, person


def weak(patient: str, grade: str) -> dict[str, list[object]]:
    return observation(  # type: ignore[return-value]
        patient, "worst_mrc", time_point="baseline", value_number=grade, unit="{score}"
    )


def delivery(number: int, *grades: str) -> Cohort:
    """A cohort whose patients have these MRC grades; the number tells deliveries apart."""
    parts = [person(f"P{n}") for n, _ in enumerate(grades)]
    parts += [weak(f"P{n}", grade) for n, grade in enumerate(grades)]  # type: ignore[misc]
    made = cohort(*parts)
    tables = {"patients": {"sha256": f"{number}" * 64, "file": "x", "rows": 1}}
    return replace(made, manifest={**made.manifest, "tables": tables})


FIRST, SECOND = delivery(1, "6", "7", "4"), delivery(2, "6.5", "4", "8")


@cache
def found_in(number: int) -> Validation:
    """What the rules find in a delivery, judged once."""
    return validate((FIRST, SECOND)[number - 1])


def report(number: int, folder: Path, previous: Path | None = None) -> Written:
    return write_report(found_in(number), (FIRST, SECOND)[number - 1], folder, previous=previous)


def test_a_corrected_a_new_and_a_remaining_finding_are_told_apart() -> None:
    before = findings_record(found_in(1), FIRST, "2022-07-01T10:00:00+00:00")
    now = found_in(2)
    found = changes_since(now.findings, before)
    assert found.since == "2022-07-01"
    assert (found.new["M01"], found.gone["M01"], found.still["M01"]) == (1, 1, 1)
    new = [each.patient for each in now.findings if each.rule == "M01" and found.is_new(each)]
    assert new == ["P2"]


def test_a_finding_is_the_same_when_its_value_row_and_file_change() -> None:
    issue = Issue("unreadable-number", "improbable", "conformance", "", "madrid", "observations",
                  "P1", "ck", file="a.csv", row=2, column="CK", value="x")  # fmt: skip
    assert identity(issue) == identity(replace(issue, file="b.csv", row=9, value="y"))
    assert identity(issue) != identity(replace(issue, column="CK 2"))
    nobody = replace(issue, patient=None)
    assert identity(nobody) != identity(replace(nobody, row=3))


def test_an_earlier_report_in_the_folder_is_compared_with(tmp_path: Path) -> None:
    page = report(1, tmp_path / "r").page.read_text("utf-8")
    assert "There are no earlier findings" in page
    assert 'class="fresh"' not in page
    written = report(2, tmp_path / "r")
    assert "Compared with the findings of" in written.page.read_text("utf-8")
    assert written.page.read_text("utf-8").count('class="fresh"') >= 1
    assert (
        written.previous
        and read_findings(written.previous)["tables"] != read_findings(written.json)["tables"]
    )


def test_the_same_delivery_again_is_compared_with_the_one_before(tmp_path: Path) -> None:
    report(1, tmp_path / "r")
    report(2, tmp_path / "r")
    again = report(2, tmp_path / "r").page.read_text("utf-8")
    assert "Compared with the findings of" in again
    assert again.count('class="fresh"') >= 1


def test_an_earlier_report_elsewhere_is_named(tmp_path: Path) -> None:
    report(1, tmp_path / "one")
    written = report(2, tmp_path / "two", previous=tmp_path / "one")
    assert "Compared with the findings of" in written.page.read_text("utf-8")


def test_findings_of_another_site_are_refused_or_left(tmp_path: Path) -> None:
    other = cohort(person("P1"), name="lyon")
    write_report(replace(found_in(1), findings=()), other, tmp_path / "one")
    with pytest.raises(ImnmFhirError, match="holds findings of lyon, not of madrid"):
        report(1, tmp_path / "two", previous=tmp_path / "one")
    assert "no earlier findings" in report(1, tmp_path / "one").page.read_text("utf-8")


@pytest.mark.parametrize("text", ["", "[]", '{"format": 9}', '{"format": 1, "findings": [{}]}'])
def test_what_is_no_record_of_findings_is_said(tmp_path: Path, text: str) -> None:
    (tmp_path / "findings.json").write_text(text)
    with pytest.raises(ImnmFhirError, match=r"is no findings\.json of imnm-fhir"):
        read_findings(tmp_path)


def test_json_and_parquet_hold_every_finding(tmp_path: Path) -> None:
    found = found_in(1)
    written = write_report(found, FIRST, tmp_path / "r")
    record = json.loads(written.json.read_text("utf-8"))
    assert [each["rule"] for each in record["findings"]] == [each.rule for each in found.findings]
    assert record["counts"] == found.counts()
    (m01,) = [each for each in record["rules"] if each["rule"] == "M01"]
    assert (m01["violated"], m01["satisfied"]) == (2, 1)
    table = pq.read_table(written.parquet)
    assert table.num_rows == len(found.findings) + len(found.waived)
    assert str(table.schema.field("row").type) == "int32"
    ids = {row for each in FIRST.tables.values() for row in each["id"].to_pylist()}
    assert set(table["id"].drop_null().to_pylist()) <= ids
    (weak, *_) = [each for each in record["findings"] if each["rule"] == "M01"]
    assert (weak["places"][0]["id"] in ids, weak["places"][0]["value"]) == (True, "6 {score}")


def test_the_outcomes_are_valid_fhir_without_values() -> None:
    given = cohort(
        person("P1", birth_date="2090-01-01"),
        issues=[Issue("unreadable-number", "improbable", "conformance", "expected a number",
                      "madrid", "observations", "P1", file="a.csv", row=2, value="CANARY")],
    )  # fmt: skip
    bundle = outcome_bundle(validate(given), load_words("en"))
    model = as_model(bundle)
    assert {each.resource.get_resource_type() for each in model.entry} == {"OperationOutcome"}
    found = [each for entry in model.entry for each in entry.resource.issue]
    ruled = {each.details.coding[0].code: each for each in found if each.details.coding}
    assert ruled["D09.future-birth"].severity == "error"
    assert ruled["D09.future-birth"].expression[0].startswith("Patient.where(id='i")
    (unread,) = [each for each in found if not each.details.coding]
    assert (unread.severity, unread.details.text) == (
        "warning", "unreadable-number: expected a number",
    )  # fmt: skip
    (system,) = [each for each in fhir_definitions() if each["id"] == "rule"]
    assert ruled.keys() <= {each["code"] for each in system["concept"]}
    assert {each.details.coding[0].system for each in ruled.values()} == {system["url"]}
    text = json.dumps(bundle)
    assert "CANARY" not in text and "2090" not in text and "a.csv" not in text
