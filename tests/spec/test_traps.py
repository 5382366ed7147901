# ruff: noqa: E501  (cases are tables: one line each)
"""The 44 ways in which sites differ (domain 5): what a site sends, what its mapping says, what comes of it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from imnm_fhir.dictionary import TABLES
from imnm_fhir.dictionary.drugs import drug_words
from imnm_fhir.errors import ImnmFhirError, Problems
from imnm_fhir.harmonise import harmonise_tables
from imnm_fhir.readers import read_tables
from imnm_fhir.sites import check_site_mapping
from imnm_fhir.sites.headers import match_header
from imnm_fhir.values import fold, fold_words, load_words
from tests.unit.small_site import LONG, SEX, long_table, one_cell, patients, rows, site, table

ALL = range(1, 45)
BY_HAND: dict[int, list[Callable[..., None]]] = {}  # the traps that need more than one cell


def trap(*numbers: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Marks the test of traps that no single cell shows."""

    def note(test: Callable[..., None]) -> Callable[..., None]:
        for number in numbers:
            BY_HAND.setdefault(number, []).append(test)
        return test

    return note


class Cell(NamedTuple):
    """A trap, the line of the mapping, the cell as sent, and the row or the issue that it makes."""

    trap: int
    line: str
    cell: str
    row: dict[str, Any] | None = None
    issue: str | None = None
    others: dict[str, str] | None = None


def ck(more: str = 'unit = "U/L"') -> str:
    return f'"X" = {{ element = "ck", time_point = "baseline", {more} }}'


def date(more: str = "") -> str:
    return f'"X" = {{ element = "last_contact"{more} }}'


def coded(element: str, more: str) -> str:
    return f'"X" = {{ element = "{element}", {more} }}'


ULN = 'unit = "xLSN", with = { reference_high = { column = "LSN", unit = "U/L" } }'
RESULT = 'words = { neg = "negative", pos = "positive", dudoso = "borderline", "(+)" = "borderline", "+" = "positive", "++" = "positive" }, keep = "value_text", missing = { ND = "not-performed" }'
NUMBER = 'field = "value_number"'
TEXT = 'unmapped = "text"'

