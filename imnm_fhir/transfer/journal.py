"""What is known of a cohort's resources at one server: a SQLite file that survives any breakdown.

It stands beside the cohort, `madrid.journal/fhir.example.org-1f0c...sqlite` for `madrid` and the
server's address, with the audit log (`.audit.jsonl`) and the lock (`.lock`) of the same name. It holds
types, ids, hashes and states, never a value or a key of a patient.

A row is written before and after each request. A row that is `sending` or `deleting` when the journal
is opened belongs to a request whose end nobody saw: the server is asked before anything is sent again.
"""

import hashlib
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from operator import attrgetter
from pathlib import Path
from typing import overload

from imnm_fhir.transfer.journal_files import (
    SCHEMA,
    fault,
    hold,
    journal_folder,
    journal_path,
    make_folder,
    remove,
    set_aside,
    strange,
)

__all__ = [
    "Entry",
    "Journal",
    "journal_folder",
    "journal_path",
    "open_journal",
    "read_journal",
    "rebuild",
]

SENDING = "sending"  # a request is under way, or nobody saw its end
UNKNOWN = "unknown"  # the answer was lost; the same as `sending`, said by ourselves
STORED = "stored"  # the server confirmed the content of `hash`
FAILED = (
    "failed"  # the server refused the content of `pending`; `hash` is what it holds, if anything
)
HELD = "held"  # not sent: it points to something that is not there
CONFLICT = "conflict"  # somebody else changed or deleted it at the server; left as it is
DELETING = "deleting"  # a DELETE is under way, or nobody saw its end
WITHDRAWN = "withdrawn"  # we removed it from the server
STATES = (SENDING, UNKNOWN, STORED, FAILED, HELD, CONFLICT, DELETING, WITHDRAWN)

_COLUMNS = """type text not null, id text not null, state text not null, hash text, pending text,
    server_id text, server_version text, status integer, attempt integer not null, time text not null,
    subject text, said text, expression text, primary key (type, id)"""


@dataclass(frozen=True)
class Entry:
    """One resource at the server, by the type and id that it has in the cohort.

    `hash` is `line_hash` of what the server confirmed last, `pending` of what was sent since
    without being confirmed. `server_id` is the id there (another one where the server assigns ids),
    `status` the last HTTP status, `attempt` how often it was sent, `time` the last change in UTC,
    `subject` the id of the Patient that it points to (or is), `said` the server's words, values cut,
    `expression` the FHIRPath of what it complains about.
    """

    type: str
    id: str
    state: str
    hash: str | None = None
    pending: str | None = None
    server_id: str | None = None
    server_version: str | None = None
    status: int | None = None
    attempt: int = 0
    time: str = ""
    subject: str | None = None
    said: str | None = None
    expression: str | None = None

    @property
    def place(self) -> str:
        """`Type/id` of the resource at the server."""
        return f"{self.type}/{self.server_id or self.id}"


_NAMES = tuple(field.name for field in fields(Entry))
_TIME = _NAMES.index("time")
_values = attrgetter(*_NAMES)


def line_hash(line: bytes) -> str:
    """32 hex digits of SHA-256 of a resource as it stands in our NDJSON, without its line break."""
    return hashlib.sha256(line.strip()).hexdigest()[:32]


@contextmanager
def open_journal(
    cohort: Path, base_url: str, *, folder: Path | None = None, wait: float = 0
) -> Iterator["Journal"]:
    """Yield the journal of a cohort's folder for a server, made where there is none.

    Nobody else can open it meanwhile: another run waits `wait` seconds for it. `folder` takes the
    place of `journal_folder(cohort)`.

    Raises `ImnmFhirError` where another run holds it, where the file is damaged, of a newer version or
    of another server, and where it cannot be written.
    """
    path = journal_path(cohort, base_url)
    path = folder / path.name if folder else path
    make_folder(path.parent)
    with hold(path, wait):
        journal = _open(path, base_url)
        try:
            yield journal
        finally:
            journal.close()


