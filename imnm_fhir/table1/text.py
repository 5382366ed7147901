"""The lines of Table 1 in a terminal."""

from collections.abc import Iterator, Sequence
from textwrap import wrap
from typing import NamedTuple

from imnm_fhir.table1.model import Column, Row

INDENT, GAP = "  ", 2
BOLD, DIM, PLAIN = "\x1b[1m", "\x1b[2m", "\x1b[0m"


class Line(NamedTuple):
    """A line and how it looks where looks are wanted."""

    text: str
    look: str = ""

    def shown(self, styled: bool) -> str:
        """The line as it is printed."""
        return f"{self.look}{self.text}{PLAIN}" if styled and self.look and self.text else self.text


def block_lines(
    variable_label: str, columns: Sequence[Column], rows: Sequence[Row], width: int
) -> Iterator[Line]:
    """The table in blocks of columns that fit `width`; groups without patients are left out."""
    labels = [label_of(row, INDENT) for row in rows]
    label_width = max(map(len, labels))
    shown = [place for place, column in enumerate(columns) if _is_shown(column)]
    widths = {place: _width(columns[place], rows, place) for place in shown}
    for block in _blocks(widths, width - label_width):
        sizes = [widths[place] for place in block]

        def line(label: str, texts: Sequence[str], sizes: Sequence[int] = sizes) -> str:
            cells = (" " * GAP + text.rjust(size) for text, size in zip(texts, sizes, strict=True))
            return (label.ljust(label_width) + "".join(cells)).rstrip()

        rule = Line("─" * (label_width + sum(sizes) + GAP * len(sizes)), DIM)
        yield Line(line(variable_label, [columns[place].label for place in block]), BOLD)
        yield Line(line("", [_size(columns[place]) for place in block]), DIM)
        yield rule
        for label, row in zip(labels, rows, strict=True):
            if row.level == 0:
                yield Line("")
            texts = [row.cells[place].text if row.cells else "" for place in block]
            yield Line(line(label, texts), BOLD if row.level == 0 else "")
        yield rule
        yield Line("")


def note_lines(
    empty_label: str, columns: Sequence[Column], footnotes: Sequence[str], width: int
) -> Iterator[Line]:
    """The groups without patients and the footnotes, the last of which has no number."""
    empty = [column.label for column in columns if not _is_shown(column)]
    if empty:
        yield from map(Line, wrap(f"{empty_label}: {', '.join(empty)}.", width))
    for number, note in enumerate(footnotes, 1):
        mark, indent = (f"{number:>2}  ", " " * 4) if number < len(footnotes) else ("", "")
        for text in wrap(mark + note, width, subsequent_indent=indent):
            yield Line(text, DIM)


def label_of(row: Row, indent: str) -> str:
    """The label of a row with its marks, indented by its level."""
    return indent * max(row.level - 1, 0) + " ".join(filter(None, (row.label, row.marks)))


def _is_shown(column: Column) -> bool:
    return bool(column.patients) or column.kind == "overall"


def _width(column: Column, rows: Sequence[Row], place: int) -> int:
    cells = (len(row.cells[place].text) for row in rows if row.cells)
    return max(len(column.label), len(_size(column)), *cells)


def _size(column: Column) -> str:
    return column.size


def _blocks(widths: dict[int, int], room: int) -> Iterator[list[int]]:
    """The places of the columns in blocks that fit; a column wider than the room stands alone."""
    block: list[int] = []
    for place in widths:
        if block and sum(widths[each] + GAP for each in [*block, place]) > room:
            yield block
            block = []
        block.append(place)
    if block:
        yield block
