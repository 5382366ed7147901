"""The search that proves an absence: every file under a place that still names a patient."""

import gzip
import os
import re
import sqlite3
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import IO, cast

PIECE = 1 << 20  # bytes that are looked at together
OVERLAP = 512  # bytes of the piece before that are looked at again


def find_traces(
    places: Iterable[Path],
    pattern: re.Pattern[bytes],
    site: str | None = None,
    problems: list[str] | None = None,
) -> list[Path]:
    """The files under `places` in which `pattern` is found, packed ones and tables included.

    Rows of a table that are of another site than `site` are another patient's. What may not be read
    is added to `problems`: nobody can say that it does not name the patient.
    """
    unread: list[str] = [] if problems is None else problems
    found = set()
    for place in places:
        for path in _files(place, unread):
            try:
                if holds(path, pattern, site):
                    found.add(path)
            except PermissionError as error:
                unread.append(_unread(error, path))
    return sorted(found)


def _unread(error: OSError, path: Path | str) -> str:
    return f"{path}: cannot be searched ({error.strerror}): look there, or ask its owner"


def holds(path: Path, pattern: re.Pattern[bytes], site: str | None = None) -> bool:
    """Whether a file names the patient: in its bytes, or in what it packs. Unreadable ones do not."""
    if pattern.search(path.name.encode()):
        return True
    try:
        if path.suffix == ".parquet":  # its bytes hold the words of every site, without their rows
            return any(pattern.search(text) for text in _parquet_texts(path, site))
        return any(_found(stream, pattern) for stream in _streams(path)) or (
            path.suffix == ".sqlite" and any(pattern.search(text) for text in _sqlite_texts(path))
        )
    except (FileNotFoundError, zipfile.BadZipFile):  # removed meanwhile; only begins like one
        return False


def _files(place: Path, unread: list[str]) -> Iterator[Path]:
    def note(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):  # another command's, removed meanwhile
            unread.append(_unread(error, error.filename))

    if place.is_file():
        yield place
    elif place.is_dir():
        # Not rglob: it ends with an error where another command removes its folder meanwhile.
        for top, _, names in os.walk(place, onerror=note):
            paths = (Path(top) / name for name in names)
            yield from (path for path in paths if path.is_file() and not path.is_symlink())


def _streams(path: Path) -> Iterator[IO[bytes]]:
    with path.open("rb") as plain:
        head = plain.read(4)
        plain.seek(0)
        yield plain
    if head[:2] == b"\x1f\x8b":
        with gzip.open(path) as unpacked:
            yield cast(IO[bytes], unpacked)
    elif head == b"PK\x03\x04":
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                with archive.open(member) as content:
                    yield content


def _found(stream: IO[bytes], pattern: re.Pattern[bytes]) -> bool:
    before = b""
    try:
        while piece := stream.read(PIECE):
            seen = before + piece
            if pattern.search(seen) or pattern.search(_narrowed(seen)):
                return True
            before = seen[-OVERLAP:]
    except (OSError, EOFError, zipfile.BadZipFile):  # packed, and damaged further on
        return False
    return False


def _narrowed(seen: bytes) -> bytes:
    """Text of two bytes a sign as one byte a sign; nothing where it is no such text."""
    if seen.count(b"\0") * 3 < len(seen):
        return b""
    return seen.replace(b"\0", b"")


def _parquet_texts(path: Path, site: str | None) -> Iterator[bytes]:
    """The texts of a table, those of other sites apart; the bytes of what is no table."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    try:
        for batch in pq.ParquetFile(path).iter_batches():
            if site is not None and {"site", "patient"} <= set(batch.schema.names):
                of_others = pc.not_equal(batch["site"].cast(pa.string()), site)
                batch = batch.filter(pc.invert(pc.fill_null(of_others, False)))
            for column in batch.columns:
                if pa.types.is_dictionary(column.type):
                    column = column.dictionary_decode()
                if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
                    texts = column.unique().drop_null().to_pylist()
                    yield "\n".join(texts).encode()
    except pa.ArrowInvalid:
        yield path.read_bytes()


def _sqlite_texts(path: Path) -> Iterator[bytes]:
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
            names = "select name from sqlite_master where type = 'table'"
            for (table,) in database.execute(names).fetchall():
                for row in database.execute(f'select * from "{table}"'):
                    yield "\n".join(str(each) for each in row if each is not None).encode()
    except sqlite3.DatabaseError:
        return
