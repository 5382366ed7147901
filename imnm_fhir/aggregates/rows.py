"""The rows of a table of results, from a CSV file or Excel workbook, one label and group each."""

import tomllib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from imnm_fhir.aggregates.numbers import (
    COUNT,
    RANGE,
    SPREAD,
    TOTAL,
    Percent,
    decimal_sign,
    number,
    percent,
    whole,
)
from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.readers import TextTable, read_tables
from imnm_fhir.terminology import mappings
from imnm_fhir.values import fold

EMPTY = ("", "-", "–", "—", "na", "n/a", "nd")
COUNTED, MEASURED = ("n", "percent"), ("median", "min", "max", "range")


@dataclass(frozen=True)
class Row:
    """One line of results: a count with its whole and percentage, or a median with its range.

    `part_of` names the label that the row is a part of ("" for the whole N); `parts` says how rows
    with the same `part_of` relate: exclusive, overlapping, both (in several), subset or "" (not
    said). `unread` are the headings whose cells are no numbers. `wide` is a row of a table with a
    column for each group, of which `group_total` is the N in the heading; `declared` is False where
    nothing says that `13 (81.3)` is n (%).
    """

    row: int
    sheet: str | None
    source: str
    label: str
    group: str
    n: int | None = None
    total: int | None = None
    percent: Percent | None = None
    median: Decimal | None = None
    low: Decimal | None = None
    high: Decimal | None = None
    part_of: str | None = None
    parts: str = ""
    unread: tuple[str, ...] = field(default=())
    wide: bool = False
    group_total: int | None = None
    declared: bool = True


@cache
def _words() -> dict[str, dict[str, str]]:
    raw = tomllib.loads((mappings() / "aggregates.toml").read_text("utf-8"))
    return {
        section: {word if word in ("n", "N") else fold(word): name for name, words in entries.items() for word in words}
        for section, entries in raw.items()
    }  # fmt: skip


def read_rows(path: Path, decimal: str | None = None) -> tuple[list[Row], str]:
    """The rows of every table of the file, and the decimal sign that it was read with.

    Raises `ImnmFhirError` where the file is no table, or has no column of labels or of numbers.
    """
    tables = read_tables(path)
    sign = decimal or decimal_sign(
        cell
        for table in tables
        for heading, column in table.columns.items()
        for place, cell in enumerate(column)
        if place not in table.typed.get(heading, ())
    )
    rows = [row for table in tables for row in _rows(table, sign)]
    if not rows:
        raise ImnmFhirError(f"{path.name}: it has no rows with numbers; give label, n, N, percent")
    return rows, sign


def _rows(table: TextTable, sign: str) -> Iterator[Row]:
    named = {
        name: heading for heading in reversed(table.header) if (name := _name(heading)) is not None
    }
    if "label" not in named:
        first = next((each for each in table.header if not _name(each)), None)
        if first is None:
            raise ImnmFhirError(
                f"{table.file}: no column of labels; call it label (variable, Merkmal, etiqueta)"
            )
        named["label"] = first
    wide = [each for each in table.header if not _name(each) and each != named["label"]]
    if not set(named) & {*COUNTED, *MEASURED}:
        yield from _wide_rows(table, named, wide, sign)
        return
    for place, where in enumerate(table.row_numbers):
        cells = {name: table.columns[heading][place] for name, heading in named.items()}
        typed = {name for name, heading in named.items() if place in table.typed.get(heading, ())}
        if any(cells.get(name) for name in (*COUNTED, *MEASURED)):
            yield _row(table, where, cells, sign, typed)


