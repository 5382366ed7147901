# ruff: noqa: E501  (cases are tables: one line each)
"""Upper limits of normal that a mapping gives (domain 5, trap 6): the site's own, by sex, or imputed ones."""

from typing import Any, NamedTuple

import pytest

from imnm_fhir.cohort import Cohort
from imnm_fhir.derive import derive_cases
from imnm_fhir.errors import Problems
from imnm_fhir.fhir import from_fhir, to_fhir
from imnm_fhir.harmonise import harmonise_tables
from imnm_fhir.harmonise.corrected_rows import Correction
from imnm_fhir.sites import check_site_mapping
from imnm_fhir.study import load_study
from imnm_fhir.table1 import table1
from tests.unit.small_site import SEX, assert_adds_up, patients, rows, site, table

BORN = '"Nac" = { element = "birth_date" }\n'
OWN = 'upper_limit = { value = "190", unit = "U/L" }'
KATAL = 'upper_limit = { value = "3.17", unit = "µkat/L" }'
BY_SEX = 'upper_limit = { female = "170", male = "195", unit = "U/L" }'
IMPUTED = 'upper_limit = "imputed"'
MARKED = {"method": "imputed_limit"}


class Case(NamedTuple):
    """The mapping's words of the limit, who the patient is, the cell, and what comes of it."""

    limit: str
    sex: str
    born: str
    cell: str
    row: dict[str, Any] | None
    date: str = "04/03/2019"
    unit: str = "xLSN"


CASES = [
    Case(OWN, "M", "", "10,5", {"value_number": "1995", "reference_high": "190"}),
    Case(OWN, "", "", ">5", {"value_number": "950", "reference_high": "190", "comparator": ">"}),
    Case(OWN, "M", "", "4.512", {"value_number": "4512", "reference_high": "190"}, unit="U/L"),
    Case(KATAL, "M", "", "10", {"value_number": "1902", "reference_high": "190.2"}),
    Case(BY_SEX, "M", "", "10", {"value_number": "1700", "reference_high": "170"}),
    Case(BY_SEX, "V", "", "10", {"value_number": "1950", "reference_high": "195"}),
    Case(BY_SEX, "", "", "10", None),
    Case(BY_SEX, "", "", "4.512", {"value_number": "4512"}, unit="U/L"),
    Case(IMPUTED, "M", "", "10", {"value_number": "2070", "reference_high": "207", **MARKED}),
    Case(IMPUTED, "V", "04/03/1970", "10", {"value_number": "3950", "reference_high": "395", **MARKED}),
    Case(IMPUTED, "V", "05/03/1969", "10", {"value_number": "3950", "reference_high": "395", **MARKED}),
    Case(IMPUTED, "V", "04/03/1969", "10", {"value_number": "3400", "reference_high": "340", **MARKED}),
    Case(IMPUTED, "V", "1969", "10", None),  # 49 or 50
    Case(IMPUTED, "V", "1990", "10", {"value_number": "3950", "reference_high": "395", **MARKED}, date=""),
    Case(IMPUTED, "V", "1960", "10", None, date=""),  # below 50 or not, nobody knows when
    Case(IMPUTED, "V", "", "10", None),
    Case(IMPUTED, "", "1960", "10", None),
    Case(IMPUTED, "M", "", "4.512", {"value_number": "4512"}, unit="U/L"),  # measured: no limit is put in
]  # fmt: skip


def made(case: Case) -> Cohort:
    column = f'"CK" = {{ element = "ck", with = {{ unit = "U", date = "F" }}, {case.limit} }}'
    cells = {"ID": ["P1"], "Sexo": [case.sex], "Nac": [case.born], "CK": [case.cell],
             "U": [case.unit], "F": [case.date]}  # fmt: skip
    return harmonise_tables([table(cells)], site(SEX + BORN + column))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_limit(case: Case) -> None:
    cohort = made(case)
    found = [{**row, "unit": None} for row in rows(cohort, "observations")]
    own = {"patient": "P1", "element": "ck", "unit": None}
    day = {"date": "2019-03-04"} if case.date else {}
    assert found == ([] if case.row is None else [{**own, **day, **case.row}])
    rules = [each.rule for each in cohort.issues]
    expected = [] if case.row is not None else ["limit-missing"]
    assert [rule for rule in rules if rule != "limit-imputed"] == expected
    assert ("limit-imputed" in rules) == ("method" in (case.row or {}))
    assert_adds_up(cohort)


def test_imputed_limits_are_said_once_per_column_and_marked_wherever_they_count() -> None:
    column = f'"CK" = {{ element = "ck", time_point = "baseline", unit = "xLSN", {IMPUTED} }}'
    line = '"Dx" = { element = "imnm", field = "date", set = { value_code = "imnm" } }\n'
    cells = {"CK": ["10", "20", ""], "Dx": ["04/03/2019"] * 3}
    cohort = harmonise_tables([patients(cells)], site(SEX + line + column))
    said = [each for each in cohort.issues if each.rule == "limit-imputed"]
    assert [(each.column, each.row, each.element) for each in said] == [("CK", None, "ck")]
    assert said[0].message.startswith("multiples of an upper limit that nobody sent: 2;")
    assert "female: 207, male < 50: 395, male: 340" in said[0].message
    back = from_fhir(to_fhir(cohort))
    assert rows(back, "observations") == rows(cohort, "observations")
    cases = derive_cases(back, load_study())
    assert cases["ck_baseline_imputed"].to_pylist() == [True, True, None]
    assert cases["ck_baseline_x_uln"].to_pylist() == [10, 20, None]
    note = "Some values were sent as multiples of an upper limit that nobody sent"
    assert any(each.startswith(note) for each in table1(cases, load_study()).footnotes)
    own = column.replace(IMPUTED, OWN)
    cohort = harmonise_tables([patients(cells)], site(SEX + line + own))
    assert not cohort.issues
    notes = table1(derive_cases(cohort, load_study()), load_study()).footnotes
    assert not any(each.startswith(note) for each in notes)


