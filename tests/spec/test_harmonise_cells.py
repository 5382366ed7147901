# ruff: noqa: E501  (cases are tables: one line each)
"""What a cell becomes: the line of the mapping, the cell, and the row or the issue that it makes."""

from typing import Any, NamedTuple

import pytest

from imnm_fhir.dictionary import TABLES
from imnm_fhir.harmonise import harmonise_tables
from tests.unit.small_site import SEX, one_cell, rows, site, sources, table

PREDNISONE = '"X" = { element = "immunosuppressant", n = "p", field = "start_date", set = { value_code = "prednisone" } }'


class Case(NamedTuple):
    """A column's line, its cell, and the fields that the row has (or the issue's rule)."""

    title: str
    line: str
    cell: str
    row: dict[str, Any] | None = None
    issue: str | None = None
    others: dict[str, str] | None = None


CK = '"X" = { element = "ck", time_point = "baseline", unit = "UI/l" }'
KATAL = '"X" = { element = "ck", unit = "µkat/L" }'
ULN = '"X" = { element = "ck", unit = "xLSN", with = { reference_high = { column = "LSN", unit = "U/L" } } }'
BY_ROW = '"X" = { element = "ck", with = { unit = "Unidad" } }'
OR_ELSE = '"X" = { element = "ck", unit = "U/L", with = { unit = "Unidad" } }'
MRC = '"X" = { element = "worst_mrc" }'
HMGCR = '"X" = { element = "anti_hmgcr", words = { Positivo = "positive", Negativo = "negative", Dudoso = "borderline" }, set = { method = "dot_blot" }, missing = { ND = "not-performed" } }'
GRADE = '"X" = { element = "anti_srp", words = { "-" = "negative", "+" = "positive", "++" = "positive", "+++" = "positive" }, keep = "value_text" }'
TITRE = '"X" = { element = "anti_hmgcr", field = "value_number", unit = "AU/ml" }'
YES = '"X" = { element = "myalgia" }'
BORN = '"X" = { element = "birth_date", missing = { "s/d" = "unknown" } }'
STATIN = '"X" = { element = "statin", field = "value_code", words = "drug", keep = "value_text" }'
CANCER = '"X" = { element = "cancer_diagnosis", field = "value_code", split = [";"], unmapped = "text", with = { date = "Fecha" } }'
DRUGS = '"X" = { element = "immunosuppressant", field = "value_code", split = ["+", "/", ","], switch = ["→"], words = "drug" }'
DOSE = '"X" = { element = "immunosuppressant", n = "p", field = "dose", set = { value_code = "prednisone" }, with = { unit = "Unidad" } }'
STOP = '"X" = { element = "statin", field = "end_date", set = { value_code = "atorvastatin" }, ongoing = ["sigue"], missing = { "s/d" = "unknown", "no procede" = "not-applicable" } }'
WORDS = '"X" = { element = "ck", unit = "U/L", unmapped = "text" }'

