"""Faults of a mapping: collected while it is read, each with the line it stands in."""

import tomllib
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from imnm_fhir.errors import Problems

Place = tuple[str | int, ...]  # such as ("file", 0, "columns", "Sexo")


def key_lines(text: str) -> dict[Place, int]:
    """The line of every section and key of a TOML text that is known to be right.

    Keys inside an inline table stand in the line of that table. A statement may go over several
    lines: it is whole as soon as TOML reads it.
    """
    found: dict[Place, int] = {(): 1}
    section: Place = ()
    counts: dict[Place, int] = {}
    statement, start = "", 1
    for number, line in enumerate(text.split("\n"), 1):
        start = number if not statement.strip() else start
        statement += line + "\n"
        try:
            parsed = tomllib.loads(statement)
        except tomllib.TOMLDecodeError:
            continue
        if statement.lstrip().startswith("["):
            section = _section(parsed, counts)
            found.setdefault(section, start)
        elif parsed:
            found[(*section, next(iter(parsed)))] = start
        statement = ""
    return found


def _section(parsed: Mapping[str, Any], counts: dict[Place, int]) -> Place:
    """The place that `[a.b]` or `[[a]]` opens; the same list counts on, its parts stay in its last."""
    place: Place = ()
    node: Any = parsed
    while node:
        if isinstance(node, list):
            counts[place] = counts.get(place, -1) + 1
            place, node = (*place, counts[place]), node[0]
            continue
        key = next(iter(node))
        place, node = (*place, key), node[key]
        if place in counts and isinstance(node, dict):
            place = (*place, counts[place])
    return place


class Faults:
    """What is wrong in a mapping, by line, until all of it was looked at."""

    def __init__(self, source: str, lines: Mapping[Place, int]) -> None:
        """Collect faults of the file `source`, whose keys stand in `lines`."""
        self.source = source
        self.lines = lines
        self._found: dict[tuple[int, str], None] = {}  # a dict keeps the order and no fault twice
        self.to_fill_in: list[tuple[int, str]] = []

    def line(self, place: Place) -> int:
        """The line of `place`, or of the nearest section around it."""
        while place not in self.lines:
            place = place[:-1]
        return self.lines[place]

    def add(self, place: Place, message: str) -> None:
        """Note a fault of the key or section at `place`."""
        self.at(self.line(place), message)

    def at(self, line: int, message: str) -> None:
        """Note a fault in a line."""
        self._found[line, message] = None

    def found(self) -> list[str]:
        """Every fault with its file and line, in the order of the lines."""
        by_line = sorted(self._found, key=lambda fault: fault[0])
        return [f"{self.source}, line {line}: {message}" for line, message in by_line]

    def stop(self, headline: str) -> None:
        """Raise `Problems` with all of them, if there are any."""
        if self._found:
            raise Problems(headline, self.found())


def near(name: str, names: Iterable[str]) -> str:
    """The end of a message: near names, or nothing where none is near."""
    by_small = {each.casefold(): each for each in names}
    close = [by_small[each] for each in get_close_matches(name.casefold(), by_small, 3)]
    return f"; near: {', '.join(close)}" if close else ""


def listed(names: Iterable[object], most: int = 8) -> str:
    """Names for a message, the first few with the number of the others."""
    every = [str(name) for name in names]
    more = f" and {len(every) - most} more" if len(every) > most else ""
    return ", ".join(every[:most]) + more
