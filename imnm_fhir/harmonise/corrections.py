"""Corrections of a site on top of its files: put into the tables that were read, before anything is made.

The files stay as they are. A correction counts only where the source still holds the value that it
corrects, and where the corrected cell can be read; it then goes the way of every other cell.
"""

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from imnm_fhir.harmonise.cells import convert_cell
from imnm_fhir.harmonise.columns import part_cells
from imnm_fhir.harmonise.corrected_rows import (
    Correction,
    Moves,
    alike,
    by_every_key,
    choose,
    facts_at,
    given_at,
    has_key,
    in_circles,
    moves_of,
)
from imnm_fhir.harmonise.facts import Work
from imnm_fhir.harmonise.outcomes import ISSUE, NOT_AVAILABLE, Cell, Given
from imnm_fhir.harmonise.patients import patient_name
from imnm_fhir.sites import SiteMapping
from imnm_fhir.sites.fit import TablePlan, fits
from imnm_fhir.values import fold

APPLIED, AT_SOURCE, CONFLICT, UNREADABLE, GONE = (
    "applied", "at-source", "conflict", "unreadable", "gone",
)  # fmt: skip
FOREIGN = "the site says that this is not its patient; take the row out of the source"


def apply_corrections(
    fitted: Sequence[TablePlan],
    mapping: SiteMapping,
    key: bytes | None,
    corrections: Sequence[Correction],
    asked_of: str | None = None,
) -> tuple[list[TablePlan], dict[str, str]]:
    """The tables with every correction that still fits, and by its id what became of each.

    `applied`; `at-source`: the source says the same by now; `conflict`: it says something else;
    `unreadable`: the corrected cell cannot be read; `gone`: there is no such row or column.
    `asked_of` is the delivery that these tables are a part of, beside their own.
    """
    made, states = list(fitted), {}
    rows = [_rows(each, mapping, key) for each in fitted]
    own = delivery_hash((each.table.file, each.table.sha256) for each in fitted)
    moves = moves_of(fitted, corrections)
    circles = in_circles(moves)
    for each in corrections:
        states[each.id] = GONE
        found = _found(made, fitted, rows, each, moves)
        same = each.delivery in (own, asked_of) and each.delivery is not None
        at = choose([(fitted[place], row) for place, row, _ in found], each, same)
        if found and each.id in circles:
            states[each.id] = CONFLICT
            continue
        for place, row, header in _all_of(fitted, found, each) if at is None else [found[at]]:
            made[place], states[each.id] = _settle(made[place], header, row, each)
    return made, states


def delivery_hash(files: Iterable[tuple[str, str]]) -> str:
    """What tells one delivery from the next, from the name and SHA-256 of each of its tables."""
    lines = sorted(f"{name} {sha256}" for name, sha256 in files)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def refuse_foreign(works: Iterable[Work], foreign: Collection[str]) -> None:
    """Refuse the rows of patients who, as the site says, are not its own."""
    for work in works:
        who = str(work.fitted.plan.file.patient)
        for row, patient in enumerate(work.patients):
            if work.alive[row] and patient in foreign:
                work.account.refuse(row, who, "not-our-patient", FOREIGN)
                work.alive[row] = False


def _rows(fitted: TablePlan, mapping: SiteMapping, key: bytes | None) -> dict[str, list[int]]:
    """The rows of each patient."""
    cells = fitted.cells(str(fitted.plan.file.patient))
    names = {text: patient_name(text, mapping, key) for text in set(cells)}
    found: dict[str, list[int]] = {}
    for row, text in enumerate(cells):
        if (name := names[text]) is not None:
            found.setdefault(name, []).append(row)
    return found


