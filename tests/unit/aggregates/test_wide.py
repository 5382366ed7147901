"""check-table on tables as papers print them: a line for each variable, a column for each group."""

import zipfile
from pathlib import Path
from textwrap import dedent

import pytest
from openpyxl import Workbook

from imnm_fhir.aggregates import check_table, read_rows
from imnm_fhir.aggregates.cells import read_cell
from imnm_fhir.aggregates.numbers import number
from imnm_fhir.errors import ImnmFhirError

PAPER = """\
Table 1. Patients with IMNM. Data are n (%) or median (IQR) unless stated otherwise.,,,,
,All patients (n = 45),anti-HMGCR (n=30),anti-SRP (n=15),p value
"Age at onset, years",62 (50–71),65 (55–72),48 (35–60),0.003
Female sex,27 (60.0),17 (58.6)*,10 (66.7),0.52
"Statin before onset, n/N (%)",20/44 (45.5),18/30 (60.0),2/14 (14.3),<0.001
,,,,
"CK, U/L, median [range]","4,746 [1,001–9,856]","5,100 [5,200–9,856]","4,000 [1,001-8,000]",0.1
Biopsy,,,,
  Infiltrate,30 (67),20 (67),11 (73),ns
  No infiltrate†,15 (33),10 (33),4 (27),
"BMI, mean (SD)",27 (5),28 (6),26 (4),0.4
Relapse,12 (26.7),7 (23.3),5 (33.3),
Death,2 (4.4)a,2 (6.7)a,0 (–),
"MRC, mean ± SD",4.1 ± 0.5,4.0 ± 0.6,4.2±0.3,
HLA-I tested (n = 14),9 (64.3),6 (66.7),3 (60.0),
* of the 29 with a known sex,,,,
"""


def found(path: Path) -> list[str]:
    return [each.line() for each in check_table(path)[0]]


