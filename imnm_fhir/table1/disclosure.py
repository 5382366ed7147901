"""Small cells of a table that is shared (rule G03): counted, hidden, or a reason not to write it.

A count of 1 to `least` - 1 may tell who it is. Hiding it alone is not enough: the whole less the other
parts gives it back. So of the values of a variable, and of the groups or sites that make up a whole,
never exactly one is hidden. 0 is no small cell.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace

from imnm_fhir.errors import FindingsError
from imnm_fhir.languages import counted
from imnm_fhir.table1.model import Cell, Column
from imnm_fhir.table1.result import Table1

Spot = tuple[int, int]  # row and column


def small_cells(table: Table1, least: int) -> set[Spot]:
    """Where the table shows a count of 1 to `least` - 1, or numbers of so few patients."""
    return {
        (place, column)
        for place, row in enumerate(table.rows)
        for column, cell in enumerate(row.cells)
        if _is_small(cell, least)
    }


def _small_columns(table: Table1, least: int) -> set[int]:
    """The groups and sites of so few patients, and where a kind has one of them a second one."""
    small = {n for n, each in enumerate(table.columns) if 0 < each.patients < least}
    for kind in {table.columns[n].kind for n in small}:
        mine = [n for n, each in enumerate(table.columns) if each.kind == kind and each.patients]
        left = [n for n in mine if n not in small]
        if len(small & set(mine)) == 1 and left:
            small.add(min(left, key=lambda n: table.columns[n].patients))
    return small


def _columns(table: Table1, hidden: set[int], least: int) -> tuple[Column, ...]:
    return tuple(
        replace(each, hidden=f"<{least}" if each.patients < least else "*") if n in hidden else each
        for n, each in enumerate(table.columns)
    )


def _is_small(cell: Cell, least: int) -> bool:
    if cell.n is not None:
        rest = (cell.tested or cell.n) - cell.n  # 14 of 16 say who the two others are
        return 0 < cell.n < least or 0 < rest < least
    return cell.numbers is not None and 0 < (cell.tested or 0) < least


def disclosed(table: Table1, choice: str, least: int) -> tuple[Table1, str | None]:
    """The table as it may be shared, and what to tell the user; `choice`: `imnm_fhir.study.SMALL_CELLS`.

    Raises `FindingsError` where `choice` is refuse and there are small cells.
    """
    found = small_cells(table, least)
    sizes = _small_columns(table, least)
    if not (found or sizes) or choice == "permitted":
        return table, None
    cells = counted(len(found) + len(sizes), "cell speaks", "cells speak")
    said = f"{cells} of fewer than {least} patients (rule G03)"
    if choice == "refuse":
        raise FindingsError(
            f"the table is not written: {said}; hide them (--small-cells hide), or say that sharing "
            "them is permitted (--small-cells permitted)"
        )
    if choice == "warn":
        return table, f"{said}: for the site or with permission only; --small-cells hide hides them"
    hidden = _with_second(table, found)
    shown = replace(_without(table, hidden, least), columns=_columns(table, sizes, least))
    return shown, f"{said}: hidden, with {len(hidden - found)} more"


def _with_second(table: Table1, found: set[Spot]) -> set[Spot]:
    """The small cells, and further ones until no line of parts hides exactly one."""
    hidden = set(found)
    lines = list(_lines(table))
    while True:
        more = {spot for line in lines if (spot := _second(table, line, hidden))}
        if not more:
            return hidden
        hidden |= more


def _second(table: Table1, line: Sequence[Spot], hidden: set[Spot]) -> Spot | None:
    if sum(spot in hidden for spot in line) != 1:
        return None
    left = [spot for spot in line if spot not in hidden and _count(table, spot)]
    return min(left, key=lambda spot: (_count(table, spot), spot)) if left else None


def _count(table: Table1, spot: Spot) -> int:
    cell = table.rows[spot[0]].cells[spot[1]]
    return cell.n if cell.n is not None else (cell.tested or 0)


def _lines(table: Table1) -> Iterator[list[Spot]]:
    """The cells that make up a whole: the groups or sites of a row, the values of a variable."""
    kinds: dict[str, list[int]] = defaultdict(list)
    for column, each in enumerate(table.columns):
        if each.kind != "overall":
            kinds[each.kind].append(column)
    values: dict[str, list[int]] = defaultdict(list)
    for place, row in enumerate(table.rows):
        if row.cells:
            yield from ([(place, column) for column in columns] for columns in kinds.values())
        if row.cells and row.value is not None:
            values[row.variable].append(place)
    for places in values.values():
        for column in range(len(table.columns)):
            yield [(place, column) for place in places]


def _without(table: Table1, hidden: set[Spot], least: int) -> Table1:
    rows = []
    for place, row in enumerate(table.rows):
        cells = tuple(
            Cell(_hidden_text(table, (place, column), least)) if (place, column) in hidden else cell
            for column, cell in enumerate(row.cells)
        )
        rows.append(replace(row, cells=cells))
    return replace(table, rows=tuple(rows))


def _hidden_text(table: Table1, spot: Spot, least: int) -> str:
    cell = table.rows[spot[0]].cells[spot[1]]
    return f"<{least}" if cell.n is not None and 0 < cell.n < least else "*"
