"""Reading resources of any origin one by one into rows that still lack what other resources say.

`ResourceReader` keeps what is known across resources: addresses of Bundles, Medications, how often
a path was not understood. `imnm_fhir.fhir.reading.assembly` then finds each row's patient and site.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.fhir.files import Located
from imnm_fhir.fhir.reading.answers import as_happened, denial
from imnm_fhir.fhir.reading.foreign import is_usable_medication, normalise
from imnm_fhir.fhir.reading.settle import settle
from imnm_fhir.issues import Issue
from imnm_fhir.shapes import Reading, match
from imnm_fhir.shapes.found import leaves
from imnm_fhir.shapes.match import is_harmless
from imnm_fhir.values import Unreadable

LISTED_ONE_BY_ONE = 1000  # refusals of one kind and reason; further ones are counted
Row = dict[str, Any]


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
        happened = as_happened(located.resource)
        reading = self._match(located.resource if happened is None else happened)
        if not reading.table:
            self.others[kind] += 1
            self._first.setdefault((kind, ""), located)
            return
        try:
            why = reading.refused
            row, left_out = ({}, []) if why else settle(reading.table, reading.row)
        except (ImnmFhirError, Unreadable) as error:
            why = str(error)
        if why:
            self.refusals.add(kind, why, located.file, located.line, reading.table)
            return
        self._take(reading, row, located, happened is not None)
        self._list_unread(kind, left_out, located)

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
            self._list_unread(
                "Medication", [leaf.path for leaf in leaves(rest) if rest and not is_harmless(leaf)], located
            )  # fmt: skip
        else:
            self._first.setdefault(("Medication", ""), located)

    def _take(self, reading: Reading, row: Row, located: Located, denied: bool) -> None:
        kind, table = kind_of(located.resource), reading.table
        row["resource_id"] = identity(located)
        if table not in ("patients", "organization") and "patient" not in row:
            row["n"] = identity(located)
        if denied:
            said = denial(row)
            if said is None:
                why = "says that something did not happen, and no element takes such an answer"
                self.refusals.add(kind, why, located.file, located.line, table)
                return
            kept = {name: row.get(name) for name in ("patient_id", "site", "patient")}
            row = {**kept, **said.row, "denied": row["element"] if said.one_of_many else None}
            table = "observations"
        self._list_unread(kind, reading.unread, located)
        row |= {"file": located.file, "row": located.line, "kind": kind}
        self.rows.setdefault(table, []).append(row)

    def _list_unread(self, kind: str, paths: tuple[str, ...] | list[str], located: Located) -> None:
        for path in paths:
            place = (kind, without_index(path))
            self.unread[place] += 1
            self._first.setdefault(place, located)

    def notes(self) -> list[Issue]:
        """One note per path that was not understood, and per kind of resource that is not read."""
        said = [
            (kind, "", f"{kind}: {count} resources of a kind that is not read")
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


def without_index(path: str) -> str:
    """The path with `[]` for every `[3]`, so that the same place counts together."""
    parts = path.replace("]", "[").split("[")
    return "".join("[]" if index % 2 else part for index, part in enumerate(parts))
