"""Taking a patient out of journals of exports, their audit logs, and reports of verifications."""

import json
import sqlite3
from collections.abc import Collection
from contextlib import closing
from pathlib import Path

from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.languages import counted
from imnm_fhir.withdrawal.cohorts import Redacted
from imnm_fhir.withdrawal.person import Person
from imnm_fhir.written import replace_atomically

TAKEN = "redacted"


def journal_ids(path: Path, person: Person) -> set[tuple[str, str]]:
    """Types and ids that a journal knows of a patient, by our ids and by the server's."""
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
        query = "select type, id, server_id from resources where subject = ? or id = ?"
        rows = database.execute(query, (person.id, person.id)).fetchall()
    return {(kind, ident) for kind, *ids in rows for ident in ids if ident}


def redact_journal(path: Path, ids: Collection[str], person: Person) -> Redacted | None:
    """Take a patient's resources out of a journal; what SQLite left of them is overwritten.

    A journal that is damaged may name the patient where nobody can take it out: it is removed.
    """
    marks = ", ".join("?" * len(ids))
    query = f"delete from resources where subject = ? or id in ({marks}) or server_id in ({marks})"
    try:
        with closing(sqlite3.connect(path, timeout=10)) as database:
            database.execute("pragma secure_delete = on")
            with database:
                gone = database.execute(query, (person.id, *ids, *ids)).rowcount
            database.execute("pragma wal_checkpoint(truncate)")
            database.execute("vacuum")
            database.execute("pragma wal_checkpoint(truncate)")
    except sqlite3.OperationalError as error:
        if "locked" in str(error) or "readonly" in str(error):
            raise ImnmFhirError(
                f"{path}: another program holds it, or it may not be written: repeat the command then"
            ) from None
        return _remove(path)
    except sqlite3.DatabaseError:
        return _remove(path)
    return (
        Redacted(path, f"{counted(gone, 'entry', 'entries')} taken out (1 redacted)")
        if gone
        else None
    )


def redact_lines(path: Path, ids: Collection[str], person: Person) -> Redacted | None:
    """Put `redacted` in the place of a patient's ids in a file of JSON lines (audit log, report)."""
    taken, lines = 0, []
    for line in path.read_bytes().splitlines(keepends=True):
        found = _without(line, {*ids, person.id, person.key})
        taken += found != line
        lines.append(found)
    if not taken:
        return None
    with replace_atomically(path) as unfinished:
        unfinished.write_bytes(b"".join(lines))
        unfinished.chmod(path.stat().st_mode)
    return Redacted(path, f"{counted(taken, 'line')} (1 redacted)")


def _without(line: bytes, names: set[str]) -> bytes:
    try:
        value = json.loads(line)
    except ValueError:
        return line
    new = _replaced(value, names)
    return line if new == value else json.dumps(new, ensure_ascii=False).encode() + b"\n"


def _replaced(value: object, names: set[str]) -> object:
    if isinstance(value, dict):
        return {name: _replaced(inner, names) for name, inner in value.items()}
    if isinstance(value, list):
        return [_replaced(inner, names) for inner in value]
    return TAKEN if isinstance(value, str) and value in names else value


def _remove(path: Path) -> Redacted:
    for ending in ("", "-wal", "-shm"):
        path.with_name(path.name + ending).unlink(missing_ok=True)
    return Redacted(path, "was damaged and is removed; imnm-fhir verify makes it anew")
