"""Facts: the rows of the cohort that one table makes, column by column."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from imnm_fhir.cohort import arrow_schema
from imnm_fhir.dictionary import load_dictionary
from imnm_fhir.harmonise.account import IMPOSSIBLE_RULES, Account, Fact
from imnm_fhir.harmonise.columns import Columns, Converted
from imnm_fhir.harmonise.outcomes import ISSUE, MISSING, VALUE
from imnm_fhir.languages import translatable
from imnm_fhir.sites.fit import TablePlan
from imnm_fhir.sites.plan import FactPlan

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

# Reasons that say that nothing happened: alone they make no drug, disease or procedure.
NOT_HAPPENED = ("not-performed", "not-applicable")
NAMED = ("medications", "conditions")  # their rows need what they are of
NAMES = ("value_code", "value_text")


@dataclass
class Work:
    """One table while it is harmonised: who each row is, what was converted, what is accounted for."""

    fitted: TablePlan
    account: Account
    columns: Columns
    records: list[str] | None
    patient_array: "pa.Array"
    alive: "NDArray[np.bool_]"
    time_point: Converted | None = None
    facts: list["FactRows"] = field(default_factory=list)

    @property
    def patients(self) -> list[str | None]:
        """The patient of each row."""
        return self.account.patients


@dataclass
class FactRows:
    """Rows of one table of the cohort: `rows` are the places in the file that they come from.

    `ids` are those of the cohort's rows, null where a row was dropped; known once the table is made.
    """

    work: Work
    fact: FactPlan
    rows: "NDArray[np.int64]"
    converted: Sequence[Converted]
    columns: dict[str, "pa.Array"]
    dropped: set[int] = field(default_factory=set)  # places in `rows` that were not kept
    ids: "pa.Array | None" = None

    @property
    def table(self) -> str:
        """The cohort's table."""
        return self.fact.element.table


@dataclass(frozen=True)
class _Candidates:
    """Rows of the file, or parts of its cells, that may make a fact."""

    rows: "NDArray[np.int64]"
    converted: tuple[Converted, ...]
    places: "NDArray[np.int32] | None"

    def at(self, which: "NDArray[Any]") -> "_Candidates":
        places = None if self.places is None else self.places[which]
        return _Candidates(self.rows[which], tuple(c.at(which) for c in self.converted), places)


def make_facts(work: Work, fact: FactPlan) -> None:
    """Add the rows that a fact's plan makes of a table, and account for every cell that it reads."""
    found = _candidates(work, fact)
    exists = _exists(fact, found)
    _note_issues(work, fact, found, exists)
    _note_reasons(work, fact, found, exists)
    kept = found.at(exists)
    for each in kept.converted:
        work.account.take(each.reading.columns, kept.rows, each.outcomes)
    if len(kept.rows):
        work.facts.append(
            FactRows(work, fact, kept.rows, kept.converted, _columns(work, fact, kept))
        )


def _candidates(work: Work, fact: FactPlan) -> _Candidates:
    import numpy as np

    alive = work.alive
    if fact.when is not None:
        when = work.columns.convert(fact.when)
        own = np.array(
            [each.fields.get("element") == fact.element.name for each in when.cells], bool
        )
        alive = alive & own[when.codes]
    rows = np.flatnonzero(alive)
    if fact.split is None:
        converted = tuple(work.columns.convert(each).at(rows) for each in fact.readings)
        return _Candidates(rows, converted, None)
    split, rows, places = work.columns.convert_parts(fact.split, rows)
    others = (
        work.columns.convert(each).at(rows) for each in fact.readings if each is not fact.split
    )
    return _Candidates(rows, (split, *others), places)


def _exists(fact: FactPlan, found: _Candidates) -> "NDArray[np.bool_]":
    """Which candidates become rows: those with a value, or with a reason that stands for one."""
    import numpy as np

    exists = np.zeros(len(found.rows), bool)
    named = np.array(
        any(name in fact.constants for name in NAMES) or fact.element.table not in NAMED
    )
    named = np.broadcast_to(named, exists.shape)
    for each in found.converted:
        if not each.reading.carries:
            continue
        speaks = np.array([_speaks(fact, each, code) for code in range(len(each.cells))], bool)
        exists |= speaks[each.codes]
        names = np.array(
            [any(cell.fields.get(name) for name in NAMES) for cell in each.cells], bool
        )
        named = named | names[each.codes]
    both: NDArray[np.bool_] = exists & named
    return both


def _speaks(fact: FactPlan, converted: Converted, code: int) -> bool:
    cell = converted.cells[code]
    if cell.outcome == MISSING and converted.reading.reason_field is not None:
        return fact.element.table == "observations" or cell.reason not in NOT_HAPPENED
    return cell.outcome == VALUE


