"""Which patients there are, which rows are refused, and what stands for their record numbers."""

from dataclasses import replace
from pathlib import Path

import pytest

from imnm_fhir.dictionary import TABLES
from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.harmonise import harmonise, harmonise_tables
from imnm_fhir.pseudonyms import KEY, fingerprint, pseudonym
from imnm_fhir.sites import SiteMapping
from tests.unit.small_site import (
    CK,
    LONG,
    SEX,
    assert_adds_up,
    counts,
    issues,
    long_table,
    patients,
    rows,
    site,
    sources,
    table,
)

GOOD_KEY = b"0123456789abcdef0123456789abcdef"


# --- Patients


def test_identical_rows_of_a_patient_are_kept_once() -> None:
    both = table(
        {
            "ID": ["1", "1", "2"],
            "Sexo": ["M", "M", "V"],
            "CPK": ["9", "9", "8"],
            "Nota": ["a", "b", "c"],
        }
    )
    cohort = harmonise_tables([both], site(SEX + CK))
    assert [row["patient"] for row in rows(cohort, "patients")] == ["1", "2"]
    assert [row["value_number"] for row in rows(cohort, "observations")] == ["9", "8"]
    assert issues(cohort) == [("duplicate-row", "note", 3, "ID")]
    assert counts(cohort) == (3, 2, 1, 0)
    assert sources(cohort)[0]["columns_unread"] == ["Nota"]


def test_conflicting_rows_of_a_patient_are_both_refused_with_what_depends_on_them() -> None:
    both = table({"ID": ["1", "1", "2"], "Sexo": ["M", "V", "V"], "CPK": ["9", "9", "8"]})
    long = long_table(("1", "a", "2019", "5"), ("2", "b", "2019", "6"))
    cohort = harmonise_tables([both, long], site(SEX + CK, more=LONG))
    assert [row["patient"] for row in rows(cohort, "patients")] == ["2"]
    assert {row["patient"] for row in rows(cohort, "observations")} == {"2"}
    assert issues(cohort) == [
        ("duplicate-patient", "impossible", 2, "ID"),
        ("duplicate-patient", "impossible", 3, "ID"),
        ("refused-patient", "impossible", 2, "ID"),
    ]
    assert "row 3" in cohort.issues[0].message
    assert counts(cohort, 0) == (3, 1, 0, 2)
    assert counts(cohort, 1) == (2, 1, 0, 1)


def test_two_files_of_one_kind_are_one_table() -> None:
    mapping = site(SEX, file='[[file]]\nname = "part*.csv"\npatient = "ID"\n')
    first = table({"ID": ["1", "2"], "Sexo": ["M", "V"]}, file="part1.csv")
    second = table({"ID": ["2", "1"], "Sexo": ["V", "V"]}, file="part2.csv")
    cohort = harmonise_tables([first, second], mapping)
    assert [row["patient"] for row in rows(cohort, "patients")] == ["2"]
    assert [(each.rule, each.file, each.row) for each in cohort.issues] == [
        ("duplicate-patient", "part1.csv", 2),
        ("duplicate-row", "part2.csv", 2),
        ("duplicate-patient", "part2.csv", 3),
    ]
    assert_adds_up(cohort)


@pytest.mark.parametrize(("born", "kept"), [("1950", True), ("1951", False)])
def test_patient_from_two_kinds_of_files(born: str, kept: bool) -> None:
    more = '[[file]]\nname = "b.csv"\npatient = "ID"\n[file.columns]\nFN = { element = "birth_date" }\n'
    first = table({"ID": ["1", "2"], "Sexo": ["M", "V"], "F": ["1950", ""]})
    second = table({"ID": ["1", "3"], "FN": [born, "1940"]}, file="b.csv")
    cohort = harmonise_tables(
        [first, second], site(SEX + 'F = { element = "birth_date" }\n', more=more)
    )
    known = {row["patient"]: row for row in rows(cohort, "patients")}
    assert set(known) == ({"1", "2", "3"} if kept else {"2", "3"})
    if kept:
        assert known["1"] == {"patient": "1", "sex": "female", "birth_date": "1950"}
        assert cohort.issues == ()
    else:
        assert [each.rule for each in cohort.issues] == ["duplicate-patient", "duplicate-patient"]
    assert_adds_up(cohort)


@pytest.mark.parametrize(
    ("identifier", "rule"),
    [("", "no-patient"), ("1,23E+15", "damaged-identifier"), ("9", "unknown-patient")],
)
def test_row_without_a_known_patient_is_refused(identifier: str, rule: str) -> None:
    long = long_table((identifier, "a", "2019", "5"), ("P1", "b", "2019", "6"))
    cohort = harmonise_tables([patients({"CPK": ["1"]}), long], site(SEX + CK, more=LONG))
    assert issues(cohort) == [(rule, "impossible", 2, "ID")]
    assert counts(cohort, 1) == (2, 1, 0, 1)
    assert [row["value_number"] for row in rows(cohort, "observations")] == ["1", "6"]
    assert_adds_up(cohort)