CASES = [
    # Numbers: style and comparator
    Case("thousands with a dot", CK, "4.512", {"value_number": "4512", "unit": "U/L", "time_point": "baseline"}),
    Case("a censored value stays censored", CK, "<20", {"value_number": "20", "comparator": "<", "unit": "U/L"}),
    Case("above the highest", CK, "> 10.000", {"value_number": "10000", "comparator": ">"}),
    Case("the cell names its own unit", CK, "75 µkat/L", {"value_number": "4500", "unit": "U/L"}),
    Case("about: the number with the word kept", CK, "aprox. 4.000", {"value_number": "4000", "value_text": "aprox."}),
    Case("a range is no number", CK, "5.000-6.000", issue="range"),
    Case("other text", CK, "mucho", issue="unreadable-number"),
    Case("more digits than are kept", CK, "1,2345678", issue="too-precise"),
    Case("wrong groups of thousands", CK, "45.12", issue="thousands"),
    Case("words where the mapping lets them stay", WORDS, "normal", {"value_text": "normal"}),
    Case("but not a broken number", WORDS, "4x12", issue="number-with-text"),
    # Units
    Case("katal to units, exactly", KATAL, "75,2", {"value_number": "4512", "unit": "U/L"}),
    Case("comparator survives the conversion", KATAL, "<0,5", {"value_number": "30", "comparator": "<"}),
    Case("a multiple of the row's own limit", ULN, "10,5", {"value_number": "2100", "unit": "U/L", "reference_high": "200"}, None, {"LSN": "200"}),
    Case("a multiple without the limit", ULN, "10,5", issue="limit-missing", others={"LSN": ""}),
    Case("unit of the row", BY_ROW, "75", {"value_number": "4500"}, None, {"Unidad": "ukat/L"}),
    Case("the row names no unit", BY_ROW, "75", issue="unit-missing", others={"Unidad": ""}),
    Case("the row's unit over the mapping's", OR_ELSE, "75", {"value_number": "4500"}, None, {"Unidad": "ukat/L"}),
    Case("the mapping's unit where the row names none", OR_ELSE, "75", {"value_number": "75"}, None, {"Unidad": ""}),
    Case("a unit of the row that is none", OR_ELSE, "75 ukat/L", issue="unit-conflict", others={"Unidad": "U/L"}),
    Case("unit in nobody's words", '"X" = { element = "ck" }', "75", issue="unit-missing"),
    Case("an assay's unit is kept", TITRE, "67,2", {"value_number": "67.2", "unit": "[arb'U]/mL"}),
    # Strength grades
    Case("a plain grade", MRC, "4", {"value_number": "4", "unit": "{score}"}),
    Case("a grade with plus keeps its sign as text", MRC, "4+", {"value_number": "4", "value_text": "4+"}),
    Case("a grade with minus", MRC, "4-", {"value_number": "4", "value_text": "4-"}),
    Case("of five", MRC, "4/5", {"value_number": "4", "value_text": "4/5"}),
    Case("between two grades is text alone", MRC, "3-4", {"value_text": "3-4"}),
    Case("a grade that cannot be is left to validation", MRC, "6", {"value_number": "6"}),
    Case("Excel made a date of 3-4", MRC, "04. Mrz", issue="spreadsheet-date"),
    Case("Excel made a date of it in Spanish", MRC, "4-mar", issue="spreadsheet-date"),
    # Words
    Case("case and accents do not matter", HMGCR, "POSITIVO", {"value_code": "positive", "method": "dot_blot"}),
    Case("borderline is not positive", HMGCR, "dudoso", {"value_code": "borderline"}),
    Case("ND is what this column says", HMGCR, "ND", {"missing": "not-performed", "method": "dot_blot"}),
    Case("the grade stays as written", GRADE, "++", {"value_code": "positive", "value_text": "++"}),
    Case("yes of the site's language", YES, "sí", {"value_boolean": True}),
    Case("no of the site's language", YES, "NO", {"value_boolean": False}),
    # Dates
    Case("day first", '"X" = { element = "last_contact" }', "03/04/2019", {"value_date": "2019-04-03"}),
    Case("a month", '"X" = { element = "last_contact" }', "04/2019", {"value_date": "2019-04"}),
    Case("a year", '"X" = { element = "last_contact" }', "2019", {"value_date": "2019"}),
    Case("a month's name", '"X" = { element = "last_contact" }', "marzo 2019", {"value_date": "2019-03"}),
    Case("no such day", '"X" = { element = "last_contact" }', "31/02/2019", issue="no-such-date"),
    Case("a serial number where none was declared", '"X" = { element = "last_contact", unmapped = "issue" }', "43528", issue="undeclared-style"),
    Case("a serial number", '"X" = { element = "last_contact", excel_dates = "1900" }', "43528", {"value_date": "2019-03-04"}),
    Case("two digits of a year", '"X" = { element = "last_contact", two_digit_pivot = 2022 }', "04/03/19", {"value_date": "2019-03-04"}),
    Case("an error of a formula", '"X" = { element = "last_contact" }', "#¡REF!", issue="spreadsheet-damage"),
    # Drugs
    Case("a brand", STATIN, "Cardyl", {"value_code": "atorvastatin", "value_text": "Cardyl", "status": "unknown"}),
    Case("a start", PREDNISONE, "15/05/2013", {"value_code": "prednisone", "start_date": "2013-05-15", "status": "unknown"}),
    Case("an unreadable start makes no drug", PREDNISONE, "en mayo", issue="unreadable-date"),
    Case("an end completes", STOP, "01/02/2014", {"end_date": "2014-02-01", "status": "completed"}),
    Case("going on", STOP, "sigue", {"status": "active"}),
    Case("an end that nobody knows", STOP, "s/d", {"end_missing": "unknown", "status": "unknown"}),
    Case("not applicable makes no drug", STOP, "no procede", issue="reason-dropped"),
    Case("a dose per time", DOSE, "1", {"rate_number": "1", "rate_unit": "mg/kg/d"}, None, {"Unidad": "mg/kg/día"}),
    Case("a dose of one administration", DOSE, "2", {"dose_number": "2", "dose_unit": "g/kg"}, None, {"Unidad": "g/kg"}),
    # Text
    Case("text as it stands", '"X" = { element = "cause_of_death" }', "=1+1", {"value_text": "=1+1"}),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_cell(case: Case) -> None:
    cohort = one_cell(case.line, case.cell, **(case.others or {}))
    made = [row for name in TABLES if name != "patients" for row in rows(cohort, name)]
    if case.row is None:
        assert made == []
    else:
        assert len(made) == 1
        assert {key: made[0].get(key) for key in case.row} == case.row
    found = [issue.rule for issue in cohort.issues if issue.rule != "orphan"]
    assert found == ([case.issue] if case.issue else [])
    count = sources(cohort)[0]
    assert (
        count["cells_in"] == count["cells_values"] + count["cells_missing"] + count["cells_issues"]
    )


def test_unmapped_word_that_does_not_stop() -> None:
    line = '"X" = { element = "weakness_predominance", words = { piernas = "lower_limbs" }, unmapped = "issue" }'
    cohort = one_cell(line, "todas")
    (issue,) = cohort.issues
    assert (issue.rule, issue.kind, issue.category) == ("unknown-word", "improbable", "conformance")
    assert (issue.file, issue.row, issue.column, issue.value) == ("site.csv", 2, "X", "todas")
    assert (issue.patient, issue.element) == ("P1", "weakness_predominance")
    assert "todas" not in issue.message
    assert rows(cohort, "observations") == []


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("PDN+MTX+IgIV", [("1", "prednisone", "unknown"), ("2", "methotrexate", "unknown"), ("3", "ivig", "unknown")]),
        ("GC/MTX", [("1", "glucocorticoid_unspecified", "unknown"), ("2", "methotrexate", "unknown")]),
        ("AZA→MMF", [("1", "azathioprine", "completed"), ("2", "mycophenolate_mofetil", "unknown")]),
        ("prednisona, MTX", [("1", "prednisone", "unknown"), ("2", "methotrexate", "unknown")]),
        ("", []),
    ],
)  # fmt: skip
def test_combination_cell(cell: str, expected: list[tuple[str, str, str]]) -> None:
    made = rows(one_cell(DRUGS, cell), "medications")
    assert [(row["n"], row["value_code"], row["status"]) for row in made] == expected


