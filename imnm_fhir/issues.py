"""Issues: what was wrong with one cell, row, patient or file, and where it stands."""

from dataclasses import dataclass

KINDS = ("impossible", "definition", "improbable", "note")
CATEGORIES = ("conformance", "completeness", "plausibility")  # Kahn et al. 2016
COLUMNS = (
    "rule", "kind", "category", "site", "table", "patient", "element", "time_point", "n",
    "file", "sheet", "row", "column", "value", "message",
)  # fmt: skip


@dataclass(frozen=True)
class Issue:
    """One finding about one place.

    `rule` is the id of the rule or conversion that found it (`D01`, `unreadable-number`), `kind`
    one of `KINDS`, `category` one of `CATEGORIES`. `row` counts as the site's own program does:
    the header is row 1. `value` is the cell as the site wrote it: it is written to the site's own
    reports only, never to a log, an exception or a progress line. `message` never holds a value.
    """

    rule: str
    kind: str
    category: str
    message: str
    site: str | None = None
    table: str | None = None
    patient: str | None = None
    element: str | None = None
    time_point: str | None = None
    n: str | None = None
    file: str | None = None
    sheet: str | None = None
    row: int | None = None
    column: str | None = None
    value: str | None = None

    def place(self) -> str:
        """Where it stands, such as `ck.csv, row 12, column 'CK'`: what a log may say of it."""
        parts = [self.file, f"sheet {self.sheet}" if self.sheet else None]
        parts += [f"row {self.row}" if self.row else None]
        parts += [f"column '{self.column}'" if self.column else None]
        return ", ".join(part for part in parts if part) or (self.table or "cohort")

    def record(self) -> dict[str, object]:
        """The issue as a flat row with the keys `COLUMNS`."""
        return {name: getattr(self, name) for name in COLUMNS}
