"""Cohort to FHIR resources and back: the reference implementation in plain Python."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from imnm_fhir.cohort import Cohort, new_manifest, table_from_rows
from imnm_fhir.dictionary import TABLES, load_dictionary
from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.fhir.files import Located
from imnm_fhir.fhir.foreign import answer, as_happened, normalise, settle
from imnm_fhir.issues import Issue
from imnm_fhir.keys import check_site_id, resource_id, row_key
from imnm_fhir.shapes import Reading, fill, match

SITE_COLUMNS = ("name", "country", "language")


def organization_rows(manifest: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One row per site of a manifest, as the shape `organization` takes it."""
    return [
        {"site": site, **{name: about.get(name) for name in SITE_COLUMNS}}
        for site, about in sorted(manifest["sites"].items())
    ]


def to_fhir(cohort: Cohort) -> Iterator[dict[str, Any]]:
    """Every resource of a cohort: Organizations, Patients, then the facts, in the tables' order."""
    for row in organization_rows(cohort.manifest):
        yield fill("organization", row)
    for name in TABLES:
        for row in cohort.tables[name].to_pylist():
            yield fill(name, row)


@dataclass
class _Import:
    """What is collected while resources are read, until patients and sites are known."""

    site: str | None
    rows: dict[str, list[tuple[dict[str, Any], Located]]] = field(
        default_factory=lambda: {name: [] for name in (*TABLES, "organization")}
    )
    by_reference: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    unread: Counter[tuple[str, str]] = field(default_factory=Counter)
    first: dict[tuple[str, str], Located] = field(default_factory=dict)
    issues: list[Issue] = field(default_factory=list)

    def refuse(self, located: Located, why: str, table: str | None = None) -> None:
        kind = located.resource.get("resourceType", "resource")
        ident = located.resource.get("id")
        self.issues.append(
            Issue(
                "resource-refused",
                "improbable",
                "conformance",
                f"{kind} {ident if _plain(ident) else 'without id'}: {why}",
                table=table,
                file=located.file,
                row=located.line,
            )
        )


def _plain(ident: Any) -> bool:
    return (
        isinstance(ident, str)
        and len(ident) <= 64
        and ident.replace("-", "").replace(".", "").isalnum()
    )


def from_fhir(resources: Iterable[Located | Mapping[str, Any]], site: str | None = None) -> Cohort:
    """The cohort that resources hold, in any order, ours or foreign.

    `site` is taken where a Patient says neither by key nor by Organization which site it is of.
    What is not understood stands in `issues`: each refused resource, and each unread path with how
    often it was met. Contained resources, `urn:uuid` references, other units and codes are read
    where the dictionary says that they mean the same.
    """
    listed = [each if isinstance(each, Located) else Located(each) for each in resources]
    state = _Import(check_site_id(site) if site else None)
    for located in listed:
        kind, ident = located.resource.get("resourceType"), located.resource.get("id")
        for name in (f"{kind}/{ident}", located.full_url):
            if isinstance(name, str):
                state.by_reference[name] = located.resource
    for located in listed:
        _read_one(state, located)
    return _assemble(state)


def _read_one(state: _Import, located: Located) -> None:
    resource = located.resource
    if located.problem:
        state.refuse(located, located.problem)
        return
    if resource.get("resourceType") == "Medication":
        return  # read through the statement that refers to it
    happened = answer(resource)
    if happened:
        resource = as_happened(resource, happened[0])
    reading = match(normalise(resource, lambda ref: _resolve(state, ref)))
    if reading.refused:
        state.refuse(located, reading.refused, reading.table or None)
        return
    try:
        row = settle(reading.table, dict(reading.row))
    except (ImnmFhirError, ValueError) as error:
        state.refuse(located, str(error), reading.table)
        return
    for path in reading.unread:
        place = (str(resource["resourceType"]), _without_index(path))
        state.unread[place] += 1
        state.first.setdefault(place, located)
    _keep(state, reading, row, happened is not None, located)


def _resolve(state: _Import, reference: str) -> Mapping[str, Any] | None:
    return state.by_reference.get(reference) or state.by_reference.get(
        "/".join(reference.split("/")[-2:])
    )


def _without_index(path: str) -> str:
    return "".join(
        "[]" if part.isdigit() else part
        for part in path.replace("[", "\0").replace("]", "\0").split("\0")
    )


