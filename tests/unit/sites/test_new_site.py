# ruff: noqa: E501  (cases are tables: one line each)
"""The mappings that are built in, and those that new-site writes."""

import re
from pathlib import Path

import pytest

from imnm_fhir.errors import Problems
from imnm_fhir.harmonise import harmonise
from imnm_fhir.readers import read_tables
from imnm_fhir.sites import (
    built_in_sites,
    check_site_mapping,
    load_site_mapping,
    new_site,
    parse_site_mapping,
)
from imnm_fhir.sites.headers import Match, match_header
from imnm_fhir.sites.new_site import quoted

DEMO = Path(__file__).parents[3] / "imnm_fhir" / "demo_data"
MADRID_EN = DEMO / "madrid" / "madrid16.csv"
MADRID_ES = DEMO / "madrid" / "madrid16_es.csv"


def test_built_in_mappings_fit_their_files() -> None:
    assert built_in_sites() == ("freiburg", "madrid_en", "madrid_es")
    check_site_mapping(load_site_mapping("madrid_en"), read_tables(MADRID_EN))
    check_site_mapping(load_site_mapping("madrid_es"), read_tables(MADRID_ES))
    for delivery in ("delivery_1", "delivery_2"):
        files = sorted((DEMO / "freiburg" / delivery).glob("*.csv"))
        check_site_mapping(
            load_site_mapping("freiburg"), [each for path in files for each in read_tables(path)]
        )
    check_site_mapping(
        load_site_mapping("freiburg"),
        read_tables(DEMO / "freiburg" / "delivery_2" / "freiburg.xlsx"),
    )


@pytest.mark.parametrize("name", ["madrid_en", "madrid_es"])
def test_every_column_of_madrid_is_mapped_or_ignored_on_purpose(name: str) -> None:
    (table_,) = read_tables(MADRID_EN if name == "madrid_en" else MADRID_ES)
    file = load_site_mapping(name).files[0]
    known = {file.patient, *file.ignore} | {target.column for target in file.targets}
    known |= {beside.column for target in file.targets for beside in target.beside.values()}
    assert set(table_.header) <= known


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("CPK basal (UI/l)", Match("ck", "value_number", None, "UI/l")),
        ("cpk 6m (UI/l)", Match("ck", "value_number", "month_6", "UI/l")),
        ("CK at 6 months (IU/L)", Match("ck", "value_number", "month_6", "IU/L")),
        ("CK (µkat/L)", Match("ck", "value_number", None, "µkat/L")),
        ("CK (kg)", Match("ck", "value_number")),
        ("CK (xULN)", Match("ck", "value_number", None, "xULN")),
        ("CK (ULN)", Match("ck", "reference_high")),
        ("CK 12m", Match("ck", "value_number", "month_12")),
        ("Fecha inicio síntomas", Match("imnm", "onset_date")),
        ("FECHA_DX", Match("imnm", "date")),
        ("Éxitus", Match("deceased", "deceased_boolean")),
        ("CK-MB", None),
        ("CKK", None),
        ("Comentarios", None),
    ],
)
def test_header_is_matched_exactly_or_not_at_all(header: str, expected: Match | None) -> None:
    assert match_header(header) == expected


@pytest.mark.parametrize("path", [MADRID_EN, MADRID_ES])
def test_new_mapping_lists_every_column_and_lacks_only_what_must_be_filled_in(path: Path) -> None:
    (table_,) = read_tables(path)
    text = new_site([path])
    assert all(
        re.search(rf"^(# )?{re.escape(quoted(header))} = ", text, re.M) for header in table_.header
    )
    mapping = parse_site_mapping(text, "site.toml")
    with pytest.raises(Problems) as caught:
        check_site_mapping(mapping, [table_])
    assert all("fill" in each or "declare" in each for each in caught.value.problems), (
        caught.value.problems
    )


