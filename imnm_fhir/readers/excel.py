"""Excel workbooks (.xlsx, .xlsm): every sheet as text, what Excel typed as canonical text."""

import io
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.readers.decoding import check_header
from imnm_fhir.readers.excel_cells import ExcelCell, cell_text
from imnm_fhir.readers.excel_sheets import check_sheet, sheet_parts
from imnm_fhir.readers.tables import Record, Source, TextTable, make_table

if TYPE_CHECKING:
    from openpyxl import Workbook

# What openpyxl and zipfile raise on a file that is no workbook or a damaged one; SyntaxError is
# the XML parser's.
DAMAGED = (
    zipfile.BadZipFile, zlib.error, SyntaxError, KeyError, ValueError, TypeError, IndexError,
    AttributeError, EOFError, OSError, NotImplementedError,
)  # fmt: skip


class Sheet(NamedTuple):
    """A sheet as openpyxl reads it: cells by row number, blank ones as None."""

    title: str
    visible: bool
    rows: list[tuple[int, list[ExcelCell | None]]]


def read_workbook(
    source: Source, content: bytes, sheets: Sequence[str] | None, header_row: int
) -> list[TextTable]:
    """One table per sheet: those named, else every visible one that has cells.

    Raises `ImnmFhirError` for a damaged file, a sheet that is not there, merged cells, and a
    formula whose value is not stored, besides all that `make_table` refuses.
    """
    try:
        read, said = read_sheets(content)
        parts = sheet_parts(content)
    except DAMAGED as error:
        raise source.error("it is no .xlsx workbook, or a damaged one; save it again") from error
    chosen = chosen_sheets(source, read, sheets)
    hidden = [sheet.title for sheet in read if not sheet.visible and sheet not in chosen]
    said += (f"hidden sheets left out: {', '.join(hidden)}",) if hidden else ()
    tables = []
    for sheet in chosen:
        place = replace(source, sheet=sheet.title, said=said)
        try:
            check_sheet(place, parts.get(sheet.title, b""), header_row)
            tables.append(_table(place, sheet, header_row))
        except ImnmFhirError as error:
            if sheets is None and len(chosen) > 1:
                raise ImnmFhirError(
                    f"{error}; if it is no table, name the sheets to read"
                ) from None
            raise
    return tables


def chosen_sheets(source: Source, read: list[Sheet], names: Sequence[str] | None) -> list[Sheet]:
    """The sheets of these names, else every visible one that has cells."""
    if names is None:
        filled = [sheet for sheet in read if sheet.visible and sheet.rows]
        if not filled:
            raise source.error("it has no visible sheet with cells; send the file with its rows")
        return filled
    by_title = {sheet.title: sheet for sheet in read}
    for name in names:
        if name not in by_title:
            raise source.error(f"there is no sheet '{name}'; it has: {', '.join(by_title)}")
    return [by_title[name] for name in names]


def read_sheets(content: bytes) -> tuple[list[Sheet], tuple[str, ...]]:
    """Every sheet of a workbook, and a sentence on what was detected."""
    from openpyxl import load_workbook
    from openpyxl.utils.datetime import CALENDAR_MAC_1904

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # on extensions that hold no cells
        book = load_workbook(io.BytesIO(content), read_only=True, data_only=True)
        try:
            dates = "1904" if book.epoch == CALENDAR_MAC_1904 else "1900"
            return list(_sheets(book)), (f"Excel workbook, dates from {dates}",)
        finally:
            book.close()


def _sheets(book: "Workbook") -> Iterator[Sheet]:
    for sheet in book.worksheets:
        sheet.reset_dimensions()  # some programs write a wrong size
        rows = []
        for number, row in enumerate(sheet.iter_rows(), start=1):
            cells = [
                None
                if cell.value is None
                else ExcelCell(cell.value, cell.data_type, cell.number_format)
                for cell in row
            ]
            if any(cells):
                rows.append((number, cells))
        yield Sheet(sheet.title, sheet.sheet_state == "visible", rows)


def _table(source: Source, sheet: Sheet, header_row: int) -> TextTable:
    width = max((len(cells) for _, cells in sheet.rows), default=0)
    records: list[Record] = []
    typed: dict[int, set[int]] = {}
    for number, cells in sheet.rows:
        texts = [""] * width
        for place, cell in enumerate(cells):
            if cell is not None:
                texts[place], is_typed = cell_text(cell)
                if is_typed:
                    typed.setdefault(place, set()).add(number)
        records.append((number, texts))
    source = replace(source, typed={place: frozenset(rows) for place, rows in typed.items()})
    header = next((cells for number, cells in records if number == header_row), [])
    check_header(source, list(header), header_row)
    return make_table(source, records, header_row)
