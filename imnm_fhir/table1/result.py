"""The finished Table 1."""

import os
import sys
from dataclasses import dataclass
from shutil import get_terminal_size

from imnm_fhir.table1.model import Cell, Column, Row
from imnm_fhir.table1.text import BOLD, Line, block_lines, note_lines


@dataclass(frozen=True)
class Table1:
    """The whole table; footnotes stand in the order of their marks, the last has none.

    `untranslated` counts the labels and sentences that stand in English for want of a translation.
    """

    title: str
    language: str
    variable_label: str
    empty_label: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    footnotes: tuple[str, ...]
    untranslated: int = 0

    def cell(
        self, variable: str, value: str | None = None, column: str = "overall", place: int = 0
    ) -> Cell:
        """The cell of a variable (and value) in a column; `place` tells rows of one name apart."""
        index = [each.key for each in self.columns].index(column)
        found = [r for r in self.rows if (r.variable, r.value) == (variable, value) and r.cells]
        return found[place].cells[index]

    def text(self, width: int | None = None, styled: bool | None = None) -> str:
        """The table in `width` columns: as many blocks below each other as its columns need.

        Groups without patients are named, not shown. `styled` adds bold and dim. Without them the
        terminal says how wide it is (100 where there is none) and NO_COLOR whether to be plain.
        """
        if width is None:
            width = get_terminal_size((100, 24)).columns
        if styled is None:
            styled = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        lines = [Line(self.title, BOLD), Line("")]
        lines += block_lines(self.variable_label, self.columns, self.rows, width)
        lines += note_lines(self.empty_label, self.columns, self.footnotes, width)
        return "".join(f"{line.shown(styled)}\n" for line in lines)
