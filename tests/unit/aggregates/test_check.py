"""check-table: the seven checks, the paper's own contradictions, and tables as people write them."""

from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner

from imnm_fhir.aggregates import check_table, read_rows
from imnm_fhir.aggregates.check import explain
from imnm_fhir.aggregates.numbers import Percent, fits, percent
from imnm_fhir.cli.main import imnm_fhir
from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.languages import Translator
from imnm_fhir.written import Cell, write_excel

MADRID = Path(__file__).parents[3] / "imnm_fhir/demo_data/madrid/published_table.csv"


def table(folder: Path, text: str) -> Path:
    path = folder / "table.csv"
    path.write_text(text, "utf-8")
    return path


def found(folder: Path, text: str) -> list[tuple[str, str]]:
    contradictions, _, _ = check_table(table(folder, text))
    return [(each.check if each.certain else "note", each.explanation) for each in contradictions]


def test_the_papers_contradictions_are_found_by_class_and_nothing_else() -> None:
    contradictions, rows, _ = check_table(MADRID)
    assert rows == 63
    assert [(each.check, each.label, each.certain) for each in contradictions] == [
        ("percentage", "Statin before onset", True),  # C1
        ("percentage", "Atorvastatin", True),  # C2
        ("percentage", "Extra-muscular manifestation", True),  # C3
        ("label-twice", "Lower limbs weaker", True),  # C4
        ("parts", "Lymphocytic infiltrate", False),  # C10: holds with one overlap
        ("percentage", "Bitherapy", True),  # C5
        ("parts", "Bitherapy", True),  # C6
        ("union", "Immunoglobulins in combination", True),  # C8
        ("label-twice", "Azathioprine in combination", True),  # C7
    ]
    said = {each.label: each.explanation for each in contradictions if each.check == "percentage"}
    assert said["Extra-muscular manifestation"] == "11.8 % fits 2/17, not 2/16 (12.5 %)"
    assert said["Atorvastatin"] == "62.5 % fits 10/16, not 9/16 (56.3 %)"


@pytest.mark.parametrize(
    ("n", "total", "printed", "good"),
    [
        (3, 16, "18.7", True),  # 18.75 rounds either way
        (3, 16, "18.8", True),
        (3, 16, "18.9", False),
        (12, 16, "75", True),
        (12, 16, "74", True),
        (12, 16, "73", False),
        (0, 0, "0", True),
    ],
)
def test_a_percentage_may_differ_by_one_unit_of_its_last_digit(
    n: int, total: int, printed: str, good: bool
) -> None:
    read = percent(printed)
    assert read is not None
    assert fits(n, total, read) is good


def test_a_percentage_that_nothing_gives_says_so() -> None:
    said = explain(13, 16, Percent(Decimal("80.3"), Decimal("0.1")))
    assert (
        said.said(Translator("en"))
        == "80.3 % is not 13/16 (81.3 %), and no count of 13 to 19 gives it"
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("label,n,N\nWomen,17,16\n", [("sub-group", "17 of 16: the part is larger than the whole")]),
        ("label,median,min,max\nAge,81,36,80\n", [("range", "the median 81 lies above the upper end 80 of its range")]),
        ("label,median,range\nAge,71.5,36-80\n", []),
        ("label,median\nAge,\"71.5 (73-80)\"\n",
         [("range", "the median 71.5 lies below the lower end 73 of its range")]),
        ("label,median\nAge,\"71.5 (72-80)\"\n",
         [("note", "the median 71.5 lies below the lower end 72 of its range, unless both are rounded")]),
        ("label,N,percent\nStatin,16,80.3\n",
         [("note", "80.3 % is no whole number of 16 (12 gives 75.0 %, 13 gives 81.3 %)")]),
        ("label,N,percent\nStatin,16,18.7\n", []),
        ("label,n\nStatin,\"13/16 (81.3%)\"\n", []),
        ("label,n\nStatin,many\n", [("note", "n: no number that can be read")]),
        ("label,n,part of\nAll,16,\nA,9,All\nB,9,All\nC,17,All\n", [
            ("note", "9 + 9 + 17 = 35 make 'All' (16) only with 19 counted twice"),
            ("sub-group", "17 are more than 'All' (16), of which they are a part"),
        ]),
    ],
)  # fmt: skip
def test_single_checks(tmp_path: Path, text: str, expected: list[tuple[str, str]]) -> None:
    said = found(tmp_path, text)
    if "part of" in text:
        assert expected[1] in said
    else:
        assert said == expected


