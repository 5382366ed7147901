"""Pieces of Markdown."""

import re
from collections.abc import Iterable, Sequence

Rows = Iterable[Sequence[str]]


def table(header: Sequence[str], rows: Rows) -> str:
    """A Markdown table; bars and line breaks inside cells are kept as text."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def _cell(text: str) -> str:
    return re.sub(r"\s*\n\s*", " ", text.replace("|", "\\|")).strip()


def listed(parts: Iterable[str | None]) -> str:
    """The parts that are there, with commas."""
    return ", ".join(part for part in parts if part)


def anchor(name: str) -> str:
    """A place in a table that links can name."""
    return f'<a id="{name}"></a>`{name}`'
