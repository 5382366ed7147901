"""The resources to deliver: read once from NDJSON, then known by place, hash and what is to be done.

They stand in a temporary SQLite file and are read again line by line when they are sent, so that
memory does not grow with their number.
"""

import re
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson

from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.owner import temporary_folder
from imnm_fhir.transfer.journal import (
    CONFLICT,
    DELETING,
    SENDING,
    UNKNOWN,
    WITHDRAWN,
    Entry,
    line_hash,
)

FIRST = ("Organization", "Patient")  # what the others point to: waves 0 and 1
# What is to be done with a resource.
CREATE_IT, UPDATE_IT, UNCHANGED = "create", "update", "unchanged"
ASK, DIFFERS, HELD_IT, RETRY_IT = "ask", "conflict", "held", "retry"
_ID = re.compile(r"[A-Za-z0-9.-]{1,64}")  # R4, datatypes.html#id
_REFERENCE = re.compile(rb'"reference"\s*:\s*"([A-Za-z]+)/([A-Za-z0-9.-]+)"')
_TABLE = """create table delivery (seq integer primary key, type text not null, id text not null,
    hash text not null, subject text, file integer not null, at integer not null,
    size integer not null, wave integer not null, action text not null default 'create',
    server_id text, version text, unique (type, id))"""
_FIELDS = "seq, type, id, hash, subject, file, at, size, action, server_id, version"


@dataclass(frozen=True)
class Item:
    """One resource to deliver: where its line stands, what it should become, what is known of it."""

    seq: int
    type: str
    id: str
    hash: str
    subject: str | None
    file: int
    at: int
    size: int
    action: str
    server_id: str | None
    version: str | None
    line: bytes = b""

    def entry(self, state: str, **about: object) -> Entry:
        """The journal's entry of it; `about` are further fields."""
        known = {
            "server_id": self.server_id,
            "server_version": self.version,
            "subject": self.subject,
        }
        return Entry(self.type, self.id, state, **{**known, **about})  # type: ignore[arg-type]


def references(line: bytes) -> list[tuple[str, str]]:
    """The types and ids that a resource points to, relative references only."""
    return [(kind.decode(), found.decode()) for kind, found in _REFERENCE.findall(line)]


class Delivery:
    """An open delivery; made by `read_delivery`."""

    def __init__(self, database: sqlite3.Connection, files: Sequence[Path]) -> None:
        """Take the database with the table of resources, and the files that hold them."""
        self.database = database
        self.files = files

    def counts(self) -> dict[tuple[str, str], int]:
        """How many resources there are by type and action, in the order of sending."""
        query = (
            "select type, action, count(*) from delivery group by type, action order by wave, type"
        )
        return {(kind, action): number for kind, action, number in self.database.execute(query)}

    def types(self) -> list[str]:
        """The types in the order of sending."""
        return list(dict.fromkeys(kind for kind, _ in self.counts()))

    def items(self, actions: Iterable[str], wave: int | None = None) -> Iterator[Item]:
        """The resources with one of these actions, with their lines, in the order of sending.

        Read in pieces: what is to be done with them may be changed meanwhile.
        """
        wanted = tuple(actions)
        marks = ", ".join("?" * len(wanted))
        query = f"""select {_FIELDS} from delivery where seq > ? and action in ({marks})
            and (? is null or wave = ?) order by seq limit 500"""
        last = -1
        while rows := self.database.execute(query, (last, *wanted, wave, wave)).fetchall():
            last = rows[-1][0]
            yield from self._with_lines([Item(*row) for row in rows])

    def decide(self, items: Iterable[Item]) -> None:
        """Keep what is to be done with resources, and what is known of them at the server."""
        rows = [(each.action, each.server_id, each.version, each.seq) for each in items]
        with self.database:
            self.database.executemany(
                "update delivery set action = ?, server_id = ?, version = ? where seq = ?", rows
            )

    def release(self, wave: int) -> None:
        """Let resources of a wave that were held back be tried again."""
        with self.database:
            self.database.execute(
                f"""update delivery set action = case action when '{HELD_IT}' then '{RETRY_IT}'
                else 'sent' end where action in ('{HELD_IT}', '{RETRY_IT}') and wave = ?""",
                (wave,),
            )

    def compare(self, journal: Path) -> None:
        """Decide by the journal alone what is to be done with each resource."""
        with _attached(self.database, journal), self.database:
            self.database.execute(
                f"""update delivery set server_id = j.server_id, version = j.server_version, action =
                case when j.state in ('{SENDING}', '{UNKNOWN}', '{CONFLICT}', '{DELETING}') then '{ASK}'
                    when j.hash is null or j.state = '{WITHDRAWN}' then '{CREATE_IT}'
                    when j.hash = delivery.hash then '{UNCHANGED}' else '{UPDATE_IT}' end
                from journal.resources j where j.type = delivery.type and j.id = delivery.id"""
            )

    def missing(self, journal: Path) -> list[tuple[str, str]]:
        """Types and ids that the journal holds as being at the server and the delivery does not."""
        with _attached(self.database, journal):
            return list(
                self.database.execute(
                    f"""select type, id from journal.resources j where state <> '{WITHDRAWN}'
                    and (hash is not null or state in ('{SENDING}', '{UNKNOWN}', '{DELETING}'))
                    and not exists (select 1 from delivery d where d.type = j.type and d.id = j.id)"""
                )
            )

    def _with_lines(self, items: Sequence[Item]) -> Iterator[Item]:
        by_file: dict[int, list[Item]] = {}
        for item in items:
            by_file.setdefault(item.file, []).append(item)
        lines: dict[int, bytes] = {}
        for number, several in by_file.items():
            with self.files[number].open("rb") as file:
                for item in several:
                    file.seek(item.at)
                    lines[item.seq] = file.read(item.size).strip()
        for item in items:
            yield Item(**{**vars(item), "line": lines[item.seq]})