def test_lost_leading_zeros_are_explained() -> None:
    long = long_table(("123", "a", "2019", "5"))
    wide = table({"ID": ["00123"], "Sexo": ["M"]})
    cohort = harmonise_tables([wide, long], site(SEX, more=LONG))
    assert cohort.issues[0].rule == "unknown-patient"
    assert "leading zeros" in cohort.issues[0].message


def test_damaged_identifier_says_what_it_was() -> None:
    cohort = harmonise_tables([table({"ID": ["1,23E+15", "1"], "Sexo": ["M", "V"]})], site(SEX))
    assert (cohort.issues[0].value, cohort.issues[0].rule) == ("1,23E+15", "damaged-identifier")
    assert "1,23E+15" not in cohort.issues[0].message


# --- Pseudonyms


def hmac_site() -> SiteMapping:
    return replace(site(SEX, more=LONG), identifier="record-number", pseudonymise="hmac")


def test_record_numbers_become_pseudonyms_and_stay_in_no_issue() -> None:
    wide = table({"ID": ["4711", "4712", "4712"], "Sexo": ["M", "V", "M"]})
    long = long_table(("4711", "a", "2019", "5"), ("4799", "b", "2019", "6"))
    cohort = harmonise_tables([wide, long], hmac_site(), pseudonym_key=GOOD_KEY)
    assert [row["patient"] for row in rows(cohort, "patients")] == [pseudonym("4711", GOOD_KEY)]
    assert rows(cohort, "observations")[0]["patient"] == pseudonym("4711", GOOD_KEY)
    everything = repr([each for each in cohort.issues]) + repr(
        [cohort.tables[name].to_pylist() for name in TABLES]
    )
    assert not any(number in everything for number in ("4711", "4712", "4799"))
    assert cohort.manifest["sites"]["here"]["pseudonym"] == {
        "identifier": "record-number", "method": "hmac", "fingerprint": fingerprint(GOOD_KEY),
    }  # fmt: skip


def test_hmac_without_a_key_does_not_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KEY, raising=False)
    with pytest.raises(ImnmFhirError, match=KEY):
        harmonise([Path("nothing.csv")], hmac_site())


# --- Lines of totals


@pytest.mark.parametrize(
    "word",
    ["Total", "GESAMT", "Media", "Moyenne:", "Totale (16)", "Total (n = 16)", "Gemiddelde", "n=16",
     "N: 16", "Médiane", "Total general", "Gesamtergebnis", "Sous-total", "Desviación estándar", "Max"],
)  # fmt: skip
def test_a_line_of_totals_is_no_patient_and_is_told(word: str) -> None:
    both = table({"ID": ["1", word], "Sexo": ["M", ""], "CPK": ["9", "8,5"]})
    cohort = harmonise_tables([both], site(SEX + CK))
    assert [row["patient"] for row in rows(cohort, "patients")] == ["1"]
    assert issues(cohort) == [("totals-row", "impossible", 3, "ID")]
    assert counts(cohort) == (2, 1, 0, 1)
    assert_adds_up(cohort)


def test_a_line_that_may_be_a_patient_is_kept_and_asked_about() -> None:
    both = table({"ID": ["1", "Media"], "Sexo": ["M", "V"], "CPK": ["9", "8"]})
    cohort = harmonise_tables([both], site(SEX + CK))
    assert [row["patient"] for row in rows(cohort, "patients")] == ["1", "Media"]
    assert issues(cohort) == [("totals-row", "improbable", 3, "ID")]


def test_counts_in_a_line_of_totals_are_no_words_to_map() -> None:
    both = table({"ID": ["1", "Total"], "Sexo": ["M", ""], "HMGCR": ["Positivo", "1"]})
    hmgcr = '"HMGCR" = { element = "anti_hmgcr", words = { Positivo = "positive" } }\n'
    cohort = harmonise_tables([both], site(SEX + hmgcr))
    assert [row["patient"] for row in rows(cohort, "patients")] == ["1"]
    assert issues(cohort) == [("totals-row", "impossible", 3, "ID")]


@pytest.mark.parametrize("name", ["SUM12", "MED-001", "Totalis", "N16", "Media2", "16", "n"])
def test_identifiers_are_no_totals(name: str) -> None:
    both = table({"ID": ["1", name], "Sexo": ["M", ""], "CPK": ["9", "8"]})
    cohort = harmonise_tables([both], site(SEX + CK))
    assert [row["patient"] for row in rows(cohort, "patients")] == sorted(["1", name])
