"""Table 1: numbers with their denominators, columns, footnotes, and the four ways to show it."""

import csv
import re
from functools import cache
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import load_workbook

from imnm_fhir.cohort import Cohort
from imnm_fhir.derive import derive_cases
from imnm_fhir.errors import ImnmFhirError, UsageError
from imnm_fhir.languages import Translator, known_languages
from imnm_fhir.study import load_study
from imnm_fhir.table1 import Table1, table1, to_html, write_table1
from imnm_fhir.table1.declaration import load_declaration
from imnm_fhir.table1.rows import Words
from imnm_fhir.table1.statistics import distribution, exact_interval, percent
from imnm_fhir.written import read_own_csv
from tests.acceptance.madrid_cohort import SITE, madrid_cohort
from tests.spec.one_patient import cohort_of, saw, study_with, took

STUDY = load_study()


@cache
def madrid(language: str = "en") -> Table1:
    return table1(derive_cases(madrid_cohort(), STUDY), STUDY, language=language)


@cache
def two_sites() -> Table1:
    """Madrid twice, the second time under another site's name."""
    cohort = madrid_cohort()
    tables = {}
    for name, table in cohort.tables.items():
        place = table.schema.get_field_index("site")
        other = table.set_column(place, "site", pa.array(["elsewhere"] * table.num_rows))
        tables[name] = pa.concat_tables([table, other])
    return table1(derive_cases(Cohort(cohort.manifest, tables), STUDY), STUDY)


# --- Statistics


@pytest.mark.parametrize(
    ("n", "tested", "shown"), [(13, 16, "81.3"), (3, 16, "18.8"), (2, 3, "66.7"), (0, 5, "0.0")]
)
def test_percentages_round_halves_up(n: int, tested: int, shown: str) -> None:
    assert str(percent(n, tested)) == shown


@pytest.mark.parametrize(
    ("n", "tested", "low", "high"),
    [  # of R: binom.test(n, tested)$conf.int
        (9, 12, 0.4281415, 0.9451394),
        (2, 4, 0.0675859, 0.9324141),
        (8, 9, 0.5175035, 0.9971909),
        (0, 10, 0.0, 0.3084971),
        (10, 10, 0.6915029, 1.0),
        (1, 1, 0.025, 1.0),
        (500, 1000, 0.4685492, 0.5314508),
    ],
)
def test_exact_intervals(n: int, tested: int, low: float, high: float) -> None:
    assert exact_interval(n, tested) == pytest.approx((low, high), abs=2e-7)


@given(
    st.integers(1, 300).flatmap(lambda tested: st.tuples(st.integers(0, tested), st.just(tested)))
)
def test_an_exact_interval_holds_its_share_and_mirrors(pair: tuple[int, int]) -> None:
    n, tested = pair
    low, high = exact_interval(n, tested)
    assert 0 <= low <= n / tested <= high <= 1
    assert exact_interval(tested - n, tested) == pytest.approx((1 - high, 1 - low), abs=1e-9)


def test_quartiles_by_linear_interpolation() -> None:
    assert distribution([4, 1, 3, 2]) == (2.5, 1.75, 3.25, 1, 4)
    assert distribution([7]) == (7, 7, 7, 7, 7)


def test_numbers_are_shown_with_one_decimal_and_whole_ones_without() -> None:
    english, german = (Words(load_declaration(), Translator(language)) for language in ("en", "de"))
    numbers = {71.5: "71.5", 42.0: "42", 2.25: "2.3", 0.05: "0.1", 99.94: "99.9", 100.5: "101"}
    assert {each: english.number(each) for each in numbers} == numbers
    assert english.number(-20.5) == "−20.5"
    assert german.number(71.5) == "71,5"


# --- Cells, columns, footnotes


def test_every_cell_shows_the_tested_denominator() -> None:
    assert madrid().cell("biopsy_hla1", "positive").text == "9/14 (64.3%)"
    assert madrid().cell("statin_exposure", column="hmgcr").text == "11/13 (84.6%)"
    assert madrid().cell("statin_agents", "atorvastatin").text == "9/13 (69.2%)"
    assert madrid().cell("biopsy_mac", "positive").text == "–"
    assert madrid().cell("mri_oedema").text == "1/1 (100.0%)"


def test_numbers_are_shown_as_median_quartiles_and_range() -> None:
    assert madrid().cell("age_at_onset").text == "16/16"
    assert madrid().cell("age_at_onset", "median").text == "71.5 (63.3–75.3)"
    assert madrid().cell("age_at_onset", "range").text == "36–80"
    assert madrid().cell("age_at_onset", "median", "srp").text == "–"


