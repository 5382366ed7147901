"""A download from the first question to the last check; what was cut short goes on from there."""

import errno
import hashlib
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from pathlib import Path
from urllib.parse import quote

from imnm_fhir.download.method import BULK, EVERYTHING, Method, choose_method
from imnm_fhir.download.selection import Selection, Wanted, belonging, select
from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.languages import counted
from imnm_fhir.server.reading.bulk import (
    ExportExpiredError,
    Polling,
    end_export,
    kick_off,
    read_export,
    wait_for,
)
from imnm_fhir.server.reading.check import Outcome, check_type, told
from imnm_fhir.server.reading.everything import read_everything
from imnm_fhir.server.reading.search import (
    STRICT,
    Progress,
    Query,
    Reading,
    query_path,
    read_idents,
    read_query,
    search_result,
)
from imnm_fhir.server.reading.spool import Spool, open_spool
from imnm_fhir.server.request.connection import Connection
from imnm_fhir.written import alone_in

logger = logging.getLogger(__name__)

_OVERLAP = timedelta(minutes=5)  # what was stored while the last import began may show late
_FORMAT = 1


@dataclass(frozen=True)
class How:
    """How to download: method (None: the best), changes only, page size, waiting for an export.

    `since` is `last`, or an instant from which on changes are read again; None reads everything.
    """

    method: str | None = None
    since: str | None = None
    page_size: int = 500
    polling: Polling = field(default_factory=Polling)
    keep_going: bool = False


@dataclass(frozen=True)
class Downloaded:
    """What is in the spool's folder now: resources by type, the way that was taken, what to tell."""

    method: Method
    resources: Mapping[str, int]
    notes: Sequence[str]


