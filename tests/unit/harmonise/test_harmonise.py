# ruff: noqa: E501  (small tables stay on one line each)
"""Harmonising: rows, patients, keys and counts. What single cells become is in tests/spec."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imnm_fhir.cohort import Cohort, read_cohort, sort_rows, write_cohort
from imnm_fhir.dictionary import TABLES, load_dictionary
from imnm_fhir.harmonise import harmonise, harmonise_tables
from imnm_fhir.keys import resource_id, row_key
from imnm_fhir.sites import load_site_mapping
from tests.unit.small_site import (
    CK,
    DATED,
    LONG,
    SEX,
    STYLES,
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

DEMO = Path(__file__).parents[3] / "imnm_fhir" / "demo_data"
MADRID = DEMO / "madrid"
FREIBURG = DEMO / "freiburg"
# --- Keys of facts


def test_record_id_becomes_n_and_date_does_not_change_the_id() -> None:
    wide = patients({"CPK": [""]})
    one, other = (
        harmonise_tables([wide, long_table(("P1", "a7", when, "5"))], site(SEX + CK, more=LONG))
        for when in ("01/02/2019", "02/02/2019")
    )
    (first,), (second,) = rows(one, "observations"), rows(other, "observations")
    assert (first["n"], first["date"], second["date"]) == ("a7", "2019-02-01", "2019-02-02")
    ids = [cohort.tables["observations"]["id"].to_pylist() for cohort in (one, other)]
    assert ids[0] == ids[1]


def test_series_without_record_id_is_keyed_by_its_date() -> None:
    long = long_table(("P1", "", "2019", "5"), ("P1", "", "03/2020", "6"), ("P1", "", "", "7"))
    cohort = harmonise_tables([patients({"CPK": ["1"]}), long], site(SEX + CK, more=DATED))
    assert [(row.get("n"), row["value_number"]) for row in rows(cohort, "observations")] == [
        (None, "1"), ("2019", "5"), ("2020-03", "6"), (None, "7"),
    ]  # fmt: skip


def test_same_key_twice_is_kept_once_or_refused() -> None:
    long = long_table(
        ("P1", "a", "2019", "5"), ("P1", "a", "2019", "5"), ("P1", "b", "2019", "6"),
        ("P1", "b", "2019", "7"), ("P1", "c", "2019", "8"),
    )  # fmt: skip
    cohort = harmonise_tables([patients({"CPK": [""]}), long], site(SEX + CK, more=LONG))
    assert [(row["n"], row["value_number"]) for row in rows(cohort, "observations")] == [
        ("a", "5"),
        ("c", "8"),
    ]
    assert issues(cohort) == [
        ("duplicate-row", "note", 3, "CK"),
        ("duplicate-fact", "impossible", 4, "CK"),
        ("duplicate-fact", "impossible", 5, "CK"),
    ]
    assert counts(cohort, 1) == (5, 2, 1, 2)
    assert_adds_up(cohort)


def test_row_without_record_id_is_refused() -> None:
    long = long_table(("P1", "", "2019", "5"), ("P1", "b", "2019", "6"))
    cohort = harmonise_tables([patients({"CPK": [""]}), long], site(SEX + CK, more=LONG))
    assert issues(cohort) == [("no-record", "impossible", 2, "N")]


@given(
    st.lists(
        st.tuples(st.sampled_from(["P1", "P2"]), st.text("aé%/ 1", min_size=1, max_size=4)),
        min_size=1,
        max_size=6,
    )
)
def test_ids_are_those_of_the_keys(places: list[tuple[str, str]]) -> None:
    lines = [(patient, record.strip() or "x", "2019", "5") for patient, record in places]
    cohort = harmonise_tables(
        [patients({"CPK": ["", ""]}), long_table(*lines)], site(SEX + CK, more=LONG)
    )
    for name in TABLES:
        key = load_dictionary().tables[name].key
        for row in cohort.tables[name].to_pylist():
            assert row["id"] == resource_id(row_key(row[column] for column in key))


def test_visits_of_the_rows() -> None:
    more = (
        LONG
        + '"Visita" = { field = "time_point", words = { basal = "baseline", extra = "" }, missing = { "?" = "unknown" }, unmapped = "issue" }\n'
    )
    lines = [("P1", str(place), "2019", str(place)) for place in range(5)]
    long = long_table(*lines)
    long.columns["Visita"] = ["Basal", "extra", "", "?", "nunca"]
    cohort = harmonise_tables([patients({"CPK": [""]}), long], site(SEX + CK, more=more))
    assert [(row.get("time_point"), row["n"]) for row in rows(cohort, "observations")] == [
        ("baseline", "0"), (None, "1"), (None, "2"), (None, "3"),
    ]  # fmt: skip
    assert issues(cohort) == [
        ("reason-dropped", "note", 5, "Visita"),
        ("unknown-word", "impossible", 6, "Visita"),
    ]
    assert_adds_up(cohort)


def test_rows_that_name_their_element() -> None:
    more = """\