@contextmanager
def read_journal(
    cohort: Path, base_url: str, *, folder: Path | None = None
) -> Iterator["Journal | None"]:
    """Yield the journal to read from, whoever may be writing to it; None where there is none."""
    path = journal_path(cohort, base_url)
    path = folder / path.name if folder else path
    journal = _open(path, base_url, reading=True) if path.exists() else None
    try:
        yield journal
    finally:
        if journal:
            journal.close()


def rebuild(
    cohort: Path,
    base_url: str,
    entries: Iterable[Entry],
    *,
    folder: Path | None = None,
    about: Mapping[str, str] | None = None,
) -> Path:
    """Put a new journal with `entries` in the place of the old one; returns its path.

    The old file, whatever it holds, is kept beside it under a name with `replaced`. Raises
    `ImnmFhirError` where an export is under way or the place cannot be written.
    """
    path = journal_path(cohort, base_url)
    path = folder / path.name if folder else path
    make_folder(path.parent)
    part = path.with_name(f".{path.stem}.part.sqlite")
    with hold(path, 0):
        remove(part)
        new = _open(part, base_url)
        new.note({"origin": "rebuilt", **(about or {})})
        new.put(entries)
        new.close()
        if path.exists():
            set_aside(path)
        os.replace(part, path)
    return path


class Journal:
    """An open journal, of use to several threads; made by `open_journal`, which also closes it."""

    def __init__(self, database: sqlite3.Connection, path: Path) -> None:
        """Take an open database with our tables."""
        self.path = path
        self._database = database
        self._lock = threading.RLock()

    @property
    def audit_path(self) -> Path:
        """The audit log beside it."""
        return self.path.with_suffix(".audit.jsonl")

    def close(self) -> None:
        """Close the file; what was put is there."""
        with self._lock:
            self._database.close()

    def about(self) -> dict[str, str]:
        """What is known of the server: schema, base_url, made, origin, and what `note` was given."""
        with self._lock:
            return dict(self._database.execute("select name, value from about"))

    def note(self, about: Mapping[str, str]) -> None:
        """Keep facts of the server (fhir_version, software, plan, ...) by name."""
        with self._written() as database:
            database.executemany("insert or replace into about values (?, ?)", about.items())

    def get(self, kind: str, identifier: str) -> Entry | None:
        """The entry of one resource."""
        query = f"select {', '.join(_NAMES)} from resources where type = ? and id = ?"
        with self._lock:
            row = self._database.execute(query, (kind, identifier)).fetchone()
        return Entry(*row) if row else None

    def entries(
        self,
        states: Iterable[str] = STATES,
        kind: str | None = None,
        subject: str | None = None,
    ) -> Iterator[Entry]:
        """The entries in one of `states`, of a type, of a patient, ordered by type and id.

        Read in pieces: entries may be put meanwhile.
        """
        wanted = tuple(states)
        marks = ", ".join("?" * len(wanted))
        last = ("", "")
        query = (
            f"select {', '.join(_NAMES)} from resources where (type, id) > (?, ?) and state in ({marks})"
            " and (? is null or type = ?) and (? is null or subject = ?)"
            " order by type, id limit 1000"
        )
        while True:
            values = (*last, *wanted, kind, kind, subject, subject)
            with self._lock:
                rows = self._database.execute(query, values).fetchall()
            if not rows:
                return
            for row in rows:
                yield Entry(*row)
            last = rows[-1][:2]

    def counts(self) -> dict[tuple[str, str], int]:
        """How many entries there are by type and state."""
        query = (
            "select type, state, count(*) from resources group by type, state order by type, state"
        )
        with self._lock:
            return {(kind, state): count for kind, state, count in self._database.execute(query)}

    def get_many(self, kind: str, ids: Sequence[str]) -> dict[str, Entry]:
        """The entries of one type by id; ids without an entry are left out."""
        found: dict[str, Entry] = {}
        for start in range(0, len(ids), 500):
            part = ids[start : start + 500]
            query = (
                f"select {', '.join(_NAMES)} from resources where type = ?"
                f" and id in ({', '.join('?' * len(part))})"
            )
            with self._lock:
                rows = self._database.execute(query, (kind, *part)).fetchall()
            found.update((row[1], Entry(*row)) for row in rows)
        return found

    def put(self, entries: Iterable[Entry], *, durable: bool = True) -> None:
        """Write entries in one step; an entry without a time gets the present.

        They survive any end of the program; when this returns `durable` ones survive the end of the
        machine, too.
        """
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        rows = [_row(each, now) for each in entries]
        marks = ", ".join("?" * len(_NAMES))
        with self._written(durable) as database:
            database.executemany(
                f"insert or replace into resources ({', '.join(_NAMES)}) values ({marks})", rows
            )

    def copy_to(self, other: sqlite3.Connection) -> None:
        """Copy everything into another database."""
        with self._lock:
            self._database.backup(other)

    def forget(self, places: Iterable[tuple[str, str]]) -> None:
        """Remove entries by type and id, for a withdrawal; their bytes are overwritten."""
        with self._written() as database:
            database.execute("pragma secure_delete = on")
            database.executemany("delete from resources where type = ? and id = ?", list(places))

    @contextmanager
    def _written(self, durable: bool = True) -> Iterator[sqlite3.Connection]:
        try:
            with self._lock:
                self._database.execute(f"pragma synchronous = {'full' if durable else 'normal'}")
                with self._database:
                    yield self._database
        except sqlite3.DatabaseError as error:
            raise fault(self.path, error) from None


