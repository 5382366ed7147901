"""Corrections on top of the files: only where the source still says what was corrected, and read like any cell."""

from typing import Any

import pytest

from imnm_fhir.cohort import Cohort
from imnm_fhir.harmonise import harmonise_tables
from imnm_fhir.harmonise.corrected_rows import Correction
from tests.unit.small_site import CK, LONG, SEX, issues, long_table, patients, rows, site

DATE = '"Nac" = { element = "birth_date" }\n'


def correction(column: str, old: str, new: str | None, **more: Any) -> Correction:
    known: dict[str, Any] = {
        "id": "c", "patient": "P1", "file": "site.csv", "sheet": None, "row": 2, "n": None,
        "column": column, "old": frozenset({old}), "new": new,
    }  # fmt: skip
    return Correction(**{**known, **more})


def corrected(cell: str, *corrections: Correction) -> tuple[Cohort, str]:
    """The cohort of one patient with one CK, and what became of the first correction."""
    made = harmonise_tables([patients({"CPK": [cell]})], site(SEX + CK), corrections=corrections)
    states = made.manifest["sites"]["here"]["corrections"]
    return made, states["c"]


@pytest.mark.parametrize(
    ("source", "state", "value"),
    [
        ("4.512", "applied", "5000"),
        ("5.000", "at-source", "5000"),
        ("5000", "at-source", "5000"),
        ("4.600", "conflict", "4600"),
    ],
)
def test_a_correction_counts_only_on_top_of_what_it_corrects(
    source: str, state: str, value: str
) -> None:
    made, found = corrected(source, correction("CPK", "4.512", "5000"))
    assert found == state
    assert [row["value_number"] for row in rows(made, "observations")] == [value]


def test_a_correction_that_cannot_be_read_leaves_the_source() -> None:
    made, state = corrected("4.512", correction("CPK", "4.512", "many"))
    assert state == "unreadable"
    assert [row["value_number"] for row in rows(made, "observations")] == ["4512"]


def test_a_number_is_corrected_although_its_unit_is_not_known() -> None:
    table = patients({"CPK": ["alta"], "U": [""]})
    ck = '"CPK" = { element = "ck", with = { unit = "U" } }\n'
    given = correction("CPK", "alta", "3.450")
    made = harmonise_tables([table], site(SEX + ck), corrections=[given])
    assert made.manifest["sites"]["here"]["corrections"] == {"c": "applied"}
    assert [rule for rule, *_ in issues(made)] == ["unit-missing"]


def test_a_word_that_the_mapping_does_not_know_stops_nothing() -> None:
    made, state = corrected("1", correction("Sexo", "M", "x"))
    assert (state, made.tables["patients"]["sex"].to_pylist()) == ("unreadable", ["female"])


def test_not_available_is_missing_with_its_reason() -> None:
    made, state = corrected("-4", correction("CPK", "-4", None))
    assert state == "applied"
    (row,) = rows(made, "observations")
    assert (row["missing"], row.get("value_number")) == ("asked-unknown", None)


def test_a_blank_cell_can_be_filled() -> None:
    made, state = corrected("", correction("CPK", "", "5000"))
    assert (state, rows(made, "observations")[0]["value_number"]) == ("applied", "5000")


def test_a_typed_date_needs_no_style() -> None:
    table = patients({"Nac": ["04.02.1888"]})
    given = correction("Nac", "04.02.1888", "1988-02-04", typed=True)
    made = harmonise_tables([table], site(SEX + DATE), corrections=[given])
    assert made.tables["patients"]["birth_date"].to_pylist() == ["1988-02-04"]
    assert table.columns["Nac"] == ["04.02.1888"]  # the source is as it was


def test_a_row_or_column_that_is_not_there_is_said() -> None:
    assert corrected("1", correction("CPK", "1", "2", patient="P9"))[1] == "gone"
    assert corrected("1", correction("Other", "1", "2"))[1] == "gone"
    assert corrected("1", correction("CPK", "1", "2", file="long.csv"))[1] == "gone"


def test_a_header_spelt_otherwise_is_the_same_column() -> None:
    assert corrected("1", correction(" cpk", "1", "2"))[1] == "applied"


def test_the_row_of_a_record_is_found_wherever_it_stands() -> None:
    long = long_table(("P1", "7", "01/02/2020", "10"), ("P1", "8", "01/03/2020", "10"))
    given = correction("CK", "10", "20", file="long.csv", n="8", row=99)
    made = harmonise_tables(
        [patients({"CPK": ["1"]}), long], site(SEX + CK, more=LONG), corrections=[given]
    )
    values = {row["n"]: row["value_number"] for row in rows(made, "observations") if row.get("n")}
    assert values == {"7": "10", "8": "20"}


def test_rows_of_a_patient_who_is_not_the_site_s_are_refused() -> None:
    made = harmonise_tables([patients({"CPK": ["1", "2"]})], site(SEX + CK), foreign={"P1"})
    assert made.tables["patients"]["patient"].to_pylist() == ["P2"]
    assert ("not-our-patient", "impossible", 2, "ID") in issues(made)