@contextmanager
def open_download(folder: Path) -> Iterator[Spool]:
    """The spool in `folder`, held against other imports.

    Raises `ImnmFhirError`, one line, when the disk refuses; what was saved stays for the next run.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with alone_in(folder):
            yield open_spool(folder)
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        why = "the disk is full" if full else error.strerror or "cannot be written"
        raise ImnmFhirError(
            f"{folder}: {why}: free space and repeat the command, it goes on from where it was; the "
            "cohort that was there is as it was"
        ) from None
    finally:
        with suppress(OSError):  # it is kept where anything is in it
            folder.rmdir()


def download(
    connection: Connection, spool: Spool, wanted: Wanted, how: How, progress: Progress | None = None
) -> Downloaded:
    """Bring all that is wanted into `spool`: new, or the changes since the last download.

    Raises ServerError where a part may be missing, as long as another reading cannot mend it.
    """
    request = _fingerprint(_FORMAT, connection.base_url, repr(wanted))
    kept = spool.state.get("request") == request
    if how.since not in (None, "last") and not (kept and "until" in spool.state):
        raise ImnmFhirError(
            f"--since {how.since}: no earlier import of the same data is kept beside --out to take "
            "the changes into; give --since last, which reads everything the first time"
        )
    if not kept or ("until" in spool.state and how.since is None):
        spool.clear()
        spool.state["request"] = request
    selection = select(connection, wanted, how.keep_going)
    reading = Reading(how.page_size, progress)
    now = _server_time(connection)
    if "until" in spool.state:
        since = _instant(how.since, spool.state["until"])
        method = Method("changes", f"since {since}")
        if not _read_changes(connection, spool, selection, since, reading):
            logger.warning("%s: cannot search by time: everything is read", connection.base_url)
            spool.clear()
            spool.state["request"] = request
    if "until" not in spool.state:
        method, since = _read_all(connection, spool, wanted, selection, how, reading, now)
        _read_changes(connection, spool, selection, since, reading)
    outcomes = _check(connection, spool, wanted, selection, reading, since)
    spool.state["now"] = now
    spool.save()
    return Downloaded(method, {k: spool.count(k) for k in spool.types}, _notes(reading, outcomes))


def conclude(spool: Spool, keep: bool) -> None:
    """End a download whose resources have been taken: keep them for `--since last`, or remove them."""
    if keep:
        state = spool.state
        spool.state = {"request": state["request"], "until": state["now"]}
        spool.save()
    else:
        spool.clear()


def _read_all(
    connection: Connection, spool: Spool, wanted: Wanted, selection: Selection, how: How,
    reading: Reading, now: str,
) -> tuple[Method, str]:  # fmt: skip
    """Read everything, or go on with it; return the method and when the reading began."""
    chosen = _fingerprint(selection)
    state = spool.state
    if state.get("selection") != chosen or (how.method and how.method != state.get("method")):
        request = state["request"]
        method = choose_method(connection, wanted, selection, how.method)
        spool.clear()
        spool.state |= {
            "request": request,
            "selection": chosen,
            "method": method.name,
            "began": now,
        }
        spool.save()
    else:
        method = Method(state["method"], "goes on from where it was cut short")
    if not spool.state.get("read"):
        _read_by(method.name, connection, spool, wanted, selection, how, reading)
        spool.state["read"] = True
        spool.save()
    return method, str(spool.state["began"])


def _read_by(
    method: str, connection: Connection, spool: Spool, wanted: Wanted, selection: Selection, how: How,
    reading: Reading,
) -> None:  # fmt: skip
    if method == BULK:
        _read_bulk(connection, spool, wanted, how, reading)
    elif method == EVERYTHING:
        patients = selection.patients or tuple(
            ident
            for query in selection.queries["Patient"]
            for ident in read_idents(connection, query)
        )
        # What is left out here is of other programs; the count at the end does not count it either.
        read_everything(
            connection,
            spool,
            patients,
            wanted.tag,
            page_size=how.page_size,
            progress=reading.progress,
        )
    else:
        _read_searches(connection, spool, selection, reading)


def _read_searches(
    connection: Connection, spool: Spool, selection: Selection, reading: Reading
) -> None:
    queries, state = list(selection.all()), spool.state
    for number in range(int(state.get("queries_done", 0)), len(queries)):
        query = queries[number]
        link = state.get("link")
        start = int(state["start"]) if link else spool.size(query.type)

        def save(following: str | None, number: int = number, start: int = start) -> None:
            state.update({"queries_done": number, "start": start, "link": following})
            if following:
                spool.save()

        reading.save = save
        read_query(connection, spool, query, reading, link, start)
        state.update({"queries_done": number + 1, "link": None})
        spool.save()


def _read_bulk(
    connection: Connection, spool: Spool, wanted: Wanted, how: How, reading: Reading
) -> None:
    group = f"Group/{quote(wanted.group or '', safe='')}/$export"
    paths = [group] if wanted.group else ["$export", "Patient/$export"]
    for attempt in range(3):
        if "status" not in spool.state:
            spool.state["status"] = kick_off(connection, paths, wanted.types, tag=wanted.tag)
            spool.save()
        status = str(spool.state["status"])
        try:
            manifest = wait_for(connection, status, how.polling)
            files = _fingerprint(manifest)
            if spool.state.setdefault("files", files) != files:
                raise ExportExpiredError(f"{connection.base_url}: the export has other files now")
            read_export(connection, spool, manifest, wanted.tag, progress=reading.progress)
        except ExportExpiredError:
            if attempt == 2:
                raise
            logger.warning(
                "%s: the export has expired: a new one is asked for", connection.base_url
            )
            _forget_export(spool)
            continue
        end_export(connection, status)
        return


def _forget_export(spool: Spool) -> None:
    for kind in spool.types:
        spool.cut(kind, 0)
    for path in spool.folder.glob("file-*"):
        path.unlink()
    for name in ("status", "files", "files_done"):
        spool.state.pop(name, None)
    spool.save()


def _read_changes(
    connection: Connection, spool: Spool, selection: Selection, since: str, reading: Reading
) -> bool:
    """Add what was changed since an instant; False where the server cannot be asked for that."""
    reading.save = lambda link: None
    for query in selection.all():
        changed = replace(query, parameters=(*query.parameters, ("_lastUpdated", f"ge{since}")))
        probe = connection.request(
            "GET", query_path(changed, {"_summary": "count"}), headers=STRICT
        )
        if probe.status == HTTPStatus.BAD_REQUEST:
            return False
        if probe.status != HTTPStatus.OK or search_result(connection, probe, query.type).total != 0:
            read_query(connection, spool, changed, reading)
    return True


def _check(
    connection: Connection, spool: Spool, wanted: Wanted, selection: Selection, reading: Reading,
    since: str,
) -> dict[str, Outcome]:  # fmt: skip
    """Compare every type with the server's own count, and read what belongs to listed patients."""
    reading.save = lambda link: None
    outcomes = {
        kind: check_type(connection, spool, kind, queries, reading, since)
        for kind, queries in selection.queries.items()
    }
    if selection.patients is not None:
        for kind, queries in belonging(spool, wanted).items():
            for query in queries:
                read_query(connection, spool, query, reading)
            outcomes[kind] = check_type(connection, spool, kind, queries, reading)
    for kind in spool.types:
        if kind not in outcomes:
            spool.settle(kind)
    return outcomes


def _notes(reading: Reading, outcomes: Mapping[str, Outcome]) -> list[str]:
    left = reading.left_out
    return [
        *([f"{counted(left, 'resource')} without the tag left out"] if left else []),
        *told(outcomes),
    ]


def _server_time(connection: Connection) -> str:
    """The server's own time now, as an instant; ours, a day earlier, where it does not tell."""
    response = connection.request("GET", query_path(Query("Patient"), {"_summary": "count"}))
    try:
        moment = parsedate_to_datetime(response.headers.get("Date", ""))
    except ValueError:
        moment = datetime.now(UTC) - timedelta(days=1)
    return _text(moment.replace(tzinfo=moment.tzinfo or UTC))


def _instant(asked: str | None, until: str) -> str:
    """From when on changes are read: never later than the last import, with some overlap."""
    last = datetime.fromisoformat(until) - _OVERLAP
    if asked in (None, "last"):
        return _text(last)
    try:
        moment = datetime.fromisoformat(str(asked))
    except ValueError:
        raise ImnmFhirError(
            f"--since {asked}: is no date; write it as 2026-03-31, or last"
        ) from None
    return _text(min(last, moment.replace(tzinfo=moment.tzinfo or UTC)))


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _fingerprint(*parts: object) -> str:
    return hashlib.sha256(json.dumps([repr(part) for part in parts]).encode()).hexdigest()