@pytest.mark.parametrize(
    "text",
    [
        "Merkmal;Anzahl;Gesamt;Prozent\nStatin;13;16;80,3\n",
        "Característica;Número;N;Porcentaje\nEstatina;13;16;80,3\n",
        "Caractéristique;Effectif;Total;Pourcentage\nStatine;13;16;80,3\n",
        "Caratteristica;Numero;Totale;Percentuale\nStatina;13;16;80,3\n",
        "Variable;n;N\nStatin;13 (80,3%);16\n",
        "Variable;Alle (n = 16);HMGCR (n = 13)\nStatin;13 (80,3 %);11 (84,6 %)\n",
    ],
)
def test_headings_of_other_languages_and_decimal_commas(tmp_path: Path, text: str) -> None:
    (one,) = check_table(table(tmp_path, text))[0]
    assert one.check == "percentage"
    assert "no count of 13 to 19" in one.explanation


def test_counts_and_medians_with_thousands(tmp_path: Path) -> None:
    text = "label;n;N;percent;median;range\nCK;1.204;2.408;50,0;4.746;1.001-9.856\n"
    (row,), sign = read_rows(table(tmp_path, text))
    assert sign == ","
    assert (row.n, row.total) == (1204, 2408)
    assert (row.median, row.low, row.high) == (Decimal(4746), Decimal(1001), Decimal(9856))


def test_a_workbook_is_read_as_well(tmp_path: Path) -> None:
    path = tmp_path / "table.xlsx"
    write_excel(path, {"Table 2": (["label", "n", "N", "percent"], [["Statin", 2, 16, "11.8"]])})
    (one,) = check_table(path)[0]
    assert one.explanation == "11.8 % fits 2/17, not 2/16 (12.5 %)"


def test_a_file_without_labels_or_numbers_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ImnmFhirError, match="no column of labels"):
        check_table(table(tmp_path, "n,N\n1,2\n"))
    with pytest.raises(ImnmFhirError, match="no rows with numbers"):
        check_table(table(tmp_path, "label,n\nStatin,\n"))


def test_command_says_and_writes_what_it_found(tmp_path: Path) -> None:
    out = tmp_path / "found.csv"
    result = CliRunner().invoke(imnm_fhir, ["check-table", str(MADRID), "--out", str(out), "-q"])
    assert result.exit_code == 1
    assert "row 12, Extra-muscular manifestation (Results): 11.8 % fits 2/17" in result.stdout
    assert "Rows checked: 63; contradictions: 8; notes: 1" in result.stdout
    assert out.read_text("utf-8").count("G01") == 9


