"""Corrections of a site on top of its files: put into the tables that were read, before anything is made.

The files stay as they are. A correction counts only where the source still holds the value that it
corrects, and where the corrected cell can be read; it then goes the way of every other cell.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from imnm_fhir.harmonise.cells import convert_cell
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


@dataclass(frozen=True)
class Correction:
    """What a site says should stand in one cell, and what its source may hold until it does.

    `id` names the entry that says so. The cell is that under `column` in the row of `patient`; in a
    table of many rows a patient, that whose record the key's `n` begins with. `row` decides where
    several rows fit. `new` None: not available, missing with that reason. `typed`: `new` is
    canonical, since a spreadsheet knew its type.
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


def apply_corrections(
    fitted: Sequence[TablePlan],
    mapping: SiteMapping,
    key: bytes | None,
    corrections: Iterable[Correction],
) -> tuple[list[TablePlan], dict[str, str]]:
    """The tables with every correction that still fits, and by its id what became of each.

    `applied`; `at-source`: the source says the same by now; `conflict`: it says something else;
    `unreadable`: the corrected cell cannot be read; `gone`: there is no such row or column.
    """
    made, states = list(fitted), {}
    patients = [_patients(each, mapping, key) for each in fitted]
    for each in corrections:
        states[each.id] = GONE
        for place, names in enumerate(patients):
            header = _header(made[place], each)
            row = _row(made[place], names, each) if header else None
            if header is not None and row is not None:
                made[place], states[each.id] = _settle(made[place], header, row, each)
                break
    return made, states


def refuse_foreign(works: Iterable[Work], foreign: Collection[str]) -> None:
    """Refuse the rows of patients who, as the site says, are not its own."""
    for work in works:
        who = str(work.fitted.plan.file.patient)
        for row, patient in enumerate(work.patients):
            if work.alive[row] and patient in foreign:
                work.account.refuse(row, who, "not-our-patient", FOREIGN)
                work.alive[row] = False


def _patients(fitted: TablePlan, mapping: SiteMapping, key: bytes | None) -> list[str | None]:
    cells = fitted.cells(str(fitted.plan.file.patient))
    names = {text: patient_name(text, mapping, key) for text in set(cells)}
    return [names[text] for text in cells]


def _header(fitted: TablePlan, correction: Correction) -> str | None:
    """The header that the correction names; another spelling of it counts where the exact one lacks."""
    if correction.file and not fits(fitted.plan.file, correction.file, correction.sheet):
        return None
    columns = fitted.table.columns
    if correction.column in columns:
        return correction.column
    same = [each for each in columns if fold(each) == fold(correction.column)]
    return same[0] if len(same) == 1 else None


def _row(fitted: TablePlan, names: Sequence[str | None], correction: Correction) -> int | None:
    """The place of the row; where several fit, that with the same row number, else none."""
    rows = [row for row, name in enumerate(names) if name == correction.patient]
    file = fitted.plan.file
    if file.record and correction.n:
        records = fitted.cells(file.record)
        rows = [row for row in rows if _is_record(correction.n, records[row])]
    if len(rows) > 1:
        same = [row for row in rows if fitted.table.row_numbers[row] == correction.row]
        header = str(_header(fitted, correction))
        held = [row for row in same or rows if fitted.table.columns[header][row] in correction.old]
        rows = held if len(held) == 1 else same
    return rows[0] if len(rows) == 1 else None


def _is_record(n: str, record: str) -> bool:
    return bool(record) and (n == record or n.startswith(f"{record}."))


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
    """What every reading of the column makes of the cell."""
    found = []
    for reading in fitted.plan.readings:
        if fitted.headers.get(reading.column) != header:
            continue
        others = [
            Given(fitted.cells(name)[row], row in fitted.typed(name))
            for name in reading.columns[1:]
        ]
        found.append(convert_cell(reading, (own, *others)))
    return found


def _readable(fitted: TablePlan, header: str, row: int, own: Given) -> bool:
    """Whether nothing that reads the column fails on the cell; a column that nobody reads is none."""
    cells = _cells(fitted, header, row, own)
    return all(cell.outcome != ISSUE for cell in cells)


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
