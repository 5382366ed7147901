"""What an export did: counts by type and outcome, what was not stored and why, for people and programs."""

import threading
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Protocol

from imnm_fhir.errors import ServerError
from imnm_fhir.languages import counted

CREATED, UPDATED, KEPT = "created", "updated", "unchanged"
REFUSED, HELD_BACK, CHANGED_BY_OTHERS = "refused", "held back", "changed by others"
REMOVED, NOT_SENT = "removed", "not sent"
OUTCOMES = (CREATED, UPDATED, KEPT, REMOVED, REFUSED, HELD_BACK, CHANGED_BY_OTHERS, NOT_SENT)
BAD = (REFUSED, HELD_BACK, CHANGED_BY_OTHERS, NOT_SENT)
MOST_TOLD = 10_000  # failures that are kept in memory; all stand in the journal


@dataclass(frozen=True)
class Failure:
    """A resource that the server does not hold as it should.

    `status` is the HTTP status, None where it was not sent; `said` the server's words, values cut;
    `expression` the FHIRPath of what they are about; file to column the cell it came from.
    """

    type: str
    id: str
    outcome: str
    status: int | None
    said: str
    expression: str | None = None
    file: str | None = None
    sheet: str | None = None
    row: int | None = None
    column: str | None = None

    def __str__(self) -> str:
        """Return it in one line."""
        about = f" (at {self.expression})" if self.expression else ""
        parts = [self.file, self.sheet, self.row and f"row {self.row}", self.column]
        origin = ", ".join(str(part) for part in parts if part)
        status = f"{self.status}: " if self.status else ""
        place = f"{self.type}/{self.id}"
        return (
            f"{place}{f' [{origin}]' if origin else ''}: {self.outcome}: {status}{self.said}{about}"
        )


@dataclass(frozen=True)
class Transferred:
    """What an export did with the server.

    `counts` are resources by type and outcome, `missing` how many of each type the server holds from
    earlier deliveries and this one lacks, `failures` the first of those not stored and `failed` their
    number, `notes` what else a person should know, `plan` how it was sent.
    """

    counts: Mapping[str, Mapping[str, int]]
    failures: Sequence[Failure] = field(default=())
    failed: int = 0
    missing: Mapping[str, int] = field(default_factory=dict)
    notes: Sequence[str] = field(default=())
    plan: str = ""
    requests: int = 0
    seconds: float = 0.0
    dry_run: bool = False

    def total(self, *outcomes: str) -> int:
        """How many resources ended in these ways."""
        return sum(found.get(each, 0) for found in self.counts.values() for each in outcomes)

    @property
    def complete(self) -> bool:
        """Whether the server holds everything as it should."""
        return not self.total(*BAD)

    def of(self, outcome: str) -> dict[str, int]:
        """How many resources of each type ended in one way."""
        return {kind: found[outcome] for kind, found in self.counts.items() if found.get(outcome)}

    def summary(self) -> str:
        """Return the counts in one line."""
        parts = [f"{self.total(each):,} {each}" for each in OUTCOMES if self.total(each)]
        return ", ".join(parts) or "nothing to send"

    def table(self) -> list[str]:
        """Return the counts by type as lines of a table."""
        shown = [each for each in OUTCOMES if self.total(each)]
        if not shown:
            return []
        rows = [["", *shown]]
        rows += [
            [kind, *(f"{found.get(each, 0):,}" for each in shown)]
            for kind, found in self.counts.items()
        ]
        rows.append(["all", *(f"{self.total(each):,}" for each in shown)])
        widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
        return [
            "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])])
            for row in rows
        ]

    def lines(self) -> list[str]:
        """Return the plan, the table, and what else a person should know, a line each."""
        lines = [f"plan: {self.plan}", *self.table()]
        if self.missing:
            counts = ", ".join(f"{number:,} {kind}" for kind, number in self.missing.items())
            patients = self.missing.get("Patient", 0)
            about = f" (taken out: {counted(patients, 'patient')})" if patients else ""
            lines.append(
                f"at the server, but not in this delivery{about}: {counts}; --withdraw-missing removes them"
            )
        lines += self.notes
        verb = "would take about" if self.dry_run else "took"
        return [*lines, f"{verb} {counted(self.requests, 'request')}"]

    def record(self) -> dict[str, object]:
        """Return everything as JSON for programs."""
        return {
            "complete": self.complete,
            "dry_run": self.dry_run,
            "plan": self.plan,
            "counts": {kind: dict(found) for kind, found in self.counts.items()},
            "totals": {each: self.total(each) for each in OUTCOMES},
            "missing": dict(self.missing),
            "failed": self.failed,
            "failures": [asdict(each) for each in self.failures],
            "notes": list(self.notes),
            "requests": self.requests,
            "seconds": round(self.seconds, 3),
        }


class TransferStoppedError(ServerError):
    """An export ended early; `transferred` says what the server had confirmed until then."""

    def __init__(self, reason: str, transferred: Transferred) -> None:
        """Keep `transferred`; the message is `reason`, the counts, and that repeating is safe."""
        super().__init__(
            f"{reason}; until then: {transferred.summary()}; repeat the command: it goes on from here "
            "and makes nothing twice"
        )
        self.transferred = transferred


class Watch(Protocol):
    """Somebody who watches: told how much there is to do, what is done, what failed."""

    def expect(self, number: int) -> None:
        """So many more resources are to be settled."""

    def done(self, number: int) -> None:
        """So many more are settled."""

    def failed(self, number: int) -> None:
        """So many of these failed."""


class _Nobody:
    def expect(self, number: int) -> None:
        pass

    def done(self, number: int) -> None:
        pass

    def failed(self, number: int) -> None:
        pass


class Tally:
    """The counts of a running export, of use to several threads."""

    def __init__(self, watch: Watch | None = None) -> None:
        """Begin with nothing."""
        self.counts: dict[str, Counter[str]] = defaultdict(Counter)
        self.requests = 0
        self.watch: Watch = watch or _Nobody()
        self.failures: list[Failure] = []
        self.failed = 0
        self._lock = threading.Lock()

    def show(self, kind: str) -> None:
        """Give a type its place in the table, before any of it is counted."""
        with self._lock:
            self.counts[kind].update({})

    def fail(self, failure: Failure) -> None:
        """Count a resource that failed; the first thousands are kept to be told."""
        with self._lock:
            self.failed += 1
            if len(self.failures) < MOST_TOLD:
                self.failures.append(failure)
        self.add(failure.type, failure.outcome)

    def add(self, kind: str, outcome: str, number: int = 1) -> None:
        """Count resources that are settled."""
        with self._lock:
            self.counts[kind][outcome] += number
            self.watch.done(number)
            if outcome in BAD:
                self.watch.failed(number)

    def request(self) -> None:
        """Count one request that carried resources."""
        with self._lock:
            self.requests += 1
