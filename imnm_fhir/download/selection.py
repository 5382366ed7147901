"""What is to be read from a server: as searches, and as patients."""

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from imnm_fhir.errors import ImnmFhirError, ServerError
from imnm_fhir.keys import row_key
from imnm_fhir.languages import counted
from imnm_fhir.server.reading.pages import read_resource
from imnm_fhir.server.reading.search import (
    CHUNK,
    Query,
    Tag,
    by_ids,
    escape_search_value,
    pages,
    post_search,
)
from imnm_fhir.server.reading.spool import Spool
from imnm_fhir.server.request.connection import Connection
from imnm_fhir.terminology import load_project

logger = logging.getLogger(__name__)

_ID = re.compile(r"[A-Za-z0-9.\-]{1,64}")


@dataclass(frozen=True)
class Wanted:
    """What a user asks for: types, the tag (None: all), one Group, or a list of identifiers."""

    types: tuple[str, ...]
    tag: Tag | None = None
    group: str | None = None
    listed: "Listed | None" = None


@dataclass(frozen=True)
class Listed:
    """Identifiers from a file, as (system, value), with the lines on which they stand."""

    file: str
    lines: Mapping[tuple[str, str], int]


@dataclass(frozen=True)
class Selection:
    """The searches by type that find all that is wanted, each resource by one of them.

    `patients` are ids at the server; None means every patient whom the searches find.
    """

    queries: Mapping[str, tuple[Query, ...]]
    patients: tuple[str, ...] | None = None

    def all(self) -> Iterator[Query]:
        """Every search, in the order of the types."""
        for queries in self.queries.values():
            yield from queries


def read_list(path: Path, site: str | None) -> Listed:
    """The identifiers in a file, one a line; blank lines and those after `#` do not count.

    A line is our key (`madrid/0042`), `system|value`, or with `site` the patient's pseudonym alone.
    Raises `ImnmFhirError` for a file that cannot be read, is empty, or has a line that is none.
    """
    try:
        texts = path.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError):
        raise ImnmFhirError(
            f"{path}: cannot be read as UTF-8 text; give a file with an identifier per line"
        ) from None
    lines: dict[tuple[str, str], int] = {}
    for number, text in enumerate(texts, 1):
        if text.strip() and not text.lstrip().startswith("#"):
            lines.setdefault(_identifier(text.strip(), site, f"{path}, line {number}"), number)
    if not lines:
        raise ImnmFhirError(f"{path}: names no patient; write one identifier per line")
    return Listed(path.name, lines)


def _identifier(text: str, site: str | None, place: str) -> tuple[str, str]:
    system, found, value = text.rpartition("|")
    if found:
        if not system or not value:
            raise ImnmFhirError(f"{place}: is no system|value; write both parts")
        return system, value
    key = f"{load_project().base}/key"
    if "/" in text:
        return key, text
    if site is None:
        raise ImnmFhirError(
            f"{place}: does not say of which site; write site/patient, system|value, or give --site"
        )
    return key, row_key([site, text])


def select(connection: Connection, wanted: Wanted, keep_going: bool = False) -> Selection:
    """The searches that find what is wanted; identifiers and Groups are looked up at the server.

    Raises ServerError for a Group that cannot be read and `ImnmFhirError` for identifiers that the
    server has not (with `keep_going` the others are taken).
    """
    if wanted.listed is None and wanted.group is None:
        return Selection({kind: (Query(kind, (), wanted.tag),) for kind in wanted.types})
    patients = (
        find_patients(connection, wanted.listed, keep_going)
        if wanted.listed
        else read_group(connection, wanted.group or "")
    )
    chunks = [patients[at : at + CHUNK] for at in range(0, len(patients), CHUNK)]
    queries = {
        kind: tuple(_of_patients(kind, chunk, wanted.tag) for chunk in chunks)
        for kind in wanted.types
        if kind not in ("Organization", "Medication")  # see `belonging`
    }
    return Selection(queries, tuple(patients))


