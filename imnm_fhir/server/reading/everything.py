"""Reading a server patient by patient: `Patient/$everything`."""

import re
from collections.abc import Sequence
from http import HTTPStatus
from urllib.parse import quote, urlencode

from imnm_fhir.errors import ServerError
from imnm_fhir.server.reading.pages import Entry
from imnm_fhir.server.reading.search import STRICT, Progress, Tag, check_entry, has_tag, pages
from imnm_fhir.server.reading.spool import Spool
from imnm_fhir.server.request.connection import Connection

_TYPE = re.compile(r"[A-Z][A-Za-z]{1,40}")  # it becomes the name of a file
_SAVED = 20  # patients between two notes of how far the reading came


def read_everything(
    connection: Connection,
    spool: Spool,
    patients: Sequence[str],
    tag: Tag | None,
    *,
    page_size: int = 500,
    progress: Progress | None = None,
) -> int:
    """Add to `spool` all that belongs to each patient (by id), of every type; return what was left out.

    What lacks the tag is left out. A reading that was cut short goes on with the patient that
    `spool.state["patients_done"]` says. Raises ServerError where the server has no `$everything`
    or gives no whole answer.
    """
    left_out, done = 0, int(spool.state.get("patients_done", 0))
    try:
        for number in range(done, len(patients)):
            left_out += _read_patient(connection, spool, patients[number], tag, page_size, progress)
            spool.state["patients_done"] = number + 1
            if number % _SAVED == 0:
                spool.save()
    finally:
        spool.save()
    return left_out


def _read_patient(
    connection: Connection, spool: Spool, patient: str, tag: Tag | None, page_size: int,
    progress: Progress | None,
) -> int:  # fmt: skip
    path = f"Patient/{quote(patient, safe='')}/$everything?{urlencode({'_count': page_size})}"
    response = connection.request("GET", path, headers=STRICT)
    if response.status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE) and is_outcome(response.json()):
        return 0  # deleted since it was found: the count at the end tells
    left_out = 0
    for page, _ in pages(connection, response, "Patient/$everything"):
        for entry in page.entries:
            kind = type_of(connection, entry)
            identifier = check_entry(connection, Entry(entry.line, entry.resource, None), kind)
            if identifier is None:
                continue
            if has_tag(entry.resource, tag):
                spool.add(kind, identifier, entry.line.encode())
            else:
                left_out += 1
        if progress:
            progress(len(page.entries))
    return left_out


def is_outcome(answer: object) -> bool:
    """Whether an answer is an OperationOutcome: the FHIR server itself spoke, not one before it."""
    return isinstance(answer, dict) and answer.get("resourceType") == "OperationOutcome"


def type_of(connection: Connection, entry: Entry) -> str:
    """The type of an entry's resource; raises ServerError for what cannot be one."""
    kind = entry.resource.get("resourceType")
    if not isinstance(kind, str) or not _TYPE.fullmatch(kind):
        raise ServerError(
            f"{connection.base_url}: gave something that is no resource: ask who runs it"
        )
    return kind
