"""Sending NDJSON files to a server as transactions of `PUT Type/id`, so that repeating is safe."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import orjson

from imnm_fhir.errors import ImnmFhirError, ServerError
from imnm_fhir.server.connection import Connection, Response, status_text
from imnm_fhir.server.words import outcome_codes, words_of

_FIRST = ("Organization", "Patient")  # what the others point to
_ID = re.compile(r"[A-Za-z0-9.-]{1,64}")  # R4, datatypes.html#id
_UNCHANGED = "SUCCESSFUL_UPDATE_NO_CHANGE"  # HAPI's word for a PUT of what it has already
_REFERENCE = re.compile(rb'"reference":\s*"([A-Za-z]+/[A-Za-z0-9.-]+)"')
_STOPS = frozenset({403, 405, 501})  # of the account or the server, not of a resource


@dataclass(frozen=True)
class Failure:
    """A resource that the server did not take: the HTTP status, None if it was not sent at all.

    `said` is the server's words with every value cut out.
    """

    type: str
    id: str
    status: int | None
    said: str


@dataclass(frozen=True)
class Sent:
    """What an export did: resources per type, each that failed, and the number of requests."""

    created: dict[str, int]
    updated: dict[str, int]
    unchanged: dict[str, int]
    failures: tuple[Failure, ...]
    requests: int

    def summary(self) -> str:
        """Return the counts in one line, such as `16 Patient stored, 1 refused`."""
        stored = Counter(self.created) + Counter(self.updated) + Counter(self.unchanged)
        counts = ", ".join(f"{number} {name}" for name, number in stored.items()) or "nothing"
        refused = f", {len(self.failures)} refused" if self.failures else ""
        return f"{counts} stored{refused}"


class ExportStoppedError(ServerError):
    """An export ended early; `sent` says what the server had confirmed until then."""

    def __init__(self, reason: str, sent: Sent) -> None:
        """Keep `sent`; the message is `reason`, the counts, and that repeating is safe."""
        super().__init__(
            f"{reason}; until then: {sent.summary()}; the bundle under way may be stored or not: "
            "repeat the export, what is stored stays as it is"
        )
        self.sent = sent


@dataclass(frozen=True)
class _Line:
    """A resource as it stands in the file."""

    type: str
    id: str
    text: bytes

    def resource(self) -> object:
        return orjson.loads(self.text)


@dataclass
class _Export:
    """The state of one export."""

    connection: Connection
    bundle_size: int
    created: Counter[str] = field(default_factory=Counter)
    updated: Counter[str] = field(default_factory=Counter)
    unchanged: Counter[str] = field(default_factory=Counter)
    failures: list[Failure] = field(default_factory=list)
    failed: set[str] = field(default_factory=set)  # Type/id, to keep back what points there
    requests: int = 0

    def sent(self) -> Sent:
        return Sent(
            dict(self.created),
            dict(self.updated),
            dict(self.unchanged),
            tuple(self.failures),
            self.requests,
        )

    def fail(self, line: _Line, status: int | None, said: str) -> None:
        self.failures.append(Failure(line.type, line.id, status, said))
        self.failed.add(f"{line.type}/{line.id}")


def export_resources(
    connection: Connection,
    files: Mapping[str, Path],
    *,
    bundle_size: int = 100,
    progress: Callable[[int], None] | None = None,
) -> Sent:
    """Return what the server did with the resources of `files`, one NDJSON file per type.

    Organization goes first, then Patient, then the rest by name, `bundle_size` in one transaction;
    a resource is sent as the bytes of its line. What a transaction fails for is found by halving
    and becomes a `Failure`; all else is stored. What points to a failed resource is not sent and
    fails too. An answer that does not confirm a resource never counts it as stored. `progress` is
    called with the number of resources settled since the last call.

    After a lost answer a resource that the server had stored already counts as unchanged.

    Raises ExportStoppedError when the server or the network fails for good, and ImnmFhirError for a
    line that is no resource of its file's type with an id, before anything is sent.
    """
    export = _Export(connection, bundle_size)
    order = sorted(files, key=lambda name: (name not in _FIRST, name))
    for name in order:  # a line that cannot be sent stops the export before anything is sent
        lines = _read_lines(name, files[name])
        while chunk := list(islice(lines, bundle_size)):
            _check_repeats(files[name], chunk)
    try:
        for name in order:
            lines = _read_lines(name, files[name])
            while chunk := list(islice(lines, export.bundle_size)):
                _send(export, _hold_back(export, chunk))
                if progress:
                    progress(len(chunk))
    except ServerError as error:
        raise ExportStoppedError(str(error), export.sent()) from None
    return export.sent()


def _read_lines(name: str, path: Path) -> Iterator[_Line]:
    try:
        with path.open("rb") as file:
            for number, text in enumerate(file, start=1):
                if text.strip():
                    yield _read_line(name, path, number, text.strip())
    except OSError as error:
        raise ImnmFhirError(f"{path}: cannot be read ({error.strerror}): export again") from None


def _read_line(name: str, path: Path, number: int, text: bytes) -> _Line:
    try:
        resource = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise ImnmFhirError(f"{path}, line {number}: no JSON: write the file again") from None
    if not isinstance(resource, dict) or resource.get("resourceType") != name:
        raise ImnmFhirError(f"{path}, line {number}: is no {name}: write the file again")
    identifier = resource.get("id")
    if not isinstance(identifier, str) or not _ID.fullmatch(identifier):
        raise ImnmFhirError(f"{path}, line {number}: has no valid FHIR id: give it one")
    return _Line(name, identifier, text)


def _check_repeats(path: Path, chunk: Sequence[_Line]) -> None:
    repeated = [name for name, times in Counter(line.id for line in chunk).items() if times > 1]
    if repeated:
        raise ImnmFhirError(
            f"{path}: {len(repeated)} ids stand on several lines: give each resource one line"
        )


def _hold_back(export: _Export, chunk: Sequence[_Line]) -> list[_Line]:
    """Return the lines whose references the server has not refused; the others fail unsent."""
    if not export.failed:
        return list(chunk)
    kept = []
    for line in chunk:
        targets = {found.decode() for found in _REFERENCE.findall(line.text)}
        if missing := sorted(targets & export.failed):
            export.fail(line, None, f"not sent: it points to {missing[0]}, which was refused")
        else:
            kept.append(line)
    return kept


def _send(export: _Export, lines: Sequence[_Line]) -> None:
    """Send `lines` as one transaction; when it fails as a whole, in halves."""
    if not lines:
        return
    response = _post(export, lines)
    answers = _confirmed(response, len(lines))
    if answers is not None:
        for line, answer in zip(lines, answers, strict=True):
            _settle(export, line, answer)
    elif response.status in _STOPS:
        resources = [line.resource() for line in lines]
        raise export.connection.refusal(response, f"storing {lines[0].type}", resources)
    elif len(lines) == 1:
        export.fail(lines[0], response.status, _said(response, lines[0]))
    else:
        half = len(lines) // 2
        if response.status == 413:  # too large: the next bundles need not try again
            export.bundle_size = min(export.bundle_size, max(1, half))
        _send(export, lines[:half])
        _send(export, _hold_back(export, lines[half:]))


def _post(export: _Export, lines: Sequence[_Line]) -> Response:
    """Return the answer to one transaction; it is safe to repeat, being made of PUTs.

    An answer that calls itself a success and is no JSON (a sign-in page, a body cut short) is
    asked for once more; a second one says that this is no place to send patients to.
    """
    body = _transaction(export.connection.base_url, lines)
    for _ in range(2):
        export.requests += 1
        response = export.connection.request("POST", "", body=body, idempotent=True)
        if response.status >= 400 or response.json() is not None:
            return response
    raise ServerError(
        f"{export.connection.base_url}: answered {status_text(response.status)} with something "
        "that is no JSON: check that the address is the FHIR base and needs no sign-in page"
    )


def _transaction(base_url: str, lines: Sequence[_Line]) -> bytes:
    entries = b",".join(
        b'{"fullUrl":"%s/%s","resource":%s,"request":{"method":"PUT","url":"%s"}}'
        % (base_url.encode(), place, line.text, place)
        for line in lines
        for place in [f"{line.type}/{line.id}".encode()]
    )
    return b'{"resourceType":"Bundle","type":"transaction","entry":[' + entries + b"]}"


def _confirmed(response: Response, number: int) -> list[dict[str, object]] | None:
    """Return the answer for each of `number` entries, None unless there are exactly as many."""
    bundle = response.json() if response.status in (200, 201) else None
    if not isinstance(bundle, dict) or bundle.get("resourceType") != "Bundle":
        return None
    entries = bundle.get("entry")
    if not isinstance(entries, list) or len(entries) != number:
        return None
    answers = [entry.get("response") if isinstance(entry, dict) else None for entry in entries]
    return [answer if isinstance(answer, dict) else {} for answer in answers]


def _settle(export: _Export, line: _Line, answer: dict[str, object]) -> None:
    """Count one resource by what its entry says."""
    found = re.match(r"\d{3}", str(answer.get("status", "")))
    status = int(found[0]) if found else None
    outcome = answer.get("outcome")
    if status == 201:
        export.created[line.type] += 1
    elif status in (200, 204) and _UNCHANGED in outcome_codes(outcome):
        export.unchanged[line.type] += 1
    elif status in (200, 204):
        export.updated[line.type] += 1
    else:
        said = words_of(outcome, [line.resource()])
        export.fail(line, status, said or "the server did not say that it was stored")


def _said(response: Response, line: _Line) -> str:
    said = words_of(response.json(), [line.resource()])
    if response.status < 400:
        return f"the server did not confirm it: {said}".removesuffix(": ")
    return said or status_text(response.status)
