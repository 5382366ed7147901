"""Requests made of resources under a plan, and what a server's answer says of each resource."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import orjson

from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.server.reading.search import escape_search_value
from imnm_fhir.server.request.connection import Response, status_text
from imnm_fhir.server.request.words import issues_of, outcome_codes, words_of
from imnm_fhir.transfer.delivery import Item
from imnm_fhir.transfer.plans import CREATE, UPDATE

_UNCHANGED = "SUCCESSFUL_UPDATE_NO_CHANGE"  # HAPI's word for a PUT of what it has already
_LOCATION = re.compile(r"(?:^|/)([A-Za-z]+)/([A-Za-z0-9.-]{1,64})(?:/_history/([^/]+))?$")
_PATH = re.compile(r"\b[A-Z][A-Za-z]+(?:\.[a-z][A-Za-z]*(?:\[(?:x|\d+)\])?)+")
_ELEMENT = re.compile(r"element=\"([a-z][A-Za-z]*)\"")

ServerId = Callable[[str, str], str | None]  # the id at the server of a type and an id of ours


@dataclass(frozen=True)
class Answer:
    """What the server said of one resource; `stored` is whether it confirmed it."""

    stored: bool
    status: int | None = None
    server_id: str | None = None
    version: str | None = None
    unchanged: bool = False
    created: bool = False
    said: str = ""
    expression: str | None = None


@dataclass(frozen=True)
class Write:
    """One request for a resource: method, address, headers or members of `request`, and its body."""

    method: str
    url: str
    body: bytes
    conditions: Mapping[str, str]


def to_write(item: Item, naming: str, server_id: ServerId) -> Write:
    """Return how a resource is sent under a naming.

    Raises `ImnmFhirError` where it needs a business identifier, or an id at the server of what it
    points to, that is not known.
    """
    match = {"ifMatch": f'W/"{item.version}"'} if item.version else {}
    if naming not in (UPDATE, CREATE):
        return Write("PUT", f"{item.type}/{item.id}", item.line, match)
    body = rewritten(item, server_id)
    if item.server_id:
        return Write("PUT", f"{item.type}/{item.server_id}", body, match)
    criterion = criterion_of(item)
    if naming == CREATE:
        return Write("POST", item.type, body, {"ifNoneExist": criterion})
    return Write("PUT", f"{item.type}?{criterion}", body, {})


def criterion_of(item: Item) -> str:
    """The search for a resource by its business identifier, `identifier=system|value`."""
    identifiers = orjson.loads(item.line).get("identifier")
    first = identifiers[0] if isinstance(identifiers, list) and identifiers else identifiers
    if not isinstance(first, dict) or not first.get("value"):
        raise ImnmFhirError("has no business identifier to tell it from others at the server")
    parts = [escape_search_value(str(first.get(key, ""))) for key in ("system", "value")]
    return f"identifier={quote('|'.join(parts), safe='')}"


def rewritten(item: Item, server_id: ServerId) -> bytes:
    """The resource with the server's ids: its own, or none where it has none yet, and references.

    The bytes are cut and pasted: writing the JSON anew could change a number.
    """
    line = item.line
    own = rb'"id"\s*:\s*"' + re.escape(item.id.encode()) + rb'"'
    new = b'"id":"' + item.server_id.encode() + b'"' if item.server_id else b""
    line = re.sub(own + (b"" if new else rb"\s*,?"), new, line, count=1)

    def refer(found: re.Match[bytes]) -> bytes:
        kind, identifier = found[2].decode(), found[3].decode()
        there = server_id(kind, identifier)
        if there is None:
            raise ImnmFhirError(f"points to {kind}/{identifier}, which is not there")
        return b"%s%s/%s" % (found[1], found[2], there.encode())

    line = re.sub(rb'("reference"\s*:\s*")([A-Za-z]+)/([A-Za-z0-9.-]+)', refer, line)
    wanted, made = orjson.loads(item.line), orjson.loads(line)
    if made.get("id") != item.server_id or made.keys() - {"id"} != wanted.keys() - {"id"}:
        raise ImnmFhirError("its id cannot be taken out: send it to a server that takes our ids")
    return line


def to_bundle(kind: str, base_url: str, items: Sequence[Item], writes: Sequence[Write]) -> bytes:
    """The body of a transaction or batch."""
    entries = []
    for item, write in zip(items, writes, strict=True):
        request = orjson.dumps({"method": write.method, "url": write.url, **write.conditions})
        place = f"{base_url}/{item.type}/{item.server_id or item.id}".encode()
        entry = b'{"fullUrl":"%s","resource":%s,"request":%s}' % (place, write.body, request)
        entries.append(entry)
    head = b'{"resourceType":"Bundle","type":"%s","entry":[' % kind.encode()
    return head + b",".join(entries) + b"]}"


def bundle_answers(response: Response, items: Sequence[Item]) -> list[Answer] | None:
    """What a Bundle of answers says of each resource; None unless it answers exactly these."""
    bundle = response.json() if response.status in (200, 201) else None
    if not isinstance(bundle, dict) or bundle.get("resourceType") != "Bundle":
        return None
    entries = bundle.get("entry")
    if not isinstance(entries, list) or len(entries) != len(items):
        return None
    said = [entry.get("response") if isinstance(entry, dict) else None for entry in entries]
    answers = [each if isinstance(each, dict) else {} for each in said]
    return [_answer(answer, item) for answer, item in zip(answers, items, strict=True)]


def single_answer(response: Response, item: Item) -> Answer:
    """What the answer to a single request says of its resource."""
    content = response.json()
    about = {
        "status": str(response.status),
        "location": response.headers.get("Location") or response.headers.get("Content-Location"),
        "etag": response.headers.get("ETag"),
        "outcome": content,
    }
    strange = content is None and response.body.strip() and response.status < 300
    if strange:
        return Answer(False, response.status, said="answered something that is no JSON")
    return _answer(about, item)


def refused(response: Response, item: Item) -> Answer:
    """What a refusal of a whole request says of the only resource in it."""
    outcome = response.json()
    said = words_of(outcome, [orjson.loads(item.line)])
    if response.status < 400:
        said = f"the server did not confirm it: {said}".removesuffix(": ")
    return Answer(
        False,
        response.status,
        said=said or status_text(response.status),
        expression=expression_of(outcome, item.type),
    )


def _answer(answer: Mapping[str, Any], item: Item) -> Answer:
    found = re.match(r"\d{3}", str(answer.get("status", "")))
    status = int(found[0]) if found else None
    outcome = answer.get("outcome")
    wrong = any(issue.get("severity") in ("error", "fatal") for issue in issues_of(outcome))
    if status not in (200, 201, 204) or wrong:
        said = words_of(outcome, [orjson.loads(item.line)])
        said = said or "the server did not say that it was stored"
        return Answer(False, status, said=said, expression=expression_of(outcome, item.type))
    kind, server_id, version = _place(str(answer.get("location") or ""))
    etag = str(answer.get("etag") or "")
    return Answer(
        True,
        status,
        server_id if kind == item.type else None,
        etag.removeprefix("W/").strip('"') or version,
        _UNCHANGED in outcome_codes(outcome),
        status == 201,
    )


def _place(location: str) -> tuple[str | None, str | None, str | None]:
    found = _LOCATION.search(location)
    return (found[1], found[2], found[3]) if found else (None, None, None)


def expression_of(outcome: object, kind: str) -> str | None:
    """The FHIRPath of what an OperationOutcome complains about, without indices of Bundles.

    From `expression`, or the path or element that the words name; nothing but names and numbers is
    let through.
    """
    for issue in issues_of(outcome):
        for key in ("expression", "location"):
            paths = issue.get(key)
            for path in paths if isinstance(paths, list) else ():
                if found := _PATH.search(str(path)):
                    return found[0]
        words = str(issue.get("diagnostics", ""))
        if found := next((f for f in _PATH.finditer(words) if f[0].startswith(f"{kind}.")), None):
            return found[0]
        if element := _ELEMENT.search(words):
            return f"{kind}.{element[1]}"
    return None