def _keep(
    state: _Import, reading: Reading, row: dict[str, Any], refuted: bool, located: Located
) -> None:
    table = reading.table
    if table in ("patients", "organization"):
        row["resource_id"] = located.resource.get("id")
    elif row.get("n") is None and "patient" not in row:
        row["n"] = located.resource.get("id")
    if refuted:
        row, table = _as_answer(table, row), "observations"
        if row.get("element") is None:
            state.refuse(
                located, "says that something did not happen, and no element takes such an answer"
            )
            return
    state.rows[table].append((row, located))


def _as_answer(table: str, row: dict[str, Any]) -> dict[str, Any]:
    element = load_dictionary().elements[row["element"]]
    date = row.get("date") or row.get("onset_date") or row.get("start_date")
    kept = {name: row[name] for name in ("patient_id", "organization_id") if name in row}
    said = row.get("value_code") or row.get("n")
    return {
        **kept,
        "element": element.attributes.get("answer"),
        "time_point": row.get("time_point"),
        "n": said,
        "value_boolean": False,
        "value_text": row.get("value_text"),
        "date": date,
    }


def _assemble(state: _Import) -> Cohort:
    sites = _sites(state)
    patients = _patients(state, sites)
    tables: dict[str, list[dict[str, Any]]] = {"patients": list(patients.values())}
    people = {(row["site"], row["patient"]) for row in tables["patients"]}
    by_id = {ident: (row["site"], row["patient"]) for ident, row in patients.items()}
    for name in TABLES[1:]:
        tables[name] = _facts(state, name, by_id, people)
    for (kind, path), count in sorted(state.unread.items()):
        at = state.first[kind, path]
        state.issues.append(
            Issue(
                "not-understood",
                "note",
                "conformance",
                f"{kind}.{path}: {count} times, not read",
                file=at.file,
                row=at.line,
                column=path,
            )
        )
    used = {row["site"] for row in tables["patients"]}
    about = {site: sites.get(site, {}) for site in sorted(used | set(sites))}
    arrow = {name: table_from_rows(name, rows) for name, rows in tables.items()}
    return Cohort(new_manifest("fhir", about), arrow, tuple(state.issues))


def _sites(state: _Import) -> dict[str, dict[str, Any]]:
    """What is known of each site, and the site by the id of its Organization (`_by_id`)."""
    sites: dict[str, dict[str, Any]] = {}
    for row, located in state.rows["organization"]:
        if row.get("site") is None:
            state.refuse(located, "is no site of ours (no key); its patients need --site")
            continue
        sites[row["site"]] = {name: row.get(name) for name in SITE_COLUMNS}
    return sites


def _patients(state: _Import, sites: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Patient rows by the id of their resource."""
    by_organization = {resource_id(row_key([site])): site for site in sites}
    found: dict[str, dict[str, Any]] = {}
    keys: dict[str, str] = {}
    for row, located in state.rows["patients"]:
        ident = str(row.pop("resource_id"))
        organization = row.pop("organization_id", None)
        row["site"] = row.get("site") or by_organization.get(organization) or state.site
        row["patient"] = row.get("patient") or ident
        if row["site"] is None:
            state.refuse(located, "says not which site it is of; give --site", "patients")
            continue
        row["id"] = resource_id(row_key([row["site"], row["patient"]]))
        _place(row, located)
        if row["id"] in keys and found[keys[row["id"]]] != row:
            state.refuse(located, "is the same patient as another resource", "patients")
            continue
        keys[row["id"]] = ident
        found[ident] = row
    return found


def _facts(
    state: _Import, table: str, by_id: Mapping[str, tuple[str, str]], people: set[tuple[str, str]]
) -> list[dict[str, Any]]:
    key = load_dictionary().tables[table].key
    data = load_dictionary().tables[table].data_columns
    found: dict[str, dict[str, Any]] = {}
    clashes: set[str] = set()
    for row, located in state.rows[table]:
        subject = by_id.get(str(row.pop("patient_id", None)))
        row.pop("organization_id", None)
        said = (row.get("site"), row.get("patient"))
        if subject is None or subject not in people:
            state.refuse(located, "is of a patient who is not among the resources", table)
            continue
        if said[1] is not None and said != subject:
            state.refuse(located, "its identifier and its subject are of different patients", table)
            continue
        row["site"], row["patient"] = subject
        name = row_key(row.get(column) for column in key)
        row["id"] = resource_id(name)
        _place(row, located)
        if name in found:
            if any(found[name].get(c) != row.get(c) for c in data):
                clashes.add(name)
                state.refuse(
                    located, "another resource has the same key and says something else", table
                )
            continue
        found[name] = row
    return [row for name, row in found.items() if name not in clashes]


def _place(row: dict[str, Any], located: Located) -> None:
    row |= {"file": located.file, "row": located.line}
