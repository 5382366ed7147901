"""What does not agree in a table of results, as a line that a reader understands."""

from collections.abc import Iterable
from dataclasses import dataclass

from imnm_fhir.aggregates.rows import Row

PERCENT, PARTS, UNION, TWICE, SUBGROUP, RANGE, UNREAD = (
    "percentage", "parts", "union", "label-twice", "sub-group", "range", "unread",
)  # fmt: skip


@dataclass(frozen=True)
class Contradiction:
    """What does not agree: the check, the rows, and why in words.

    `certain` is False for what holds only under a condition, which the explanation says.
    """

    check: str
    rows: tuple[int, ...]
    label: str
    group: str
    source: str
    explanation: str
    certain: bool = True
    sheet: str | None = None

    def line(self) -> str:
        """The finding as one line, such as `row 12, Statin (Results): 11.8 % fits 2/17, not 2/16`."""
        where = f"sheet '{self.sheet}', " if self.sheet else ""
        where += "rows " if len(self.rows) > 1 else "row "
        about = ", ".join(each for each in (self.source, self.group) if each)
        name = self.label + (f" ({about})" if about else "")
        return f"{where}{', '.join(map(str, self.rows))}, {name}: {self.explanation}"


def said(
    check: str, row: Row, explanation: str, rows: Iterable[Row] = (), certain: bool = True
) -> Contradiction:
    """A contradiction of a row, and of the `rows` that it is about besides."""
    places = tuple(dict.fromkeys(each.row for each in (row, *rows)))
    return Contradiction(
        check, places, row.label, row.group, row.source, explanation, certain, row.sheet
    )
