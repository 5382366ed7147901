"""What a server gave, on disk: one NDJSON file per type, each line in the server's own words.

Files only grow while a server is read. What came twice, was replaced or deleted is taken out when a
type is settled. Memory: 16 bytes for each resource, whatever its size.
"""

import json
import logging
import os
from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

logger = logging.getLogger(__name__)

STATE = ".state.json"  # hidden: the reader of the folder passes it by
_BUFFER = 1 << 20  # bytes of a type that are held before they are written


@dataclass
class _File:
    """One type: its file, what is not written yet, and hash and place of every line's id."""

    path: Path
    written: int = 0
    waiting: bytearray = field(default_factory=bytearray)
    hashes: "array[int]" = field(default_factory=lambda: array("q"))
    places: "array[int]" = field(default_factory=lambda: array("q"))
    # Ids that are gone: lines of theirs that stand before the place are dead.
    gone: dict[str, int] = field(default_factory=dict)

    @property
    def size(self) -> int:
        return self.written + len(self.waiting)


class Spool:
    """A folder of resources by type, with a note (`state`) that survives a crash.

    Lines are safe from `save` on: `open_spool` cuts off what came after it.
    """

    def __init__(self, folder: Path, state: Mapping[str, Any]) -> None:
        """Open what `state` says is there."""
        self.folder = folder
        self.state: dict[str, Any] = dict(state)
        self._files: dict[str, _File] = {}
        for kind, size in self.state.get("sizes", {}).items():
            self._files[kind] = _reopen(folder / f"{kind}.ndjson", int(size))

    @property
    def types(self) -> list[str]:
        """The types of which there is a resource."""
        return sorted(kind for kind, file in self._files.items() if file.size)

    def add(self, kind: str, ident: str, line: bytes) -> None:
        """Add one resource; `line` has no line break."""
        file = self._file(kind)
        file.hashes.append(hash(ident))
        file.places.append(file.size)
        file.waiting += line
        file.waiting += b"\n"
        if len(file.waiting) >= _BUFFER:
            _write(file)

    def size(self, kind: str) -> int:
        """The bytes of a type, to be given to `cut` when what follows is not to stay."""
        return self._files[kind].size if kind in self._files else 0

    def count(self, kind: str) -> int:
        """The lines of a type; after `settle` its resources."""
        return len(self._files[kind].hashes) if kind in self._files else 0

    def cut(self, kind: str, size: int) -> None:
        """Take out what was added to a type since it had `size` bytes."""
        if kind not in self._files or self._files[kind].size == size:
            return
        file = self._files[kind]
        _write(file)
        os.truncate(file.path, size)
        file.written = size
        while file.places and file.places[-1] >= size:
            file.places.pop()
            file.hashes.pop()

    def remove(self, kind: str, idents: Iterable[str]) -> None:
        """Mark resources as gone: what is here of them now leaves when the type is settled."""
        file = self._file(kind)
        file.gone.update(dict.fromkeys(idents, file.size))

    def save(self) -> None:
        """Write all that waits, and the state; from here a later run may go on."""
        for file in self._files.values():
            _write(file)
        self.state["sizes"] = {kind: file.written for kind, file in self._files.items()}
        part = self.folder / f"{STATE}.part"
        part.write_text(json.dumps(self.state), "utf-8")
        os.replace(part, self.folder / STATE)

    def lines(self, kind: str) -> Iterator[bytes]:
        """The lines of a type."""
        if kind in self._files:
            _write(self._files[kind])
            with self._files[kind].path.open("rb") as lines:
                yield from lines

    def idents(self, kind: str) -> Iterator[str]:
        """The ids of a type's resources."""
        return (_ident(line) for line in self.lines(kind))

    def hashes(self, kind: str) -> "array[int]":
        """`hash` of the id of each line of a type."""
        return self._file(kind).hashes

    def clear(self) -> None:
        """Take out everything, the state included."""
        for path in self.folder.iterdir():
            path.unlink()
        self.state, self._files = {}, {}

    def settle(self, kind: str) -> "Settled":
        """Leave one line for each resource, the newest; what is gone leaves."""
        if kind not in self._files:
            return Settled(0)
        file = self._files[kind]
        _write(file)
        dead = _dead_places(file)
        if dead.all:
            _rewrite(file, dead.all)
        file.gone.clear()
        return Settled(len(file.hashes), len(dead.copies), len(dead.replaced), len(dead.gone))

    def _file(self, kind: str) -> _File:
        if kind not in self._files:
            self._files[kind] = _File(self.folder / f"{kind}.ndjson")
        return self._files[kind]


@dataclass(frozen=True)
class Settled:
    """A type after settling: resources that stay, copies and older versions that left, gone ones."""

    kept: int
    copies: int = 0
    replaced: int = 0
    gone: int = 0