[[file]]
name = "lab.csv"
patient = "ID"
record = "N"
[file.columns]
"Prueba" = { field = "element", words = { CPK = "ck", "LDH" = "ldh", ANA = "ana" }, unmapped = "issue" }
"Valor" = { field = "value", with = { unit = "Unidad" } }
"Resultado" = { field = "value_code" }
"Fecha" = { field = "date" }
"""
    more = more.replace('"Resultado" = { field = "value_code" }\n', "").replace(', ANA = "ana"', "")
    lab = table(
        {
            "ID": ["P1"] * 5,
            "N": ["1", "2", "3", "4", "5"],
            "Prueba": ["CPK", "ldh", "Glucosa", "CPK", "CPK"],
            "Valor": ["10", "20", "30", "mucho", ""],
            "Unidad": ["µkat/L", "U/L", "mg", "U/L", "U/L"],
            "Fecha": ["2019"] * 5,
        },
        file="lab.csv",
    )
    cohort = harmonise_tables([patients({"CPK": [""]}), lab], site(SEX + CK, more=more))
    assert [(row["element"], row["n"], row["value_number"], row["date"]) for row in rows(cohort, "observations")] == [
        ("ck", "1", "600", "2019"), ("ldh", "2", "20", "2019"),
    ]  # fmt: skip
    found = issues(cohort)
    assert ("unknown-word", "improbable", 4, "Prueba") in found
    assert ("unreadable-number", "improbable", 5, "Valor") in found
    assert {rule for rule, _, row, _ in found if row == 5} == {"unreadable-number"}
    assert_adds_up(cohort)


# --- Cells that belong to several facts, or to none


def test_cell_beside_several_facts_counts_once() -> None:
    lines = "".join(
        f'"{name}" = {{ element = "{name}", with = {{ date = "F" }} }}\n'
        for name in ("anti_srp", "anti_hmgcr")
    )
    cells = {
        "anti_srp": ["negativo", "", "x"],
        "anti_hmgcr": ["positivo", "", ""],
        "F": ["2019", "2020", "2021"],
    }
    lines = lines.replace(" }\n", ', unmapped = "issue" }\n')
    cohort = harmonise_tables([patients(cells)], site(SEX + lines))
    assert [(row["patient"], row["element"], row["date"]) for row in rows(cohort, "observations")] == [
        ("P1", "anti_srp", "2019"), ("P1", "anti_hmgcr", "2019"),
    ]  # fmt: skip
    assert issues(cohort) == [
        ("orphan", "note", 3, "F"),
        ("unknown-word", "improbable", 4, "anti_srp"),
    ]
    source = sources(cohort)[0]
    assert (source["cells_in"], source["cells_values"], source["cells_issues"]) == (3 + 6, 3 + 3, 3)


def test_one_column_with_several_targets_shares_its_words() -> None:
    line = """\