@pytest.mark.parametrize(
    ("language", "line", "counts"),
    [
        ("es", "fila 12, Extra-muscular manifestation (Results): 11,8 % corresponde a 2/17, no a 2/16 (12,5 %)",
         "Filas comprobadas: 63; contradicciones: 8; notas: 1"),
        ("de", "Zeile 12, Extra-muscular manifestation (Results): 11,8 % passt zu 2/17, nicht zu 2/16 (12,5 %)",
         "Geprüfte Zeilen: 63; Widersprüche: 8; Hinweise: 1"),
        ("fr", "ligne 12, Extra-muscular manifestation (Results): 11,8 % correspond à 2/17, pas à 2/16 (12,5 %)",
         "Lignes contrôlées : 63 ; contradictions : 8 ; notes : 1"),
        ("it", "riga 12, Extra-muscular manifestation (Results): 11,8 % corrisponde a 2/17, non a 2/16 (12,5 %)",
         "Righe controllate: 63; contraddizioni: 8; note: 1"),
        ("nl", "rij 12, Extra-muscular manifestation (Results): 11,8 % past bij 2/17, niet bij 2/16 (12,5 %)",
         "Gecontroleerde rijen: 63; tegenspraken: 8; opmerkingen: 1"),
    ],
)  # fmt: skip
def test_command_says_it_in_the_language_asked_for(
    tmp_path: Path, language: str, line: str, counts: str
) -> None:
    out = tmp_path / "found.csv"
    asked = ["check-table", str(MADRID), "--out", str(out), "--language", language]
    result = CliRunner().invoke(imnm_fhir, asked)
    said = result.stdout.splitlines()
    assert line in said
    assert said[-1] == counts
    english = CliRunner().invoke(imnm_fhir, ["check-table", str(MADRID), "-q"]).stdout
    assert not set(said) & set(english.splitlines())
    header, *rows = out.read_text("utf-8-sig").splitlines()
    assert "explanation" not in header
    assert len(rows) == 9


def test_what_a_dropped_in_language_lacks_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = 'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=utf-8\\n"\n\n'
    text += 'msgid "{percent} fits {one}, not {count} ({real})"\n'
    text += 'msgstr "{percent} corresponde a {one}, não a {count} ({real})"\n'
    (tmp_path / "pt.po").write_text(text, "utf-8")
    monkeypatch.setenv("IMNM_FHIR_LANGUAGES", str(tmp_path))
    good = table(tmp_path, "label,n,N,percent\nStatin,2,16,11.8\n")
    result = CliRunner().invoke(imnm_fhir, ["check-table", str(good), "--language", "pt"])
    assert result.stdout.splitlines() == [
        "row 2, Statin: 11,8 % corresponde a 2/17, não a 2/16 (12,5 %)",
        "Rows checked: 1; contradictions: 1; notes: 0",
    ]
    assert "without a translation in 'pt', said in English: 3" in result.stderr


def test_command_is_content_with_a_table_that_agrees(tmp_path: Path) -> None:
    good = table(tmp_path, "label,n,N,percent\nStatin,13,16,81.3\n")
    result = CliRunner().invoke(imnm_fhir, ["check-table", str(good), "-q"])
    assert (result.exit_code, result.stdout) == (
        0,
        "Rows checked: 1; contradictions: 0; notes: 0\n",
    )


@pytest.mark.parametrize("cell", ["9" * 5000, "5/16.5 (31%)", "13 (81.3.2%)", "1,5"])
def test_a_count_of_which_a_part_is_no_number_is_said(tmp_path: Path, cell: str) -> None:
    assert [each for each, _ in found(tmp_path, f'label,n\nA,"{cell}"\n')] == ["note"]


def test_numbers_that_a_workbook_knows_have_a_point_whatever_the_texts_have(tmp_path: Path) -> None:
    path = tmp_path / "table.xlsx"
    lines: list[tuple[Cell, ...]] = [
        ("A", 13, Decimal("4.512")),
        ("B", 12, "71,5"),
        ("C", Decimal("1.234"), "3,4"),
    ]
    write_excel(path, {"t": (("label", "n", "median"), lines)})
    rows, sign = read_rows(path)
    assert sign == ","
    assert [each.median for each in rows] == [Decimal("4.512"), Decimal("71.5"), Decimal("3.4")]
    assert [(each.n, each.unread) for each in rows] == [(13, ()), (12, ()), (None, ("n",))]


def test_a_table_with_a_row_per_patient_is_refused_and_names_nobody(tmp_path: Path) -> None:
    path = tmp_path / "patients.csv"
    path.write_text("NHC,Onset,CK,Age\nCANARY-1,2019-03-04,4512,61\nCANARY-2,2018-01-02,981,71\n")
    with pytest.raises(ImnmFhirError, match="a row per patient is for imnm-fhir new-site") as said:
        check_table(path)
    assert "CANARY" not in str(said.value)
