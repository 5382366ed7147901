"""Keys and ids: what makes a row the same row when its value is corrected."""

import hashlib
from collections.abc import Iterable

from imnm_fhir.errors import ImnmFhirError


def row_key(parts: Iterable[str | None]) -> str:
    """The key of a row: its parts with `%` and `/` percent-encoded, nulls empty, joined by `/`."""
    return "/".join((part or "").replace("%", "%25").replace("/", "%2F") for part in parts)


def key_parts(key: str) -> list[str | None]:
    """The parts that `row_key` joined; empty ones are null. Inverse of `row_key`."""
    return [part.replace("%2F", "/").replace("%25", "%") or None for part in key.split("/")]


def resource_id(key: str) -> str:
    """The id made from a key: `i` and 32 hex digits of its SHA-256 (a FHIR id, letters first)."""
    return "i" + hashlib.sha256(key.encode()).hexdigest()[:32]


def check_site_id(site: str) -> str:
    """`site`, if it may stand in addresses and codes: a-z, 0-9, `_` and `-`, 1 to 40 characters."""
    if not 1 <= len(site) <= 40 or not all(
        c.isascii() and (c.islower() or c.isdigit() or c in "_-") for c in site
    ):
        raise ImnmFhirError("a site id has 1 to 40 of a-z, 0-9, _ and -, such as madrid_es")
    return site
