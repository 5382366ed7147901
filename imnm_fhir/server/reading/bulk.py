"""Bulk export: the server writes its resources to files, which are then fetched.

Bulk Data Access IG 2.0.0, export.html: kick-off, status, output manifest. A server that is slow is
waited for; what it says it could not export is told, what it says was deleted is gone.
"""

import json
import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep
from urllib.parse import quote, urlencode

from imnm_fhir.errors import ServerError
from imnm_fhir.server.reading.pages import read_resource
from imnm_fhir.server.reading.search import Progress, Tag, has_tag
from imnm_fhir.server.reading.spool import Spool
from imnm_fhir.server.request.connection import Connection, Response
from imnm_fhir.server.request.retries import retry_after
from imnm_fhir.server.request.words import words_of

logger = logging.getLogger(__name__)

NDJSON = "application/fhir+ndjson"
_FIRST_POLL, _GROWTH = 1.0, 1.5
_LONGEST = 64 * 1024 * 1024  # bytes of a line; a resource of ours has about 1000
_TYPE = re.compile(r"[A-Z][A-Za-z]{1,40}")
_EXPIRED = (404, 410)


@dataclass(frozen=True)
class Polling:
    """How an export is waited for: the most seconds between two questions, and of all waiting.

    Servers ask for more than they need (HAPI for 120 seconds, whatever it does): the waits grow
    from a second to what is asked for, and never above `most`.
    """

    most: float = 30.0
    patience: float = 6 * 3600.0
    say: Callable[[str], None] = logger.info


@dataclass(frozen=True)
class File:
    """One file of an export: the type it should hold, its address, its lines where it says so."""

    type: str
    url: str
    count: int | None = None


@dataclass(frozen=True)
class Manifest:
    """What an export made: files, those with errors, those with what was deleted, and its time."""

    output: tuple[File, ...]
    error: tuple[File, ...]
    deleted: tuple[File, ...]
    time: str
    with_token: bool = True


class ExportExpiredError(ServerError):
    """The export, or one of its files, is no longer at the server: a new one is needed."""


def kick_off(
    connection: Connection, paths: Sequence[str], types: Sequence[str],
    *, tag: Tag | None = None, since: str | None = None,
) -> str:  # fmt: skip
    """Start an export at the first of `paths` that has one; return the address of its status.

    `types` and `tag` are asked for where the server lets itself be asked: not every one knows the
    parameters, so what comes is looked at again. Raises ServerError where no path starts an export.
    """
    response: Response | None = None
    for path in paths:
        for parameters in _parameters(types, tag, since):
            response = connection.request(
                "GET",
                f"{path}?{urlencode(parameters, quote_via=quote)}",
                headers={"Prefer": "respond-async"},
            )
            status = response.headers.get("Content-Location")
            if response.status == 202 and status:
                return status
            if response.status != 400:
                break
    if response is None or response.status == 202:
        raise ServerError(f"{connection.base_url}: starts an export, but does not say where it is")
    raise connection.refusal(response, "starting a bulk export")


def _parameters(
    types: Sequence[str], tag: Tag | None, since: str | None
) -> Iterator[list[tuple[str, str]]]:
    """The parameters of a kick-off, the most precise ones first."""
    plain = [("_type", ",".join(types))] + ([("_since", since)] if since else [])
    if tag and tag[1] is not None:
        filters = [("_typeFilter", f"{kind}?_tag={tag[0]}|{tag[1]}") for kind in types]
        yield [("_outputFormat", NDJSON), *plain, *filters]
    yield [("_outputFormat", NDJSON), *plain]
    yield plain


def wait_for(connection: Connection, status: str, polling: Polling) -> Manifest:
    """Wait until an export is complete; return its manifest.

    Raises `ExportExpiredError` when the server knows nothing of it any more, ServerError when the
    export failed or takes longer than `polling` has patience.
    """
    begin, wait, said = monotonic(), _FIRST_POLL, ""
    while True:
        response = connection.request("GET", status, headers={"Accept": "application/json"})
        if response.status == 200:
            return _read_manifest(connection, response)
        if response.status in _EXPIRED:
            raise ExportExpiredError(str(connection.refusal(response, "waiting for the export")))
        if response.status != 202:
            raise connection.refusal(response, "waiting for the export")
        asked = retry_after(response.headers)
        pause = min(wait, polling.most) if asked is None else min(wait, asked, polling.most)
        if monotonic() - begin + pause > polling.patience:
            raise ServerError(
                f"{connection.base_url}: the export is not ready after "
                f"{polling.patience / 60:.0f} minutes: repeat the command later, it goes on waiting"
            )
        if (words := _progress_words(response)) != said:
            polling.say(f"{connection.base_url}: the export is under way{words}")
            said = words
        sleep(max(pause, 0.1))
        wait *= _GROWTH


def _progress_words(response: Response) -> str:
    found = re.search(r"\d{1,3}(?:\.\d+)? ?%", response.headers.get("X-Progress", ""))
    return f": {found[0]}" if found else ""


def _read_manifest(connection: Connection, response: Response) -> Manifest:
    content = response.json()
    if not isinstance(content, dict) or not isinstance(content.get("output"), list):
        raise ServerError(
            f"{connection.base_url}: the export ended without a list of files: repeat the command"
        )
    return Manifest(
        _files(connection, content["output"]),
        _files(connection, content.get("error")),
        _files(connection, content.get("deleted")),
        str(content.get("transactionTime", "")),
        content.get("requiresAccessToken") is not False,
    )


