"""Where a key of a TOML file stands: tomllib says what the file holds, not in which line."""

import re

NAME = r"(?:\"[^\"]*\"|'[^']*'|[\w-]+)"
PATH = rf"{NAME}(?:\s*\.\s*{NAME})*"
HEAD = re.compile(rf"\[\s*({PATH})\s*\]\s*(?:#.*)?$")
KEY = re.compile(rf"({PATH})\s*=")


def line_of(text: str, *path: str) -> int:
    """The line of the key with this path, or of the nearest that holds it; 1 where there is none.

    The last part of the path may be a text in the array of the key before.
    """
    best, depth = 1, 0
    for number, full in _keys(text):
        if full[: len(path)] == path:
            return number
        if full == path[: len(full)] and len(full) > depth:
            best, depth = number, len(full)
    return _item(text, best, path[-1]) if depth == len(path) - 1 else best


def _keys(text: str) -> list[tuple[int, tuple[str, ...]]]:
    """Every key with its line and whole path, headers of tables among them."""
    found: list[tuple[int, tuple[str, ...]]] = []
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), 1):
        if head := HEAD.match(line.strip()):
            table = _parts(head[1])
            found.append((number, table))
        elif key := KEY.match(line.strip()):
            found.append((number, table + _parts(key[1])))
    return found


def _parts(path: str) -> tuple[str, ...]:
    return tuple(part.strip("\"'") for part in re.findall(NAME, path))


def _item(text: str, start: int, item: str) -> int:
    """The line of an array that holds a text, from the array's key on; the key's where none does."""
    lines = text.splitlines()
    for number, line in enumerate(lines[start - 1 :], start):
        if number > start and (KEY.match(line.strip()) or HEAD.match(line.strip())):
            break
        if f'"{item}"' in line or f"'{item}'" in line:
            return number
    return start
