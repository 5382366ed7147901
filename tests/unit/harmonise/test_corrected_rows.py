"""A correction goes to the row with its key, wherever it stands by now, and to no other row."""

from typing import Any

import pytest

from imnm_fhir.cohort import Cohort
from imnm_fhir.harmonise import harmonise_tables
from imnm_fhir.harmonise.corrected_rows import Correction
from imnm_fhir.harmonise.corrections import delivery_hash
from tests.unit.small_site import CK, DATED, SEX, long_table, patients, rows, site, table

DRUGS = '"Drogas" = { element = "immunosuppressant", field = "value_code", split = ["+"], words = "drug" }\n'


def correction(old: str, new: str | None, **more: Any) -> Correction:
    known: dict[str, Any] = {
        "id": "c", "patient": "P1", "file": "long.csv", "sheet": None, "row": 2, "n": "2020-02-01",
        "column": "CK", "old": frozenset({old}), "new": new, "element": "ck",
    }  # fmt: skip
    return Correction(**{**known, **more})


def series(given: Correction, *lines: tuple[str, str]) -> tuple[dict[str, str], str]:
    """The CKs by date after a correction, and what became of it; lines are of date and CK."""
    long = long_table(*(("P1", "", date, ck) for date, ck in lines))
    made = harmonise_tables(
        [patients({"CPK": ["1"]}), long], site(SEX + CK, more=DATED), corrections=[given]
    )
    return by_date(made), made.manifest["sites"]["here"]["corrections"]["c"]


def by_date(made: Cohort) -> dict[str, str]:
    return {
        str(row["n"]): row["value_number"]
        for row in rows(made, "observations")
        if row.get("n") and row.get("value_number")
    }


@pytest.mark.parametrize("word", ["", "10"])
def test_rows_sorted_otherwise_with_the_same_word(word: str) -> None:
    found, state = series(correction(word, "20"), ("01/03/2020", word), ("01/02/2020", word))
    assert (found["2020-02-01"], state) == ("20", "applied")
    assert found.get("2020-03-01", "") == word


def test_the_row_is_gone_and_another_one_holds_the_word() -> None:
    assert series(correction("10", "20"), ("01/03/2020", "10")) == ({"2020-03-01": "10"}, "gone")


def test_a_date_that_was_corrected_is_the_key_of_what_is_asked_next() -> None:
    long = long_table(("P1", "", "01/02/2920", "10"), ("P1", "", "01/03/2020", "10"))
    date = correction("01/02/2920", "01/02/2020", id="d", column="Fecha", n="2920-02-01")
    made = harmonise_tables(
        [patients({"CPK": ["1"]}), long], site(SEX + CK, more=DATED),
        corrections=[date, correction("10", "20")],
    )  # fmt: skip
    assert by_date(made) == {"2020-02-01": "20", "2020-03-01": "10"}
    assert set(made.manifest["sites"]["here"]["corrections"].values()) == {"applied"}


def test_rows_without_a_date_are_known_by_their_place_in_the_same_delivery_only() -> None:
    lines = (("", "1o"), ("", "1o"))
    same = delivery_hash([("site.csv", "0" * 64), ("long.csv", "0" * 64)])
    given = correction("1o", "20", n=None, row=3, loose=True)
    assert series(given, *lines)[1] == "gone"
    found = series(correction("1o", "20", n=None, row=3, loose=True, delivery=same), *lines)
    assert found[1] == "applied"


def test_two_files_of_one_kind_are_told_apart_by_key() -> None:
    kind = DATED.replace('"long.csv"', '"long*.csv"')
    columns = {"ID": ["P1"], "Fecha": ["01/03/2020"], "CK": ["10"]}
    first = table(columns, file="long1.csv")
    second = table({**columns, "Fecha": ["01/02/2020"]}, file="long2.csv")
    made = harmonise_tables(
        [patients({"CPK": ["1"]}), first, second], site(SEX + CK, more=kind),
        corrections=[correction("10", "20", file="long2.csv")],
    )  # fmt: skip
    assert by_date(made) == {"2020-03-01": "10", "2020-02-01": "20"}


def test_a_cell_of_several_drugs_is_read_part_by_part() -> None:
    given = correction(
        "MTX", "MTX+AZA", column="Drogas", file="site.csv", n="2", element="immunosuppressant"
    )
    made = harmonise_tables([patients({"Drogas": ["MTX"]})], site(SEX + DRUGS), corrections=[given])
    assert made.manifest["sites"]["here"]["corrections"] == {"c": "applied"}
    assert len(rows(made, "medications")) == 2
