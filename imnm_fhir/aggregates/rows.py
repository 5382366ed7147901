"""The rows of a table of results: one label and group each, and what is printed of it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from imnm_fhir.aggregates.cells import COUNT, RANGE, SPREAD, Said, clean, is_empty
from imnm_fhir.aggregates.layout import Block, Line
from imnm_fhir.aggregates.numbers import Percent, number, percent, whole
from imnm_fhir.aggregates.words import meaning

COUNTED, MEASURED = ("n", "percent"), ("median", "min", "max", "range")


@dataclass(frozen=True)
class Row:
    """One line of results: a count with its whole and percentage, or a median with its range.

    `part_of` names the label that the row is a part of ("" for the whole N); `parts` says how rows
    with the same `part_of` relate: exclusive, overlapping, both (in several), subset or "" (not
    said). `unread` are the headings whose cells are no numbers. `wide` is a cell of a table with a
    column for each group, below the heading `section`; `group_total` is the N of its column; `declared` is False where
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
    section: str = ""
    group_total: int | None = None
    declared: bool = True


def is_checked(row: Row) -> bool:
    """Whether something that is printed of a row can be compared: with its N, its range, other rows."""
    counted = row.n is not None and (row.total is not None or row.part_of is not None)
    shared = row.percent is not None and row.total is not None
    return counted or shared or row.low is not None or row.high is not None


def is_long(block: Block) -> bool:
    """Whether a table has one line per number, its columns called n, N, percent, median, ..."""
    return any(each.name in (*COUNTED, *MEASURED) for each in block.columns) and not any(
        each.name is None and block.has_results(each) for each in block.data()
    )


def long_rows(block: Block, sign: str) -> Iterator[Row]:
    """The rows of a table with one line per number."""
    named = {each.name: each.place for each in reversed(block.columns) if each.name}
    if "label" not in named:
        first = next(
            (each.place for each in block.columns if each.name is None and each.heading), None
        )
        if first is None:
            raise block.error("no column of labels; call it label (variable, Merkmal, etiqueta)")
        named["label"] = first
    for line in block.lines:
        cells = {name: line[1][place] for name, place in named.items()}
        if any(not is_empty(cells.get(name, "")) for name in (*COUNTED, *MEASURED)):
            typed = {name for name, place in named.items() if (line[0], place) in block.grid.typed}
            yield _row(block, line, cells, sign, typed)


def about(block: Block, line: Line, cells: Mapping[str, str]) -> Row:
    """A row with the words about it, and no number yet."""
    return Row(
        row=line[0],
        sheet=block.grid.sheet,
        source=cells.get("source", "").strip(),
        label=cells.get("label", "").strip(),
        group=cells.get("group", "").strip(),
        part_of=cells.get("part_of", "").strip() or None,
        parts=meaning("parts", cells.get("parts", "")) or "",
    )


def _row(block: Block, line: Line, cells: Mapping[str, str], sign: str, typed: set[str]) -> Row:
    row = about(block, line, cells)
    found, unread = read_fields(cells, sign, typed)
    if cells.get("parts", "").strip() and not row.parts:
        unread.append("parts")
    return replace(row, **found, unread=tuple(unread))


def read_fields(cells: Mapping[str, str], sign: str, typed: set[str]) -> tuple[Said, list[str]]:
    """What the cells of named columns say, and the names of those that say no number.

    Numbers that a spreadsheet knew (`typed`) have a point, whatever the sign of the table is.
    """
    found: dict[str, Any] = {}
    unread = []
    for name, reader in READERS.items():
        text = clean(cells.get(name, ""))
        if is_empty(text):
            continue
        known = name in typed
        said = (
            None
            if known and name in ("n", "N") and not text.isdecimal()
            else reader(text, "." if known else sign)
        )
        if said is None or None in said.values():
            unread.append(name)
        found |= {key: value for key, value in (said or {}).items() if value is not None}
    return found, unread


def _count(text: str, sign: str) -> Said | None:
    match = COUNT.fullmatch(text)
    if not match:
        return None
    said: Said = {"n": whole(match["n"])}
    if match["total"]:
        said["total"] = whole(match["total"])
    if match["percent"]:
        said["percent"] = percent(match["percent"])
    return said


def _median(text: str, sign: str) -> Said | None:
    match = SPREAD.fullmatch(text)
    if match:
        return {name: number(match[name], sign) for name in ("median", "low", "high")}
    return {"median": number(text, sign)}


def _range(text: str, sign: str) -> Said | None:
    match = RANGE.fullmatch(text)
    return {name: number(match[name], sign) for name in ("low", "high")} if match else None


READERS: Mapping[str, Callable[[str, str], Said | None]] = {
    "n": _count,
    "N": lambda text, _: {"total": whole(text)},
    "percent": lambda text, _: {"percent": percent(text)},
    "median": _median,
    "range": _range,
    "min": lambda text, sign: {"low": number(text, sign)},
    "max": lambda text, sign: {"high": number(text, sign)},
}
