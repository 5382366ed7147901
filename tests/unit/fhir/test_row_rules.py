"""Every rule of a row catches one planted row and leaves its near miss."""

from typing import Any

import pytest

from imnm_fhir.cohort import Cohort, new_manifest, table_from_rows
from imnm_fhir.dictionary import TABLES
from imnm_fhir.fhir import check_conformance
from imnm_fhir.fhir.conformance.row_rules import row_rules
from tests.roundtrip.sample_rows import every_cohort, keyed

Row = dict[str, Any]
PATIENT: Row = {"site": "madrid_es", "patient": "P1"}
CK: Row = {**PATIENT, "element": "ck", "value_number": "500", "unit": "U/L"}
TEXT: Row = {**PATIENT, "element": "ck", "value_text": "normal"}
HMGCR: Row = {**PATIENT, "element": "anti_hmgcr", "value_code": "positive"}
MYALGIA: Row = {**PATIENT, "element": "myalgia", "value_boolean": True}
VISIT: Row = {**PATIENT, "element": "visit_date", "value_date": "2019-03-04"}
STATIN: Row = {**PATIENT, "element": "statin", "value_code": "atorvastatin", "status": "unknown"}
IMNM: Row = {**PATIENT, "element": "imnm", "value_code": "imnm"}
PLEX: Row = {**PATIENT, "element": "plasma_exchange"}
OBS, MED, CON, PRO, PAT = "observations", "medications", "conditions", "procedures", "patients"