def _found(
    made: Sequence[TablePlan],
    source: Sequence[TablePlan],
    rows: Sequence[Mapping[str, Sequence[int]]],
    correction: Correction,
    moves: Moves,
) -> list[tuple[int, int, str]]:
    """Every cell that may be meant: its table, row and header.

    The key is looked for with the corrections so far (of a date, say) and in the source as it is; where
    no row has it, in the source that has corrected the date by now.
    """
    for each in by_every_key(correction, moves):
        found = [
            (place, row, header)
            for place, mine in enumerate(rows)
            if (header := _header(source[place], correction)) is not None
            for row in mine.get(correction.patient, ())
            if has_key(made[place], row, each) or has_key(source[place], row, each)
        ]
        if found:
            return found
    return []


def _all_of(
    source: Sequence[TablePlan], found: Sequence[tuple[int, int, str]], correction: Correction
) -> Sequence[tuple[int, int, str]]:
    """All rows that were found, where they are one row sent more than once; none where they differ."""
    places = {place for place, _, _ in found}
    if correction.loose or len(places) != 1:
        return ()
    same = alike(source[places.pop()], [row for _, row, _ in found])
    return found if same else ()


def _header(fitted: TablePlan, correction: Correction) -> str | None:
    """The header that the correction names; another spelling of it counts where the exact one lacks."""
    if correction.file and not fits(fitted.plan.file, correction.file, correction.sheet):
        return None
    columns = fitted.table.columns
    if correction.column in columns:
        return correction.column
    same = [each for each in columns if fold(each) == fold(correction.column)]
    return same[0] if len(same) == 1 else None


def _settle(
    fitted: TablePlan, header: str, row: int, correction: Correction
) -> tuple[TablePlan, str]:
    now = fitted.table.columns[header][row]
    typed = row in fitted.table.typed.get(header, frozenset())
    new = NOT_AVAILABLE if correction.new is None else correction.new
    if correction.new is not None and now != new and now not in correction.old:
        same = _same(fitted, header, row, Given(now, typed), Given(new, correction.typed))
        return fitted, AT_SOURCE if same else CONFLICT
    if now == new:
        return fitted, AT_SOURCE
    if now not in correction.old:
        return fitted, CONFLICT
    if not _readable(fitted, header, row, Given(new, correction.typed)):
        return fitted, UNREADABLE
    return _with_cell(fitted, header, row, new, correction.typed), APPLIED


def _cells(fitted: TablePlan, header: str, row: int, own: Given) -> list[Cell]:
    """What every reading of the column makes of the cell in this row."""
    plan, found = fitted.plan, []
    readings = [each for fact in facts_at(fitted, row) for each in fact.readings]
    readings += [each.unit_column for each in readings if each.unit_column]
    readings += [fact.when for fact in plan.facts if fact.when]
    readings += [plan.time_point] if plan.time_point else []
    for reading in dict.fromkeys(readings):
        if fitted.headers.get(reading.column) == header:
            given = (own, *given_at(fitted, reading, row)[1:])
            found += part_cells(reading, given) if own.text else [convert_cell(reading, given)]
    return found


def _readable(fitted: TablePlan, header: str, row: int, own: Given) -> bool:
    """Whether nothing that reads the column fails on the cell; a column that nobody reads is none.

    A number whose unit is not known can be read itself: its unit is asked about apart.
    """
    cells = _cells(fitted, header, row, own)
    return all(cell.outcome != ISSUE or cell.rule == "unit-missing" for cell in cells)


def _same(fitted: TablePlan, header: str, row: int, now: Given, new: Given) -> bool:
    """Whether two texts mean the same: `4.512` and `4512`, `03.2019` and a typed date."""
    cells = _cells(fitted, header, row, now)
    return (
        bool(cells)
        and cells == _cells(fitted, header, row, new)
        and _readable(fitted, header, row, now)
    )


def _with_cell(fitted: TablePlan, header: str, row: int, text: str, typed: bool) -> TablePlan:
    table = fitted.table
    cells = list(table.columns[header])
    cells[row] = text
    known = table.typed.get(header, frozenset())
    mine: Mapping[str, frozenset[int]] = {
        **table.typed, header: known | {row} if typed else known - {row}
    }  # fmt: skip
    changed = replace(table, columns={**table.columns, header: cells}, typed=dict(mine))
    return replace(fitted, table=changed, _distinct={})