def _row(entry: Entry, now: str) -> tuple[object, ...]:
    row = _values(entry)
    return row if entry.time else (*row[:_TIME], now, *row[_TIME + 1 :])


@overload
def _open(path: Path, base_url: str) -> Journal: ...


@overload
def _open(path: Path, base_url: str, reading: bool) -> Journal | None: ...


def _open(path: Path, base_url: str, reading: bool = False) -> Journal | None:
    """The journal, made where there is none; to read from, None where nothing was written yet."""
    url = base_url.strip().rstrip("/")
    database = None
    try:
        place = f"{path.absolute().as_uri()}?mode={'ro' if reading else 'rwc'}"
        database = sqlite3.connect(place, uri=True, check_same_thread=False, timeout=30)
        if database.execute("pragma quick_check(1)").fetchone()[0] != "ok":
            raise sqlite3.DatabaseError("quick_check")
        if not reading:
            _prepare(database, url)
        version = database.execute("pragma user_version").fetchone()[0]
        if version == 0:
            database.close()
            return None
        found = dict(database.execute("select name, value from about"))
        database.execute(f"select {', '.join(_NAMES)} from resources limit 1")
    except sqlite3.DatabaseError as error:
        if database:
            database.close()
        raise fault(path, error) from None
    if version > SCHEMA or found.get("base_url") != url:
        database.close()
        raise strange(path, version, found.get("base_url"), url)
    return Journal(database, path)


def _prepare(database: sqlite3.Connection, url: str) -> None:
    """Set how it is written, and make our tables where it is new."""
    database.execute("pragma journal_mode = wal")
    if database.execute("pragma user_version").fetchone()[0] == 0:
        _make_tables(database, url)


def _make_tables(database: sqlite3.Connection, url: str) -> None:
    made = datetime.now(UTC).isoformat(timespec="seconds")
    with database:
        database.execute("begin immediate")
        database.execute(f"create table resources ({_COLUMNS}) without rowid")
        database.execute("create index resources_of on resources (subject)")
        database.execute("create table about (name text primary key, value text)")
        about = {"base_url": url, "made": made, "origin": "export", "schema": str(SCHEMA)}
        database.executemany("insert into about values (?, ?)", about.items())
        database.execute(f"pragma user_version = {SCHEMA}")
