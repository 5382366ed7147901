"""A filled-in list, however it comes back: rows by what their columns mean, as text.

Columns may have moved, rows may be sorted, headings may be in another language, and notes may stand
above, below and beside. Nothing is evaluated: a formula is its text.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.queries.lists.columns import HEADINGS, known_words
from imnm_fhir.readers.decoding import decode
from imnm_fhir.readers.excel_cells import ExcelCell, cell_text
from imnm_fhir.readers.tables import Source
from imnm_fhir.values import fold
from imnm_fhir.written import unescape_cell

NEEDED = ("query", "answer", "list")
MOST_LARGE = 50_000_000  # bytes of a list that is read at all
DAMAGED = (KeyError, ValueError, OSError, EOFError)


@dataclass(frozen=True)
class FilledCell:
    """The text of a cell, whether a spreadsheet knew its type, and whether it is a formula."""

    text: str = ""
    typed: bool = False
    formula: bool = False


BLANK = FilledCell()


@dataclass(frozen=True)
class FilledRow:
    """One row of a list: its number as the spreadsheet shows it, and its cells by column's name."""

    number: int
    cells: dict[str, FilledCell] = field(default_factory=dict)

    def text(self, name: str) -> str:
        """The text under a column, blank where there is none."""
        return self.cells.get(name, BLANK).text

    def formulas(self) -> list[str]:
        """The columns whose cells hold a formula."""
        return [name for name, cell in self.cells.items() if cell.formula]


@dataclass(frozen=True)
class Filled:
    """All rows that name a query, the columns that nobody knows, and rows that say something else."""

    name: str
    rows: tuple[FilledRow, ...]
    unread: tuple[str, ...]
    notes: tuple[int, ...]


def read_filled(path: Path) -> Filled:
    """The rows of a filled-in queries.xlsx or queries.csv.

    Raises `ImnmFhirError` where the file cannot be read or no row has the headings of a list.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ImnmFhirError(
            f"{path}: cannot be read: {error.strerror}; check name and folder"
        ) from None
    if len(content) > MOST_LARGE:
        raise ImnmFhirError(f"{path}: is larger than any list of queries; give the filled-in list")
    tables = _workbook(path, content) if content.startswith(b"PK") else [_delimited(path, content)]
    for table in tables:
        if found := _with_headings(path, table):
            return found
    raise ImnmFhirError(
        f"{path}: no row has the headings of a list of queries (query, answer, list); give the "
        "filled-in queries.xlsx or queries.csv"
    )


Table = list[tuple[int, list[FilledCell]]]


def _workbook(path: Path, content: bytes) -> list[Table]:
    from zipfile import BadZipFile

    from openpyxl import load_workbook
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        book = load_workbook(io.BytesIO(content), read_only=True, data_only=False)
    except (BadZipFile, InvalidFileException, *DAMAGED) as error:
        raise ImnmFhirError(
            f"{path}: is no .xlsx workbook, or a damaged one; save it again"
        ) from error
    try:
        return [
            list(_sheet_rows(sheet)) for sheet in book.worksheets if sheet.sheet_state == "visible"
        ]
    finally:
        book.close()


def _sheet_rows(sheet: Any) -> Iterator[tuple[int, list[FilledCell]]]:
    sheet.reset_dimensions()
    for number, row in enumerate(sheet.iter_rows(), 1):
        yield number, [_excel_cell(cell) for cell in row]


def _excel_cell(cell: Any) -> FilledCell:
    if cell.value is None:
        return BLANK
    if cell.data_type == "f":
        return FilledCell(str(getattr(cell.value, "text", cell.value)), formula=True)
    text, typed = cell_text(ExcelCell(cell.value, cell.data_type, cell.number_format))
    return FilledCell(unescape_cell(text.strip()), typed)


def _delimited(path: Path, content: bytes) -> Table:
    text, _ = decode(Source(path.name, None, ""), content, None)
    text = text.removeprefix("\ufeff")
    first = next((line for line in text.splitlines() if "query" in line.lower()), text[:2000])
    sign = max(";,\t", key=first.count)
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=sign))
    except csv.Error as error:
        raise ImnmFhirError(f"{path}: is no CSV file: {error}; save it again") from None
    return [
        (number, [FilledCell(unescape_cell(cell.strip())) for cell in row])
        for number, row in enumerate(rows, 1)
    ]


def _with_headings(path: Path, table: Table) -> Filled | None:
    """The rows below the first row that has the headings of a list."""
    known = known_words(HEADINGS)
    for at, (_, cells) in enumerate(table):
        names = [known.get(fold(cell.text)) for cell in cells]
        if all(name in names for name in NEEDED):
            unread = [
                cell.text for cell, name in zip(cells, names, strict=True) if cell.text and not name
            ]
            return _rows(path, table[:at], table[at + 1 :], names, unread)
    return None


def _rows(
    path: Path, above: Table, below: Table, names: Sequence[str | None], unread: Iterable[str]
) -> Filled:
    rows, notes = [], [number for number, cells in above if any(cell.text for cell in cells)]
    for number, cells in below:
        found: dict[str, FilledCell] = {}
        for name, cell in zip(names, cells, strict=False):
            if name and name not in found:
                found[name] = cell
        if found.get("query", BLANK).text:
            rows.append(FilledRow(number, found))
        elif any(cell.text for cell in cells):
            notes.append(number)
    return Filled(path.name, tuple(rows), tuple(unread), tuple(notes))
