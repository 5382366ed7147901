# ruff: noqa: E501  (cases are tables: one line each)
import re
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imnm_fhir.errors import ImnmFhirError, Problems
from imnm_fhir.sites import (
    check_site_mapping,
    load_site_mapping,
    parse_site_mapping,
)
from imnm_fhir.sites.faults import key_lines
from imnm_fhir.sites.new_site import quoted
from tests.unit.small_site import FILE, SEX, patients, site, site_text, table

DEMO = Path(__file__).parents[3] / "imnm_fhir" / "demo_data"
MADRID_EN = DEMO / "madrid" / "madrid16.csv"
AFTER_SEX = site_text(SEX).splitlines().index(SEX.strip()) + 2
MADRID_ES = DEMO / "madrid" / "madrid16_es.csv"


def faults_of_form(text: str) -> list[str]:
    with pytest.raises(Problems) as caught:
        parse_site_mapping(text, "site.toml")
    return caught.value.problems


def faults(columns: str, cells: dict[str, list[str]] | None = None, **how: str) -> list[str]:
    """The faults of one file's columns, checked against a table with those cells."""
    with pytest.raises(Problems) as caught:
        check_site_mapping(site(SEX + columns, **how), [patients(cells or {"X": ["1"]})])
    return caught.value.problems


def only(found: list[str]) -> str:
    assert len(found) == 1, found
    return found[0]


# --- Lines


def test_key_lines_finds_sections_lists_and_statements_over_several_lines() -> None:
    text = 'a = 1\n[b.c]\n"d e" = [\n  1,\n]\nf = """\nx = 1\n"""\n[[g]]\nh = 1\n[g.i]\nj = 1\n\n[[g]]\nh = 2\n'
    assert key_lines(text) == {
        (): 1, ("a",): 1, ("b", "c"): 2, ("b", "c", "d e"): 3, ("b", "c", "f"): 6, ("g", 0): 9,
        ("g", 0, "h"): 10, ("g", 0, "i"): 11, ("g", 0, "i", "j"): 12, ("g", 1): 14, ("g", 1, "h"): 15,
    }  # fmt: skip


@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), unique=True, max_size=6)
)
def test_key_lines_reads_any_key_that_new_site_writes(keys: list[str]) -> None:
    text = "[t]\n" + "".join(f"{quoted(key)} = {{ a = 1 }}\n" for key in keys)
    assert set(tomllib.loads(text)["t"]) == set(keys)
    assert {place[1]: line for place, line in key_lines(text).items() if len(place) == 2} == {
        key: line for line, key in enumerate(keys, 2)
    }


# --- Form


def test_every_fault_of_form_comes_at_once_with_its_line() -> None:
    text = (
        site_text(SEX, file=FILE + "sheeet = 1\n")
        .replace('"keep"', '"hash"')
        .replace('"ES"', '"es"')
    )
    country, method, key = faults_of_form(text)
    assert (
        country == "site.toml, line 4: site.country: expected two capitals of ISO 3166, such as ES"
    )
    assert method == "site.toml, line 9: patients.pseudonymise: 'hash' is none of 'keep', 'hmac'"
    assert key.startswith(
        "site.toml, line 20: file: no key is called 'sheeet'; near: sheet (known: "
    )


def test_record_number_needs_hmac() -> None:
    found = faults_of_form(site_text(SEX).replace('"pseudonym"', '"record-number"'))
    assert "a record number must not leave the site" in only(found)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('id = "here"', 'id = "Here!"', "a site id has 1 to 40"),
        ('cut_off = "2022-06-30"', 'cut_off = "2022-06"', "expected a day, such as 2022-06-30"),
        ('kind = "full"', "", "delivery.kind: is missing; give one of full, incremental"),
        ('decimal = ","', 'decimal = "."', "decimal and thousands sign are the same"),
        ('decimal = ","', 'decimal = ";"', "format.decimal: ';' is none of '.', ','"),
        ('patient = "ID"', "", "file.patient: is missing"),
        (SEX, '"Sexo" = { element = "sex", splitt = 1 }', "no key is called 'splitt'; near: split"),
        (SEX, '"Sexo" = "sex"', "expected a table"),
        (SEX, '"Sexo" = { element = "sex", many_to_one = "yes" }', "expected true or false"),
        (
            SEX,
            '"Sexo" = { element = "sex", missing = "missing/xx" }',
            "no set of words 'missing/xx'",
        ),
        (SEX, "", "the file has no [file.columns]"),
    ],
)
def test_fault_of_form(old: str, new: str, said: str) -> None:
    text = site_text(SEX)
    assert old in text
    found = only(faults_of_form(text.replace(old, new)))
    assert said in found
    assert re.match(r"site.toml, line \d+: ", found)