CELLS = [
    Cell(4, ck('unit = "UI/l"'), "4512", {"value_number": "4512", "unit": "U/L"}),
    Cell(4, ck('unit = "mU/mL"'), "4512", {"value_number": "4512", "unit": "U/L"}),
    Cell(5, ck('unit = "µkat/l"'), "16,7", {"value_number": "1002", "unit": "U/L"}),
    Cell(5, ck('with = { unit = "U" }'), "125", {"value_number": "7500"}, None, {"U": "ukat/L"}),
    Cell(5, ck('with = { unit = "U" }'), "125", issue="unit-missing", others={"U": ""}),
    Cell(6, ck(ULN), "10,5", {"value_number": "2100", "reference_high": "200"}, None, {"LSN": "200"}),
    Cell(6, ck(ULN), "10,5", issue="limit-missing", others={"LSN": ""}),
    Cell(7, ck('unit = "kU/L"'), "4,7", {"value_number": "4700"}),
    Cell(7, ck(), ">10000", {"value_number": "10000", "comparator": ">"}),
    Cell(7, ck(), "<20", {"value_number": "20", "comparator": "<"}),
    Cell(7, ck(), "4,7 mil", issue="number-with-text"),
    Cell(8, ck(), "4.512", {"value_number": "4512"}),
    Cell(8, ck('unit = "U/L", decimal = ".", thousands = ","'), "4,512", {"value_number": "4512"}),
    Cell(8, ck('unit = "U/L", decimal = ",", thousands = " "'), "4\u00a0512", {"value_number": "4512"}),
    Cell(8, ck("unit = \"U/L\", decimal = \".\", thousands = \"'\""), "4'512", {"value_number": "4512"}),
    Cell(9, ck(), "1,5", {"value_number": "1.5"}),
    Cell(9, ck(), "4512.5", issue="thousands"),
    Cell(10, date(), "03/04/2019", {"value_date": "2019-04-03"}),
    Cell(10, date(', date_order = "mdy"'), "03/04/2019", {"value_date": "2019-03-04"}),
    Cell(11, date(), "03.04.2019", {"value_date": "2019-04-03"}),
    Cell(11, date(), "2019年4月3日", {"value_date": "2019-04-03"}),
    Cell(11, date(", eras = true"), "平成31年4月3日", {"value_date": "2019-04-03"}),
    Cell(11, date(", eras = true"), "R1.5.7", {"value_date": "2019-05-07"}),
    Cell(12, date(), "2019", {"value_date": "2019"}),
    Cell(12, date(), "2019-03", {"value_date": "2019-03"}),
    Cell(12, date(), "marzo 2019", {"value_date": "2019-03"}),
    Cell(12, date(), "03/2019", {"value_date": "2019-03"}),
    Cell(13, date(', excel_dates = "1900"'), "43528", {"value_date": "2019-03-04"}),
    Cell(13, date(', excel_dates = "1904"'), "42066", {"value_date": "2019-03-04"}),
    Cell(13, date(', unmapped = "issue"'), "43528", issue="undeclared-style"),
    Cell(14, date(", two_digit_pivot = 2022"), "04/03/19", {"value_date": "2019-03-04"}),
    Cell(14, date(", two_digit_pivot = 2022"), "04/03/36", {"value_date": "1936-03-04"}),
    Cell(15, date(), "2019-03-04 00:00:00", {"value_date": "2019-03-04"}),
    Cell(19, ck('unit = "U/L", missing = { "999" = "not-performed" }'), "999", {"missing": "not-performed"}),
    Cell(19, ck(), "999", {"value_number": "999"}),
    Cell(19, ck('unit = "U/L", missing = { "-9" = "unknown" }'), "-9", {"missing": "unknown"}),
    Cell(20, coded("anti_srp", RESULT), "ND", {"missing": "not-performed"}),
    Cell(21, coded("anti_srp", RESULT), "++", {"value_code": "positive", "value_text": "++"}),
    Cell(21, coded("anti_srp", RESULT), "dudoso", {"value_code": "borderline"}),
    Cell(21, coded("anti_srp", RESULT), "(+)", {"value_code": "borderline", "value_text": "(+)"}),
    Cell(22, coded("anti_srp", f'{NUMBER}, unit = "{{intensity}}", with = {{ reference_high = {{ column = "C", unit = "{{intensity}}" }} }}'), "42", {"value_number": "42", "unit": "{intensity}", "reference_high": "10"}, None, {"C": "10"}),
    Cell(23, coded("anti_hmgcr", f'{NUMBER}, unit = "U/mL", set = {{ method = "elisa" }}'), "84", {"value_number": "84", "unit": "U/mL", "method": "elisa"}),
    Cell(23, coded("anti_hmgcr", f'{NUMBER}, unit = "CU"'), "84", {"value_number": "84", "unit": "{CU}"}),
    Cell(24, coded("anti_hmgcr", f'{NUMBER}, unit = "AU/mL"'), "84", {"value_number": "84", "unit": "[arb\'U]/mL"}),
    Cell(25, coded("anti_srp", 'words = { pos = "positive" }, set = { method = "rna_immunoprecipitation" }'), "pos", {"value_code": "positive", "method": "rna_immunoprecipitation"}),
    Cell(32, coded("immunosuppressant", 'field = "value_code", split = ["+"], words = "drug"'), "PDN", {"value_code": "prednisone", "n": "1"}),
    Cell(34, coded("worst_mrc", TEXT), "4+", {"value_number": "4", "value_text": "4+"}),
    Cell(34, coded("worst_mrc", TEXT), "4/5", {"value_number": "4", "value_text": "4/5"}),
    Cell(34, coded("worst_mrc", TEXT), "3-4", {"value_text": "3-4"}),
    Cell(34, coded("worst_mrc", TEXT), "IV", issue=None, row={"value_text": "IV"}),
    Cell(35, coded("onset_class_reported", 'words = { agudo = "acute" }'), "Agudo", {"value_code": "acute"}),
    Cell(36, coded("response", 'time_point = "month_6", words = { RC = "complete" }, missing = { NR = "unknown" }'), "RC", {"value_code": "complete"}),
    Cell(36, coded("response", 'time_point = "month_6", words = { RC = "complete" }, missing = { NR = "unknown" }'), "NR", {"missing": "unknown"}),
    Cell(37, coded("mrs", 'words = { "mRS 2" = "2", "Rankin II" = "2" }'), "mRS 2", {"value_number": "2"}),
    Cell(37, coded("mrs", TEXT), "6", {"value_number": "6"}),
    Cell(38, coded("cancer_diagnosis", f'field = "value_code", {TEXT}'), "tumor raro", {"value_text": "tumor raro"}),
    Cell(43, ck(), "5.000-6.000", issue="range"),
    Cell(43, ck(), "aprox. 4000", {"value_number": "4000", "value_text": "aprox."}),
    Cell(43, ck(ULN), ">5", {"value_number": "1000", "comparator": ">"}, None, {"LSN": "200"}),
    Cell(44, coded("age_at_onset_reported", 'unit = "a"'), "74", {"value_number": "74", "unit": "a"}),
]  # fmt: skip


