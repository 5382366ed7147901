"""What its owner alone may read: folders and files; and who the owner is."""

import getpass
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from imnm_fhir.errors import ImnmFhirError

TEMPORARY = "imnm-fhir-"  # begins the name of every temporary folder of ours


def make_private_folder(folder: Path, otherwise: str) -> None:
    """Make a folder, where it lacks, that its owner alone may read; one that is there stays as it is.

    Raises `ImnmFhirError`, which ends in `otherwise`, where it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise ImnmFhirError(f"{folder}: cannot be made ({error.strerror}); {otherwise}") from None


def make_private_file(path: Path) -> None:
    """Make an empty file that its owner alone may read; `FileExistsError` where something is there."""
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Yield a folder for what lasts as long as a command; it is removed at the end, errors included."""
    with tempfile.TemporaryDirectory(prefix=TEMPORARY) as folder:
        yield Path(folder)


def temporary_folders() -> list[Path]:
    """Folders that a command of ours is using now, or left behind when it was killed."""
    return sorted(Path(tempfile.gettempdir()).glob(f"{TEMPORARY}*"))


def is_open_to_others(status: os.stat_result) -> bool:
    """Whether others may read or change a file (Windows does not say it in this way)."""
    return os.name == "posix" and bool(status.st_mode & (stat.S_IRWXG | stat.S_IRWXO))


def user_name() -> str:
    """The name under which the user is known to the system; where it has none the number, or `unknown`."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a system without names for its users
        return str(os.getuid()) if hasattr(os, "getuid") else "unknown"