@contextmanager
def read_delivery(files: Mapping[str, Path]) -> Iterator[Delivery]:
    """Yield the resources of NDJSON files, one for each type.

    Raises `ImnmFhirError` with file and line for what is no resource of the file's type with an id,
    and for an id that stands twice: nothing is sent then.
    """
    order = sorted(files, key=lambda kind: (wave_of(kind), kind))
    with temporary_folder() as folder:
        with closing(sqlite3.connect(folder / "delivery.sqlite")) as database:
            database.execute("pragma synchronous = off")  # it is made anew each time
            database.execute("pragma journal_mode = off")
            database.execute(_TABLE)
            for number, kind in enumerate(order):
                _read_file(database, number, kind, files[kind])
            yield Delivery(database, [files[kind] for kind in order])


def wave_of(kind: str, targets: Iterable[str] = ()) -> int:
    """Organizations go first, then Patients, then all else, then what points to more than these."""
    if kind in FIRST:
        return FIRST.index(kind)
    return 2 if set(targets) <= set(FIRST) else 3


def _read_file(database: sqlite3.Connection, number: int, kind: str, path: Path) -> None:
    query = """insert into delivery (type, id, hash, subject, file, at, size, wave)
        values (?, ?, ?, ?, ?, ?, ?, ?)"""
    try:
        with database:
            database.executemany(query, _rows(number, kind, path))
    except sqlite3.IntegrityError:
        _raise_repeats(kind, path)
    except OSError as error:
        raise ImnmFhirError(f"{path}: cannot be read ({error.strerror}): export again") from None


def _rows(number: int, kind: str, path: Path) -> Iterator[tuple[object, ...]]:
    at = 0
    with path.open("rb") as lines:
        for count, line in enumerate(lines, 1):
            if line.strip():
                identifier = _identifier(kind, path, count, line)
                targets = references(line)
                patients = (found for target, found in targets if target == "Patient")
                subject = identifier if kind == "Patient" else next(patients, None)
                wave = wave_of(kind, (target for target, _ in targets))
                digest = line_hash(line)
                yield kind, identifier, digest, subject, number, at, len(line), wave
            at += len(line)


def _identifier(kind: str, path: Path, number: int, line: bytes) -> str:
    try:
        resource = orjson.loads(line)
    except orjson.JSONDecodeError:
        raise ImnmFhirError(f"{path}, line {number}: no JSON: write the file again") from None
    if not isinstance(resource, dict) or resource.get("resourceType") != kind:
        raise ImnmFhirError(f"{path}, line {number}: is no {kind}: write the file again")
    identifier = resource.get("id")
    if not isinstance(identifier, str) or not _ID.fullmatch(identifier):
        raise ImnmFhirError(f"{path}, line {number}: has no valid FHIR id: give it one")
    return identifier


def _raise_repeats(kind: str, path: Path) -> None:
    with path.open("rb") as lines:
        times = Counter(orjson.loads(line)["id"] for line in lines if line.strip())
    repeated = sum(1 for number in times.values() if number > 1)
    raise ImnmFhirError(
        f"{path}: {repeated} ids of {kind} stand on several lines: give each resource one line"
    )


@contextmanager
def _attached(database: sqlite3.Connection, journal: Path) -> Iterator[None]:
    database.execute("attach ? as journal", (str(journal),))
    try:
        yield
    finally:
        database.execute("detach journal")