def test_no_toml_is_one_line_with_its_place() -> None:
    with pytest.raises(ImnmFhirError, match=r"^site.toml: is no TOML: .*line 3.*$"):
        parse_site_mapping('[site]\nid = "a"\nname = \n', "site.toml")


def test_unknown_mapping_names_the_built_in_ones() -> None:
    with pytest.raises(ImnmFhirError, match="madrid_ess: no such mapping file; near: madrid_es"):
        load_site_mapping("madrid_ess")
    with pytest.raises(ImnmFhirError, match="built in: freiburg, madrid_en, madrid_es"):
        load_site_mapping("/nowhere/x.toml")


def test_mapping_file_with_byte_order_mark_is_read(tmp_path: Path) -> None:
    path = tmp_path / "site.toml"
    path.write_text(site_text(SEX), "utf-8-sig")
    assert load_site_mapping(path).id == "here"


# --- Against the dictionary


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('"X" = { element = "ckk", unit = "U/L" }', "no element is called 'ckk'; near: ck"),
        ('"X" = { element = "ck", field = "value_numer", unit = "U/L" }', "observations have no field 'value_numer'; near: value_number"),
        ('"X" = { element = "sex", field = "birth_date" }', "patients have no field 'birth_date'"),
        ('"X" = { element = "statin" }', "'statin' needs a field: one of value_code"),
        ('"X" = { time_point = "baseline" }', "says neither element nor field"),
        ('"X" = { element = "ck", unit = "kg" }', "unit 'kg': kg cannot be converted to U/L"),
        ('"X" = { element = "ck", unit = "UU/L" }', "unit 'UU/L': the unit is not known"),
        ('"X" = { element = "myalgia", unit = "U/L" }', "unit belongs to a number"),
        ('"X" = { element = "ck", unit = "xULN" }', "a multiple of the upper limit needs the limit"),
        ('"X" = { element = "ck", unit = "U/L", time_point = "basline" }', "no time point is called 'basline'; near: baseline"),
        ('"X" = { element = "ana", words = "resultt" }', "no words are called 'resultt'"),
        ('"X" = { element = "ana", words = { P = "positve" } }', "'P': no value is called 'positve'; near: positive"),
        ('"X" = { element = "ana", words = { ND = "not-performed" } }', "'not-performed' is a missing reason; put it in missing"),
        ('"X" = { element = "ana", missing = { ND = "not done" } }', "no reason is called 'not done'; there are unknown"),
        ('"X" = { element = "ana", words = { ND = "negative" }, missing = { ND = "not-performed" } }', "'ND' stands in missing and in words"),
        ('"X" = { element = "ana", words = { "Sí" = "positive", "SI" = "negative" } }', "are read as one word but mean"),
        ('"X" = { element = "myalgia", words = { x = "ja" } }', "'x': expected \"true\" or \"false\", not 'ja'"),
        ('"X" = { element = "statin", field = "value_code", words = { MTX = "methotrexate" } }', "no value is called 'methotrexate'"),
        ('"X" = { element = "ana", set = { method = "blot" } }', "set method = 'blot': no such value"),
        ('"X" = { element = "ana", set = { methode = "elisa" } }', "set methode = 'elisa': observations have no such field; near: method"),
        ('"X" = { element = "ana", field = "method" }', "nothing makes a row of 'ana'"),
        ('"X" = { element = "ck", unit = "U/L", ongoing = ["x"] }', 'ongoing belongs to field = "end_date"'),
        ('"X" = { element = "ana", keep = "unit" }', 'keep can only be "value_text"'),
        ('"X" = { element = "immunosuppressant", n = "p", field = "dose_number", unit = "mg/d", set = { value_code = "prednisone" } }', 'mg/d belongs into field "rate_number"'),
        ('"X" = { field = "route" }', "no fact of the file has 'route'"),
        ('"X" = { field = "element" }', "needs words"),
    ],
)  # fmt: skip
def test_fault_against_the_dictionary(line: str, said: str) -> None:
    found = [each for each in faults(line) if said in each]
    assert len(found) == 1, faults(line)
    assert found[0].startswith(f"site.toml, line {AFTER_SEX}: column 'X': ")


def test_many_words_for_one_meaning_must_be_said() -> None:
    line = '"X" = { element = "ana", words = { "+" = "positive", "++" = "positive" }%s }'
    assert "'+', '++' all become 'positive'; say many_to_one = true" in faults(line % "")[0]
    for said in (", many_to_one = true", ', keep = "value_text"'):
        check_site_mapping(site(SEX + line % said), [patients({"X": ["+"]})])