@pytest.mark.parametrize("case", CELLS, ids=lambda case: f"{case.trap}: {case.cell}")
def test_cell(case: Cell) -> None:
    cohort = one_cell(case.line, case.cell, **(case.others or {}))
    made = [row for name in TABLES if name != "patients" for row in rows(cohort, name)]
    assert [{key: row.get(key) for key in case.row or {}} for row in made] == (
        [case.row] if case.row else []
    )
    found = [each.rule for each in cohort.issues if each.rule != "orphan"]
    assert found == ([case.issue] if case.issue else [])


HEADERS = [
    (1, "Date of diagnosis", "imnm.date"), (1, "Fecha dx", "imnm.date"), (1, "Diagnosedatum", "imnm.date"),
    (1, "Date du diagnostic", "imnm.date"), (1, "Data diagnosi", "imnm.date"), (1, "診断日", "imnm.date"),
    (1, "FECHA_DX", "imnm.date"), (1, "Fecha dx del hermano", None),
    (2, "inicio síntomas", "imnm.onset_date"), (2, "Symptombeginn", "imnm.onset_date"),
    (2, "début des symptômes", "imnm.onset_date"), (2, "esordio", "imnm.onset_date"), (2, "発症日", "imnm.onset_date"),
    (2, "Primera visita", "first_contact.value_date"),
    (3, "CPK", "ck.value_number"), (3, "CK-NAC", "ck.value_number"), (3, "creatina quinasa", "ck.value_number"),
    (3, "クレアチンキナーゼ", "ck.value_number"), (3, "CK-MB", None),
    (27, "HMGCoAR", "anti_hmgcr.value_code"), (27, "SRP54", "anti_srp.value_code"), (27, "Jo1", "anti_jo1.value_code"),
    (27, "TIF1γ", "anti_tif1g.value_code"), (27, "p155/140", "anti_tif1g.value_code"), (27, "NXP2", "anti_nxp2.value_code"),
    (27, "TRIM21", "anti_ro52.value_code"), (27, "CADM-140", "anti_mda5.value_code"), (27, "抗SRP抗体", "anti_srp.value_code"),
]  # fmt: skip


@trap(1, 2, 3, 27)
@pytest.mark.parametrize(("number", "header", "expected"), HEADERS)
def test_header(number: int, header: str, expected: str | None) -> None:
    found = match_header(header)
    assert (f"{found.element}.{found.field}" if found else None) == expected, f"trap {number}"


DRUGS = [
    (28, "Cardyl", "atorvastatin"), (28, "Prevencor", "atorvastatin"), (28, "Zarator", "atorvastatin"), (28, "Sortis", "atorvastatin"),
    (28, "Zocor", "simvastatin"), (28, "Crestor", "rosuvastatin"), (28, "Pravachol", "pravastatin"), (28, "Lescol", "fluvastatin"),
    (29, "Imurel", "azathioprine"), (29, "Imurek", "azathioprine"), (29, "Imuran", "azathioprine"),
    (30, "CellCept", "mycophenolate_mofetil"), (30, "Myfortic", "mycophenolate_sodium"),
    (31, "Dacortín", "prednisone"), (31, "Decortin", "prednisone"), (31, "Cortancyl", "prednisone"),
    (33, "PDN", "prednisone"), (33, "MTX", "methotrexate"), (33, "AZA", "azathioprine"), (33, "MMF", "mycophenolate_mofetil"),
    (33, "RTX", "rituximab"), (33, "CYC", "cyclophosphamide"), (33, "IgIV", "ivig"), (33, "TAC", "tacrolimus"), (33, "PEX", None),
]  # fmt: skip


@trap(28, 29, 30, 31, 33)
@pytest.mark.parametrize(("number", "word", "expected"), DRUGS)
def test_drug(number: int, word: str, expected: str | None) -> None:
    assert fold_words(drug_words()).get(fold(word)) == expected, f"trap {number}"


