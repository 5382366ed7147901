"""Table 1 as text for the terminal."""

import os
import sys
from collections.abc import Iterator, Sequence
from shutil import get_terminal_size
from textwrap import wrap

from imnm_fhir.table1.model import Column, Row, Table1

INDENT, GAP = "  ", 2
BOLD, DIM, PLAIN = "\x1b[1m", "\x1b[2m", "\x1b[0m"


def to_text(table: Table1, width: int | None = None, styled: bool | None = None) -> str:
    """The table in `width` columns: as many blocks below each other as its columns need.

    Groups without patients are named, not shown. `styled` adds bold and dim. Without them the
    terminal says how wide it is (100 where there is none) and NO_COLOR whether to be plain.
    """
    if width is None:
        width = get_terminal_size((100, 24)).columns
    if styled is None:
        styled = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    style = _styled if styled else _unstyled
    shown = [column for column in table.columns if column.patients or column.kind == "overall"]
    empty = [column.label for column in table.columns if column not in shown]
    lines = [style(table.title, BOLD), ""]
    for block in _blocks(table, shown, width):
        lines += [style(line, how) for line, how in _block(table, block)]
        lines.append("")
    if empty:
        lines += wrap(f"{table.empty_label}: {', '.join(empty)}.", width)
    for number, note in enumerate(table.footnotes, 1):
        mark = f"{number:>2}  " if number < len(table.footnotes) else ""
        lines += [
            style(line, DIM)
            for line in wrap(mark + note, width, subsequent_indent="    " * bool(mark))
        ]
    return "\n".join(lines) + "\n"


def _styled(line: str, how: str) -> str:
    return f"{how}{line}{PLAIN}" if how and line else line


def _unstyled(line: str, how: str) -> str:
    return line


def _label(row: Row) -> str:
    return INDENT * max(row.level - 1, 0) + " ".join(filter(None, (row.label, row.marks)))


def _label_width(table: Table1) -> int:
    return max(len(_label(row)) for row in table.rows)


def _width(table: Table1, column: Column) -> int:
    place = table.columns.index(column)
    cells = (len(row.cells[place].text) for row in table.rows if row.cells)
    return max(len(column.label), len(_size(column)), *cells)


def _size(column: Column) -> str:
    return f"n={column.patients}"


def _blocks(table: Table1, shown: Sequence[Column], width: int) -> Iterator[list[Column]]:
    """The columns in blocks that fit; a column wider than the terminal stands alone."""
    room = width - _label_width(table)
    block: list[Column] = []
    for column in shown:
        used = sum(_width(table, each) + GAP for each in [*block, column])
        if block and used > room:
            yield block
            block = []
        block.append(column)
    if block:
        yield block


def _block(table: Table1, columns: Sequence[Column]) -> Iterator[tuple[str, str]]:
    """The lines of one block, each with its style."""
    places = [table.columns.index(column) for column in columns]
    widths = [_width(table, column) for column in columns]
    label_width = _label_width(table)

    def line(label: str, texts: Sequence[str]) -> str:
        cells = (" " * GAP + text.rjust(size) for text, size in zip(texts, widths, strict=True))
        return (label.ljust(label_width) + "".join(cells)).rstrip()

    rule = "─" * (label_width + sum(widths) + GAP * len(widths))
    yield line(table.variable_label, [column.label for column in columns]), BOLD
    yield line("", [_size(column) for column in columns]), DIM
    yield rule, DIM
    for row in table.rows:
        if row.level == 0:
            yield "", ""
        texts = [row.cells[place].text for place in places] if row.cells else [""] * len(places)
        yield line(_label(row), texts), BOLD if row.level == 0 else ""
    yield rule, DIM
