"""What Table 1 is made of: cells, columns, rows."""

from dataclasses import dataclass

from imnm_fhir.table1.statistics import Distribution


@dataclass(frozen=True)
class Cell:
    """One cell: what is shown and the numbers behind it (proportions in `interval`)."""

    text: str
    n: int | None = None
    tested: int | None = None
    numbers: Distribution | None = None
    interval: tuple[float, float] | None = None


@dataclass(frozen=True)
class Column:
    """One column: `kind` is overall, group or site; `patients` is how many stand in it."""

    key: str
    kind: str
    label: str
    patients: int


@dataclass(frozen=True)
class Row:
    """One line: `level` 0 is a heading, 1 a variable, 2 a value or a line below it."""

    label: str
    level: int
    variable: str = ""
    value: str | None = None
    marks: str = ""
    cells: tuple[Cell, ...] = ()


@dataclass(frozen=True)
class Table1:
    """The whole table; footnotes stand in the order of their marks, the last has none."""

    title: str
    language: str
    variable_label: str
    empty_label: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    footnotes: tuple[str, ...]

    def cell(
        self, variable: str, value: str | None = None, column: str = "overall", place: int = 0
    ) -> Cell:
        """The cell of a variable (and value) in a column; `place` tells rows of one name apart."""
        index = [each.key for each in self.columns].index(column)
        found = [r for r in self.rows if (r.variable, r.value) == (variable, value) and r.cells]
        return found[place].cells[index]

    def text(self, width: int | None = None, styled: bool | None = None) -> str:
        """The table for the terminal (`imnm_fhir.table1.text`)."""
        from imnm_fhir.table1.text import to_text

        return to_text(self, width, styled)
