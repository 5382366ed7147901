"""What a server holds of a site, read back to disk and found again by id or by key.

The index is a temporary SQLite file, so that memory does not grow with the server.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imnm_fhir.fhir.text import read_json
from imnm_fhir.keys import resource_id
from imnm_fhir.shapes.found import as_mapping
from imnm_fhir.terminology import load_project

_TABLE = """
    create table held (
        type text, id text, key text, version text, updated text, line blob, met integer default 0,
        primary key (type, id)
    ) without rowid;
    create index by_key on held (type, key);
"""


@dataclass(frozen=True)
class Held:
    """One resource as the server gave it: its id there, its version and time of update."""

    type: str
    id: str
    key: str | None
    version: str | None
    updated: str | None
    resource: Mapping[str, Any]


class Shelf:
    """An open index; made by `open_shelf`, which also closes it."""

    def __init__(self, database: sqlite3.Connection) -> None:
        """Keep the open database."""
        self._database = database

    def put(self, lines: Iterator[bytes]) -> None:
        """Take resources, a line of JSON each."""
        self._database.executemany(
            "insert or replace into held (type, id, key, version, updated, line)"
            " values (?, ?, ?, ?, ?, ?)",
            map(_row, lines),
        )

    def take(self, kind: str, ident: str, key: str | None) -> Held | None:
        """The resource with this id, else with this key; it counts as met from now on."""
        found = self._first("id = ?", kind, ident) or (key and self._first("key = ?", kind, key))
        if not found:
            return None
        self._database.execute("update held set met = 1 where type = ? and id = ?", found[:2])
        kind, ident, key, version, updated, line = found
        return Held(kind, ident, key, version, updated, read_json(line))

    def our_id(self, kind: str, ident: str) -> str:
        """Our id of a resource that the server holds as `ident`: made from its key, if it has one."""
        found = self._first("id = ?", kind, ident)
        return resource_id(found[2]) if found and found[2] else ident

    def not_met(self) -> Iterator[tuple[str, str]]:
        """Type and id of each resource that nobody took."""
        yield from self._database.execute("select type, id from held where met = 0 order by 1, 2")

    def _first(self, condition: str, kind: str, value: str) -> Any:
        query = (
            f"select type, id, key, version, updated, line from held where type = ? and {condition}"
        )
        return self._database.execute(query, (kind, value)).fetchone()


@contextmanager
def open_shelf(folder: Path) -> Iterator[Shelf]:
    """An empty shelf in `folder`."""
    with closing(sqlite3.connect(folder / "held.sqlite", isolation_level=None)) as database:
        database.executescript("pragma journal_mode = off; pragma synchronous = off;" + _TABLE)
        database.execute("begin")
        yield Shelf(database)


def key_of(resource: Mapping[str, Any]) -> str | None:
    """The key that a resource carries as one of its identifiers, None where it has none of ours."""
    system = f"{load_project().base}/key"
    for one in resource.get("identifier") or ():
        if isinstance(one, Mapping) and one.get("system") == system:
            value = one.get("value")
            return value if isinstance(value, str) else None
    return None


def _row(line: bytes) -> tuple[Any, ...]:
    resource = read_json(line)
    meta = as_mapping(resource.get("meta"))
    return (
        resource.get("resourceType"), resource.get("id"), key_of(resource),
        meta.get("versionId"), meta.get("lastUpdated"), line,
    )  # fmt: skip
