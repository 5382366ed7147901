"""Site files that would give a wrong value in silence: stopped, or null with an issue."""

from datetime import date
from pathlib import Path

import pytest

from imnm_fhir.cohort import read_people, write_cohort
from imnm_fhir.errors import Problems
from imnm_fhir.harmonise import harmonise, harmonise_tables
from imnm_fhir.pseudonyms import pseudonym
from imnm_fhir.sites import parse_site_mapping
from imnm_fhir.validation import CONSENT_ELEMENTS, consent_states, gate
from tests.unit.small_site import (
    CK,
    SEX,
    STYLES,
    assert_adds_up,
    issues,
    one_cell,
    patients,
    rows,
    site,
    site_text,
    table,
)

NUMBER = '"X" = { element = "ck", time_point = "baseline", unit = "UI/l" }\n'


# --- Numbers and units


@pytest.mark.parametrize("cell", ["-9", "-9,0", "-9,00", "−9"])
def test_a_missing_code_is_missing_however_the_number_is_written(cell: str) -> None:
    column = NUMBER.replace(" }", ', missing = { "-9" = "unknown" } }')
    (row,) = rows(one_cell(column, cell), "observations")
    assert "value_number" not in row
    assert row["missing"] == "unknown"


def test_a_missing_code_is_no_limit() -> None:
    column = NUMBER.replace(" }", ', missing = { "99" = "unknown" } }')
    (row,) = rows(one_cell(column, "<99"), "observations")
    assert (row["value_number"], row["comparator"]) == ("99", "<")


@pytest.mark.parametrize("header", ["CK (ukat/L)", "CK [µkat/l]", "CK ukat/L", "CK (xLSN)"])
def test_a_header_with_another_unit_than_the_mapping_stops(header: str) -> None:
    column = f'"{header}" = {{ element = "ck", time_point = "baseline", unit = "UI/l" }}\n'
    with pytest.raises(Problems, match="its header says"):
        harmonise_tables([patients({header: ["5"]})], site(SEX + column))


@pytest.mark.parametrize("header", ["CK (UI/l)", "CK U/L", "CK basal", "CK (6 m)", "CK m"])
def test_a_header_with_the_same_unit_or_none_is_fine(header: str) -> None:
    column = f'"{header}" = {{ element = "ck", time_point = "baseline", unit = "UI/l" }}\n'
    cohort = harmonise_tables([patients({header: ["5"]})], site(SEX + column))
    assert rows(cohort, "observations")[0]["value_number"] == "5"


def test_a_cell_and_its_column_of_units_that_disagree_are_an_issue() -> None:
    column = '"X" = { element = "ck", time_point = "baseline", with = { unit = { column = "U" } } }'
    cells = {"X": ["5 U/L", "5 U/L", "5"], "U": ["ukat/L", "UI/l", "ukat/L"]}
    cohort = harmonise_tables([patients(cells)], site(SEX + column))
    assert issues(cohort) == [("unit-conflict", "improbable", 2, "X")]
    assert [row["value_number"] for row in rows(cohort, "observations")] == ["5", "300"]
    assert_adds_up(cohort)


# --- Dates


@pytest.mark.parametrize("cell", ["19 marzo 4", "04/03/219"])
def test_a_year_of_one_or_three_digits_is_an_issue_of_its_cell(cell: str) -> None:
    styles = STYLES + "two_digit_pivot = 2022\n"
    column = '"X" = { element = "imnm", field = "date", set = { value_code = "imnm" } }'
    cohort = one_cell(column, cell, styles)
    assert issues(cohort) == [("unreadable-date", "improbable", 2, "X")]


def test_not_dead_beside_an_unreadable_date_of_death_is_a_contradiction() -> None:
    columns = (
        '"E" = { element = "deceased", field = "deceased_boolean", words = "yes-no/es" }\n'
        '"F" = { element = "deceased", field = "deceased_date" }\n'
    )
    cells = {"E": ["No", "Sí", "No"], "F": ["31/02/2019", "31/02/2019", ""]}
    cohort = harmonise_tables([patients(cells)], site(SEX + columns))
    assert [row.get("deceased_boolean") for row in rows(cohort, "patients")] == [None, True, False]
    assert ("deceased-conflict", "impossible", 2, "E") in issues(cohort)
    assert_adds_up(cohort)


# --- Who a row is


def people(*names: str, typed: frozenset[int] = frozenset()) -> list[tuple[str, str]]:
    """Patient and rule of each issue of a table whose identifiers are `names`."""
    cells = {"ID": names, "Sexo": ["M"] * len(names)}
    cohort = harmonise_tables([table(cells, typed={"ID": typed})], site(SEX))
    assert_adds_up(cohort)
    found = [(str(row["patient"]), "") for row in rows(cohort, "patients")]
    return found + [(str(each.row), each.rule) for each in cohort.issues]


@pytest.mark.parametrize("twin", ["A1\u200b", "\ufeffA1", "Ａ１", "A\u00ad1"])
def test_characters_that_nobody_sees_make_no_second_patient(twin: str) -> None:
    assert people("A1", twin) == [("A1", ""), ("3", "duplicate-row")]