def written(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    path = folder / "table.csv"
    path.write_text(text, encoding)
    return path


def test_a_paper_s_table(tmp_path: Path) -> None:
    assert found(written(tmp_path, PAPER)) == [
        "row 4, Female sex (anti-HMGCR): 58.6 % fits 17/29, not 17/30 (56.7 %)",
        "row 7, CK, U/L, median [range] (anti-HMGCR): "
        "the median 5100 lies below the lower end 5200 of its range",
        "row 9, Biopsy: Infiltrate (All patients): "
        "20 + 11 = 31 in the groups anti-HMGCR, anti-SRP, not 30",
        "row 10, Biopsy: No infiltrate† (All patients): "
        "10 + 4 = 14 in the groups anti-HMGCR, anti-SRP, not 15",
    ]  # fmt: skip


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    assert len(found(written(tmp_path, PAPER, encoding))) == 4


SPANISH = "Característica;Todos;HMGCR;SRP\nNúmero de pacientes;16;13;3\nMujeres, n (%);{};7 (53,8);2 (66,7)\n"
GERMAN = "Merkmal;Gesamt (n = 16);HMGCR (n = 13);SRP (n = 3);p-Wert\nFrauen;{};7 (53,8 %);2 (66,7 %);0,7\n"
FRENCH = "Caractéristique\tTous n = 16\tHMGCR n = 13\nFemmes, n (%)\t{}\t7 (53,8\u202f%)\n"
ITALIAN = "Caratteristica;Totale N = 16;;HMGCR N = 13;\n;n;%;n;%\nDonne;{};7;53,8\n"
DUTCH = "Kenmerk;Totaal;Anti-HMGCR\nAantal patiënten;16;13\nVrouwen;{};53,8% (7/13)\n"


@pytest.mark.parametrize(
    ("text", "good", "bad"),
    [
        (SPANISH, "9 (56,3)", "9 (52,9)"),
        (GERMAN, "9 (56,3 %)", "9 (52,9 %)"),
        (FRENCH, "9 (56,3 %)", "9 (52,9 %)"),
        (ITALIAN, "9;56,3", "9;52,9"),
        (DUTCH, "56,3% (9)", "52,9% (9)"),
        ("label,Value (N=16)\nWomen,{}\n", "9 (56.3%)", "9 (52.9%)"),
        ("Table 2 (N = 16)\nlabel,n (%)\nWomen,{}\n", "9 (56.3)", "9 (52.9)"),
        ("Centre,N,Women\nMadrid,16,{}\n", "9 (56.3%)", "9 (52.9%)"),
        (",HMGCR n,HMGCR %,HMGCR N\nWomen,{},16\n", "9,56.3", "9,52.9"),
    ],
)
def test_layouts_and_languages(tmp_path: Path, text: str, good: str, bad: str) -> None:
    assert found(written(tmp_path, text.format(good))) == []
    (one,) = found(written(tmp_path, text.format(bad)))
    assert "fits 9/17, not 9/16" in one


@pytest.mark.parametrize(
    "line",
    [
        "Age,62 (11)",  # a mean with its deviation; nothing says n (%)
        "Follow-up in months,24",
        "p,<0.001",
        "MRC,4.1 ± 0.5",
        "Visits,1–3",
        'Age (mean and IQR),"70 (40-60)"',  # a mean may lie outside its quartiles
        "Dysphagia,– ",
        "Cancer,n.a.",
        "Women (n = 14),9 (64.3%)",
        "Rare,0 (<1)",
        "CK,12.2 (12.25–14)",
    ],
)
def test_what_nothing_contradicts(tmp_path: Path, line: str) -> None:
    said = found(written(tmp_path, f"Variable,Patients (n = 16)\nWomen,9 (56.3%)\n{line}\n"))
    assert [each for each in said if not each.startswith("note")] == []


def test_a_heading_of_lines_says_nothing_of_the_lines_after_it(tmp_path: Path) -> None:
    text = (
        ",All,A,B\n,N=16,N=10,N=6\nWomen,9 (56%),6 (60%),3 (50%)\n"
        '"Race, No. (%)",,,\n  White,8 (50),5 (50),3 (50)\n  Other,8 (50),5 (50),4 (50)\n'
        "Strength,12 (6),14 (5),9 (7)\n"
    )
    assert found(written(tmp_path, text)) == [
        "row 6, Race, No. (%): Other (B): 50 % fits 4/8 or 3/6, not 4/6 (66.7 %)",
        "row 6, Race, No. (%): Other (All): 5 + 4 = 9 in the groups A, B, not 8",
        "note: row 7, Strength (All): if this is n (%): 6 % fits 1/16, not 12/16 (75.0 %)",
    ]


def test_what_cannot_be_read_is_said_by_row(tmp_path: Path) -> None:
    text = "Variable,All (n = 16),HMGCR\nWomen,9 (56.3%),about 7 or 8\nMen,7 (43.8%),6 (46.2%)\n"
    assert found(written(tmp_path, text)) == [
        "note: row 2, Women (HMGCR): HMGCR: no number that can be read",
        "note: row 3, Men (HMGCR): its column says no N (n = ...), so its percentages are not checked",
    ]


def test_a_number_that_may_be_n_or_a_mean_is_a_note(tmp_path: Path) -> None:
    text = "Variable,All (n = 16)\nWomen,9 (56.3)\nCourses,6 (3)\n"
    assert found(written(tmp_path, text)) == [
        "note: row 3, Courses (All): if this is n (%): 3 % is not 6/16 (37.5 %), "
        "and no count of 13 to 19 gives it"
    ]


def workbook(path: Path) -> Path:
    book = Workbook()
    first = book.active
    assert first is not None
    first.title = "Table 1"
    for line in (
        ["Table 1. Baseline"],
        [],
        ["Characteristic", "All (n = 16)", None, "HMGCR (n = 13)", None],
        [None, "n", "%", "n", "%"],
        ["Women", 9, 0.5625, 7, 0.529],
        ["Men", 7, "43,8", 6, "46,2"],
    ):
        first.append(line)
    for cells in ("A1:E1", "B3:C3", "D3:E3", "A3:A4"):
        first.merge_cells(cells)
    first["C5"].number_format = first["E5"].number_format = "0.0%"
    second = book.create_sheet("Table 2")
    second.append(["Variable", "n", "N", "percent"])
    second.append(["Statin", 13, 16, 0.803])
    second.append(["Biopsy", 16, 16, 1])
    second.append(["Women", 9, 16, 0.563])
    book.save(path)
    return path


def test_a_workbook_with_merged_cells_percentages_and_two_sheets(tmp_path: Path) -> None:
    path = workbook(tmp_path / "tables.xlsx")
    first = "row 5, Women (HMGCR): 52.9 % is not 7/13 (53.8 %), and no count of 10 to 16 gives it"
    second = "row 2, Statin: 80.3 % is not 13/16 (81.3 %), and no count of 13 to 19 gives it"
    assert found(path) == [f"sheet 'Table 1', {first}", f"sheet 'Table 2', {second}"]
    assert [each.line() for each in check_table(path, sheets=["Table 1"])[0]] == [first]
    with pytest.raises(
        ImnmFhirError, match="there is no sheet 'Table 3'; it has: Table 1, Table 2"
    ):
        check_table(path, sheets=["Table 3"])


def test_documents_are_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(b"%PDF-1.7")
    with zipfile.ZipFile(tmp_path / "b.docx", "w") as archive:
        archive.writestr("word/document.xml", "<x/>")
    for name, kind in (("a.pdf", "a PDF"), ("b.docx", "a Word document")):
        with pytest.raises(ImnmFhirError, match=f"{name}: it is {kind}; open it, copy its table"):
            check_table(tmp_path / name)


@pytest.mark.parametrize(
    ("text", "kinds", "said"),
    [
        ("2/17 (11,8 %)", (), {"n": 2, "total": 17}),
        ("13† (81.3)ᵇ", ("count",), {"n": 13}),
        ("1 234 (56.7%)", (), {"n": 1234}),
        ("1.234", ("count",), {"n": 1234}),
        ("n = 13 (81.3 %)", (), {"n": 13}),
        ("13 of 16", (), {"n": 13, "total": 16}),
        ("0 (–)", (), {"n": 0}),
        ("16 100 %", (), {"n": 16}),
        ("81.3 (13)", ("share-first", "share"), {"n": 13}),
        ("62 years (IQR 50 to 71)", (), {"median": 62, "low": 50, "high": 71}),
        ("62 [50; 71]", (), {"median": 62, "low": 50, "high": 71}),
        ("13 (81.3)", ("mean",), {}),
        ("13 (81.3.2%)", (), None),
        ("13,5 (81.3)", ("count",), None),
    ],
)
def test_cells(text: str, kinds: tuple[str, ...], said: dict[str, int] | None) -> None:
    read = read_cell(text, ".", kinds)
    assert (read if read is None else {name: read[name] for name in said or {}}) == said
    assert said is None or (read is not None and len(read) >= len(said))


@pytest.mark.parametrize(
    ("text", "sign", "value"),
    [
        ("4.512", ",", "4512"), ("4.512", ".", "4.512"), ("4,512", ".", "4512"), ("71,5", ".", "71.5"),
        ("1 234,5", ",", "1234.5"), ("1.234.567", ".", "1234567"), ("0.123", ",", "0.123"), ("-5", ".", "-5"),
    ],
)  # fmt: skip
def test_numbers(text: str, sign: str, value: str) -> None:
    assert str(number(text, sign)) == value


def test_the_example_of_the_page(tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs/how-to/check-a-table.md").read_text("utf-8")
    table, said = (dedent(each.partition("```")[0]) for each in page.split("```text\n")[1:3])
    assert [*found(written(tmp_path, table)), "Rows checked: 5; contradictions: 4; notes: 0"] == [
        each.strip() for each in said.strip().split("\n")
    ]


def test_a_row_per_patient_is_refused_and_names_nobody(tmp_path: Path) -> None:
    with pytest.raises(ImnmFhirError, match="a row per patient is for imnm-fhir new-site") as said:
        read_rows(
            written(tmp_path, "NHC,Onset,CK\nCANARY-1,2019-03-04,4512\nCANARY-2,2018-01-02,9\n")
        )
    assert "CANARY" not in str(said.value)


COLUMNS = "Characteristic;All patients (n = 29);anti-HMGCR (n = 19);anti-SRP (n = 10)\n"


def test_percentages_alone_are_no_count_with_a_share(tmp_path: Path) -> None:
    line = COLUMNS + "Women;86.2%;78.9%;100.0%\nMen;13,8%;21,1 %;0,0%\n"
    assert found(written(tmp_path, line)) == []


def test_points_of_thousands_in_a_table_without_decimals(tmp_path: Path) -> None:
    line = COLUMNS + "CK, median (range);9.883 (42 - 19.972);6.918 (726-19.972);42 (42-10.624)\n"
    rows, sign = read_rows(written(tmp_path, line))
    assert (sign, [str(each.high) for each in rows]) == (",", ["19972", "19972", "10624"])
    assert found(written(tmp_path, line)) == []


@pytest.mark.parametrize(
    ("line", "note"),
    [
        (
            "ILD;5/21 (23.8%);4/14 (28.6%);1/6 (16.7%)\n",
            "of 14 + 6 = 20 patients in the groups anti-HMGCR, anti-SRP, not 21",
        ),
        (
            "ILD;5/29 (17.2%);4/24 (16.7%);1/5 (20%)\n",
            "it speaks of 24, its column has 19 patients",
        ),
    ],
)
def test_wholes_in_cells_are_compared(tmp_path: Path, line: str, note: str) -> None:
    assert [note in each for each in found(written(tmp_path, COLUMNS + line))] == [True]


def test_groups_smaller_than_everyone_though_all_counts_add_up(tmp_path: Path) -> None:
    lines = "ILD;5/29 (17.2%);4/19 (21.1%);1/10 (10%)\nWomen;9/29 (31%);4/19 (21.1%);5/10 (50%)\n"
    wrong = COLUMNS.replace("= 29", "= 30") + lines
    [note] = found(written(tmp_path, wrong))
    assert "19 + 10 = 29 patients, not 30" in note
    assert found(written(tmp_path, COLUMNS + lines)) == []


def test_n_and_percent_in_columns_of_their_own_below_two_rows_of_groups(tmp_path: Path) -> None:
    """What is measured stands in the column of n, as papers put it there."""
    text = """\
        Table 1. Characteristics;;;;;;
        ;All patients;;anti-HMGCR;;anti-SRP;
        ;(n = 16);;(n = 12);;(n = 4);
        Variable;n;%;n;%;n;%
        Female;9;56.3;6;50.0;3;75.0
        Age, years;71.5 (36–80);;72 (74–80);;60 (50–70);
        BMI, mean (SD);27 (5);;28 (6);;26 (4);
        Statin;13;80.3;11;91.7;2;50.0
        """
    assert found(written(tmp_path, dedent(text))) == [
        "row 6, Age, years (anti-HMGCR): the median 72 lies below the lower end 74 of its range",
        "row 8, Statin (All patients): 80.3 % is not 13/16 (81.3 %), and no count of 13 to 19 gives it",
    ]


def test_a_dash_may_be_a_minus(tmp_path: Path) -> None:
    line = COLUMNS + "Change, median (range);–5 (–10 to –2);−5 (–10––2);–15 (–10 to 2)\n"
    assert found(written(tmp_path, line)) == [
        "row 2, Change, median (range) (anti-SRP): "
        "the median -15 lies below the lower end -10 of its range"
    ]


def test_a_label_is_one_line_and_commands_no_terminal(tmp_path: Path) -> None:
    line = COLUMNS + '"Wo\x1b[2Jmen,\nn (%)";25 (86.9);15 (78.9);10 (100.0)\n'
    [said] = found(written(tmp_path, line))
    assert said.startswith("row 2, Wo[2Jmen, n (%) (All patients): 86.9 % ")
