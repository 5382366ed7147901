"""What the server holds of our resources, read back by id, and whether it is what we sent."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from imnm_fhir.errors import ImnmFhirError, ServerError
from imnm_fhir.fhir.likeness import CHANGED, likeness
from imnm_fhir.fhir.text import read_json, write_json
from imnm_fhir.server.request.connection import Connection, Response
from imnm_fhir.transfer.bundles import ServerId, criterion_of, rewritten
from imnm_fhir.transfer.delivery import Item
from imnm_fhir.transfer.plans import CLIENT_ID, Choice

_ADDED = ("versionId", "lastUpdated", "source")  # what servers write into meta by themselves
_GONE = (404, 410)
_STRICT = {"Prefer": "handling=strict"}


@dataclass(frozen=True)
class Found:
    """What the server holds: nothing (`there` false), or a resource with its id and version."""

    there: bool
    status: int
    resource: Mapping[str, Any]
    several: bool = False

    @property
    def server_id(self) -> str | None:
        """The id at the server."""
        return self.resource.get("id")

    @property
    def version(self) -> str | None:
        """The version at the server, None where it keeps none."""
        meta = self.resource.get("meta")
        version = meta.get("versionId") if isinstance(meta, dict) else None
        return str(version) if version is not None else None


def read_back(
    connection: Connection, choice: Choice, items: Sequence[Item], naming: str = CLIENT_ID
) -> list[Found]:
    """Return what the server holds of each of `items`.

    Many are asked for in one batch of reads where the server takes it. Raises ServerError where it
    does not answer in FHIR: then nothing is known.
    """
    return read_paths(connection, choice, [_path(item, naming) for item in items])


def read_paths(connection: Connection, choice: Choice, paths: Sequence[str]) -> list[Found]:
    """Return what the server holds at each of `paths` (`Type/id` or a search), as `read_back`."""
    if choice.batch_reads and len(paths) > 1:
        found = _batch(connection, paths)
        if found is not None:
            return found
        choice.batch_reads = False
    return [_single(connection, path) for path in paths]


def _path(item: Item, naming: str) -> str:
    if naming == CLIENT_ID or item.server_id:
        return f"{item.type}/{item.server_id or item.id}"
    return f"{item.type}?{criterion_of(item)}"


def _batch(connection: Connection, paths: Sequence[str]) -> list[Found] | None:
    entries = [{"request": {"method": "GET", "url": path}} for path in paths]
    bundle = {"resourceType": "Bundle", "type": "batch", "entry": entries}
    response = connection.request("POST", "", json=bundle, idempotent=True)
    answers = _content(response)
    listed = answers.get("entry") if isinstance(answers, dict) else None
    if response.status != 200 or not isinstance(listed, list) or len(listed) != len(paths):
        return None
    found = [_entry(entry) for entry in listed]
    return [each for each in found if each] if all(found) else None


def _entry(entry: object) -> Found | None:
    if not isinstance(entry, dict) or not isinstance(entry.get("response"), dict):
        return None
    text = str(entry["response"].get("status", ""))[:3]
    status = int(text) if text.isdigit() else 0
    return _found(status, entry.get("resource"))


def _single(connection: Connection, path: str) -> Found:
    response = connection.request("GET", path, headers=_STRICT)
    content = _content(response)
    if response.status == 200 and content is None:
        raise _no_json(connection)
    found = _found(response.status, content)
    if found is None:
        raise connection.refusal(response, f"reading {path.split('?')[0].split('/')[0]} back")
    return found


def _found(status: int, resource: object) -> Found | None:
    if status in _GONE:
        return Found(False, status, {})
    if status != 200 or not isinstance(resource, dict):
        return None
    if resource.get("resourceType") != "Bundle":
        return Found(True, status, resource) if "id" in resource else None
    matches = [
        entry["resource"]
        for entry in resource.get("entry", [])
        if isinstance(entry, dict) and isinstance(entry.get("resource"), dict)
        and entry.get("search", {}).get("mode", "match") == "match"
    ]  # fmt: skip
    return Found(bool(matches), status, matches[0] if matches else {}, len(matches) > 1)


def _content(response: Response) -> Any:
    try:
        return json.loads(response.body, parse_float=Decimal, parse_int=Decimal)
    except ValueError:
        return None


def is_ours(found: Found, item: Item, naming: str, server_id: ServerId) -> bool:
    """Whether the server holds what `item` should be, but for what servers add themselves."""
    line = _line(item, naming, server_id)
    if line is None:
        return False
    wanted = json.loads(line, parse_float=Decimal, parse_int=Decimal)
    return _plain(wanted) == _plain(found.resource) and _tags(wanted) <= _tags(found.resource)


def is_ours_normalised(found: Found, item: Item, naming: str, server_id: ServerId) -> bool:
    """Whether the server holds `item` in other JSON: read as the same row, with nothing added.

    To be asked where a request of ours had no answer: what a server that reorders or adds a narrative
    has made of it is not somebody else's change.
    """
    line = _line(item, naming, server_id)
    if line is None or not found.there:
        return False
    wanted = json.loads(line, parse_float=Decimal, parse_int=Decimal)
    alike = likeness(read_json(line), read_json(write_json(found.resource))).state != CHANGED
    return alike and _tags(wanted) <= _tags(found.resource)


def _line(item: Item, naming: str, server_id: ServerId) -> bytes | None:
    """What the server is to hold; None where it points to what is not there: then it cannot be there."""
    try:
        return item.line if naming == CLIENT_ID else rewritten(item, server_id)
    except ImnmFhirError:
        return None


def _plain(resource: Mapping[str, Any]) -> dict[str, Any]:
    meta = resource.get("meta")
    kept = {
        name: value
        for name, value in (meta.items() if isinstance(meta, dict) else ())
        if name not in (*_ADDED, "tag")
    }
    return {**{key: value for key, value in resource.items() if key != "id"}, "meta": kept}


def _tags(resource: Mapping[str, Any]) -> set[tuple[str, str]]:
    meta = resource.get("meta")
    tags = meta.get("tag", []) if isinstance(meta, dict) else []
    return {(str(tag.get("system")), str(tag.get("code"))) for tag in tags if isinstance(tag, dict)}


def count_tagged(connection: Connection, kind: str, tags: Iterable[tuple[str, str]]) -> int | None:
    """How many resources of a type with one of the tags the server counts; None where it does not."""
    wanted = quote(",".join(f"{system}|{code}" for system, code in tags), safe="")
    path = f"{kind}?{f'_tag={wanted}&' if wanted else ''}_summary=count"
    response = connection.request("GET", path, headers=_STRICT)
    content = _content(response)
    if response.status == 200 and content is None:
        raise _no_json(connection)
    total = content.get("total") if isinstance(content, dict) and response.status == 200 else None
    return int(total) if isinstance(total, Decimal) else None


def _no_json(connection: Connection) -> ServerError:
    return ServerError(
        f"{connection.base_url}: answered 200 OK with something that is no JSON: check that the address "
        "is the FHIR base and needs no sign-in page"
    )


def exists(connection: Connection, kind: str, identifier: str) -> bool:
    """Whether the server holds a resource by its id."""
    return connection.request("GET", f"{kind}/{quote(identifier)}").status == 200