def test_composed_and_decomposed_letters_are_one_patient() -> None:
    assert people("é1", "e\u03011") == [("é1", ""), ("3", "duplicate-row")]


def test_pseudonyms_do_not_depend_on_characters_that_nobody_sees() -> None:
    text = site_text(SEX).replace('"pseudonym"', '"record-number"').replace('"keep"', '"hmac"')
    key = b"0123456789abcdef0123456789abcdef"
    cells = {"ID": ["77\u200b"], "Sexo": ["M"]}
    mapping = parse_site_mapping(text, "site.toml")
    cohort = harmonise_tables([table(cells)], mapping, pseudonym_key=key)
    assert rows(cohort, "patients")[0]["patient"] == pseudonym("77", key)


def test_a_spoilt_record_number_stands_in_no_issue() -> None:
    text = site_text(SEX).replace('"pseudonym"', '"record-number"').replace('"keep"', '"hmac"')
    key = b"0123456789abcdef0123456789abcdef"
    cells = {"ID": ["1,23E+15", "77\n8"], "Sexo": ["M", "M"]}
    mapping = parse_site_mapping(text, "site.toml")
    cohort = harmonise_tables([table(cells)], mapping, pseudonym_key=key)
    assert [(each.rule, each.value) for each in cohort.issues] == [("damaged-identifier", None)] * 2


@pytest.mark.parametrize("name", ["?", "-", "\u200b", "s/d"])
def test_a_sign_or_a_missing_word_is_no_patient(name: str) -> None:
    styles = STYLES + 'missing = { "s/d" = "unknown" }\n'
    cells = {"ID": [name, "P2"], "Sexo": ["M", "M"]}
    cohort = harmonise_tables([table(cells)], site(SEX, styles))
    assert [row["patient"] for row in rows(cohort, "patients")] == ["P2"]
    assert [each.rule for each in cohort.issues] == ["no-patient"]


@pytest.mark.parametrize("cell", ["2019-03-04", "true", "1.1"])
def test_an_identifier_that_excel_made_a_date_or_decimal_of_is_refused(cell: str) -> None:
    assert people(cell, typed=frozenset({0})) == [("2", "damaged-identifier")]
    assert people(cell) == [(cell, "")]
    assert people("11", typed=frozenset({0})) == [("11", "")]


@pytest.mark.parametrize(("one", "other"), [("MAD-1", "mad-01"), ("00123", "123"), ("A 1", "A1")])
def test_identifiers_that_are_almost_the_same_are_asked_about(one: str, other: str) -> None:
    assert people(one, other)[2:] == [("3", "similar-identifier")]
    assert people("10", "1", "100", "MAD-10", "MAD-1")[5:] == []


def test_the_hostile_columns_next_to_a_good_one_leave_it_alone() -> None:
    cohort = harmonise_tables([patients({"CPK": ["4.512"]})], site(SEX + CK))
    assert rows(cohort, "observations")[0]["value_number"] == "4512"
    assert cohort.issues == ()


def test_a_guessed_encoding_is_asked_about(tmp_path: Path) -> None:
    path = tmp_path / "site.csv"
    path.write_bytes("ID;Sexo;Nota\n1;M;患者は筋力低下を訴えた\n".encode("shift-jis"))
    cohort = harmonise([path], site(SEX))
    assert [(each.rule, each.file) for each in cohort.issues] == [("encoding-guessed", "site.csv")]


# --- Consent that cannot be read


@pytest.mark.parametrize("unmapped", ["issue", "text"])
@pytest.mark.parametrize("basis", ['legal_basis = "a law"', ""])
@pytest.mark.parametrize(
    ("answer", "until", "leaves"),
    [
        ("Sí", "2030-01-01", True),
        ("Sí", "2021-02-31", False),  # over, or not
        ("Revocado", "", False),  # a word that nobody mapped may be a withdrawal
    ],
)
def test_a_patient_whose_consent_cannot_be_read_stays_at_home(
    tmp_path: Path, unmapped: str, basis: str, answer: str, until: str, leaves: bool
) -> None:
    columns = (
        f'"C" = {{ element = "consent_reuse", words = "answer", unmapped = "{unmapped}" }}\n'
        '"F" = { element = "consent_valid_to" }\n'
    )
    styles = f'{STYLES}[words.answer]\n"Sí" = "yes"\n"No" = "no"\n'
    text = site_text(SEX + columns, styles).replace('legal_basis = "synthetic data"', basis)
    table_of_one = patients({"C": [answer], "F": [until]})
    cohort = harmonise_tables([table_of_one], parse_site_mapping(text, "site.toml"))
    write_cohort(cohort, tmp_path)
    day = date(2022, 7, 1)
    for each in (cohort, read_people(tmp_path, CONSENT_ELEMENTS)):
        assert (consent_states(each, day) == {("here", "P1"): "valid"}) is leaves
        _, flow = gate(each, today=day, need_validation=False)
        assert flow.passed_on == int(leaves)
