"""Where the row of a correction stands in this delivery: by patient and key, never by its place alone."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from imnm_fhir.harmonise.cells import convert_cell
from imnm_fhir.harmonise.outcomes import Cell, Given
from imnm_fhir.sites.fit import TablePlan
from imnm_fhir.sites.plan import FactPlan, Reading

DATED = re.compile(r"\d{4}(-\d\d){0,2}(\.|$)")  # an n that begins with the date of its row


@dataclass(frozen=True)
class Correction:
    """What a site says should stand in one cell, and what its source may hold until it does.

    `id` names the entry that says so. The cell is that under `column` in the row of `patient` with the
    key of `element`, `time_point` and `n`. File, sheet and `row` decide where several rows have the key,
    or where the key tells no row (`loose`), and count in the `delivery` that was asked about alone.
    `new` None: not available, missing with that reason. `typed`: `new` is canonical, since a
    spreadsheet knew its type.
    """

    id: str
    patient: str
    file: str | None
    sheet: str | None
    row: int | None
    n: str | None
    column: str
    old: frozenset[str]
    new: str | None
    typed: bool = False
    element: str | None = None
    time_point: str | None = None
    delivery: str | None = None
    loose: bool = False


def given_at(fitted: TablePlan, reading: Reading, row: int) -> tuple[Given, ...]:
    """The cells of one row that take part in a reading."""
    return tuple(
        Given(fitted.cells(name)[row], row in fitted.typed(name)) for name in reading.columns
    )


def facts_at(fitted: TablePlan, row: int) -> Iterator[FactPlan]:
    """The facts that a row may make: those of another test than the row names are left out."""
    for fact in fitted.plan.facts:
        if (
            fact.when is None
            or _read(fitted, fact.when, row).fields.get("element") == fact.element.name
        ):
            yield fact


Key = tuple[str | None, ...]
Moves = Mapping[Key, tuple[str, str]]  # id of the correction of the date, n from then on


def moves_of(tables: Sequence[TablePlan], corrections: Iterable[Correction]) -> Moves:
    """By the key of a row whose date was corrected (patient, element, time point, n): how it moves.

    The date tells the rows of a series apart, so that the row has another n where the source has the
    corrected date by now.
    """
    return {
        _key(each): (each.id, moved)
        for each in corrections
        for fitted in tables
        if (moved := _moved(fitted, each)) is not None
    }


def in_circles(moves: Moves) -> set[str]:
    """The ids of corrections of dates that put rows in each other's places, or back where they were.

    Whether the source has them still or has exchanged them by now no key tells.
    """
    found = set()
    for start, (name, _) in moves.items():
        key, seen = start, {start}
        while key in moves:
            key = (*key[:-1], moves[key][1])
            if key == start:
                found.add(name)
            if key in seen:
                break
            seen.add(key)
    return found


def alike(fitted: TablePlan, rows: Iterable[int]) -> bool:
    """Whether rows of a table say the same in every cell: a row that was sent more than once."""
    listed = list(rows)
    return all(
        cells[row] == cells[listed[0]] for cells in fitted.table.columns.values() for row in listed
    )


def _moved(fitted: TablePlan, correction: Correction) -> str | None:
    """The n with the corrected date in the place of the one it begins with; None where it moves nothing."""
    dated = DATED.match(correction.n or "")
    if dated is None or correction.new is None:
        return None
    for fact in fitted.plan.facts:
        if fact.element.name != correction.element or not fact.by_date_in(fitted.plan):
            continue
        for reading in fact.readings:
            if reading.field == "date" and fitted.headers.get(reading.column) == correction.column:
                own = (Given(correction.new, correction.typed),)
                date = convert_cell(reading, own).fields.get("date")
                rest = (correction.n or "")[len(dated.group().rstrip(".")) :]
                return f"{date}{rest}" if date else None
    return None


def _key(correction: Correction) -> Key:
    return correction.patient, correction.element, correction.time_point, correction.n


def by_every_key(correction: Correction, moves: Moves) -> Iterator[Correction]:
    """The correction, and then as it is looked for once the source has the corrected date."""
    yield correction
    if moved := moves.get(_key(correction)):
        yield replace(correction, n=moved[1])


def has_key(fitted: TablePlan, row: int, correction: Correction) -> bool:
    """Whether a row of the patient is that of the correction, as far as its key tells."""
    record = fitted.plan.file.record
    if record and correction.n and not _begins(correction.n, fitted.cells(record)[row]):
        return False
    if correction.element is None:
        return True
    return any(
        fact.element.name == correction.element and _has_key(fitted, fact, row, correction)
        for fact in facts_at(fitted, row)
    )


def _has_key(fitted: TablePlan, fact: FactPlan, row: int, correction: Correction) -> bool:
    time_point = fact.time_point
    if time_point is None and fitted.plan.time_point is not None:
        said = _read(fitted, fitted.plan.time_point, row).fields.get("time_point")
        time_point = str(said) if said else None
    if time_point != correction.time_point:
        return False
    if not fact.by_date_in(fitted.plan) or time_point is not None:
        return True
    date = _date(fitted, fact, row)
    if date is None:
        return correction.n is None or not DATED.match(correction.n)
    return correction.n is not None and _begins(correction.n, date)


def _date(fitted: TablePlan, fact: FactPlan, row: int) -> str | None:
    if "date" in fact.constants:
        return str(fact.constants["date"])
    for reading in fact.readings:
        if reading.field == "date" and (said := _read(fitted, reading, row).fields.get("date")):
            return str(said)
    return None


def _read(fitted: TablePlan, reading: Reading, row: int) -> Cell:
    return convert_cell(reading, given_at(fitted, reading, row))


def _begins(n: str, part: str) -> bool:
    return bool(part) and (n == part or n.startswith(f"{part}."))


def choose(
    found: Sequence[tuple[TablePlan, int]], correction: Correction, same_delivery: bool
) -> int | None:
    """Which of the rows with the key it is; None where nothing tells, since a guess may be wrong."""
    if len(found) == 1 and not correction.loose:
        return 0
    place = (correction.file, correction.sheet, correction.row)
    here = [
        at for at, (fitted, row) in enumerate(found)
        if (fitted.table.file, fitted.table.sheet, fitted.table.row_numbers[row]) == place
    ]  # fmt: skip
    return here[0] if same_delivery and len(here) == 1 else None
