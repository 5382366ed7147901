"""Reading resources of any origin one by one into rows that still lack what other resources say.

`ResourceReader` keeps what is known across resources: addresses of Bundles, Medications, how often
a path was not understood. `imnm_fhir.fhir.reading.assembly` then finds each row's patient and site.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.fhir.endorsement import KIND, is_endorsement, read_endorsement
from imnm_fhir.fhir.files import Located
from imnm_fhir.fhir.reading.answers import as_happened, denial
from imnm_fhir.fhir.reading.foreign import is_usable_medication, normalise
from imnm_fhir.fhir.reading.settle import settle
from imnm_fhir.issues import Issue
from imnm_fhir.languages import counted
from imnm_fhir.shapes import Reading, match
from imnm_fhir.shapes.found import leaves, without_index
from imnm_fhir.shapes.match import is_harmless
from imnm_fhir.values import Unreadable

LISTED_ONE_BY_ONE = 1000  # refusals of one kind and reason; further ones are counted
Row = dict[str, Any]
Settle = Callable[[str, Mapping[str, Any]], tuple[Row, list[str]]]


@dataclass
class Refusals:
    """What was refused, each listed up to a limit, then counted: memory stays bounded."""

    issues: list[Issue] = field(default_factory=list)
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(
        self, kind: str, why: str, file: str | None, line: int | None, table: str | None = None
    ) -> None:
        """Note one refused resource."""
        self.counts[kind, why] += 1
        if self.counts[kind, why] <= LISTED_ONE_BY_ONE:
            self.issues.append(
                Issue(
                    "resource-refused", "improbable", "conformance", f"{kind} refused: {why}",
                    table=table, file=file, row=line,
                )
            )  # fmt: skip

    def copy(self) -> "Refusals":
        """The same so far, to which others can be added."""
        return Refusals(list(self.issues), Counter(self.counts))

    def all_issues(self) -> list[Issue]:
        """Every issue, with one for those that were only counted."""
        over = {
            place: count - LISTED_ONE_BY_ONE
            for place, count in sorted(self.counts.items())
            if count > LISTED_ONE_BY_ONE
        }
        rest = [
            Issue(
                "resource-refused", "improbable", "conformance",
                f"{kind} refused {count} times more: {why}",
            )
            for (kind, why), count in over.items()
        ]  # fmt: skip
        return self.issues + rest

    @property
    def organizations(self) -> int:
        """How many Organizations were refused."""
        return sum(count for (kind, _), count in self.counts.items() if kind == "Organization")

    @property
    def total(self) -> int:
        """How many resources were refused."""
        return sum(self.counts.values())


@dataclass(frozen=True)
class Judged:
    """What one resource comes to: a row, a refusal, or, without a table, nothing that is read.

    `table` is that of its shape; `row_table` that of the row, another one for what did not happen.
    """

    table: str
    row_table: str
    row: Row
    unread: tuple[str, ...] = ()
    refused: str | None = None


@dataclass
class ResourceReader:
    """Reads resources; `rows` are collected by table until the caller takes them.

    A row has the table's columns that were read and: resource_id, patient_id, organization_id, file,
    row, kind (the resource type), denied (the element that a denial is about, when of one of many).
    """

    rows: dict[str, list[Row]] = field(default_factory=dict)
    refusals: Refusals = field(default_factory=Refusals)
    resources: Counter[str] = field(default_factory=Counter)
    others: Counter[str] = field(default_factory=Counter)
    unread: Counter[tuple[str, str]] = field(default_factory=Counter)
    endorsements: list[Row] = field(default_factory=list)
    _first: dict[tuple[str, str], Located] = field(default_factory=dict)
    _addresses: dict[str, str] = field(default_factory=dict)
    _medications: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    def announce(self, located: Located) -> None:
        """Note the address of a resource, and what a Medication is, before anything refers to it."""
        kind, ident = located.resource.get("resourceType"), identity(located)
        if located.full_url and ident:
            self._addresses[located.full_url] = f"{kind}/{ident}"
        if kind == "Medication" and ident:
            self._medications[f"Medication/{ident}"] = located.resource

    def needs_medication(self, resource: Mapping[str, Any]) -> bool:
        """Whether the resource refers to a Medication that has not been announced."""
        reference = resource.get("medicationReference")
        name = reference.get("reference") if isinstance(reference, Mapping) else None
        return isinstance(name, str) and not name.startswith("#") and self._medication(name) is None

    def _medication(self, reference: str) -> Mapping[str, Any] | None:
        known = self._addresses.get(reference) or "/".join(
            reference.split("/_history/")[0].split("/")[-2:]
        )
        return self._medications.get(known)

    def read(self, located: Located) -> None:
        """Read one resource into a row, a refusal, or a count of what is never read."""
        kind = kind_of(located.resource)
        self.resources[kind] += 1
        if located.problem:
            self.refusals.add("line", located.problem, located.file, located.line)
            return
        if kind == "Medication":
            self._read_medication(located)
            return
        if is_endorsement(located.resource):
            self._read_endorsement(located)
            return
        judged = self.judge(located.resource, identity(located))
        if not judged.table:
            self.note_other(kind, 1, located)
        elif judged.refused:
            self.refusals.add(kind, judged.refused, located.file, located.line, judged.table)
        else:
            self._list_unread(kind, judged.unread, located)
            row = {**judged.row, "file": located.file, "row": located.line, "kind": kind}
            self.rows.setdefault(judged.row_table, []).append(row)

    def judge(
        self, resource: Mapping[str, Any], ident: str | None, settle_row: Settle = settle
    ) -> Judged:
        """What one resource comes to, by itself and what was announced; nothing is noted."""
        happened = as_happened(resource)
        reading = self._match(resource if happened is None else happened)
        table = reading.table
        if not table or reading.refused:
            return Judged(table, table, {}, refused=reading.refused)
        try:
            row, left_out = settle_row(table, reading.row)
        except (ImnmFhirError, Unreadable) as error:
            return Judged(table, table, {}, refused=str(error))
        row["resource_id"] = ident
        if table not in ("patients", "organization") and "patient" not in row:
            row["n"] = ident
        unread = tuple(without_index(path) for path in (*reading.unread, *left_out))
        if happened is None:
            return Judged(table, table, row, unread)
        said = denial(row)
        if said is None:
            why = "says that something did not happen, and no element takes such an answer"
            return Judged(table, table, {}, refused=why)
        kept = {name: row.get(name) for name in ("patient_id", "site", "patient", "resource_id")}
        denied = row["element"] if said.one_of_many else None
        return Judged(table, "observations", {**kept, **said.row, "denied": denied}, unread)

    def resolve(self, reference: str) -> str | None:
        """The `Patient/1` that the address of a Bundle's entry stands for."""
        return self._addresses.get(reference)

    def note_other(self, kind: str, count: int, first: Located) -> None:
        """Note `count` resources of a kind that is not read."""
        self.others[kind] += count
        self._note_first((kind, ""), first)

    def note_many(self, kind: str, paths: tuple[str, ...], count: int, first: Located) -> None:
        """Note paths that were not understood in `count` resources, the first of which is given."""
        for path in paths:
            self.unread[kind, path] += count
            self._note_first((kind, path), first)

    def _note_first(self, place: tuple[str, str], located: Located) -> None:
        """Keep where something was met first; within a file lines may be read in any order."""
        known = self._first.get(place)
        earlier = known and known.file == located.file and (located.line or 0) < (known.line or 0)
        if known is None or earlier:
            self._first[place] = Located({}, located.file, located.line)

    def _match(self, resource: Mapping[str, Any]) -> Reading:
        try:
            return match(normalise(resource, self._addresses.get, self._medication))
        except RecursionError:
            return Reading("patients", {}, refused="is nested too deeply")

    def _read_medication(self, located: Located) -> None:
        """A Medication is read through the statements that refer to it; its other leaves are listed."""
        self.others["Medication"] += 1
        taken = ("resourceType", "id", "code", "status")
        rest = {key: value for key, value in located.resource.items() if key not in taken}
        if is_usable_medication(located.resource):
            listed = [leaf.path for leaf in leaves(rest) if rest and not is_harmless(leaf)]
            self._list_unread("Medication", tuple(map(without_index, listed)), located)
        else:
            self._note_first(("Medication", ""), located)

    def _read_endorsement(self, located: Located) -> None:
        try:
            said = read_endorsement(located.resource)
        except ImnmFhirError as error:
            self.refusals.add(KIND, str(error), located.file, located.line)
            return
        self.endorsements.append(said)

    def _list_unread(self, kind: str, paths: tuple[str, ...], located: Located) -> None:
        for path in paths:
            self.note_many(kind, (path,), 1, located)

    def notes(self) -> list[Issue]:
        """One note per path that was not understood, and per kind of resource that is not read."""
        said = [
            (kind, "", f"{kind}: {counted(count, 'resource')} of a kind that is not read")
            for kind, count in sorted(self.others.items())
            if (kind, "") in self._first
        ]
        said += [
            (kind, path, f"{kind}.{path}: {count} times, not read")
            for (kind, path), count in sorted(self.unread.items())
        ]
        return [
            Issue(
                "not-understood", "note", "conformance", message,
                file=self._first[kind, path].file, row=self._first[kind, path].line, column=path or None,
            )
            for kind, path, message in said
        ]  # fmt: skip


def kind_of(resource: Mapping[str, Any]) -> str:
    """The type of a resource for a message, `line` where there is none that could be one."""
    kind = resource.get("resourceType")
    return kind if isinstance(kind, str) and kind.isalpha() and len(kind) <= 40 else "line"


def identity(located: Located) -> str | None:
    """The id of a resource; in a Bundle that gives none, the last part of its address."""
    ident = located.resource.get("id")
    if isinstance(ident, str) and ident:
        return ident
    url = located.full_url
    return url.replace(":", "/").rsplit("/", 1)[-1] if isinstance(url, str) and url else None
