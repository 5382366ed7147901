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
    """One column: `kind` is overall, group or site; `patients` is how many stand in it.

    `hidden` is said in their place where so few must not be shared.
    """

    key: str
    kind: str
    label: str
    patients: int
    hidden: str | None = None

    @property
    def size(self) -> str:
        """How many patients stand in the column, such as `n=13`."""
        return f"n={self.patients}" if self.hidden is None else f"n {self.hidden}"


@dataclass(frozen=True)
class Row:
    """One line: `level` 0 is a heading, 1 a variable, 2 a value or a line below it."""

    label: str
    level: int
    variable: str = ""
    value: str | None = None
    marks: str = ""
    cells: tuple[Cell, ...] = ()
