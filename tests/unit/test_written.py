"""What we write for people: escaping, CSV, Excel, and that an old file survives every accident."""

import errno
import gc
import resource
import tempfile
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.written import (
    escape_cell,
    read_own_csv,
    replace_atomically,
    unescape_cell,
    write_csv,
    write_excel,
)

# Lone surrogates are not text, and no decoder yields one.
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
RISKY = st.text(st.sampled_from("'=+-@\t\r\n\",;a1_x0"))


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("=1+1", "'=1+1"),
        ("+", "'+"),
        ("-9", "'-9"),
        ("@x", "'@x"),
        ("\tx", "'\tx"),
        ("\rx", "'\rx"),
        ("'=1", "''=1"),
        ("''-", "'''-"),
        ("'n Beispiel", "'n Beispiel"),
        ("4=4", "4=4"),
        ("", ""),
        ("'", "'"),
    ],
)
def test_a_cell_that_a_spreadsheet_would_run_is_escaped(text: str, written: str) -> None:
    assert escape_cell(text) == written
    assert unescape_cell(written) == text


@given(st.one_of(TEXT, RISKY))
def test_unescape_is_the_exact_inverse(text: str) -> None:
    assert unescape_cell(escape_cell(text)) == text


@given(st.one_of(TEXT, RISKY))
def test_no_escaped_cell_begins_like_a_formula(text: str) -> None:
    assert escape_cell(text)[:1] not in {"=", "+", "-", "@", "\t", "\r"}