def _of_patients(kind: str, patients: Sequence[str], tag: Tag | None) -> Query:
    if kind == "Patient":
        return next(by_ids(kind, patients, tag))
    return Query(
        kind,
        (("subject", ",".join(f"Patient/{escape_search_value(each)}" for each in patients)),),
        tag,
    )


def find_patients(connection: Connection, listed: Listed, keep_going: bool) -> list[str]:
    """The ids at the server of the patients with these identifiers, in the order of the file.

    Identifiers travel in the body of a request, since addresses are logged on the way.
    """
    wanted = list(listed.lines)
    found: dict[tuple[str, str], list[str]] = {}
    for at in range(0, len(wanted), CHUNK):
        chunk = wanted[at : at + CHUNK]
        searched = ",".join("|".join(map(escape_search_value, each)) for each in chunk)
        response = post_search(connection, "Patient", {"identifier": searched, "_count": "500"})
        for page, _ in pages(connection, response, "Patient"):
            for entry in page.entries:
                _note_patient(entry.resource, found)
    missing = [number for each, number in listed.lines.items() if each not in found]
    if missing:
        shown = ", ".join(map(str, missing[:20])) + (", ..." if len(missing) > 20 else "")
        people = counted(len(missing), "patient is", "patients are")
        said = f"{listed.file}: {people} not at {connection.base_url} (line {shown})"
        if not keep_going:
            raise ImnmFhirError(f"{said}; correct the list, or leave them out with --keep-going")
        logger.warning("%s", said)
    return list(dict.fromkeys(ident for each in wanted for ident in found.get(each, ())))


def _note_patient(resource: Mapping[str, object], found: dict[tuple[str, str], list[str]]) -> None:
    ident, identifiers = resource.get("id"), resource.get("identifier")
    if resource.get("resourceType") != "Patient" or not isinstance(ident, str):
        return
    for each in identifiers if isinstance(identifiers, list) else ():
        if isinstance(each, dict):
            place = found.setdefault((str(each.get("system")), str(each.get("value"))), [])
            place += [ident] if ident not in place else []


def read_group(connection: Connection, group: str) -> list[str]:
    """The ids of the patients who are members of a Group now."""
    response = connection.request("GET", f"Group/{quote(group, safe='')}")
    if response.status != 200:
        raise connection.refusal(response, "reading the Group")
    content = response.json()
    members = content.get("member") if isinstance(content, dict) else None
    patients = []
    for member in members if isinstance(members, list) else ():
        entity = member.get("entity") if isinstance(member, dict) else None
        reference = entity.get("reference") if isinstance(entity, dict) else None
        kind, _, ident = str(reference).split("/_history")[0].rpartition("/")
        gone = isinstance(member, dict) and member.get("inactive") is True
        if kind.rpartition("/")[2] == "Patient" and _ID.fullmatch(ident) and not gone:
            patients.append(ident)
    if not patients:
        raise ServerError(
            f"{connection.base_url}: the Group names no patient: give another one, or a list of "
            "identifiers with --patients"
        )
    return list(dict.fromkeys(patients))


def belonging(spool: Spool, wanted: Wanted) -> dict[str, tuple[Query, ...]]:
    """Searches for what patients who were chosen one by one refer to: their sites, their drugs."""
    found = {}
    for kind, holder, key in (
        ("Organization", "Patient", "managingOrganization"),
        ("Medication", "MedicationStatement", "medicationReference"),
    ):
        if kind in wanted.types:
            idents = sorted(set(_referred(spool, holder, key, kind)))
            found[kind] = tuple(by_ids(kind, idents, None))
    return {kind: queries for kind, queries in found.items() if queries}


def _referred(spool: Spool, holder: str, key: str, kind: str) -> Iterator[str]:
    for line in spool.lines(holder):
        value = read_resource(line).get(key)
        reference = value.get("reference") if isinstance(value, dict) else None
        parts = str(reference).split("/_history")[0].split("/")
        if len(parts) > 1 and parts[-2] == kind and _ID.fullmatch(parts[-1]):
            yield parts[-1]