def _note_issues(
    work: Work, fact: FactPlan, found: _Candidates, exists: "NDArray[np.bool_]"
) -> None:
    """An issue per unreadable cell; what stood beside a value that is lost is lost with it."""
    import numpy as np

    for each in found.converted:
        wrong = np.flatnonzero(each.outcomes == ISSUE)
        work.account.take(each.reading.columns[:1], found.rows[wrong], ISSUE)
        work.account.excuse(each.reading.columns, found.rows[wrong])
        if each.reading.carries:
            lost = found.rows[(each.outcomes == ISSUE) & ~exists]
            for other in found.converted:
                work.account.excuse(other.reading.columns, lost)
        for at in wrong:
            cell = each.cells[each.codes[at]]
            row = int(found.rows[at])
            kind = "impossible" if cell.rule in IMPOSSIBLE_RULES else "improbable"
            work.account.note(
                row, each.reading.column, cell.rule, kind, cell.message, fact_at(work, fact, row)
            )


def fact_at(work: Work, fact: FactPlan, row: int) -> Fact:
    """The key of the fact in a row of the file, as far as issues need it."""
    time_point = fact.time_point
    if time_point is None and work.time_point is not None:
        cell = work.time_point.cells[work.time_point.codes[row]]
        time_point = str(cell.fields.get("time_point") or "") or None
    first = work.records[row] if work.records else None
    if time_point is None and fact.by_date_in(work.fitted.plan):
        first = date_at(work, fact, row)
    n = ".".join(part for part in (first, fact.n) if part) or None
    return Fact(fact.element.table, fact.element.name, time_point, n)


def date_at(work: Work, fact: FactPlan, row: int) -> str | None:
    """The date that tells the row of a series from the others, where it can be read."""
    if "date" in fact.constants:
        return str(fact.constants["date"])
    for reading in fact.readings:
        if reading.field == "date":
            converted = work.columns.convert(reading)
            if said := converted.cells[converted.codes[row]].fields.get("date"):
                return str(said)
    return None


def _note_reasons(
    work: Work, fact: FactPlan, found: _Candidates, exists: "NDArray[np.bool_]"
) -> None:
    """Reasons without a place in the row: counted as missing, and said."""
    import numpy as np

    if not any(each.reasoned for each in found.converted):
        return
    has_value, first = _has_value(found), _first_reason(found)
    for each in found.converted:
        missing = each.outcomes == MISSING
        lost = missing
        if fact.element.table == "observations" and each.reading.carries:
            lost = missing & (has_value | (first != _reason_codes(each)))
        elif each.reading.reason_field is not None:
            lost = missing & ~exists
        work.account.take(each.reading.columns, found.rows[missing & (exists | lost)], MISSING)
        for at in np.flatnonzero(lost):
            row, about = int(found.rows[at]), fact_at(work, fact, int(found.rows[at]))
            message = _why_lost(fact, each, bool(has_value[at]), bool(exists[at]))
            work.account.note(row, each.reading.column, "reason-dropped", "note", message, about)


def _has_value(found: _Candidates) -> "NDArray[np.bool_]":
    import numpy as np

    has_value = np.zeros(len(found.rows), bool)
    for each in found.converted:
        if each.reading.carries:
            has_value |= each.outcomes == VALUE
    return has_value


def _reason_codes(converted: Converted) -> "NDArray[np.object_]":
    import numpy as np

    return np.array([cell.reason for cell in converted.cells], object)[converted.codes]


def _first_reason(found: _Candidates) -> "NDArray[np.object_]":
    """The reason that stands for each candidate: that of the first column that gives one."""
    import numpy as np

    first = np.full(len(found.rows), None, object)
    for each in found.converted:
        if each.reading.carries:
            reasons = _reason_codes(each)
            first = np.where(first == None, reasons, first)  # noqa: E711  (elementwise)
    return first


def _why_lost(fact: FactPlan, converted: Converted, has_value: bool, exists: bool) -> str:
    if fact.element.table == "observations" and converted.reading.carries:
        if has_value:
            return translatable("the reason is not kept: a value stands beside it")
        return translatable("the reason is not kept: another reason stands beside it")
    if not exists and (answer := fact.element.attributes.get("answer")):
        return translatable(
            "the reason is not kept: it says of nothing that it happened; map the column to {element} "
            "too, which keeps it"
        ).format(element=answer)
    if not exists:
        return translatable("the reason is not kept: it says of nothing that it happened")
    return translatable(
        "the reason is not kept: the cohort has no place for it beside {field}"
    ).format(field=converted.reading.field)


