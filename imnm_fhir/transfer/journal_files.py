"""The files of a journal: where they stand, who holds them, what is wrong with them."""

import hashlib
import os
import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

from imnm_fhir.errors import ImnmFhirError

SCHEMA = 1


def journal_path(cohort: Path, base_url: str) -> Path:
    """The journal of a cohort (its folder, or the first site file) for one server."""
    url = base_url.strip().rstrip("/")
    host = re.sub(r"[^A-Za-z0-9.-]", "_", urlsplit(url).hostname or "server")
    digest = hashlib.sha256(url.encode()).hexdigest()[:12]
    return journal_folder(cohort) / f"{host}-{digest}.sqlite"


def journal_folder(cohort: Path) -> Path:
    """The folder beside a cohort that holds its journals, one for each server."""
    place = Path(os.path.abspath(cohort))
    return place.with_name(f"{place.name}.journal")


def make_folder(folder: Path) -> None:
    """Make a folder that only we can read; `ImnmFhirError` where that cannot be."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ImnmFhirError(
            f"{folder}: the journal cannot be kept there ({error.strerror}): choose another --journal"
        ) from None


def fault(path: Path, error: sqlite3.Error) -> ImnmFhirError:
    """What an error of SQLite means, with the way out."""
    text = str(error)
    if "full" in text:
        return ImnmFhirError(f"{path}: the disk is full: free some space and repeat the command")
    if "readonly" in text or "unable to open" in text:
        return ImnmFhirError(f"{path}: cannot be opened for writing: check permissions")
    if "locked" in text:
        return ImnmFhirError(f"{path}: another program holds it: close that and repeat")
    return ImnmFhirError(
        f"{path}: the journal is damaged: imnm-fhir verify makes it anew from the server, or move the "
        "file away and repeat the command, which then compares with what the server holds"
    )


def strange(path: Path, version: int, found: str | None, url: str) -> ImnmFhirError:
    """What is wrong with a sound journal of another version or server."""
    if version > SCHEMA:
        return ImnmFhirError(
            f"{path}: written by a newer imnm-fhir (journal {version}, known {SCHEMA}): update imnm-fhir"
        )
    return ImnmFhirError(
        f"{path}: is the journal of another server ({found}), not of {url}: move it away; imnm-fhir "
        "verify makes a new one from the server"
    )


@contextmanager
def hold(path: Path, wait: float) -> Iterator[None]:
    """Hold the lock beside the journal; the system lets go when the process ends, however it ends.

    SQLite's own exclusive transaction is what locks: it works alike on every system.
    """
    place = path.with_suffix(".lock")
    try:
        lock = sqlite3.connect(place, timeout=wait, isolation_level=None)
    except sqlite3.Error as error:
        raise fault(place, error) from None
    with closing(lock):
        try:
            lock.execute("begin exclusive")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):
                raise fault(place, error) from None
            raise ImnmFhirError(
                f"{path}: another export to this server is under way: wait until it has finished, or "
                "let this one wait with --wait SECONDS"
            ) from None
        except sqlite3.DatabaseError:
            raise ImnmFhirError(f"{place}: is no lock of ours: move it away") from None
        yield


def set_aside(path: Path) -> None:
    """Keep a journal under a name with `replaced`."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    with suppress(sqlite3.DatabaseError), closing(sqlite3.connect(path)) as old:
        old.execute("pragma wal_checkpoint(truncate)")
    os.replace(path, path.with_name(f"{path.stem}.replaced-{stamp}.sqlite"))
    for ending in ("-wal", "-shm"):
        path.with_name(path.name + ending).unlink(missing_ok=True)


def remove(path: Path) -> None:
    """Remove a database with what SQLite keeps beside it."""
    for ending in ("", "-wal", "-shm"):
        path.with_name(path.name + ending).unlink(missing_ok=True)
