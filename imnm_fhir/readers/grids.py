"""Tables as people lay them out for readers: cells by row, with nothing assumed of a header."""

import csv
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from imnm_fhir.readers.decoding import decode
from imnm_fhir.readers.delimited import DELIMITERS, SAMPLE, SEPARATOR_LINE, records_of
from imnm_fhir.readers.excel import DAMAGED, Sheet, chosen_sheets, read_sheets
from imnm_fhir.readers.excel_cells import cell_text
from imnm_fhir.readers.excel_sheets import check_formulas, merged_cells, sheet_parts
from imnm_fhir.readers.kinds import EXCEL_NAMES, ZIP, check_kind, read_content
from imnm_fhir.readers.tables import Source


@dataclass(frozen=True)
class Grid:
    """The cells of a CSV file, or of one sheet of a workbook.

    `rows` have the number that a spreadsheet shows, and all the same width; blank rows are left
    out. `typed` are the (row number, place) whose type Excel knew: their decimal sign is a point.
    A merged cell has its text in every place that it covers.
    """

    file: str
    sheet: str | None
    rows: tuple[tuple[int, tuple[str, ...]], ...]
    typed: frozenset[tuple[int, int]] = field(default=frozenset())


def read_grids(path: Path, sheets: Sequence[str] | None = None) -> list[Grid]:
    """The cells of a CSV or TSV file (one grid) or of a workbook (one per sheet that has cells).

    Rows may have fewer cells than others; cells may be merged. Raises `ImnmFhirError` as
    `read_tables` does for a file that is no text and no workbook, or a formula without a value.
    """
    content = read_content(path)
    source = Source(path.name, None, "")
    check_kind(source, content)
    if content.startswith(ZIP):
        return list(_of_workbook(source, content, sheets))
    if path.suffix.lower() in EXCEL_NAMES:
        raise source.error("it is no Excel workbook, or a damaged one; save it again")
    if sheets:
        raise source.error("it is no workbook and has no sheets; leave out the name of the sheet")
    return [_of_text(source, content)]


def _of_text(source: Source, content: bytes) -> Grid:
    text, _ = decode(source, content, None)
    declared = SEPARATOR_LINE.match(text)
    text = text[declared.end() :] if declared else text
    sign = declared[1] if declared else _delimiter(text[:SAMPLE])
    return Grid(source.file, None, _even(records_of(source, text, sign)))


def _delimiter(sample: str) -> str:
    """The delimiter with which most rows have one and the same number of cells, more than one."""

    def score(sign: str) -> tuple[float, int]:
        widths = [
            len(cells) for cells in csv.reader(io.StringIO(sample, newline=""), delimiter=sign)
        ]
        common = Counter(width for width in widths if width > 1).most_common(1)
        if not common:
            return 0.0, 0
        return common[0][1] / sum(width > 0 for width in widths), common[0][0]

    return max(DELIMITERS, key=score)


def _even(
    records: Sequence[tuple[int, Sequence[str]]],
) -> tuple[tuple[int, tuple[str, ...]], ...]:
    width = max((len(cells) for _, cells in records), default=0)
    return tuple(
        (number, tuple([*cells, *[""] * (width - len(cells))]))
        for number, cells in records
        if any(cell.strip() for cell in cells)
    )


def _of_workbook(source: Source, content: bytes, names: Sequence[str] | None) -> Iterator[Grid]:
    try:
        read, _ = read_sheets(content)
        parts = sheet_parts(content)
    except DAMAGED as error:
        raise source.error("it is no .xlsx workbook, or a damaged one; save it again") from error
    for sheet in chosen_sheets(source, read, names):
        xml = parts.get(sheet.title, b"")
        check_formulas(replace(source, sheet=sheet.title), xml)
        yield _of_sheet(source, sheet, xml)


def _of_sheet(source: Source, sheet: Sheet, xml: bytes) -> Grid:
    width = max((len(cells) for _, cells in sheet.rows), default=0)
    rows: dict[int, list[str]] = {}
    typed: set[tuple[int, int]] = set()
    for number, cells in sheet.rows:
        rows[number] = [""] * width
        for place, cell in enumerate(cells):
            if cell is not None:
                rows[number][place], known = cell_text(cell)
                typed |= {(number, place)} if known else set()
    for top, bottom, left, right in merged_cells(xml):
        text = rows[top][left] if top in rows and left < width else ""
        for number in range(top, bottom + 1):
            for place in range(left, min(right + 1, width)) if number in rows else ():
                rows[number][place] = text
                typed |= {(number, place)} if (top, left) in typed else set()
    return Grid(source.file, sheet.title, _even(list(rows.items())), frozenset(typed))