@trap(32)
def test_combination_keeps_order_and_an_arrow_ends_what_stands_before_it() -> None:
    line = coded(
        "immunosuppressant",
        'field = "value_code", split = ["+", "/"], switch = ["→"], words = "drug"',
    )
    made = rows(one_cell(line, "AZA→MMF"), "medications")
    assert [(each["value_code"], each["status"]) for each in made] == [
        ("azathioprine", "completed"), ("mycophenolate_mofetil", "unknown"),
    ]  # fmt: skip


@trap(16)
def test_m_is_mujer_beside_v_and_the_other_way_round_must_be_meant() -> None:
    lines = table({"ID": ["1", "2"], "Sexo": ["M", "V"]})
    made = rows(harmonise_tables([lines], site(SEX)), "patients")
    assert [each["sex"] for each in made] == ["female", "male"]
    with pytest.raises(Problems, match="usually say M = female, V = male"):
        check_site_mapping(
            site('"Sexo" = { element = "sex", words = { M = "male", V = "female" } }'), [lines]
        )
    iso = site('"Sexo" = { element = "sex", words = { 1 = "male", 2 = "female" } }')
    numbers = table({"ID": ["1", "2"], "Sexo": ["1", "2"]})
    assert [each["sex"] for each in rows(harmonise_tables([numbers], iso), "patients")] == [
        "male",
        "female",
    ]


WORDS = [
    (17, "es", "Sí", "true"), (17, "es", "S", "true"), (17, "de", "Ja", "true"), (17, "de", "J", "true"), (17, "fr", "Oui", "true"),
    (17, "fr", "O", "true"), (17, "it", "Sì", "true"), (17, "ja", "はい", "true"), (17, "ja", "有", "true"), (17, "es", "verdadero", "true"),
    (17, "de", "wahr", "true"), (17, "fr", "vrai", "true"),
    (18, "es", "No", "false"), (18, "de", "Nein", "false"), (18, "fr", "Non", "false"), (18, "ja", "いいえ", "false"),
    (18, "ja", "無", "false"), (18, "de", "falsch", "false"), (18, "fr", "faux", "false"), (18, "es", "-", None),
]  # fmt: skip


@trap(17, 18)
@pytest.mark.parametrize(("number", "language", "word", "meaning"), WORDS)
def test_yes_and_no(number: int, language: str, word: str, meaning: str | None) -> None:
    known = {fold(each): what for each, what in load_words(f"yes-no/{language}").items()}
    assert known.get(fold(word)) == meaning, f"trap {number}"


@trap(19, 20)
@pytest.mark.parametrize("word", ["NA", "ND", "999", "s/d"])
def test_nothing_means_missing_until_a_column_says_so(word: str) -> None:
    line = coded("anti_srp", 'words = { neg = "negative" }')
    with pytest.raises(Problems, match="words without a mapping"):
        one_cell(line, word)


@trap(26)
def test_an_antigen_that_is_not_on_the_panel_makes_no_seronegative() -> None:
    lines = (
        '"SRP" = { element = "anti_srp", words = { neg = "negative" } }\n'
        '"HMGCR" = { element = "anti_hmgcr", missing = { "n/a" = "not-performed" }, words = { neg = "negative" } }\n'
    )
    from imnm_fhir.derive import derive_cases
    from imnm_fhir.study import load_study

    tested = patients({"SRP": ["neg", "neg"], "HMGCR": ["n/a", "neg"]})
    cases = derive_cases(harmonise_tables([tested], site(SEX + lines)), load_study())
    assert cases["serogroup"].to_pylist() == ["unknown", "seronegative"]


@trap(39)
def test_record_numbers_need_a_pseudonym() -> None:
    from tests.unit.small_site import site_text

    text = site_text(SEX).replace('identifier = "pseudonym"', 'identifier = "record-number"')
    from imnm_fhir.sites import parse_site_mapping

    with pytest.raises(Problems, match="must not leave the site"):
        parse_site_mapping(text, "site.toml")


@trap(40)
def test_wide_and_long_tables_make_the_same_rows() -> None:
    wide = '"CPK" = { element = "ck", time_point = "baseline", unit = "U/L" }\n"CPK 6m" = { element = "ck", time_point = "month_6", unit = "U/L" }\n'
    made = rows(
        harmonise_tables([patients({"CPK": ["5"], "CPK 6m": ["4"]})], site(SEX + wide)),
        "observations",
    )
    assert [(each["time_point"], each["value_number"]) for each in made] == [
        ("baseline", "5"),
        ("month_6", "4"),
    ]
    long = long_table(("P1", "1", "04/03/2019", "5"), ("P1", "2", "04/09/2019", "4"))
    cohort = harmonise_tables(
        [patients({"CPK": [""]}), long], site(SEX + wide.splitlines()[0] + "\n", more=LONG)
    )
    assert [each["value_number"] for each in rows(cohort, "observations")] == ["5", "4"]