def _wide_rows(
    table: TextTable, named: Mapping[str, str], groups: list[str], sign: str
) -> Iterator[Row]:
    """Rows of a table with a column for each group, `HMGCR (n = 13)`, with cells `11 (84.6%)`."""
    totals = {group: TOTAL.search(group) for group in groups}
    if not any(totals.values()) and not any(map(_is_result, _cells(table, groups))):
        raise ImnmFhirError(
            f"{table.file}: holds no column of results (label, n, N, percent, median, range) and no "
            "cell such as 13 (81.3%); a table with a row per patient is for imnm-fhir new-site"
        )
    for place, where in enumerate(table.row_numbers):
        for group in groups:
            cell = table.columns[group][place]
            if not any(sign.isdigit() for sign in cell):
                continue
            about = {name: table.columns[heading][place] for name, heading in named.items()}
            found = totals[group]
            total = found[1] if found else ""
            kind = "median" if SPREAD.fullmatch(cell) else "n"
            typed = {kind} if place in table.typed.get(group, ()) else set()
            cells = {**about, "group": group, "N": total, kind: cell}
            yield _row(table, where, cells, sign, typed)


def _cells(table: TextTable, columns: list[str]) -> Iterator[str]:
    return (cell.strip() for column in columns for cell in table.columns[column])


def _is_result(cell: str) -> bool:
    """Whether a cell says a count with its whole or percentage, or a median with its range."""
    count = COUNT.fullmatch(cell)
    return bool((count and (count["total"] or count["percent"])) or SPREAD.fullmatch(cell))


def _name(heading: str) -> str | None:
    plain = heading.strip()
    return _words()["columns"].get(plain if plain in ("n", "N") else fold(plain))


def _row(
    table: TextTable, where: int, cells: Mapping[str, str], sign: str, typed: Collection[str]
) -> Row:
    """One row; numbers that a spreadsheet knew (`typed`) have a point, whatever the table's sign is."""
    said = {name: cell.strip() for name, cell in cells.items() if cell.strip().lower() not in EMPTY}
    row = Row(
        row=where,
        sheet=table.sheet,
        source=said.get("source", ""),
        label=said.get("label", ""),
        group=said.get("group", ""),
        part_of=said.get("part_of"),
        parts=_words()["parts"].get(fold(said.get("parts", "")), ""),
    )
    found: dict[str, Any] = {}
    unread = [
        name
        for name in said
        if name in _READERS
        and not (_typed if name in typed else _READERS[name])(said[name], sign, found, name)
    ]
    if said.get("parts") and not row.parts:
        unread.append("parts")
    return replace(row, **found, unread=tuple(unread))


def _typed(text: str, sign: str, found: dict[str, Any], name: str) -> bool:
    if name in ("n", "N") and not text.isdecimal():
        return False
    return _READERS[name](text, ".", found, name)


def _read_count(text: str, sign: str, found: dict[str, Any], _: str) -> bool:
    match = COUNT.fullmatch(text)
    if not match or (n := whole(match["n"])) is None:
        return False
    read: dict[str, Any] = {"n": n}
    if match["total"]:
        read["total"] = whole(match["total"])
    if match["percent"]:
        read["percent"] = percent(match["percent"], sign)
    found |= read
    return None not in read.values()


def _read_total(text: str, sign: str, found: dict[str, Any], _: str) -> bool:
    found["total"] = whole(text)
    return found["total"] is not None


def _read_percent(text: str, sign: str, found: dict[str, Any], _: str) -> bool:
    found["percent"] = percent(text, sign)
    return found["percent"] is not None


def _read_median(text: str, sign: str, found: dict[str, Any], _: str) -> bool:
    match = SPREAD.fullmatch(text)
    if match:
        names = {"median": "median", "low": "low", "high": "high"}
        found.update({name: number(match[group], sign) for name, group in names.items()})
        return True
    found["median"] = number(text, sign)
    return found["median"] is not None


def _read_range(text: str, sign: str, found: dict[str, Any], _: str) -> bool:
    match = RANGE.fullmatch(text)
    if match:
        found["low"], found["high"] = number(match["low"], sign), number(match["high"], sign)
    return bool(match)


def _read_low(text: str, sign: str, found: dict[str, Any], _: str) -> bool:
    found["low"] = number(text, sign)
    return found["low"] is not None


def _read_high(text: str, sign: str, found: dict[str, Any], _: str) -> bool:
    found["high"] = number(text, sign)
    return found["high"] is not None


_READERS = {
    "n": _read_count,
    "N": _read_total,
    "percent": _read_percent,
    "median": _read_median,
    "range": _read_range,
    "min": _read_low,
    "max": _read_high,
}
