"""The account of one table: what became of every cell and row, and the issues found on the way.

Kinds: a row that is refused, and whatever makes a patient or a key doubtful, is *impossible*; a cell
that cannot be read is *improbable* (the value is out already, the site is asked), a cell that belongs
to nothing likewise; what only loses a reason or a method is a *note*. All are conformance, but for a
missing unit: its rule is K01's and *impossible*.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from imnm_fhir.harmonise.outcomes import BLANK, ISSUE, MISSING, VALUE
from imnm_fhir.issues import Issue
from imnm_fhir.languages import translatable
from imnm_fhir.sites.fit import TablePlan

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CONFORMANCE = "conformance"
ORPHAN = translatable("belongs to nothing in this row: what it describes is blank or was not given")
IMPOSSIBLE_RULES = ("unit-missing",)


@dataclass(frozen=True)
class Fact:
    """The fact that an issue is about, as far as it is known."""

    table: str | None = None
    element: str | None = None
    time_point: str | None = None
    n: str | None = None


NO_FACT = Fact()


@dataclass
class Account:
    """Outcomes by column and row of one table, refused rows, and issues by place and rule.

    `private` is the column of record numbers that pseudonyms stand for: no issue repeats it.
    """

    site: str
    fitted: TablePlan
    patients: list[str | None]
    private: str | None = None
    outcomes: "dict[str, NDArray[np.int8]]" = field(default_factory=dict)
    excused: "dict[str, NDArray[np.bool_]]" = field(default_factory=dict)
    filled: "dict[str, NDArray[np.bool_]]" = field(default_factory=dict)
    refused: set[int] = field(default_factory=set)
    same_as: "dict[int, tuple[Account, int]]" = field(default_factory=dict)  # the row kept instead
    issues: dict[tuple[int | None, str | None, str], Issue] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """One row of outcomes per column that the mapping reads, blank at first."""
        import numpy as np

        names = {column for reading in self.fitted.plan.readings for column in reading.columns}
        for column in sorted(names & self.fitted.headers.keys()):
            self.outcomes[column] = np.zeros(len(self.patients), np.int8)
            self.excused[column] = np.zeros(len(self.patients), bool)
            cells = self.fitted.cells(column)
            self.filled[column] = np.fromiter(map(bool, cells), bool, len(cells))

    def take(
        self, columns: Iterable[str], rows: "NDArray[np.int64]", outcome: "int | NDArray[np.int8]"
    ) -> None:
        """Note what became of cells; an issue goes before a value, a value before a reason."""
        import numpy as np

        for column in columns:
            if column in self.outcomes:
                np.maximum.at(self.outcomes[column], rows, outcome)

    def excuse(self, columns: Iterable[str], rows: "NDArray[np.int64]") -> None:
        """Note cells that are lost with another one, whose issue speaks for them too."""
        for column in columns:
            if column in self.excused:
                self.excused[column][rows] = True

    def note(
        self,
        row: int | None,
        column: str | None,
        rule: str,
        kind: str,
        message: str,
        fact: Fact = NO_FACT,
        value: str | None = None,
        category: str = CONFORMANCE,
    ) -> None:
        """Add an issue, once per cell and rule; `value` is the cell's text unless given."""
        if (row, column, rule) in self.issues:
            return
        if value is None and row is not None and column is not None and column != self.private:
            value = self.fitted.cells(column)[row]
        self.issues[row, column, rule] = Issue(
            rule, kind, category, message, self.site, fact.table,
            self.patients[row] if row is not None else None,
            fact.element, fact.time_point, fact.n, self.fitted.table.file, self.fitted.table.sheet,
            self.fitted.table.row_numbers[row] if row is not None else None,
            self.fitted.headers.get(column or "", column), value or None,
        )  # fmt: skip

    def refuse(
        self, row: int, column: str, rule: str, message: str, value: str | None = None
    ) -> None:
        """Refuse a whole row: nothing of it is kept."""
        self.refused.add(row)
        self.note(row, column, rule, "impossible", message, value=value)

    def close(self) -> None:
        """Settle every cell: those of refused rows are issues, those that no fact took are orphans."""
        import numpy as np

        self.refused |= {
            copy for copy, (other, row) in self.same_as.items() if row in other.refused
        }
        refused = np.array(sorted(self.refused), np.int64)
        alone = {each.column for each in self.fitted.plan.readings if each.carries}
        for column, outcomes in self.outcomes.items():
            filled = self.filled[column]
            for copy, (other, kept) in self.same_as.items():
                if column in other.outcomes:
                    outcomes[copy] = other.outcomes[column][kept]
            outcomes[~filled] = BLANK
            outcomes[refused] = np.where(filled[refused], ISSUE, BLANK)
            orphans = filled & (outcomes == BLANK)
            outcomes[orphans] = ISSUE
            for row in np.flatnonzero(orphans & ~self.excused[column]):
                kind = "improbable" if column in alone else "note"
                self.note(int(row), column, "orphan", kind, ORPHAN)

    def found(self) -> list[Issue]:
        """The issues in the order of the rows."""
        return sorted(
            self.issues.values(), key=lambda each: (each.row or 0, each.column or "", each.rule)
        )

    def counts(self) -> dict[str, Any]:
        """The account for the manifest: rows and cells, each with its parts."""
        import numpy as np

        table = self.fitted.table
        whole = [*self.outcomes.values()]
        by_outcome = sum(
            (np.bincount(outcomes, minlength=ISSUE + 1) for outcomes in whole),
            start=np.zeros(ISSUE + 1, np.int64),
        )
        with_issue = {row for row, _, _ in self.issues if row is not None} - self.refused
        rows = len(table.row_numbers)
        counts = {
            "file": table.file,
            "sheet": table.sheet,
            "sha256": table.sha256,
            "said": list(table.said),
            "rows_in": rows,
            "rows_clean": rows - len(with_issue) - len(self.refused),
            "rows_with_issue": len(with_issue),
            "rows_refused": len(self.refused),
            "cells_in": sum(int(filled.sum()) for filled in self.filled.values()),
            "cells_values": int(by_outcome[VALUE]),
            "cells_missing": int(by_outcome[MISSING]),
            "cells_issues": int(by_outcome[ISSUE]),
            "columns_unread": list(self.fitted.unread),
        }
        _check(counts)
        return counts


def _check(counts: dict[str, Any]) -> None:
    """A bug here, not a user's mistake: a cell or row that is counted nowhere, or twice."""
    cells = counts["cells_values"] + counts["cells_missing"] + counts["cells_issues"]
    if cells != counts["cells_in"]:
        raise AssertionError(
            f"{counts['file']}: {counts['cells_in']} cells in, {cells} accounted for"
        )
    if min(counts["rows_clean"], counts["rows_with_issue"], counts["rows_refused"]) < 0:
        raise AssertionError(f"{counts['file']}: rows are counted twice")
