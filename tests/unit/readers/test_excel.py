"""Excel of sites: typed cells become canonical text, shown ones stay text, traps stop with a cell."""

import io
import zipfile
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest

from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.readers import TextTable, read_tables
from imnm_fhir.values import canonical_number, damaged_cell, read_date
from imnm_fhir.written import write_excel


def workbook(path: Path, fill: Callable[[Any], None]) -> Path:
    from openpyxl import Workbook

    book = Workbook()
    fill(book)
    book.save(path)
    return path


def one_column(folder: Path, cells: list[Any], formats: dict[int, str] | None = None) -> TextTable:
    def fill(book: Any) -> None:
        sheet = book.active
        sheet.append(["id", "x"])
        for place, cell in enumerate(cells):
            sheet.append([f"MAD-{place}", cell])
            sheet.cell(place + 2, 2).number_format = (formats or {}).get(
                place, sheet.cell(place + 2, 2).number_format
            )

    (table,) = read_tables(workbook(folder / "t.xlsx", fill))
    return table


def refused(path: Path, **options: Any) -> str:
    with pytest.raises(ImnmFhirError) as caught:
        read_tables(path, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(path.name)
    return message


def rewritten(path: Path, part: str, old: bytes, new: bytes) -> Path:
    """The workbook with a piece of one part's XML replaced, as another program would write it."""
    content = io.BytesIO()
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(content, "w") as changed:
        for name in archive.namelist():
            data = archive.read(name)
            if name == part:
                assert old in data
                data = data.replace(old, new)
            changed.writestr(name, data)
    path.write_bytes(content.getvalue())
    return path


TOO_PRECISE = (1.5e-7,)  # plain text all the same; the cohort refuses them
TYPED = [
    (4, "General", "4"),
    (4.0, "General", "4"),
    (0.1, "General", "0.1"),
    (0.1 + 0.2, "General", "0.3"),
    (1.5e-7, "General", "0.00000015"),
    (-0.0, "General", "0"),
    (123456789012345, "0", "123456789012345"),
    (4512.5, "#,##0.00", "4512.5"),
    (True, "General", "true"),
    (False, "General", "false"),
    (datetime(2019, 3, 4), "dd/mm/yyyy", "2019-03-04"),
    (date(2019, 3, 4), "yyyy-mm-dd", "2019-03-04"),
    (date(2019, 3, 1), "mmm-yy", "2019-03"),
    (date(2019, 3, 4), "mmm-yy", "2019-03-04"),
    (date(2019, 1, 1), "yyyy", "2019"),
    (date(2019, 3, 1), "yyyy", "2019-03"),
    (date(1900, 1, 5), "d.m.yyyy", "1900-01-05"),
    (date(2019, 3, 1), '[$-C0A]d "de" mmmm "de" yyyy', "2019-03-01"),
    (12345, "00000", "12345"),
]


@pytest.mark.parametrize(("value", "number_format", "text"), TYPED)
def test_typed_cells_become_canonical_text(
    tmp_path: Path, value: Any, number_format: str, text: str
) -> None:
    table = one_column(tmp_path, [value], {0: number_format})
    assert table.columns["x"] == [text]
    assert table.typed == {"x": frozenset({0})}
    if isinstance(value, date):
        assert read_date(text) == text
    elif not isinstance(value, bool) and value not in TOO_PRECISE:
        assert canonical_number(text) == text


UNTYPED = [
    (1.0e20, "General", "1.00000000000000E+20"),  # its last digits are lost: for a reader to see
    (1234567890123456789, "General", "1.23456789012346E+18"),
    (1234567890123456, "0", "1.23456789012346E+15"),
    ("00123", "General", "00123"),
    ("4.512", "General", "4.512"),
    ("03/04/2019", "@", "03/04/2019"),
    ("NA", "General", "NA"),
    (" Sí ", "General", "Sí"),
    (123, "00000", "00123"),
    ("#N/A", "General", "#N/A"),
    (date(2026, 3, 4), "d-mmm", "4-Mar"),
    (date(2026, 3, 4), "dd. mmm", "4-Mar"),
    (time(10, 30), "h:mm", "10:30:00"),
    (timedelta(hours=30), "[h]:mm", "1 day, 6:00:00"),
    ("line_x000D_\nbreak", "General", "line\r\nbreak"),
    ("_x005F_x0007_", "General", "_x0007_"),
    ("_x0041_", "General", "_x0041_"),
]


@pytest.mark.parametrize(("value", "number_format", "text"), UNTYPED)
def test_other_cells_stay_text_as_shown(
    tmp_path: Path, value: Any, number_format: str, text: str
) -> None:
    table = one_column(tmp_path, [value], {0: number_format})
    assert table.columns["x"] == [text]
    assert table.typed == {}


def test_a_percentage_keeps_its_sign(tmp_path: Path) -> None:
    table = one_column(tmp_path, [0.5, 0.125, 1, 5], {0: "0%", 1: "0.0%", 2: "0.00%", 3: '0" %"'})
    assert table.columns["x"] == ["50%", "12.5%", "100%", "5"]


def test_a_hidden_sheet_that_is_left_out_is_said(tmp_path: Path) -> None:
    def fill(book: Any) -> None:
        book.active.append(["id"])
        book.active.append(["1"])
        hidden = book.create_sheet("more")
        hidden.append(["id"])
        hidden.append(["2"])
        hidden.sheet_state = "hidden"

    (table,) = read_tables(workbook(tmp_path / "t.xlsx", fill))
    assert table.said[-1] == "hidden sheets left out: more"


def test_a_grade_that_excel_made_a_date_of_is_recognised(tmp_path: Path) -> None:
    (cell,) = one_column(tmp_path, [date(2026, 3, 4)], {0: "d-mmm"}).columns["x"]
    assert "3-4" in (damaged_cell(cell) or "")
    assert "4-3" in (damaged_cell(cell) or "")


def test_a_time_of_day_is_kept_to_be_found(tmp_path: Path) -> None:
    table = one_column(tmp_path, [datetime(2019, 3, 4, 10, 30)])
    assert table.columns["x"] == ["2019-03-04 10:30:00"]


def test_positions_and_rows_skip_blank_rows(tmp_path: Path) -> None:
    def fill(book: Any) -> None:
        sheet = book.active
        sheet.append(["id", "CK", None])
        sheet.append(["MAD-1", 12, None])
        sheet.append([None, None, None])
        sheet.append(["MAD-2", "NA", None])
        sheet["A7"], sheet["B7"] = "MAD-3", 7.5

    (table,) = read_tables(workbook(tmp_path / "t.xlsx", fill))
    assert table.columns == {"id": ["MAD-1", "MAD-2", "MAD-3"], "CK": ["12", "NA", "7.5"]}
    assert table.row_numbers == [2, 4, 7]
    assert table.typed == {"CK": frozenset({0, 2})}
    assert table.said == ("Excel workbook, dates from 1900", "blank rows left out: 3")


def several(book: Any) -> None:
    patients, notes = book.active, book.create_sheet("Notes")
    patients.title = "Pacientes"
    patients.append(["id"])
    patients.append(["MAD-1"])
    notes.append(["Read me"])
    hidden = book.create_sheet("Lists")
    hidden.sheet_state = "hidden"
    hidden.append(["Sí", None, "x"])
    book.create_sheet("Empty")
    ck = book.create_sheet("CK")
    ck.append(["id", "CK"])
    ck.append(["MAD-1", 4512])


def test_sheets_by_name_and_all_visible_ones(tmp_path: Path) -> None:
    path = workbook(tmp_path / "t.xlsx", several)
    tables = read_tables(path, sheets=["CK", "Pacientes"])
    assert [(table.sheet, table.header) for table in tables] == [
        ("CK", ("id", "CK")),
        ("Pacientes", ("id",)),
    ]
    assert "t.xlsx, sheet 'Notes': there is a header and no row" in refused(path)
    assert "name the sheets to read" in refused(path)
    assert "there is no sheet 'ck'; it has: Pacientes, Notes" in refused(path, sheets=["ck"])
    assert "there is no header here" in refused(path, sheets=["Empty"])


def test_a_workbook_without_cells(tmp_path: Path) -> None:
    assert "no visible sheet with cells" in refused(
        workbook(tmp_path / "t.xlsx", lambda book: None)
    )


def test_dates_from_1904(tmp_path: Path) -> None:
    from openpyxl.utils.datetime import CALENDAR_MAC_1904

    def fill(book: Any) -> None:
        book.epoch = CALENDAR_MAC_1904
        book.active.append(["id", "x"])
        book.active.append(["MAD-1", date(2019, 3, 4)])

    (table,) = read_tables(workbook(tmp_path / "t.xlsx", fill))
    assert table.columns["x"] == ["2019-03-04"]
    assert table.said[0] == "Excel workbook, dates from 1904"


def two_rows(book: Any) -> None:
    book.active.append(["id", "CK", "date"])
    book.active.append(["MAD-1", 4512, "2019"])


@pytest.mark.parametrize("area", ["A1:B1", "A2:A3"])
def test_merged_cells_stop(tmp_path: Path, area: str) -> None:
    def fill(book: Any) -> None:
        two_rows(book)
        book.active.merge_cells(area)

    message = refused(workbook(tmp_path / "t.xlsx", fill))
    assert f"cells {area} are merged" in message


def test_a_merged_title_above_the_header_does_not_matter(tmp_path: Path) -> None:
    def fill(book: Any) -> None:
        book.active.append(["Registry"])
        two_rows(book)
        book.active.merge_cells("A1:C1")

    path = workbook(tmp_path / "t.xlsx", fill)
    assert read_tables(path, header_row=2)[0].columns["CK"] == ["4512"]
    assert "merged" in refused(path)


def test_a_formula_without_a_stored_value_stops(tmp_path: Path) -> None:
    def fill(book: Any) -> None:
        two_rows(book)
        book.active["B2"] = "=1+1"

    path = workbook(tmp_path / "t.xlsx", fill)
    assert "row 2: cell B2 has a formula without a stored value" in refused(path)
    stored = rewritten(path, "xl/worksheets/sheet1.xml", b"<f>1+1</f>", b"<f>1+1</f><v>2</v>")
    (table,) = read_tables(stored)
    assert table.columns["CK"] == ["2"]


def test_a_formula_that_gives_blank_text_is_blank(tmp_path: Path) -> None:
    def fill(book: Any) -> None:
        two_rows(book)
        book.active["B2"] = "=1+1"

    path = workbook(tmp_path / "t.xlsx", fill)
    rewritten(path, "xl/worksheets/sheet1.xml", b'<c r="B2">', b'<c r="B2" t="str">')
    assert read_tables(path)[0].columns["id"] == ["MAD-1"]
    assert "CK" in read_tables(path)[0].columns


def test_a_wrong_size_of_the_sheet_loses_nothing(tmp_path: Path) -> None:
    path = workbook(tmp_path / "t.xlsx", two_rows)
    rewritten(path, "xl/worksheets/sheet1.xml", b'ref="A1:C2"', b'ref="A1"')
    assert read_tables(path)[0].columns["date"] == ["2019"]


def test_a_date_outside_the_calendar_is_an_error_cell(tmp_path: Path) -> None:
    table = one_column(tmp_path, [99_999_999], {0: "yyyy-mm-dd"})
    assert table.columns["x"] == ["#VALUE!"]
    assert damaged_cell("#VALUE!")


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([["id", "id"], ["1", "2"]], "columns A and B have the same header"),
        ([["id", None], ["1", "x"]], "column B has cells and no header"),
        ([["id"], ["1", "x"]], "column B has cells and no header"),
        ([["id"]], "a header and no row below it"),
        ([[None], ["id"], ["1"]], "row 1: there is no header here"),
        ([["id", "sÃ­ntomas"], ["1", "x"]], "row 1: the header of column B has broken"),
    ],
)
def test_bad_sheets(tmp_path: Path, rows: list[list[Any]], said: str) -> None:
    def fill(book: Any) -> None:
        for row in rows:
            book.active.append(row)

    assert said in refused(workbook(tmp_path / "t.xlsx", fill))


def test_damaged_workbooks(tmp_path: Path) -> None:
    path = workbook(tmp_path / "t.xlsx", two_rows)
    whole = path.read_bytes()
    for content in (whole[: len(whole) // 2], whole[:30], b"PK\x03\x04", b"no workbook"):
        path.write_bytes(content)
        assert "damaged" in refused(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("anything.txt", "x")
    assert "damaged" in refused(path)
    path.write_bytes(whole)
    rewritten(path, "xl/worksheets/sheet1.xml", b"</sheetData>", b"<")
    assert "damaged" in refused(path)


def test_a_workbook_under_another_name_is_read(tmp_path: Path) -> None:
    path = workbook(tmp_path / "t.xlsx", two_rows)
    renamed = path.rename(tmp_path / "t.csv")
    assert read_tables(renamed)[0].columns["CK"] == ["4512"]


def test_a_workbook_of_ours_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "t.xlsx"
    write_excel(path, {"S": (["id", "x"], [["a", "bell\x07_x0007_"], ["b", -5]])})
    (table,) = read_tables(path)
    assert table.columns == {"id": ["a", "b"], "x": ["bell\x07_x0007_", "-5"]}