def test_good_response_by_finding_has_exact_intervals() -> None:
    cell = madrid().cell("good_response", "interval", place=1)
    assert cell.text == "42.8–94.5%"
    assert cell.interval == pytest.approx((0.4281415, 0.9451394), abs=1e-6)
    assert (cell.n, cell.tested) == (9, 12)


def test_the_columns_are_all_then_every_serogroup_then_the_sites() -> None:
    columns = [(each.key, each.kind, each.patients) for each in two_sites().columns]
    assert columns == [
        ("overall", "overall", 32),
        ("hmgcr", "group", 26),
        ("srp", "group", 0),
        ("dual", "group", 0),
        ("seronegative", "group", 6),
        ("unknown", "group", 0),
        ("site:elsewhere", "site", 16),
        (f"site:{SITE}", "site", 16),
    ]
    assert two_sites().cell("sex", "female", f"site:{SITE}").text == "9/16 (56.3%)"
    assert [each.kind for each in madrid().columns].count("site") == 0


def test_groups_hold_every_patient_once() -> None:
    cases = derive_cases(madrid_cohort(), STUDY)
    for by in ("serogroup", "onset_class", "onset_class_reported", "site"):
        columns = table1(cases, STUDY, by=by).columns
        kind = "site" if by == "site" else "group"
        assert sum(each.patients for each in columns if each.kind == kind) == 16, by


def test_footnotes_name_the_variant_and_its_limits(tmp_path: Path) -> None:
    own = '[variants]\nstrategy = "concurrent"\n[strategy]\ninduction_days = 56\n[study]\nname = "Trial"\n'
    study = study_with(tmp_path, own)
    cases = derive_cases(madrid_cohort(), study)
    notes = table1(cases, study).footnotes
    assert any("running on day 56 after the diagnosis" in note for note in notes)
    assert not any("started by day" in note for note in notes)
    assert notes[-1].endswith("Study: Trial.")


@pytest.mark.parametrize("variable", ["srp-unconfirmed", "other-msa"])
def test_variants_of_the_serogroup_have_their_group_and_footnote(
    variable: str, tmp_path: Path
) -> None:
    study = study_with(tmp_path, f'[variants]\nserogroup = ["{variable}"]')
    patients = [saw("anti_srp", "positive", method="dot_blot")]
    if variable == "other-msa":
        patients = [saw("anti_srp", "negative"), saw("anti_jo1", "positive")]
    cases = derive_cases(cohort_of(*patients), study)
    table = table1(cases, study)
    assert table.columns[-1].key == variable and table.columns[-1].label != variable
    assert "group of" in table.footnotes[1] and table.title.endswith("¹ ²")