@given(st.lists(st.tuples(st.one_of(TEXT, RISKY), st.one_of(TEXT, RISKY)), max_size=6))
def test_a_csv_of_ours_reads_back_the_same(rows: list[tuple[str, str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "queries.csv"
        write_csv(path, ["=a", "b"], rows)
        assert read_own_csv(path) == [{"=a": first, "b": second} for first, second in rows]


def test_csv_cells_by_type(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    row: list[Any] = [-5, Decimal("-1.50"), Decimal("1E+3"), True, None, date(2019, 3, 4), "-5"]
    write_csv(path, list("abcdefg"), [row])
    assert path.read_bytes() == (
        b"\xef\xbb\xbfa,b,c,d,e,f,g\r\n-5,-1.50,1000,true,,2019-03-04,'-5\r\n"
    )


@pytest.mark.parametrize("cell", [1.5, b"x", Decimal("NaN"), object()])
def test_a_float_or_another_type_is_a_bug_and_not_written(tmp_path: Path, cell: Any) -> None:
    with pytest.raises(TypeError):
        write_csv(tmp_path / "t.csv", ["a"], [[cell]])
    assert list(tmp_path.iterdir()) == []


def test_a_row_of_the_wrong_length_is_a_bug(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="2 cells under a header of 1"):
        write_csv(tmp_path / "t.csv", ["a"], [["1", "2"]])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"a,b\r\n1\r\n", "row 2: 1 cells, the header has 2"),
        (b"a,b\r\n1,\xff\r\n", "not a CSV file in UTF-8"),
    ],
)
def test_a_damaged_file_of_ours(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    with pytest.raises(ImnmFhirError, match=message) as caught:
        read_own_csv(path)
    assert "\n" not in str(caught.value)


def test_a_file_of_ours_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ImnmFhirError, match="No such file"):
        read_own_csv(tmp_path / "none.csv")


def load_excel(path: Path) -> Any:
    from openpyxl import load_workbook

    return load_workbook(path)


def test_excel_has_a_bold_frozen_header_a_filter_and_widths(tmp_path: Path) -> None:
    path = tmp_path / "t.xlsx"
    rows: list[list[Any]] = [
        ["=1+1", 12, Decimal("1.5"), None],
        ["x" * 200, 1234567890123456, True, "'-"],
    ]
    write_excel(path, {"Queries": (["Field", "N", "C", "D"], rows), "Empty": (["A"], [])})
    book = load_excel(path)
    sheet = book["Queries"]
    assert book.sheetnames == ["Queries", "Empty"]
    assert (sheet.freeze_panes, sheet.auto_filter.ref) == ("A2", "A1:D3")
    assert all(cell.font.bold for cell in sheet[1])
    assert sheet.column_dimensions["A"].width == 60
    assert [cell.value for cell in sheet[2]] == ["'=1+1", 12, 1.5, None]
    assert [cell.value for cell in sheet[3]] == ["x" * 200, "1234567890123456", True, "''-"]
    assert sheet["A2"].data_type == "s"
    assert sheet["B2"].data_type == "n"


def test_excel_keeps_what_xml_cannot_hold(tmp_path: Path) -> None:
    from openpyxl.utils.escape import unescape

    path = tmp_path / "t.xlsx"
    texts = ["bell\x07", "_x0041_", "line\r\nbreak", "not \uffff", "\U0001f9ea"]
    write_excel(path, {"S": (["A"], [[text] for text in texts])})
    cells = [cell.value for cell in load_excel(path)["S"]["A"][1:]]
    assert [unescape(cell) for cell in cells] == texts


def test_excel_limits_are_said(tmp_path: Path) -> None:
    with pytest.raises(ImnmFhirError, match="more text than Excel holds"):
        write_excel(tmp_path / "t.xlsx", {"S": (["A"], [["x" * 32_768]])})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("accident", [KeyboardInterrupt(), RuntimeError("x"), ImnmFhirError("y")])
def test_an_accident_leaves_the_old_file(tmp_path: Path, accident: BaseException) -> None:
    path = tmp_path / "t.csv"
    path.write_text("old")
    with pytest.raises(type(accident)), replace_atomically(path) as unfinished:
        unfinished.write_text("half")
        raise accident
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["t.csv"]


def test_success_replaces_the_file_and_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("old")
    path.chmod(0o600)
    with replace_atomically(path) as unfinished:
        assert unfinished.parent == tmp_path
        assert unfinished.suffix == ".csv"
        unfinished.write_text("new")
    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["t.csv"]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real.csv").write_text("old")
    link = tmp_path / "link.csv"
    link.symlink_to("real.csv")
    write_csv(link, ["a"], [["1"]])
    assert link.is_symlink()
    assert read_own_csv(tmp_path / "real.csv") == [{"a": "1"}]


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (errno.ENOSPC, "the disk is full"),
        (errno.EACCES, "no permission"),
        (errno.EROFS, "no permission"),
        (errno.EIO, "choose another place"),
    ],
)
def test_a_place_that_fails(tmp_path: Path, number: int, message: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text("old")
    with pytest.raises(ImnmFhirError, match=message) as caught, replace_atomically(path) as file:
        file.write_text("half")
        raise OSError(number, "said by the system")
    assert "\n" not in str(caught.value)
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["t.csv"]


def test_a_really_full_disk(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    with pytest.raises(ImnmFhirError, match="disk is full"), replace_atomically(path) as unfinished:
        unfinished.symlink_to("/dev/full")  # every write to this device fails as on a full disk
        unfinished.write_text("x" * 100_000)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("room", [0, 500, 4000])
def test_a_workbook_that_the_disk_does_not_hold(
    room: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """openpyxl fills temporary files first; what it leaves half-written must not be told of later."""
    path = tmp_path / "t.xlsx"
    path.write_text("old")
    rows = [[f"{number:08x}" * 4] for number in range(2000)]
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, limits[1]))
    try:
        with pytest.raises(ImnmFhirError, match=r"t\.xlsx: cannot be written") as caught:
            write_excel(path, {"One": (["a"], rows), "Two": (["a"], rows)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    del caught
    gc.collect()
    assert capsys.readouterr().err == ""
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["t.xlsx"]


def test_no_folder_a_folder_and_a_file_as_folder(tmp_path: Path) -> None:
    with pytest.raises(ImnmFhirError, match="folder none does not exist; make it first"):
        write_csv(tmp_path / "none" / "t.csv", ["a"], [])
    (tmp_path / "taken").mkdir()
    with pytest.raises(ImnmFhirError, match="it is a folder; name a file"):
        write_csv(tmp_path / "taken", ["a"], [])
    (tmp_path / "file").write_text("")
    with pytest.raises(ImnmFhirError, match="cannot be written"):
        write_csv(tmp_path / "file" / "t.csv", ["a"], [])
    assert {file.name for file in tmp_path.iterdir()} == {"taken", "file"}


def test_another_files_error_is_not_explained_away(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), replace_atomically(tmp_path / "t.csv") as unfinished:
        unfinished.write_text((tmp_path / "input.csv").read_text())