# Table, a row that is fine, what is changed, the column at fault, a part of the message.
PLANTED: list[tuple[str, Row, Row, str, str]] = [
    (PAT, PATIENT, {"site": "Madrid ES"}, "site", "no site id"),
    (PAT, PATIENT, {"patient": " P1"}, "patient", "forbids"),
    (PAT, PATIENT, {"id": "i0"}, "id", "hash"),
    (PAT, PATIENT, {"birth_date": "1950-02-30"}, "birth_date", "calendar"),
    (PAT, PATIENT, {"birth_date": "1950", "birth_date_missing": "unknown"}, "birth_date", "beside"),
    (PAT, PATIENT, {"birth_date_missing": "lost"}, "birth_date_missing", "missing_reason"),
    (PAT, PATIENT, {"sex": "M"}, "sex", "value set"),
    (PAT, PATIENT, {"sex_missing": "?"}, "sex_missing", "value set"),
    (PAT, PATIENT, {"sex": "male", "sex_missing": "unknown"}, "sex", "beside"),
    (PAT, PATIENT, {"deceased_boolean": True, "deceased_date": "2020"}, "deceased_boolean", "beside"),
    (PAT, PATIENT, {"deceased_date": "20200101"}, "deceased_date", "calendar"),
    (PAT, PATIENT, {"deceased_missing": "no"}, "deceased_missing", "value set"),
    (OBS, CK, {"element": "statin"}, "element", "no element"),
    (OBS, CK, {"time_point": "month_7"}, "time_point", "value set"),
    (OBS, CK, {"n": "a\x01b"}, "n", "forbids"),
    (OBS, CK, {"value_number": "1.50"}, "value_number", "canonical"),
    (OBS, CK, {"value_number": "1e3"}, "value_number", "canonical"),
    (OBS, CK, {"value_number": "-0"}, "value_number", "canonical"),
    (OBS, CK, {"value_number": "1234567890.123456"}, "value_number", "canonical"),
    (OBS, CK, {"value_number": "0.1234567"}, "value_number", "canonical"),
    (OBS, CK, {"comparator": "<>"}, "comparator", "value set"),
    (OBS, TEXT, {"comparator": "<"}, "comparator", "needs value_number"),
    (OBS, CK, {"unit": None}, "value_number", "needs unit"),
    (OBS, CK, {"unit": "u/l"}, "unit", "no unit of the element"),
    (OBS, CK, {"unit": "kat/L"}, "unit", "no unit of the element"),
    (OBS, CK, {"value_number": None, "value_text": "normal"}, "unit", "needs a number"),
    (OBS, CK, {"unit": " "}, "unit", "forbids"),
    (OBS, CK, {"reference_high": "abc"}, "reference_high", "canonical"),
    (OBS, HMGCR, {"reference_high": "20"}, "reference_high", "needs unit"),
    (OBS, CK, {"value_text": ""}, "value_text", "forbids"),
    (OBS, CK, {"value_text": "ca.\n"}, "value_text", "forbids"),
    (OBS, CK, {"date": "2019-13"}, "date", "calendar"),
    (OBS, CK, {"date": "2019-2-1"}, "date", "calendar"),
    (OBS, CK, {"date": "2019-02-29"}, "date", "calendar"),
    (OBS, CK, {"method": "magic"}, "method", "value set"),
    (OBS, CK, {"value_code": "positive"}, "value_code", "no column of this type"),
    (OBS, HMGCR, {"value_code": "maybe"}, "value_code", "value set"),
    (OBS, CK, {"value_number": None, "unit": None}, "missing", "value or a missing reason"),
    (OBS, CK, {"missing": "unknown"}, "missing", "no place"),
    (OBS, MYALGIA, {"missing": "lost", "value_boolean": None}, "missing", "value set"),
    (OBS, MYALGIA, {"value_number": "1", "unit": "U/L"}, "value_number", "no column of this type"),
    (OBS, MYALGIA, {"unit": "U/L"}, "unit", "no column of this type"),
    (OBS, MYALGIA, {"comparator": "<"}, "comparator", "no column of this type"),
    (OBS, MYALGIA, {"reference_high": "1"}, "reference_high", "no column of this type"),
    (OBS, MYALGIA, {"method": "elisa"}, "method", "no column of this type"),
    (OBS, MYALGIA, {"value_date": "2019"}, "value_date", "no column of this type"),
    (OBS, CK, {"value_boolean": True}, "value_boolean", "no column of this type"),
    (OBS, MYALGIA, {"value_boolean": None, "value_text": "a little"}, "value_text", "remark"),
    (OBS, VISIT, {"value_date": "2019-00"}, "value_date", "calendar"),
    (OBS, HMGCR, {"value_boolean": True}, "value_boolean", "no place"),
    (OBS, MYALGIA, {"value_code": "positive"}, "value_code", "no place|no column"),
    (OBS, VISIT, {"value_boolean": False}, "value_date", "no place"),
    (OBS, CK, {"missing": "unknown", "value_number": None, "comparator": "<", "unit": None}, "comparator", "no place"),
    (OBS, HMGCR, {"missing": "unknown", "value_code": None, "value_text": "x"}, "value_text", "no place|remark"),
    (MED, STATIN, {"value_code": None}, "value_code", "code or a text"),
    (MED, STATIN, {"value_code": "aspirin"}, "value_code", "value set"),
    (MED, STATIN, {"status": None}, "status", "needed"),
    (MED, STATIN, {"status": "taken"}, "status", "value set"),
    (MED, STATIN, {"phase": "later"}, "phase", "value set"),
    (MED, STATIN, {"start_date": "2019", "start_missing": "unknown"}, "start_date", "beside"),
    (MED, STATIN, {"start_date": "2019-03", "end_date": "2019-02-27"}, "end_date", "is before"),
    (MED, STATIN, {"end_date": "2019", "end_missing": "unknown"}, "end_date", "beside"),
    (MED, STATIN, {"start_date": "soon"}, "start_date", "calendar"),
    (MED, STATIN, {"start_missing": "x"}, "start_missing", "value set"),
    (MED, STATIN, {"end_missing": "x"}, "end_missing", "value set"),
    (MED, STATIN, {"dose_number": "40"}, "dose_number", "needs dose_unit"),
    (MED, STATIN, {"dose_unit": "mg"}, "dose_unit", "needs dose_number"),
    (MED, STATIN, {"dose_number": "x", "dose_unit": "mg"}, "dose_number", "canonical"),
    (MED, STATIN, {"dose_number": "40", "dose_unit": "kg"}, "dose_unit", "no unit"),
    (MED, STATIN, {"rate_number": "40"}, "rate_number", "needs rate_unit"),
    (MED, STATIN, {"rate_unit": "mg/d"}, "rate_unit", "needs rate_number"),
    (MED, STATIN, {"rate_number": "01", "rate_unit": "mg/d"}, "rate_number", "canonical"),
    (MED, STATIN, {"rate_number": "40", "rate_unit": "g/a"}, "rate_unit", "no unit"),
    (MED, STATIN, {"dose_number": "1", "dose_unit": "\t"}, "dose_unit", "forbids"),
    (MED, STATIN, {"rate_number": "1", "rate_unit": "\t"}, "rate_unit", "forbids"),
    (MED, STATIN, {"route": "nose"}, "route", "value set"),
    (MED, STATIN, {"reason": "fun"}, "reason", "value set"),
    (CON, IMNM, {"value_code": None}, "value_code", "code or a text"),
    (CON, IMNM, {"onset_date": "2019", "onset_missing": "unknown"}, "onset_date", "beside"),
    (CON, IMNM, {"date": "2019", "date_missing": "unknown"}, "date", "beside"),
    (CON, IMNM, {"onset_date": "0000"}, "onset_date", "calendar"),
    (CON, IMNM, {"onset_missing": "x"}, "onset_missing", "value set"),
    (CON, IMNM, {"date_missing": "x"}, "date_missing", "value set"),
    (CON, IMNM, {"recorded_date": "x"}, "recorded_date", "calendar"),
    (PRO, PLEX, {"sessions": "0"}, "sessions", "count"),
    (PRO, PLEX, {"sessions": "1.5"}, "sessions", "count"),
    (PRO, PLEX, {"sessions": "five"}, "sessions", "canonical"),
    (PRO, PLEX, {"date": "2019-05", "end_date": "2019-04"}, "end_date", "is before"),
    (PRO, PLEX, {"date_missing": "x"}, "date_missing", "value set"),
]  # fmt: skip