def _files(connection: Connection, listed: object) -> tuple[File, ...]:
    files = []
    for each in listed if isinstance(listed, list) else ():
        url = each.get("url") if isinstance(each, dict) else None
        if not isinstance(url, str):
            raise ServerError(
                f"{connection.base_url}: the export lists a file without an address: repeat the command"
            )
        count = each.get("count")
        known = count if isinstance(count, int) and not isinstance(count, bool) else None
        files.append(File(str(each.get("type", "")), url, known))
    return tuple(files)


def read_export(
    connection: Connection, spool: Spool, manifest: Manifest, tag: Tag | None,
    *, progress: Progress | None = None,
) -> int:  # fmt: skip
    """Fetch the files of an export into `spool`; return how many resources lacked the tag.

    Files that were fetched by an earlier run are not fetched again (`spool.state["files_done"]`), a
    broken one is resumed where it broke. Raises `ExportExpiredError` for a file that is not there
    any more, and ServerError for one that is not whole or lists errors.
    """
    _check_errors(connection, spool.folder, manifest)
    left_out, done = 0, int(spool.state.get("files_done", 0))
    for number in range(done, len(manifest.output)):
        file = manifest.output[number]
        path = spool.folder / f"file-{number}"
        _fetch(connection, manifest, file, path)
        left_out += _take(connection, spool, file, path, tag, progress)
        spool.state["files_done"] = number + 1
        spool.save()
        path.unlink()
    for file in manifest.deleted:
        path = spool.folder / "file-deleted"
        _fetch(connection, manifest, file, path)
        for kind, ident in _deleted(connection, path):
            spool.remove(kind, [ident])
        path.unlink()
    return left_out


def end_export(connection: Connection, status: str) -> None:
    """Tell the server that its files are not needed any more; it may know no such request."""
    try:
        connection.request("DELETE", status)
    except ServerError:
        logger.info("%s: keeps the files of the export", connection.base_url)


def _fetch(connection: Connection, manifest: Manifest, file: File, path: Path) -> None:
    elsewhere = not manifest.with_token
    got = connection.download(file.url, path, headers={"Accept": NDJSON}, elsewhere=elsewhere)
    if got.response.status in _EXPIRED:
        said = connection.refusal(got.response, "fetching a file of the export")
        raise ExportExpiredError(str(said))
    if got.response.status != 200:
        raise connection.refusal(got.response, "fetching a file of the export")


def _lines(path: Path) -> Iterator[bytes]:
    import gzip
    import zlib

    with path.open("rb") as start:
        packed = start.read(2) == b"\x1f\x8b"
    try:
        with gzip.open(path, "rb") if packed else path.open("rb") as lines:
            while line := lines.readline(_LONGEST + 1):
                if len(line) > _LONGEST:
                    raise ValueError("a line without end")
                if line.strip():
                    yield line.strip()
    except (EOFError, gzip.BadGzipFile, zlib.error):
        raise ValueError("packed, and damaged") from None


def _take(
    connection: Connection, spool: Spool, file: File, path: Path, tag: Tag | None,
    progress: Progress | None,
) -> int:  # fmt: skip
    """Add the lines of a file; returns how many lacked the tag."""
    left_out = number = 0
    try:
        for line in _lines(path):
            number += 1
            resource = read_resource(line)
            kind, ident = resource.get("resourceType"), resource.get("id")
            if not isinstance(kind, str) or not _TYPE.fullmatch(kind):
                raise ValueError("no resource")
            if not isinstance(ident, str) or not ident:
                raise ValueError("a resource without id")
            if has_tag(resource, tag):
                spool.add(kind, ident, line)
            else:
                left_out += 1
            if progress and number % 1000 == 0:
                progress(1000)
    except ValueError as error:
        raise ServerError(
            f"{connection.base_url}: a file of the export, line {number}: is no resource "
            f"({error}): repeat the command"
        ) from None
    if progress:
        progress(number % 1000)
    if file.count is not None and file.count != number:
        raise ServerError(
            f"{connection.base_url}: a file of the export has {number} lines, and should have "
            f"{file.count}: repeat the command"
        )
    return left_out


def _check_errors(connection: Connection, folder: Path, manifest: Manifest) -> None:
    """Raise ServerError with what the server could not export; warnings are told."""
    for file in manifest.error:
        path = folder / "file-error"
        _fetch(connection, manifest, file, path)
        bad = 0
        words = ""
        for line in _lines(path):
            outcome = _outcome(line)
            if _is_bad(outcome):
                bad += 1
                words = words or words_of(outcome)
            else:
                logger.warning("%s: the export says: %s", connection.base_url, words_of(outcome))
        path.unlink()
        if bad:
            more = f" (and {bad - 1} more)" if bad > 1 else ""
            raise ServerError(
                f"{connection.base_url}: the export is not whole: {words or 'no reason'}{more}: ask "
                "who runs the server, or use --method search"
            )


def _outcome(line: bytes) -> Mapping[str, object]:
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _is_bad(outcome: Mapping[str, object]) -> bool:
    """Whether an outcome tells of an error; what is no outcome does."""
    issues = outcome.get("issue")
    if not isinstance(issues, list) or not issues:
        return True
    mild = ("information", "warning", "success")
    return any(not isinstance(each, dict) or each.get("severity") not in mild for each in issues)


def _deleted(connection: Connection, path: Path) -> Iterator[tuple[str, str]]:
    """Type and id of each resource that a file of transaction Bundles says was deleted."""
    try:
        for line in _lines(path):
            entries = json.loads(line).get("entry", [])
            for entry in entries:
                parts = str(entry["request"]["url"]).split("?")[0].split("/")
                if entry["request"]["method"] == "DELETE" and _TYPE.fullmatch(parts[-2]):
                    yield parts[-2], parts[-1]
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):
        raise ServerError(
            f"{connection.base_url}: the export's list of what was deleted cannot be read: repeat "
            "the command"
        ) from None