def test_every_mark_has_its_footnote_and_every_footnote_its_mark() -> None:
    marks = {mark for row in madrid().rows for mark in row.marks.split()} | {madrid().title[-1]}
    numbers = {int(mark.translate(str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789"))) for mark in marks}
    assert numbers == set(range(1, len(madrid().footnotes)))


@pytest.mark.parametrize("language", known_languages())
def test_no_word_of_the_table_is_left_untranslated_or_unfilled(language: str) -> None:
    table = madrid(language)
    assert not [note for note in table.footnotes if "{" in note]
    assert len(table.rows) == len(madrid().rows)
    assert all(row.label for row in table.rows)
    assert table.untranslated == 0


@pytest.mark.parametrize("variant", ["any", "proximal-axial", "mmt8"])
@pytest.mark.parametrize("language", known_languages())
def test_every_variant_of_the_study_has_a_footnote(
    variant: str, language: str, tmp_path: Path
) -> None:
    study = study_with(tmp_path, f'[variants]\nsevere_weakness = "{variant}"')
    assert load_declaration().note("severe_weakness", study, Translator(language))


def test_a_list_that_is_empty_everywhere_is_one_line() -> None:
    table = table1(derive_cases(cohort_of(), STUDY), STUDY)
    assert [row.value for row in table.rows if row.variable == "treatments"] == [None]
    assert table.cell("treatments").text == "0/1 (0.0%)"
    assert table.cell("sex").text == "–"


def test_other_values_than_the_declared_ones_are_shown_too() -> None:
    cases = derive_cases(
        cohort_of(took("prednisone", "2019-05-07"), onset="2019-03-04", diagnosis="2019-05-06"),
        STUDY,
    )
    place = cases.schema.get_field_index("sex")
    other = cases.set_column(place, "sex", pa.array(["other"]))
    table = table1(other, STUDY)
    assert [r.value for r in table.rows if r.variable == "sex" and r.cells] == [
        "female",
        "male",
        "other",
    ]


def test_what_cannot_be_made_is_one_line() -> None:
    cases = derive_cases(madrid_cohort(), STUDY)
    with pytest.raises(ImnmFhirError, match="cannot be grouped by 'serogrup'; near: serogroup"):
        table1(cases, STUDY, by="serogrup")
    with pytest.raises(ImnmFhirError, match="cannot be grouped by 'age_at_onset'"):
        table1(cases, STUDY, by="age_at_onset")
    with pytest.raises(
        UsageError, match="there are no sentences in 'xx'; there are in en, de, es, "
    ):
        table1(cases, STUDY, language="xx")


# --- Terminal, CSV, Excel, HTML


@pytest.mark.parametrize("language", known_languages())
@pytest.mark.parametrize("width", [80, 100, 160])
def test_the_text_fits_the_terminal(width: int, language: str) -> None:
    for table in (madrid(language), two_sites()):
        assert max(map(len, table.text(width).splitlines())) <= width


def test_the_text_names_groups_without_patients_and_shows_the_others() -> None:
    text = madrid().text(100)
    assert "No patients: anti-SRP, dual, unknown." in text
    assert re.search(r"^Myalgia +12/16 \(75.0%\) +10/13 \(76.9%\) +2/3 \(66.7%\)$", text, re.M)


def test_colours_are_off_without_a_terminal_and_with_no_color(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert "\x1b" not in madrid().text()
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert "\x1b[1m" in madrid().text()
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in madrid().text()


def test_csv_holds_the_table_and_its_footnotes(tmp_path: Path) -> None:
    path = tmp_path / "table1.csv"
    write_table1(madrid(), path)
    rows = read_own_csv(path)
    assert len(rows) == len(madrid().rows) + len(madrid().footnotes)
    by_label = {row["Variable"].strip(): row for row in rows}
    assert by_label["Myalgia"]["All (n=16)"] == "12/16 (75.0%)"
    assert rows[-1]["Variable"] == madrid().footnotes[-1]


def test_excel_holds_the_table_and_every_number(tmp_path: Path) -> None:
    path = tmp_path / "table1.xlsx"
    write_table1(madrid(), path)
    book = load_workbook(path)
    assert book.sheetnames == ["Table 1", "Numbers"]
    lines = list(book["Numbers"].iter_rows(values_only=True))
    header, rows = lines[0], lines[1:]
    found = [dict(zip(header, row, strict=True)) for row in rows]
    hla = next(r for r in found if r["variable"] == "biopsy_hla1" and r["column"] == "All")
    assert (hla["n"], hla["tested"]) == (9, 14)
    median = next(r for r in found if r["variable"] == "ck_baseline" and r["value"] == "median")
    assert (median["median"], median["least"], median["greatest"]) == (4746, 1001, 9856)


def test_html_asks_nothing_of_the_network_and_runs_nothing(tmp_path: Path) -> None:
    page = to_html(madrid("de"))
    assert page.startswith("<!DOCTYPE html>") and '<html lang="de">' in page
    assert not re.findall(
        r"(?i)(?:https?:)?//|<script|<link|@import|url\(|<img|<iframe|\son\w+=", page
    )
    assert "12/16 (75,0\u00a0%)" in page
    assert page == to_html(madrid("de"))


def test_words_of_a_site_are_no_markup_and_no_formula(tmp_path: Path) -> None:
    word = '=HYPERLINK("x")<b>&'
    row = {"element": "statin", "value_text": word, "start_date": "2010", "table": "medications"}
    cases = derive_cases(cohort_of(saw("statin_exposure", True), row, onset="2019-03-04"), STUDY)
    table = table1(cases, STUDY)
    page = to_html(table)
    assert "<b>&" not in page and "&lt;b&gt;&amp;" in page
    write_table1(table, tmp_path / "table1.csv")
    with (tmp_path / "table1.csv").open(encoding="utf-8-sig", newline="") as lines:
        assert not [cell for line in csv.reader(lines) for cell in line if cell.startswith("=")]
    write_table1(table, tmp_path / "table1.xlsx")
    numbers = load_workbook(tmp_path / "table1.xlsx")["Numbers"]
    assert f"'{word}" in [cell.value for cell in numbers["B"]]


def test_another_ending_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"written as \.csv, \.xlsx, \.html"):
        write_table1(madrid(), tmp_path / "table1.docx")


def test_each_row_of_the_declaration_gives_lines() -> None:
    declared = load_declaration().rows
    shown = {row.variable for row in madrid().rows}
    assert {each.variable for each in declared if each.variable} <= shown
    headings = [each.label for each in declared if each.statistic == "heading"]
    assert headings == [row.label for row in madrid().rows if row.level == 0]