def _columns(work: Work, fact: FactPlan, kept: _Candidates) -> dict[str, "pa.Array"]:
    """The columns of the fact's table for these rows, all but the id."""
    import pyarrow as pa

    table = load_dictionary().tables[fact.element.table]
    schema = arrow_schema(table)
    size = len(kept.rows)
    columns: dict[str, pa.Array] = {}
    for name in table.columns:
        kind = schema.field(name).type
        if name in fact.constants:
            columns[name] = pa.repeat(pa.scalar(fact.constants[name], kind), size)
        else:
            columns[name] = _filled(kept, name, kind, size)
    columns |= _key_columns(work, fact, kept, columns)
    columns |= _provenance(work, fact, kept)
    if table.name == "observations" and "missing" not in fact.constants:
        columns["missing"] = _missing_column(kept)
    if table.name == "medications":
        columns["status"] = _status(columns)
    return columns


def _filled(kept: _Candidates, name: str, kind: "pa.DataType", size: int) -> "pa.Array":
    import pyarrow as pa
    import pyarrow.compute as pc

    filled = [each.values(name, kind) for each in kept.converted if name in each.fields]
    filled += [
        each.reasons()
        for each in kept.converted
        if each.reasoned and each.reading.reason_field == name != "missing"
    ]
    if not filled:
        return pa.nulls(size, kind)
    return filled[0] if len(filled) == 1 else pc.coalesce(*filled)


def _missing_column(kept: _Candidates) -> "pa.Array":
    """The reason of each row that has no value."""
    import pyarrow as pa

    if not any(each.reasoned for each in kept.converted):
        return pa.nulls(len(kept.rows), pa.string())
    return pa.array(_first_reason(kept), pa.string(), mask=_has_value(kept))


def _status(columns: Mapping[str, "pa.Array"]) -> "pa.Array":
    """The state of a drug: the site's word, completed with an end, else unknown."""
    import pyarrow as pa
    import pyarrow.compute as pc

    ended = pc.if_else(columns["end_date"].is_valid(), pa.scalar("completed"), pa.scalar("unknown"))
    return pc.coalesce(columns["status"], ended)


def _key_columns(
    work: Work, fact: FactPlan, kept: _Candidates, columns: Mapping[str, "pa.Array"]
) -> dict[str, "pa.Array"]:
    import pyarrow as pa

    size = len(kept.rows)
    if fact.time_point is not None:
        time_points = pa.repeat(pa.scalar(fact.time_point), size)
    elif work.time_point is not None:
        time_points = work.time_point.at(kept.rows).values("time_point", pa.string())
    else:
        time_points = pa.nulls(size, pa.string())
    return {
        "site": pa.repeat(pa.scalar(work.account.site), size),
        "patient": work.patient_array.take(pa.array(kept.rows)),
        "element": pa.repeat(pa.scalar(fact.element.name), size),
        "time_point": time_points,
        "n": _n(work, fact, kept, columns.get("date"), time_points),
    }


def _n(
    work: Work,
    fact: FactPlan,
    kept: _Candidates,
    dates: "pa.Array | None",
    time_points: "pa.Array",
) -> "pa.Array":
    """What tells a patient's rows apart: record's id or date, the mapping's n, the place in a cell.

    A date only in a table with several rows per patient, and where no time point tells them apart.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    size, parts = len(kept.rows), []
    if work.records is not None:
        parts.append(pa.array([work.records[row] for row in kept.rows], pa.string()))
    elif fact.by_date_in(work.fitted.plan) and dates is not None:
        parts.append(pc.if_else(time_points.is_null(), dates, pa.scalar(None, pa.string())))
    if fact.n is not None:
        parts.append(pa.repeat(pa.scalar(fact.n), size))
    if kept.places is not None:
        parts.append(pa.array(kept.places).cast(pa.string()))
    if not parts:
        return pa.nulls(size, pa.string())
    if len(parts) == 1:
        return parts[0]
    joined = pc.binary_join_element_wise(*parts, ".", null_handling="skip")
    return pc.if_else(pc.equal(joined, ""), pa.scalar(None, pa.string()), joined)


def _provenance(work: Work, fact: FactPlan, kept: _Candidates) -> dict[str, "pa.Array"]:
    import numpy as np
    import pyarrow as pa

    table = work.fitted.table
    size = len(kept.rows)
    numbers = np.array(table.row_numbers, np.int32)
    carrying = [each for each in fact.readings if each.carries]
    main = next((each for each in carrying if each.field == fact.element.column), carrying[0])
    return {
        "file": pa.repeat(pa.scalar(table.file), size),
        "sheet": pa.repeat(pa.scalar(table.sheet, pa.string()), size),
        "row": pa.array(numbers[kept.rows], pa.int32()),
        "column": pa.repeat(pa.scalar(work.fitted.headers.get(main.column), pa.string()), size),
    }
