"""A query: one question to the site about one cause, with the cells that it is about."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from imnm_fhir.cohort.cells import REASON_OF
from imnm_fhir.keys import row_key
from imnm_fhir.languages import translate

ANSWERS = ("corrected", "confirmed", "not-available", "not-our-patient", "fixed-in-source")
PROPOSAL_ANSWERS = ("accepted", "declined")  # of what the consortium proposes
STATES = ("open", "answered", "closed", "re-opened", "miscorrected", "conflict")
ASKED_AGAIN = ("open", "re-opened", "miscorrected", "conflict")  # what stands in the next list


@dataclass(frozen=True)
class Target:
    """One cell that a query is about, or that its rules read beside it.

    The key (patient, table, element, time_point, n, field) finds it in any delivery; file, sheet, row
    and header say where it stands in this one, `word` what the site wrote there (None: blank). `only`
    says where it stands if another cell has the same key, since no key of its row could be read.
    """

    table: str | None
    element: str | None
    time_point: str | None
    n: str | None
    field: str | None
    file: str | None = None
    sheet: str | None = None
    row: int | None = None
    column: str | None = None
    word: str | None = None
    value: str | None = None
    only: str | None = None

    @property
    def key(self) -> tuple[str | None, ...]:
        """What makes it the same cell in the next delivery."""
        last = REASON_OF.get(self.field, self.field) if self.field else self.column
        key = (self.table, self.element, self.time_point, self.n, last)
        return key if self.only is None else (*key, self.only)

    def said(self, language: str) -> str:
        """The cell as the list names it: `Symptombeginn, ck.csv row 4`."""
        where = [self.file, f"[{self.sheet}]" if self.sheet else None]
        where += [translate("row {row}", language, row=self.row) if self.row else None]
        parts = [self.column or self.element, " ".join(each for each in where if each)]
        return ", ".join(each for each in parts if each)

    def record(self) -> dict[str, object]:
        """As plain data, without what is not known."""
        return {name: value for name, value in vars(self).items() if value is not None}


@dataclass(frozen=True)
class Query:
    """One question. `patient` is None where it is about a whole column.

    `rules` (rule or rule.part) are those that it settles; `targets` the cells, that of the question
    first; `rows` how many rows of the column are affected; `fingerprint` the hash of every value that
    the rules read: a confirmation holds as long as it stays. `origin` is `site` or `consortium`.
    """

    id: str
    site: str
    patient: str | None
    kind: str
    topic: str
    rules: tuple[str, ...]
    targets: tuple[Target, ...]
    question: str
    evidence: str | None = None
    rows: tuple[int, ...] = ()
    fingerprint: str = ""
    origin: str = "site"
    proposes: str | None = None
    due: str | None = None
    fills: Mapping[str, object] = field(default_factory=dict)

    @property
    def target(self) -> Target:
        """The cell that the question is about."""
        return self.targets[0]

    @property
    def cells(self) -> int:
        """How many cells are in doubt: the rows of the column, or the one cell."""
        return max(len(self.rows), 1)


def query_id(
    site: str, patient: str | None, key: Iterable[str | None], cause: str | None = None
) -> str:
    """The id of a query: it comes from the cause and the cell's key, never from its value."""
    text = row_key((cause, site, patient, *key))
    return "Q" + hashlib.sha256(text.encode()).hexdigest()[:11].upper()


def fingerprint(rules: Iterable[str], targets: Iterable[Target]) -> str:
    """The hash of what rules read: the same as long as no value of these cells changes."""
    lines = sorted(f"{row_key(each.key)}={each.value or each.word or ''}" for each in targets)
    return hashlib.sha256("\n".join([*sorted(rules), *lines]).encode()).hexdigest()[:16]