@trap(41)
@pytest.mark.parametrize("encoding", ["cp1252", "utf-8", "utf-8-sig", "utf-16"])
def test_encoding(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "site.csv"
    path.write_bytes("NHC;Fecha inicio síntomas;Éxitus\n1;4/3/2019;Sí\n".encode(encoding))
    (read,) = read_tables(path)
    assert (read.header, read.columns["Éxitus"]) == (
        ("NHC", "Fecha inicio síntomas", "Éxitus"),
        ["Sí"],
    )


@trap(41)
def test_a_header_that_was_decoded_wrongly_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "site.csv"
    path.write_text("NHC;Fecha inicio sÃ\u00adntomas\n1;2019\n", "utf-8")
    with pytest.raises(ImnmFhirError, match="broken characters"):
        read_tables(path)


@trap(42)
@pytest.mark.parametrize("delimiter", [";", "\t", ",", "|"])
def test_delimiter(tmp_path: Path, delimiter: str) -> None:
    path = tmp_path / "site.csv"
    cells = [["NHC", "CPK", "Dosis"], ["1", "4512", '"1,5"'], ["2", "27", '"0,5"']]
    path.write_text("".join(delimiter.join(line) + "\n" for line in cells), "utf-8")
    (read,) = read_tables(path)
    assert read.columns == {"NHC": ["1", "2"], "CPK": ["4512", "27"], "Dosis": ["1,5", "0,5"]}


def test_every_trap_has_a_case() -> None:
    covered = {case.trap for case in CELLS} | BY_HAND.keys()
    assert covered == set(ALL)


TITRES = [
    ('field = "value_number"', "1:320", {"value_number": "320", "unit": "{titer}"}),
    ('field = "value_number", unit = "titer"', "1/320", {"value_number": "320", "unit": "{titer}"}),
    ('field = "value_number"', "<1:40", {"value_number": "40", "comparator": "<", "unit": "{titer}"}),
    ('field = "value_number"', "≥ 1:1.280", {"value_number": "1280", "comparator": ">=", "unit": "{titer}"}),
    ('words = { neg = "negative", pos = "positive" }', "1:320", {"value_number": "320", "value_code": None}),
    ('words = { neg = "negative", pos = "positive" }', "pos (1:160)", {"value_number": "160", "value_code": "positive"}),
    ('words = { neg = "negative", pos = "positive" }', "neg <1:40", {"value_number": "40", "comparator": "<", "value_code": "negative"}),
]  # fmt: skip


@pytest.mark.parametrize("element", ["ana", "anti_srp"])
@pytest.mark.parametrize(("how", "cell", "row"), TITRES)
def test_titre(element: str, how: str, cell: str, row: dict[str, Any]) -> None:
    cohort = one_cell(coded(element, how), cell)
    (made,) = rows(cohort, "observations")
    assert ({key: made.get(key) for key in row}, cohort.issues) == (row, ())


@pytest.mark.parametrize(
    ("line", "cell", "rule"),
    [
        (ck(), "1:320", "unreadable-number"),
        (coded("ana", 'field = "value_number", unit = "U/mL"'), "1:320", "unit-conflict"),
        (coded("ana", 'field = "value_number"'), "2:320", "unreadable-number"),
        (coded("ana", 'field = "value_number"'), "1:32x", "unreadable-number"),
        (coded("ana", 'words = { pos = "positive" }, unmapped = "issue"'), "moteado 1:320", "unknown-word"),
    ],
)  # fmt: skip
def test_what_is_no_titre_or_contradicts_its_unit(line: str, cell: str, rule: str) -> None:
    cohort = one_cell(line, cell)
    assert ([each.rule for each in cohort.issues], rows(cohort, "observations")) == ([rule], [])


def test_a_column_of_its_own_for_the_titre_leaves_none_to_the_result() -> None:
    lines = coded(
        "ana", 'words = { pos = "positive" }, with = { value_number = "T" }, unmapped = "issue"'
    )
    (made,) = rows(one_cell(lines, "pos", T="1:80"), "observations")
    assert (made["value_code"], made["value_number"], made["unit"]) == ("positive", "80", "{titer}")
    assert [each.rule for each in one_cell(lines, "1:320", T="1:80").issues] == ["unknown-word"]