def test_two_values_may_have_many_words() -> None:
    line = '"X" = { element = "myalgia", words = { "Sí" = "true", "S" = "true", "No" = "false" } }'
    check_site_mapping(site(SEX + line), [patients({"X": ["S"]})])


def test_field_from_two_columns() -> None:
    lines = '"X" = { element = "ck", unit = "U/L" }\n"Y" = { element = "ck", unit = "U/L" }'
    found = only(faults(lines, {"X": ["1"], "Y": ["2"]}))
    assert (
        f"line {AFTER_SEX + 1}: column 'Y': ck.value_number comes from column 'X' already" in found
    )
    told_apart = lines.replace(
        '{ element = "ck", unit = "U/L" }', '{ element = "ck", unit = "U/L", n = "a" }', 1
    )
    check_site_mapping(site(SEX + told_apart), [patients({"X": ["1"], "Y": ["2"]})])


def test_mapping_without_patients() -> None:
    with pytest.raises(Problems, match="no column fills the patients"):
        check_site_mapping(
            site('"X" = { element = "myalgia" }'), [table({"ID": ["1"], "X": ["sí"]})]
        )


# --- Against the files


def test_unknown_column_with_near_name() -> None:
    found = only(faults('"Mialgiass" = { element = "myalgia" }', {"Mialgias": ["sí"]}))
    assert "column 'Mialgiass' is not in site.csv; near: Mialgias" in found


def test_optional_column_may_lack_and_case_and_spaces_do_not_matter() -> None:
    lines = '"Nada" = { element = "ana", optional = true }\n"mialgias " = { element = "myalgia" }'
    check_site_mapping(site(SEX + lines), [patients({"MIALGIAS": ["sí"]})])


def test_file_that_fits_nothing_and_pattern_that_fits_no_file() -> None:
    with pytest.raises(Problems) as caught:
        check_site_mapping(site(SEX), [patients({"X": ["1"]}, file="other.csv")])
    assert caught.value.problems == [
        "site.toml, line 1: other.csv: no [[file]] fits it (names: site.csv)",
        "site.toml, line 17: [[file]] 'site.csv' fits none of the files given; "
        "give the file too, or say optional = true",
    ]


def test_sheets_are_told_apart_and_skipped() -> None:
    file = '[[file]]\nname = ["site.csv", "site.xlsx"]\nsheet = "Hoja 1"\npatient = "ID"\n'
    mapping = site(
        SEX, file=file, more='[[file]]\nname = "site.xlsx"\nsheet = "Leyenda"\nskip = true\n'
    )
    legend = table({"A": ["x"]}, file="site.xlsx", sheet="Leyenda")
    check_site_mapping(mapping, [patients({"X": ["1"]}, file="site.xlsx", sheet="hoja 1"), legend])
    with pytest.raises(Problems, match=r"sheet Otra: no .*file.* fits it"):
        check_site_mapping(mapping, [patients({"X": ["1"]}, file="site.xlsx", sheet="Otra")])


# --- Against the cells


def test_words_without_a_mapping_are_listed_with_rows_and_not_said() -> None:
    line = '"X" = { element = "ana", words = { Positivo = "positive", Negativo = "negative" } }'
    found = only(faults(line, {"X": ["Positivo", "quizás", "ND", "quizás", ""]}))
    assert "words without a mapping: one in rows 3, 5, one in row 4; add them" in found
    assert "quizás" not in found


def test_no_other_cell_than_words_is_shown() -> None:
    lines = '"X" = { element = "last_contact" }\n"Y" = { element = "ck", unit = "U/L" }'
    found = faults(lines, {"X": ["03/04/2019", "2019"], "Y": ["4.512", "10"]}, styles="")
    assert [each.split(": ", 1)[1] for each in found] == [
        "column 'X' of site.csv: 1 cell cannot be read without a declared style (row 2); "
        'declare date_order = "dmy" or "mdy"',
        "column 'Y' of site.csv: 1 cell cannot be read without a declared style (row 2); "
        'declare decimal = "," or "." (and thousands)',
    ]
    assert not any("03/04" in each or "4.512" in each for each in found)


@pytest.mark.parametrize(
    ("styles", "cell", "declare"),
    [
        ('[format]\ndecimal = ","\n', "4.512", "thousands"),
        ('[format]\ndecimal = "."\n', "4,512", "thousands"),
        ("", "1,0", "decimal"),
        ('[format]\ndecimal = "."\nthousands = ""\n', "4,512", None),
        ("", "4512", None),
        ('[format]\nthousands = "."\n', "4.512", None),
    ],
)
def test_style_of_numbers(styles: str, cell: str, declare: str | None) -> None:
    line = '"X" = { element = "ck", unit = "U/L" }'
    if declare:
        assert f"declare {declare}" in only(faults(line, {"X": [cell]}, styles=styles))
    else:
        check_site_mapping(site(SEX + line, styles), [patients({"X": [cell]})])