def open_spool(folder: Path) -> Spool:
    """The spool in `folder`, as it was when it was last saved; a new one where there is none.

    What is damaged is left aside, with a warning: everything is read again then.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not (folder / STATE).exists():
        return Spool(folder, {})
    try:
        return Spool(folder, dict(json.loads((folder / STATE).read_text("utf-8"))))
    except (ValueError, AttributeError, TypeError, KeyError, FileNotFoundError):
        logger.warning("%s: what an earlier import left there is damaged: read anew", folder)
        return Spool(folder, {})


def _reopen(path: Path, size: int) -> _File:
    """A file cut to `size`, with the ids of its lines."""
    file = _File(path, size)
    if not size:
        return file
    if path.stat().st_size < size:
        raise ValueError("shorter than it was")
    os.truncate(path, size)
    place = 0
    with path.open("rb") as lines:
        for line in lines:
            file.hashes.append(hash(_ident(line)))
            file.places.append(place)
            place += len(line)
    return file


def _write(file: _File) -> None:
    """Write what waits; of a write that failed nothing counts as written."""
    if not file.waiting:
        return
    place = os.open(file.path, os.O_WRONLY | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o600)
    try:
        os.lseek(place, file.written, os.SEEK_SET)
        rest = memoryview(file.waiting)
        while rest:
            rest = rest[os.write(place, rest) :]
        rest.release()
    finally:
        os.close(place)
    file.written += len(file.waiting)
    file.waiting = bytearray()


@dataclass
class _Dead:
    """Places of lines that must leave, by why."""

    copies: set[int] = field(default_factory=set)
    replaced: set[int] = field(default_factory=set)
    gone: set[int] = field(default_factory=set)

    @property
    def all(self) -> set[int]:
        return self.copies | self.replaced | self.gone


def _dead_places(file: _File) -> _Dead:
    import numpy as np

    dead = _Dead()
    if not len(file.hashes):
        return dead
    hashes = np.frombuffer(file.hashes, dtype=np.int64)
    order = np.argsort(hashes, kind="stable")
    ranked = hashes[order]

    def places(value: int) -> list[int]:
        first, last = (
            np.searchsorted(ranked, value, "left"),
            np.searchsorted(ranked, value, "right"),
        )
        return [file.places[index] for index in order[first:last]]

    with file.path.open("rb") as lines:
        for ident, until in file.gone.items():
            older = [place for place in places(hash(ident)) if place < until]
            dead.gone.update(p for p in older if _ident(_line_at(lines, p)) == ident)
        for value in np.unique(ranked[1:][ranked[1:] == ranked[:-1]]):
            _judge(lines, [place for place in places(value) if place not in dead.gone], dead)
    return dead


def _judge(lines: BinaryIO, places: list[int], dead: _Dead) -> None:
    """Note which of these lines are copies or older versions of another one of the same id."""
    newest: dict[str, tuple[str, int]] = {}
    for place in sorted(places):
        resource = _parse(_line_at(lines, place))
        ident, age = str(resource.get("id")), (_updated(resource), place)
        if ident in newest:
            loser, winner = sorted((newest[ident], age))
            (dead.copies if loser[0] == winner[0] else dead.replaced).add(loser[1])
        newest[ident] = max(newest.get(ident, age), age)


def _updated(resource: Mapping[str, Any]) -> str:
    """When a resource was changed, as text that sorts by time; empty where it does not say."""
    from datetime import UTC, datetime

    meta = resource.get("meta")
    said = meta.get("lastUpdated") if isinstance(meta, dict) else None
    try:
        moment = datetime.fromisoformat(said) if isinstance(said, str) else None
    except ValueError:
        return ""
    return moment.astimezone(UTC).isoformat(timespec="microseconds") if moment else ""


def _rewrite(file: _File, dead: set[int]) -> None:
    part = file.path.with_suffix(".part")
    hashes, places, place, size = array("q"), array("q"), 0, 0
    try:
        with file.path.open("rb") as lines, part.open("wb") as kept:
            for number, line in enumerate(lines):
                if place not in dead:
                    kept.write(line)
                    hashes.append(file.hashes[number])
                    places.append(size)
                    size += len(line)
                place += len(line)
        os.replace(part, file.path)
    finally:
        part.unlink(missing_ok=True)
    file.hashes, file.places, file.written = hashes, places, size


def _line_at(lines: BinaryIO, place: int) -> bytes:
    lines.seek(place)
    return lines.readline()


def _parse(line: bytes) -> dict[str, Any]:
    import orjson

    try:
        found: dict[str, Any] = orjson.loads(line)
    except ValueError:  # it is stricter than the reader of pages, which let the line in
        found = json.loads(line)
    return found


def _ident(line: bytes) -> str:
    return str(_parse(line)["id"])
