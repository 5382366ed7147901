"""How a table of results is laid out: caption, heading of one or more rows, columns, rows below."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from imnm_fhir.aggregates.cells import BARE, clean, is_empty, is_result
from imnm_fhir.aggregates.numbers import TOTAL, whole
from imnm_fhir.aggregates.words import column_name, is_ignored, kinds_of
from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.readers import Grid, column_letter

Line = tuple[int, tuple[str, ...]]  # the row's number and its cells
ABOUT = ("source", "label", "group", "part_of", "parts")  # columns that hold words
BRACKETS = re.compile(r"[(\[]\s*[)\]]")
DECLARED = re.compile(
    r"[,;:]?\s*[(\[]?\s*(?:n|n[.º°]|no\.)?\s*/?\s*N?\s*[,;]?\s*[(\[]?\s*%\s*[)\]]*\s*(?:[(\[]?\s*n\s*[)\]])?\s*$"
)
FIELD_AT_END = re.compile(
    r"^(?P<group>.*\S)[\s,;:–-]+[(\[]?(?P<field>[^\s()\[\]]+)[)\]]?$", re.DOTALL
)


@dataclass(frozen=True)
class Column:
    """One column: what its heading says.

    `name` is what the whole heading is the name of; `field` what it holds of the `group`; None for
    both where every cell says what it holds.
    """

    place: int
    heading: str
    group: str
    total: int | None
    name: str | None
    field: str | None
    kinds: frozenset[str]


@dataclass(frozen=True)
class Block:
    """One table of a grid: its columns, the lines below, and what caption and footnotes say."""

    grid: Grid
    header_row: int
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    text: str

    def error(self, message: str) -> ImnmFhirError:
        """The error to raise about the table: file and sheet before what is wrong."""
        sheet = f", sheet '{self.grid.sheet}'" if self.grid.sheet else ""
        return ImnmFhirError(f"{self.grid.file}{sheet}: {message}")

    def data(self) -> list[Column]:
        """The columns of numbers that are no part of the words about them."""
        return [each for each in self.columns if self._holds_numbers(each)]

    def _holds_numbers(self, column: Column) -> bool:
        if column.name in ABOUT or is_ignored(column.heading):
            return False
        if column.name or column.field or column.total is not None:
            return True
        cells = [line[column.place] for _, line in self.lines if not is_empty(line[column.place])]
        numbers = sum(bool(BARE.fullmatch(clean(cell))) for cell in cells)
        return any(map(is_result, cells)) or 2 * numbers > len(cells)

    def has_results(self, column: Column) -> bool:
        """Whether most cells of a column say more than one bare number."""
        cells = [line[column.place] for _, line in self.lines if not is_empty(line[column.place])]
        return 2 * sum(map(is_result, cells)) >= max(len(cells), 1)


def blocks_of(grid: Grid) -> Iterator[Block]:
    """The tables of a grid, one below the other; a grid without a heading has none."""
    lines = [(number, cells) for number, cells in grid.rows]
    start = _header_start(lines, 0)
    caption = _text(lines[:start])
    while start < len(lines):
        end = start + 1
        while end < len(lines) and _is_subheading(lines[end][1], lines[end - 1][1]):
            end += 1
        following = next(
            (at for at in range(end, len(lines)) if _is_heading(lines[at][1])), len(lines)
        )
        below = tuple(lines[end:following])
        text = " ".join([caption, *_footnotes(below)])
        block = Block(
            grid, lines[end - 1][0], _columns([cells for _, cells in lines[start:end]]), below, text
        )
        yield _settled(block)
        start, caption = following, ""


def _header_start(lines: Sequence[Line], start: int) -> int:
    return next(
        (
            at
            for at in range(start, len(lines))
            if len({cell.strip() for cell in lines[at][1]} - {""}) > 1
        ),
        len(lines),
    )


def _text(lines: Sequence[Line]) -> str:
    return " ".join(
        dict.fromkeys(cell.strip() for _, cells in lines for cell in cells if cell.strip())
    )


def _footnotes(below: Sequence[Line]) -> list[str]:
    """The lines of words alone below the last line of numbers; those between are headings of lines."""
    last = max((at for at, (_, cells) in enumerate(below) if not _is_alone(cells)), default=-1)
    return [_text([line]) for line in below[last + 1 :]]


def _is_alone(cells: Sequence[str]) -> bool:
    return len({cell.strip() for cell in cells} - {""}) == 1


def _is_subheading(cells: Sequence[str], above: Sequence[str]) -> bool:
    """Whether a row below the heading belongs to it: `n (%)`, `(n = 16)`, `%`, and no label."""
    first, rest = cells[0].strip(), [cell.strip() for cell in cells[1:] if cell.strip()]
    if not rest or (first and first != above[0].strip() and column_name(first) != "label"):
        return False
    return any(_is_heading_cell(cell) for cell in rest) and all(
        _is_heading_cell(cell) or not any(sign.isdigit() for sign in cell) for cell in rest
    )


def _is_heading_cell(cell: str) -> bool:
    return bool(
        TOTAL.search(cell) or column_name(cell) or (kinds_of(cell) and not re.search(r"\d", cell))
    )


def _is_heading(cells: Sequence[str]) -> bool:
    """Whether a row below begins another table: its columns say N, and it holds no result."""
    rest = [cell for cell in cells[1:] if cell.strip()]
    named = [cell for cell in rest if TOTAL.search(cell) and TOTAL.sub("", cell).strip(" ()[],;:")]
    return bool(named) and not any(is_result(cell) for cell in rest)


def _columns(header: Sequence[Sequence[str]]) -> tuple[Column, ...]:
    rows = [list(cells) for cells in header]
    for at, above in enumerate(rows[:-1], start=1):
        for place in range(1, len(above)):  # a heading over several columns stands in the first
            if not above[place].strip() and any(below[place].strip() for below in rows[at:]):
                above[place] = above[place - 1]
    texts = (
        list(dict.fromkeys(row[place].strip() for row in rows if row[place].strip()))
        for place in range(len(rows[0]))
    )
    known: set[tuple[str, str | None]] = set()
    columns = []
    for place, parts in enumerate(texts):
        column = _column(place, parts)
        if column.name is None and (column.group, column.field) in known:
            column = replace(
                column, group=f"{column.group} (column {column_letter(place)})".strip()
            )
        known.add((column.group, column.field))
        columns.append(column)
    return tuple(columns)


def _column(place: int, parts: Sequence[str]) -> Column:
    name: str | None
    field: str | None
    heading = " ".join(parts)
    found = TOTAL.search(heading)
    last = column_name(parts[-1]) if parts else None
    if len(parts) > 1 and last in FIELDS:
        name, group, field = None, " ".join(parts[:-1]), last
    else:
        name, (group, field) = column_name(heading), _split(TOTAL.sub("", heading))
    group = BRACKETS.sub("", DECLARED.sub("", BRACKETS.sub("", TOTAL.sub("", group))))
    return Column(
        place=place,
        heading=heading,
        group=clean(group.strip(" ,;:-–\n")),
        total=whole(found["total"]) if found else None,
        name=name,
        field=field,
        kinds=kinds_of(TOTAL.sub("", heading)),
    )


FIELDS = ("n", "N", "percent", "median", "min", "max", "range")


def _split(heading: str) -> tuple[str, str | None]:
    """`HMGCR n` and `HMGCR (%)` as group and field; the heading alone where it names no field."""
    match = FIELD_AT_END.match(BRACKETS.sub("", heading).strip())
    field = column_name(match["field"]) if match else None
    if match and field in FIELDS and not kinds_of(match["group"]):
        return match["group"], field
    return heading, None


def _settled(block: Block) -> Block:
    """A column called `Total` or `Cases` whose cells are results is one of a group, beside others."""
    others = [
        each for each in block.data()
        if each.name is None and each.field is None and (each.total is not None or block.has_results(each))
    ]  # fmt: skip
    if not others and not any(
        each.name == "N" and block.has_results(each) for each in block.columns
    ):
        return block
    columns = tuple(
        replace(each, name=None, group=each.heading)
        if each.name in ("n", "N") and block.has_results(each) else each
        for each in block.columns
    )  # fmt: skip
    return replace(block, columns=columns)