@pytest.mark.parametrize(
    ("cell", "declare"),
    [("04/03/19", "date_order"), ("13/04/2019", "date_order"), ("2019-04-13", None), ("43528", "excel_dates"), ("平成31年4月3日", "eras")],
)  # fmt: skip
def test_style_of_dates(cell: str, declare: str | None) -> None:
    line = '"X" = { element = "last_contact" }'
    if declare:
        assert f"declare {declare}" in only(faults(line, {"X": [cell]}, styles=""))
    else:
        check_site_mapping(site(SEX + line, ""), [patients({"X": [cell]})])


def test_typed_cells_need_no_style() -> None:
    line = '"X" = { element = "last_contact" }'
    typed = patients({"X": ["2019-04-03"]}, typed={"X": frozenset({0})})
    check_site_mapping(site(SEX + line, ""), [typed])


def test_unit_of_the_rows_is_checked() -> None:
    line = '"X" = { element = "ck", with = { unit = "U" } }'
    found = faults(line, {"X": ["1", "2", "3"], "U": ["U/L", "kg", "??"]})
    assert "column 'U' of site.csv: one in row 3: kg cannot be converted to U/L" in found[0]
    assert "one in row 4: the unit is not known" in found[1]


def test_own_words_are_added_to_those_of_all_drugs() -> None:
    own = '[words.drug]\nimmunoglobuline = "ivig"\nTavor = "atorvastatin"\n'
    columns = (
        '"X" = { element = "statin", field = "value_code", words = "drug" }\n'
        '"Y" = { element = "immunosuppressant", field = "value_code", words = "drug" }\n'
    )
    cells = {"X": ["Tavor", "Sortis"], "Y": ["immunoglobuline", "MTX"]}
    check_site_mapping(site(SEX + columns, more=own), [patients(cells)])
    with pytest.raises(Problems, match="no value is called 'ivg'"):
        check_site_mapping(site(SEX + columns, more=own.replace("ivig", "ivg")), [patients(cells)])


def test_long_table_whose_rows_nothing_tells_apart() -> None:
    more = '[[file]]\nname = "ck.csv"\npatient = "ID"\n%s[file.columns]\nCK = { element = "aldolase", unit = "U/L" }\n%s'
    long = table(
        {"ID": ["P1", "P1"], "CK": ["1", "2"], "F": ["2019", "2020"], "N": ["a", "b"]},
        file="ck.csv",
    )
    wide = patients({"X": ["1"]})
    with pytest.raises(
        Problems,
        match=r"1 patient.s. with several rows of .aldolase., and nothing tells them apart",
    ):
        check_site_mapping(site(SEX, more=more % ("", "")), [wide, long])
    for record, date in (('record = "N"\n', ""), ("", 'F = { field = "date" }\n')):
        check_site_mapping(site(SEX, more=more % (record, date)), [wide, long])


# --- Words that usually mean something else


@pytest.mark.parametrize(
    ("words", "usual"),
    [
        ('{ M = "male", V = "female" }', "M = female, V = male"),
        ('{ m = "male", h = "female", x = "other" }', "M = female, H = male"),
        ('{ 1 = "female", 2 = "male" }', "1 = male, 2 = female"),
        ('{ F = "male", M = "female" }', "F = female, M = male"),
    ],
)
def test_words_against_their_usual_meaning_are_refused_unless_they_are_meant(
    words: str, usual: str
) -> None:
    line = f'"Sexo" = {{ element = "sex", words = {words} }}\n'
    cells = [patients({"CPK": ["1"]})]
    with pytest.raises(Problems, match=usual):
        check_site_mapping(site(line.replace(" }\n", ", optional = true }\n")), cells)
    here = line.replace(" }\n", ", meant = true, unmapped = 'issue' }\n")
    check_site_mapping(site(here), cells)


@pytest.mark.parametrize("words", ['{ M = "female", V = "male" }', '{ M = "male", F = "female" }'])
def test_usual_words_pass(words: str) -> None:
    line = f'"Sexo" = {{ element = "sex", unmapped = "issue", words = {words} }}\n'
    check_site_mapping(site(line), [patients({"CPK": ["1"]})])


def test_a_file_of_another_built_in_mapping_is_told_which() -> None:
    english = table({"Patient ID": ["1"]}, file="madrid16.csv")
    with pytest.raises(Problems, match="it would fit --site madrid_en"):
        check_site_mapping(load_site_mapping("madrid_es"), [english])