def test_two_primaries_share_the_date_beside_them() -> None:
    cohort = one_cell(CANCER, "liposarcoma; tumor raro", Fecha="20/05/2019")
    made = rows(cohort, "conditions")
    assert [
        (row["n"], row.get("value_code"), row.get("value_text"), row["date"]) for row in made
    ] == [
        ("1", "liposarcoma", None, "2019-05-20"),
        ("2", None, "tumor raro", "2019-05-20"),
    ]
    assert cohort.issues == ()


def test_date_without_its_cancer_is_an_orphan() -> None:
    cohort = one_cell(CANCER, "", Fecha="20/05/2019")
    (issue,) = cohort.issues
    assert (issue.rule, issue.kind, issue.column) == ("orphan", "improbable", "Fecha")
    assert sources(cohort)[0]["cells_issues"] == 1


DEAD = """\
"X" = { element = "deceased", field = "deceased_boolean", missing = { desconocido = "unknown" } }
"F" = { element = "deceased", field = "deceased_date", missing = { "s/d" = "unknown" } }
"""


@pytest.mark.parametrize(
    ("dead", "date", "expected", "rules"),
    [
        ("Sí", "04/12/2019", {"deceased_date": "2019-12-04"}, []),
        ("", "04/12/2019", {"deceased_date": "2019-12-04"}, []),
        ("Sí", "", {"deceased_boolean": True}, []),
        ("No", "", {"deceased_boolean": False}, []),
        ("", "", {}, []),
        ("desconocido", "", {"deceased_missing": "unknown"}, []),
        ("No", "04/12/2019", {}, ["deceased-conflict", "deceased-conflict"]),
        ("Sí", "s/d", {"deceased_boolean": True}, ["reason-dropped"]),
        ("desconocido", "04/12/2019", {"deceased_date": "2019-12-04"}, ["reason-dropped"]),
        ("Sí", "99/99/2019", {"deceased_boolean": True}, ["no-such-date"]),
    ],
)
def test_alive_dead_and_date_are_one(
    dead: str, date: str, expected: dict[str, Any], rules: list[str]
) -> None:
    cohort = one_cell(DEAD, dead, F=date)
    (patient,) = rows(cohort, "patients")
    assert {key: value for key, value in patient.items() if key.startswith("deceased")} == expected
    assert [issue.rule for issue in cohort.issues] == rules
    assert sources(cohort)[0]["cells_in"] == 1 + bool(dead) + bool(date)


@pytest.mark.parametrize(("word", "sex"), [("M", "female"), ("v", "male")])
def test_m_is_mujer_where_the_column_says_so(word: str, sex: str) -> None:
    mapping = site(SEX)
    (patient,) = rows(harmonise_tables([table({"ID": ["1"], "Sexo": [word]})], mapping), "patients")
    assert patient["sex"] == sex


def test_missing_birth_date_keeps_its_reason() -> None:
    (patient,) = rows(one_cell(BORN, "s/d"), "patients")
    assert patient == {"patient": "P1", "sex": "female", "birth_date_missing": "unknown"}
