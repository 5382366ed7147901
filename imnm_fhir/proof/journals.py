"""A journal made anew from what a verification found at the server."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from imnm_fhir.fhir.likeness import EQUIVALENT, FOREIGN, IDENTICAL
from imnm_fhir.shapes.found import as_mapping
from imnm_fhir.transfer.journal import STORED, Entry, line_hash


def found_entries(files: Mapping[str, Path], report: Path) -> Iterator[Entry]:
    """An entry for each resource that the server holds: as it was sent, or foreign.

    `files` and `report` are those of `verify_files`, whose order they share. What was changed or is
    missing gets no entry: the next export compares it with the server and says so.
    """
    with report.open("rb") as records:
        for line in _lines(files):
            one = orjson.loads(next(records))
            if one["state"] in (IDENTICAL, EQUIVALENT):
                yield _entry(one, line_hash(line), _subject(orjson.loads(line)))
        for record in records:
            one = orjson.loads(record)
            if one["state"] == FOREIGN:
                yield _entry(one, None, None)


def _lines(files: Mapping[str, Path]) -> Iterator[bytes]:
    for _, path in sorted(files.items()):
        with path.open("rb") as lines:
            yield from lines


def _entry(one: Mapping[str, Any], digest: str | None, subject: str | None) -> Entry:
    return Entry(
        one["type"],
        one["id"],
        STORED,
        hash=digest,
        server_id=one.get("server_id"),
        server_version=one.get("version"),
        subject=subject,
    )


def _subject(resource: Mapping[str, Any]) -> str | None:
    if resource["resourceType"] == "Patient":
        return str(resource["id"])
    reference = as_mapping(resource.get("subject")).get("reference")
    return reference.rpartition("/")[2] if isinstance(reference, str) else None