"X" = [
    { element = "comorbidity_present", words = { no = "false", "sí" = "true" } },
    { element = "comorbidity", field = "value_code", split = [";"], unmapped = "text" },
]
"""
    cohort = harmonise_tables([patients({"X": ["no", "gota; asma", "sí", ""]})], site(SEX + line))
    assert [(row["patient"], row["value_boolean"]) for row in rows(cohort, "observations")] == [
        ("P1", False),
        ("P3", True),
    ]
    assert [(row["patient"], row["n"], row.get("value_code", row.get("value_text"))) for row in rows(cohort, "conditions")] == [
        ("P2", "1", "gota"), ("P2", "2", "asthma"),
    ]  # fmt: skip
    assert cohort.issues == ()
    assert_adds_up(cohort)


def test_typed_cells_bypass_the_styles() -> None:
    lines = CK + '"F" = { element = "last_contact" }\n"M" = { element = "worst_mrc" }\n'
    cells = {"CPK": ["4.512", "4.512"], "F": ["2019-03-04", "04/03/2019"], "M": ["2019-04-03", "4"]}
    typed = {name: frozenset({0}) for name in cells}
    cohort = harmonise_tables([patients(cells, typed=typed)], site(SEX + lines))
    assert [row.get("value_number", row.get("value_date")) for row in rows(cohort, "observations")] == [
        "4.512", "4512", "2019-03-04", "2019-03-04", "4",
    ]  # fmt: skip
    (issue,) = cohort.issues
    assert issue.rule == "spreadsheet-date"
    assert "4-3 or 3-4" in issue.message


# --- The site


def test_legal_basis_is_a_fact_of_every_patient_from_the_mapping() -> None:
    cohort = harmonise_tables([patients({"CPK": ["1", "2"]})], site(SEX + CK))
    basis = [
        row for row in cohort.tables["observations"].to_pylist() if row["element"] == "legal_basis"
    ]
    assert [(row["patient"], row["value_text"], row["file"], row["row"]) for row in basis] == [
        ("P1", "synthetic data", "site.toml", 6), ("P2", "synthetic data", "site.toml", 6),
    ]  # fmt: skip


@pytest.mark.parametrize("header", ["Consentimiento firmado", "Einwilligung (Datum)"])
def test_unread_consent_is_warned_about(header: str) -> None:
    cohort = harmonise_tables([patients({header: ["sí"], "Informe": ["x"]})], site(SEX))
    assert issues(cohort) == [("consent-unread", "note", None, header)]


def test_site_without_consent_and_legal_basis_is_warned() -> None:
    from dataclasses import replace

    cohort = harmonise_tables([patients({"CPK": ["1"]})], replace(site(SEX + CK), legal_basis=None))
    assert [each.rule for each in cohort.issues] == ["no-consent"]


def test_manifest_names_site_mapping_and_sources() -> None:
    cohort = harmonise([MADRID / "madrid16_es.csv"], load_site_mapping("madrid_es"))
    about = cohort.manifest["sites"]["madrid"]
    assert (about["cut_off"], about["kind"], about["country"]) == ("2022-06-30", "full", "ES")
    assert about["mapping"]["file"] == "madrid_es.toml"
    assert len(about["mapping"]["sha256"]) == 64
    (source,) = about["sources"]
    assert {key: source[key] for key in source if key not in ("sha256", "said", "headers")} == {
        "file": "madrid16_es.csv", "sheet": None, "rows_in": 16, "rows_clean": 16, "rows_with_issue": 0,
        "rows_refused": 0, "cells_in": 362, "cells_values": 360, "cells_missing": 2, "cells_issues": 0,
        "columns_unread": [],
    }  # fmt: skip


def test_progress_counts_cells() -> None:
    done: list[int] = []
    harmonise([MADRID / "madrid16_es.csv"], load_site_mapping("madrid_es"), progress=done.append)
    assert sum(done) == 16 * 27


# --- The demo's sites


def test_madrid_in_both_languages_is_the_same_patients() -> None:
    english = harmonise([MADRID / "madrid16.csv"], load_site_mapping("madrid_en"))
    spanish = harmonise([MADRID / "madrid16_es.csv"], load_site_mapping("madrid_es"))
    hidden = {"id", "site", "file", "sheet", "row", "column"}

    def plain(cohort: Cohort, table: str) -> dict[tuple[Any, ...], dict[str, Any]]:
        found = [
            {k: v for k, v in row.items() if k not in hidden}
            for row in cohort.tables[table].to_pylist()
        ]
        return {
            tuple(row.get(k) for k in ("patient", "element", "time_point", "n")): row
            for row in found
        }

    assert plain(english, "patients") == plain(spanish, "patients")
    for name in ("observations", "medications"):
        full, part = plain(english, name), plain(spanish, name)
        for key, row in part.items():
            # The Spanish file has neither the dates of CK and relapse, nor the end of the statin.
            said = {
                k: v for k, v in row.items() if v is not None and k not in ("value_text", "status")
            }
            assert said.items() <= full[key].items(), key
    assert english.issues == spanish.issues == ()


def test_faulty_delivery_of_freiburg_names_what_was_planted() -> None:
    files = sorted((FREIBURG / "delivery_1").glob("*.csv"))
    cohort = harmonise(files, load_site_mapping("freiburg"))
    assert cohort.tables["patients"].num_rows == 29
    assert {(each.rule, each.file, each.row, each.column) for each in cohort.issues if each.rule != "refused-patient"} == {
        ("unreadable-number", "ck.csv", 110, "CK (µkat/L)"),
        ("unknown-word", "patienten.csv", 7, "Schwäche betont"),
        ("spreadsheet-date", "patienten.csv", 29, "MRC minimal"),
        ("duplicate-patient", "patienten.csv", 18, "Pat-ID"),
        ("duplicate-patient", "patienten.csv", 32, "Pat-ID"),
    }  # fmt: skip
    assert {each.patient for each in cohort.issues if each.rule == "refused-patient"} == {"FRB-017"}


def test_files_and_workbook_of_freiburg_are_the_same_cohort(tmp_path: Path) -> None:
    mapping = load_site_mapping("freiburg")
    delivery = FREIBURG / "delivery_2"
    files = harmonise(sorted(delivery.glob("*.csv")), mapping)
    workbook = harmonise([delivery / "freiburg.xlsx"], mapping)
    for name, about in load_dictionary().tables.items():
        one, other = (
            sort_rows(each.tables[name], name).select(about.data_columns)
            for each in (files, workbook)
        )
        assert one.equals(other), name
    assert files.issues == workbook.issues == ()
    written = write_cohort(files, tmp_path / "cohort")
    assert read_cohort(tmp_path / "cohort").tables["patients"].equals(written.tables["patients"])


# --- Nothing swallowed


ANY_CELL = st.sampled_from(
    ["", "", "4.512", "<20", "4+", "3-4", "04. Mrz", "mucho", "ND", "s/d", "sí", "no", "M", "V", "2019",
     "31/02/2019", "03/04/2019", "1,23E+15", "#REF!", "PDN+MTX", "AZA→MMF", "melanoma; gota", "75 µkat/L"]
)  # fmt: skip
EVERY_KIND = """\
"a" = { element = "ck", n = "1", unit = "U/L", with = { reference_high = "b", date = "c" } }
"d" = { element = "worst_mrc" }
"e" = { element = "anti_srp" }
"f" = { element = "anti_srp", field = "value_number", unit = "AU/ml" }
"g" = { element = "myalgia", with = { date = "c" } }
"h" = { element = "deceased", field = "deceased_boolean" }
"i" = { element = "deceased", field = "deceased_date" }
"j" = { element = "immunosuppressant", field = "value_code", split = ["+"], switch = ["→"], words = "drug", with = { start_date = "k" } }
"l" = { element = "statin", field = "value_code", words = "drug" }
"m" = { element = "statin", field = "start_date" }
"o" = { element = "cancer_diagnosis", field = "value_code", split = [";"], unmapped = "text", with = { date = "c" } }
"p" = { element = "biopsy", field = "date" }
"""
STYLES_AND_MISSING = (
    STYLES + 'unmapped = "issue"\nmissing = { ND = "not-performed", "s/d" = "unknown" }\n'
)
WIDE = ("a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "o", "p")


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.sampled_from(["1", "2", "3", "", "1,2E+10"]), *[ANY_CELL] * (len(WIDE) + 1)), min_size=1, max_size=4),
    st.lists(st.tuples(st.sampled_from(["1", "2", "9", ""]), st.sampled_from(["x", "y", ""]), ANY_CELL, ANY_CELL), min_size=1, max_size=5),
)  # fmt: skip
def test_every_row_and_cell_is_accounted_for(
    wide: list[tuple[str, ...]], long: list[tuple[str, str, str, str]]
) -> None:
    columns = dict(zip(("ID", "Sexo", *WIDE), zip(*wide, strict=True), strict=True))
    mapping = site(SEX + EVERY_KIND, STYLES_AND_MISSING, LONG)
    cohort = harmonise_tables([table(columns), long_table(*long)], mapping)
    assert_adds_up(cohort)
    known = {row["patient"] for row in cohort.tables["patients"].to_pylist()}
    for name in TABLES:
        made = cohort.tables[name].to_pylist()
        assert len({row["id"] for row in made}) == len(made)
        assert {row["patient"] for row in made} <= known
    for row in cohort.tables["observations"].to_pylist():
        values = [row[f"value_{kind}"] for kind in ("number", "code", "boolean", "date", "text")]
        assert (row["missing"] is None) == any(value is not None for value in values)
    texts = {cell for line in (*wide, *long) for cell in line if len(cell) > 3}
    for issue in cohort.issues:
        assert issue.rule and issue.kind in ("impossible", "improbable", "note")
        assert not any(text in issue.message for text in texts - {"2019"})
