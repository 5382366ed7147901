"""How a resource that a server holds compares with the one that was sent."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.fhir.reading.foreign import normalise
from imnm_fhir.shapes import Reading, match
from imnm_fhir.shapes.found import as_mapping, without_index

IDENTICAL, EQUIVALENT, CHANGED = "identical", "equivalent", "changed"
MISSING, FOREIGN = "missing", "foreign"
STATES = (IDENTICAL, EQUIVALENT, CHANGED, MISSING, FOREIGN)
# What a server may write itself (R4, resource.html#Meta); everything else is ours.
SERVERS_META = ("versionId", "lastUpdated")
# Columns that name another resource, which a server that gives its own ids rewrites.
REFERENCES = {"patient_id": "Patient", "organization_id": "Organization"}
OurId = Callable[[str, str], str]


def same_id(kind: str, ident: str) -> str:
    """The id that a server holds a resource under, where it takes ours."""
    return ident


@dataclass(frozen=True)
class Likeness:
    """One of `identical`, `equivalent`, `changed`; `differs` names columns and paths, no values."""

    state: str
    differs: tuple[str, ...] = ()


def likeness(
    sent: Mapping[str, Any], found: Mapping[str, Any], our_id: OurId = same_id
) -> Likeness:
    """How `found` (as a server gave it) compares with `sent`, both from `read_json`.

    `our_id` gives our id of a resource from its type and the server's id.

    *identical*: equal but for what the server manages (version, time of update, the request behind
    `meta.source`, further tags). *equivalent*: other JSON that reads as the same row with nothing
    added: another order, `1.50` for `1.5`, a generated narrative. *changed*: another row, or leaves
    that are not ours.
    """
    if content_hash(found, sent) == content_hash(sent, sent):
        return Likeness(IDENTICAL)
    differs = tuple(sorted(set(_differences(_read(sent), _read(found), our_id))))
    return Likeness(CHANGED if differs else EQUIVALENT, differs)


def content_hash(resource: Mapping[str, Any], sent: Mapping[str, Any] | None = None) -> str:
    """SHA-256 (64 hex digits) of what a resource says, without what a server manages.

    Keys are sorted and numbers kept digit by digit. With `sent`, tags and a source that the server
    added to those of `sent` are left out too.
    """
    content = {key: value for key, value in resource.items() if key != "meta"}
    meta = _own_meta(as_mapping(resource.get("meta")), as_mapping((sent or {}).get("meta")))
    return hashlib.sha256(_canonical({**content, "meta": meta}).encode()).hexdigest()


def _own_meta(meta: Mapping[str, Any], sent: Mapping[str, Any]) -> dict[str, Any]:
    own = {key: value for key, value in meta.items() if key not in SERVERS_META}
    if isinstance(own.get("source"), str):
        own["source"] = own["source"].partition("#")[0]
    tags, sent_tags = own.get("tag"), sent.get("tag")
    if isinstance(tags, list):
        kept = [
            tag
            for tag in tags
            if not isinstance(sent_tags, list) or _tag(tag) in map(_tag, sent_tags)
        ]
        own["tag"] = sorted((list(_tag(tag)) for tag in kept), key=str)
    return own


def _tag(tag: Any) -> tuple[Any, Any]:
    return as_mapping(tag).get("system"), as_mapping(tag).get("code")


def _canonical(value: Any) -> str:
    """JSON text with sorted keys; a decimal is its digits as they came."""
    if isinstance(value, Mapping):
        inner = (f"{json.dumps(key)}:{_canonical(value[key])}" for key in sorted(value))
        return "{" + ",".join(inner) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_canonical, value)) + "]"
    return format(value, "f") if isinstance(value, Decimal) else json.dumps(value)


def _read(resource: Mapping[str, Any]) -> Reading:
    try:
        return match(normalise(resource, lambda address: None, lambda reference: None))
    except (ImnmFhirError, RecursionError) as why:
        return Reading("", {}, refused=str(why) or "is nested too deeply")


def _differences(sent: Reading, found: Reading, our_id: OurId) -> Iterator[str]:
    """Names of the columns that differ and of paths that were added; none where nothing does."""
    if found.refused:
        yield f"not read any more: {found.refused}"
        return
    row = {name: _ours(name, value, our_id) for name, value in found.row.items() if name != "id"}
    columns = {*sent.row, *row} - {"id"}
    yield from (name for name in columns if sent.row.get(name) != row.get(name))
    yield from (f"added: {without_index(path)}" for path in set(found.unread) - set(sent.unread))


def _ours(column: str, value: Any, our_id: OurId) -> Any:
    return our_id(REFERENCES[column], value) if column in REFERENCES else value