@pytest.mark.parametrize(
    ("limit", "cell", "row"),
    [
        (OWN, "10 xLSN", {"value_number": "1900", "reference_high": "190"}),
        (OWN, "12 ULN", {"value_number": "2280", "reference_high": "190"}),
        (OWN, "1,5 LSN", {"value_number": "285", "reference_high": "190"}),
        (OWN, "4.512", {"value_number": "4512", "reference_high": "190"}),
        (IMPUTED, "10 xLSN", {"value_number": "2070", "reference_high": "207", **MARKED}),
        (IMPUTED, "4.512", {"value_number": "4512"}),
    ],
)
def test_a_cell_that_names_the_multiple_itself(limit: str, cell: str, row: dict[str, str]) -> None:
    column = f'"CK" = {{ element = "ck", unit = "U/L", {limit} }}'
    cohort = harmonise_tables([patients({"CK": [cell]})], site(SEX + column))
    own = {"patient": "P1", "element": "ck", "unit": "U/L"}
    assert rows(cohort, "observations") == [{**own, **row}]
    assert_adds_up(cohort)


@pytest.mark.parametrize(("unit", "value"), [("xLSN", "2000"), ("", "10"), ("U/L", "10")])
def test_a_row_that_names_the_multiple_beside_a_unit_of_the_column(unit: str, value: str) -> None:
    limit = 'reference_high = { column = "L", unit = "U/L" }'
    column = f'"CK" = {{ element = "ck", unit = "U/L", with = {{ unit = "U", {limit} }} }}'
    cohort = harmonise_tables(
        [patients({"CK": ["10"], "U": [unit], "L": ["200"]})], site(SEX + column)
    )
    made = {"value_number": value, "unit": "U/L", "reference_high": "200"}
    assert rows(cohort, "observations") == [{"patient": "P1", "element": "ck", **made}]


def test_each_element_of_a_column_has_its_own_limit() -> None:
    both = [f'{{ element = "{name}", unit = "xLSN", upper_limit = {{ value = "{limit}", unit = "U/L" }} }}'
            for name, limit in (("ck", "190"), ("ldh", "250"))]  # fmt: skip
    cohort = harmonise_tables([patients({"X": ["10"]})], site(SEX + f'"X" = [ {", ".join(both)} ]'))
    found = {row["element"]: row["value_number"] for row in rows(cohort, "observations")}
    assert found == {"ck": "1900", "ldh": "2500"}


def test_a_corrected_multiple_is_read_with_its_limit() -> None:
    column = f'"CK" = {{ element = "ck", unit = "xLSN", {BY_SEX} }}'
    correction = Correction(
        "a", "P1", None, None, None, None, "CK", frozenset({"10"}), "11", element="ck"
    )
    cohort = harmonise_tables(
        [patients({"CK": ["10"]})], site(SEX + column), corrections=[correction]
    )
    assert cohort.manifest["sites"]["here"]["corrections"] == {"a": "applied"}
    assert [row["value_number"] for row in rows(cohort, "observations")] == ["1870"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('element = "ck", unit = "xLSN"', "or upper_limit = { value"),
        ('element = "ck", unit = "U/L", upper_limit = "guessed"', 'or "imputed"'),
        ('element = "ck", unit = "U/L", upper_limit = { value = "190" }', "unit: is missing"),
        ('element = "ck", unit = "U/L", upper_limit = { female = "170", unit = "U/L" }', "both female and male"),
        ('element = "ck", unit = "U/L", upper_limit = { value = "1", male = "2", female = "3", unit = "U/L" }', "either value, or both"),
        ('element = "ck", unit = "U/L", upper_limit = { value = "190", unit = "mg" }', "upper_limit: "),
        ('element = "ck", unit = "U/L", upper_limit = { value = "190", unit = "xLSN" }', "no unit of a limit"),
        ('element = "ck", unit = "U/L", upper_limit = { value = "0", unit = "U/L" }', "must be above 0"),
        ('element = "ck", unit = "U/L", upper_limit = { value = "1.900", unit = "U/L" }', "write 1900, or 1.9"),
        ('element = "ck", unit = "U/L", upper_limit = { value = "1,9", unit = "U/L" }', "upper_limit: "),
        ('element = "ck", unit = "U/L", upper_limit = { value = "190", unit = "U/L", of = "2" }', "no key is called 'of'"),
        ('element = "myalgia", upper_limit = { value = "190", unit = "U/L" }', "belongs to the value of a number"),
        ('element = "ldh", unit = "xLSN", upper_limit = "imputed"', "none is known to impute for ldh"),
        ('element = "ck", unit = "xLSN", set = { method = "other" }, upper_limit = "imputed"', "marked in method"),
        ('element = "ck", unit = "xLSN", with = { method = { column = "M", words = { L = "line_blot" } } }, upper_limit = "imputed"', "marked in method"),
        ('element = "ck", unit = "xLSN", upper_limit = "imputed" }\n"M" = { element = "ck", field = "method", words = { L = "line_blot" }', "marked in method"),
        ('element = "ck", unit = "xLSN", with = { reference_high = { column = "ID", unit = "U/L" } }, ' + OWN, "from a column already"),
    ],
)  # fmt: skip
def test_a_limit_that_cannot_be_is_refused(line: str, said: str) -> None:
    with pytest.raises(Problems, match=r"line \d+") as fault:
        check_site_mapping(site(SEX + f'"X" = {{ {line} }}'), [patients({"X": ["1"], "M": ["L"]})])
    assert said in str(fault.value)