def cohort(table: str, *rows: Row) -> Cohort:
    listed: dict[str, list[Any]] = {name: [] for name in TABLES}
    listed["patients"] = [keyed("patients", PATIENT)]
    listed[table] = [keyed(table, row) | ({"id": row["id"]} if "id" in row else {}) for row in rows]
    tables = {name: table_from_rows(name, each) for name, each in listed.items()}
    return Cohort(new_manifest("site file", {"madrid_es": {"name": "Madrid"}}), tables)


@pytest.mark.parametrize(("table", "good", "change", "column", "message"), PLANTED)
def test_planted(table: str, good: Row, change: Row, column: str, message: str) -> None:
    assert check_conformance(cohort(table, good)) == []
    found = check_conformance(cohort(table, {**good, **change}))
    said = [issue.message for issue in found if issue.column == column]
    assert any(part in line for line in said for part in message.split("|")), [
        i.message for i in found
    ]
    assert all("1 row)" in issue.message for issue in found)


@pytest.mark.parametrize(
    ("table", "good", "near"),
    [
        (OBS, CK, {"value_number": "123456789.123456"}),
        (OBS, CK, {"value_number": "123456789012345"}),
        (OBS, CK, {"value_number": "0.000001"}),
        (OBS, CK, {"value_number": "-1"}),
        (OBS, CK, {"value_text": "a \n\t\"'\\ 漢 \U0001f9ec"}),
        (OBS, CK, {"date": "2020-02-29"}),
        (OBS, CK, {"value_number": None, "unit": None, "value_text": "3-4"}),
        (OBS, HMGCR, {"reference_high": "20", "unit": "{CU}"}),
        (OBS, HMGCR, {"value_code": None, "missing": "not-performed", "method": "dot_blot"}),
        (MED, STATIN, {"start_date": "2019", "end_date": "2019-03-04"}),
        (MED, STATIN, {"start_date": "2019-03-04", "end_date": "2019"}),
        (PRO, PLEX, {"sessions": "1"}),
    ],
)
def test_near_misses(table: str, good: Row, near: Row) -> None:
    assert check_conformance(cohort(table, {**good, **near})) == []


def test_every_rule_has_a_planted_row() -> None:
    planted = {(table, column) for table, _, _, column, _ in PLANTED}
    rules = {(table, rule.column) for table in TABLES for rule in row_rules(table)}
    # The columns of the key are the same in every long table: planted once.
    shared = {
        (t, c) for t in TABLES[1:] for c in ("site", "patient", "id", "element", "time_point", "n")
    }
    shared |= {(t, "value_text") for t in TABLES[1:]} | {
        (MED, "end_date"),
        (CON, "value_code"),
        (PRO, "date"),
    }
    assert rules - planted - shared == set()


def test_between_rows() -> None:
    twice = check_conformance(cohort(OBS, CK, CK))
    assert [issue.message for issue in twice] == ["column id: stands in more than one row (1 row)"]
    lost = check_conformance(cohort(OBS, {**CK, "patient": "P2"}))
    assert [issue.column for issue in lost] == ["patient"]
    away = check_conformance(cohort(PAT, {**PATIENT, "site": "oslo_no"}))
    assert [issue.message for issue in away] == [
        "column site: is not among the cohort's sites (1 row)"
    ]


def test_a_message_counts_by_element_and_holds_no_value() -> None:
    rows = [{**CK, "n": str(n), "date": "canary"} for n in range(3)]
    rows += [{**MYALGIA, "n": str(n), "date": "canary"} for n in range(2)]
    said = [issue.message for issue in check_conformance(cohort(OBS, *rows))]
    assert said == [
        "element ck, column date: is no date of the calendar (3 rows)",
        "element myalgia, column date: is no date of the calendar (2 rows)",
    ]


def test_every_sample_row_keeps_the_rules() -> None:
    assert check_conformance(every_cohort()) == []