def test_new_mapping_filled_in_fits() -> None:
    text = new_site([MADRID_ES])
    for old, new in (
        ('id = "FILL IN"', 'id = "madrid"'), ('name = "FILL IN"', 'name = "Madrid"'),
        ('country = "FILL IN"', 'country = "ES"'), ('language = "FILL IN"', 'language = "es"'),
        ('identifier = "FILL IN"', 'identifier = "pseudonym"'), ('pseudonymise = "FILL IN"', 'pseudonymise = "keep"'),
        ('cut_off = "FILL IN"', 'cut_off = "2022-06-30"'), ('patient = "FILL IN"', 'patient = "NHC"'),
        ('"M" = "FILL IN", "V" = "FILL IN"', '"M" = "female", "V" = "male"'),
        ('"ND" = "FILL IN", "Negativo" = "negative", "Positivo" = "positive" }', '"Negativo" = "negative", "Positivo" = "positive" }, missing = { ND = "not-performed" }'),
        ('value_code = "FILL IN"', 'value_code = "cancer_unspecified"'),
        ('# decimal', "decimal"), ("# thousands", "thousands"), ("# date_order", "date_order"),
    ):  # fmt: skip
        assert old in text, old
        text = text.replace(old, new)
    check_site_mapping(parse_site_mapping(text, "site.toml"), read_tables(MADRID_ES))


def test_new_mapping_holds_no_cell_but_words_of_coded_columns(tmp_path: Path) -> None:
    path = tmp_path / "site.csv"
    cells = "CANARY-1", "CANARY-2"
    path.write_text(
        "NHC;Nombre;Sexo;CPK;Comorbilidades;Causa de muerte\n"
        f"1;{cells[0]};V;4512;{cells[1]};{cells[0]}\n2;{cells[1]};M;99;{cells[0]};{cells[1]}\n"
    )
    text = new_site([path])
    assert not any(cell in text for cell in (*cells, "4512"))
    assert '"M" = "FILL IN", "V" = "FILL IN"' in text


def test_quotes_and_backslashes_in_headers_stay_toml(tmp_path: Path) -> None:
    path = tmp_path / "site [1].csv"
    path.write_text('NHC,"a ""b"" \\c"\n1,2\n')
    mapping = parse_site_mapping(new_site([path]) + '"x" = { element = "sex" }\n', "site.toml")
    assert mapping.files[0].names == ("site [[]1].csv",)


def test_an_unfilled_mapping_is_told_what_to_fill_in_first(tmp_path: Path) -> None:
    path = tmp_path / "site.toml"
    path.write_text(new_site([MADRID_ES]), "utf-8")
    with pytest.raises(Problems, match="FILL IN"):
        harmonise([MADRID_ES], load_site_mapping(str(path)))


def test_the_patients_column_is_one_that_every_table_has() -> None:
    folder = MADRID_ES.parent.parent / "freiburg" / "delivery_2"
    text = new_site([folder / name for name in ("patienten.csv", "ck.csv", "medikamente.csv")])
    assert text.count('perhaps "Pat-ID"') == 3


def test_titles_above_the_header_are_passed_over(tmp_path: Path) -> None:
    file = tmp_path / "titled.csv"
    file.write_text("Registro;\n;\nCodice;Sesso\nP1;F\n", "utf-8")
    text = new_site([file], header_row=3)
    assert "header_row = 3" in text
    assert '"Sesso" = { element = "sex"' in text
    assert "header_row" not in new_site([MADRID_EN])


@pytest.mark.parametrize(
    ("cells", "field"),
    [
        (("05/02/2019", "", "11/11/2018"), "date"),
        (("2019", "2018-03"), "date"),
        (("MNIM", "05/02/2019"), "value_code"),
        (("48918", "48919"), "value_code"),
        (("", ""), "value_code"),
    ],
)
def test_a_disease_whose_cells_are_all_dates_is_a_date(
    cells: tuple[str, ...], field: str, tmp_path: Path
) -> None:
    file = tmp_path / "site.csv"
    file.write_text("\n".join(["Paziente;Diagnosi", *(f"IT-1;{each}" for each in cells)]), "utf-8")
    (line,) = [each for each in new_site([file]).splitlines() if each.startswith('"Diagnosi"')]
    assert f'field = "{field}"' in line
