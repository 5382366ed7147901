"""A table as its site wrote it: text by header, with the rows it came from."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from imnm_fhir.errors import ImnmFhirError

Record = tuple[int, Sequence[str]]  # the row's number and its cells


@dataclass(frozen=True)
class TextTable:
    """One table of a file: a CSV file, or a sheet of a workbook.

    `file` is its name without folders. `columns` has the cells by header, as text without outer
    white space; a blank cell is "". `row_numbers` are those that a spreadsheet shows, one per row
    of `columns`. `typed` has, by header, the positions of cells whose type Excel knew (number,
    date, boolean): their text is canonical and needs no style. `said` are sentences on what was
    detected.
    """

    file: str
    sheet: str | None
    header: tuple[str, ...]
    columns: dict[str, list[str]]
    row_numbers: list[int]
    typed: dict[str, frozenset[int]]
    sha256: str
    said: tuple[str, ...]


@dataclass(frozen=True)
class Source:
    """Where a table comes from, and what was detected about it so far."""

    file: str
    sheet: str | None
    sha256: str
    said: tuple[str, ...] = ()
    typed: dict[int, frozenset[int]] = field(default_factory=dict)  # row numbers by place of column

    def error(self, message: str, row: int | None = None) -> ImnmFhirError:
        """The error to raise: file, sheet and row before what is wrong and what to do."""
        place = [self.file, *([f"sheet '{self.sheet}'"] if self.sheet else [])]
        return ImnmFhirError(f"{', '.join(place + ([f'row {row}'] if row else []))}: {message}")


def column_letter(place: int) -> str:
    """The letter that a spreadsheet shows over a column, the first being place 0."""
    letters = ""
    while place >= 0:
        place, letter = place // 26 - 1, place % 26
        letters = chr(ord("A") + letter) + letters
    return letters


def make_table(source: Source, records: Sequence[Record], header_row: int) -> TextTable:
    """The table whose header stands in row `header_row`; rows above it and blank rows are left out.

    Raises `ImnmFhirError` for a table without header or rows, a header that is blank over cells or
    there twice, and a row with more or fewer cells than the header.
    """
    header, rows = _split(source, records, header_row)
    _check_widths(source, len(header), rows)
    columns = [[cell.strip() for cell in cells] for cells in _columns(rows, len(header))]
    kept = _kept_places(source, header, columns)
    numbers = [number for number, _ in rows]
    blank = numbers[-1] - header_row - len(rows)
    return TextTable(
        file=source.file,
        sheet=source.sheet,
        header=tuple(header[place] for place in kept),
        columns={header[place]: columns[place] for place in kept},
        row_numbers=numbers,
        typed={header[place]: found for place in kept if (found := _typed(source, place, numbers))},
        sha256=source.sha256,
        said=(*source.said, *([f"blank rows left out: {blank}"] if blank else [])),
    )


def _split(
    source: Source, records: Sequence[Record], header_row: int
) -> tuple[list[str], list[Record]]:
    """The header and the rows below it that are not blank."""
    filled = [
        (number, cells)
        for number, cells in records
        if number >= header_row and "".join(cells).strip()
    ]
    if not filled or filled[0][0] != header_row:
        raise source.error(
            "there is no header here; say in which row it stands (new-site --header-row, or header_row in the mapping)",
            header_row,
        )
    if len(filled) == 1:
        raise source.error("there is a header and no row below it; send the file with its rows")
    return [name.strip() for name in filled[0][1]], filled[1:]


def _typed(source: Source, place: int, numbers: list[int]) -> frozenset[int]:
    """Positions of the typed cells of one column, from the row numbers that they stand in."""
    rows = source.typed.get(place)
    return (
        frozenset(at for at, number in enumerate(numbers) if number in rows)
        if rows
        else frozenset()
    )


def _columns(rows: Sequence[Record], width: int) -> list[tuple[str, ...]]:
    return list(zip(*(cells[:width] for _, cells in rows), strict=True))


def _check_widths(source: Source, width: int, rows: Sequence[Record]) -> None:
    for number, cells in rows:
        if len(cells) != width and (len(cells) < width or "".join(cells[width:]).strip()):
            raise source.error(
                f"{len(cells)} cells, the header has {width}; correct the row: a delimiter or a "
                "quote may be missing or one too many",
                number,
            )


def _kept_places(source: Source, header: list[str], columns: list[list[str]]) -> list[int]:
    """The places of the columns that have a header; wholly blank ones are dropped."""
    kept = [place for place, name in enumerate(header) if name]
    for place, name in enumerate(header):
        if not name and any(columns[place]):
            raise source.error(
                f"column {column_letter(place)} has cells and no header; give it one, or remove it"
            )
    first: dict[str, int] = {}
    for place in kept:
        if first.setdefault(header[place], place) != place:
            raise source.error(
                f"columns {column_letter(first[header[place]])} and {column_letter(place)} have "
                "the same header; rename one"
            )
    return kept
