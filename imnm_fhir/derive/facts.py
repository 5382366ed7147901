"""The facts of one patient, taken from the five tables, patient by patient."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache, cached_property
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from imnm_fhir.cohort import Cohort
from imnm_fhir.derive.names import BASELINE, CONSENT_FROM, CONSENT_TO, VISIT_DATE
from imnm_fhir.derive.periods import UNKNOWN, Period, period
from imnm_fhir.dictionary import load_dictionary
from imnm_fhir.errors import ImnmFhirError

if TYPE_CHECKING:
    import pyarrow as pa

BATCH = 20_000  # rows of a table held as Python objects at a time


class Observation(NamedTuple):
    """One row of observations, without site, patient, id and provenance."""

    element: str
    time_point: str | None
    n: str | None
    value_number: str | None
    comparator: str | None
    value_code: str | None
    value_boolean: bool | None
    value_date: str | None
    value_text: str | None
    unit: str | None
    missing: str | None
    date: str | None
    method: str | None
    reference_high: str | None

    @property
    def number(self) -> float | None:
        """The number, else None."""
        return float(self.value_number) if self.value_number is not None else None


class Medication(NamedTuple):
    """One row of medications."""

    element: str
    time_point: str | None
    n: str | None
    value_code: str | None
    value_text: str | None
    status: str | None
    start_date: str | None
    start_missing: str | None
    end_date: str | None
    end_missing: str | None
    dose_number: str | None
    dose_unit: str | None
    rate_number: str | None
    rate_unit: str | None
    route: str | None
    reason: str | None


class Condition(NamedTuple):
    """One row of conditions."""

    element: str
    time_point: str | None
    n: str | None
    value_code: str | None
    value_text: str | None
    onset_date: str | None
    date: str | None


class Procedure(NamedTuple):
    """One row of procedures."""

    element: str
    time_point: str | None
    n: str | None
    value_text: str | None
    date: str | None
    end_date: str | None
    sessions: str | None


class Patient(NamedTuple):
    """One row of patients."""

    birth_date: str | None
    sex: str | None
    deceased_boolean: bool | None
    deceased_date: str | None


ROWS: dict[str, Any] = {  # the row of each table: NamedTuple has no type of its own
    "observations": Observation,
    "medications": Medication,
    "conditions": Condition,
    "procedures": Procedure,
}


@dataclass
class Facts:
    """All facts of one patient, in the order of their keys."""

    site: str
    patient: str
    person: Patient
    observations: dict[str, list[Observation]] = field(default_factory=dict)
    medications: dict[str, list[Medication]] = field(default_factory=dict)
    conditions: dict[str, list[Condition]] = field(default_factory=dict)
    procedures: dict[str, list[Procedure]] = field(default_factory=dict)

    def rows(self, element: str) -> list[Observation]:
        """The observations of an element."""
        return self.observations.get(element, [])

    def at(self, element: str, visit: str = BASELINE) -> list[Observation]:
        """The observations of an element at a visit; at baseline also those of no visit."""
        points = (BASELINE, None) if visit == BASELINE else (visit,)
        return [row for row in self.rows(element) if row.time_point in points]

    def visit_day(self, visit: str | None) -> Period:
        """When a visit was, as the site dates it."""
        return self._visit_days.get(visit, UNKNOWN)

    @cached_property
    def _visit_days(self) -> dict[str | None, Period]:
        """The day of every visit that has one date and no other."""
        days: dict[str | None, set[str | None]] = {}
        for row in self.rows(VISIT_DATE):
            days.setdefault(row.time_point, set()).add(row.value_date)
        return {when: period(said.pop()) for when, said in days.items() if when and len(said) == 1}

    def day_of(self, row: Observation) -> Period:
        """When an observation was made: its own date, else that of its visit."""
        return period(row.date) if row.date else self.visit_day(row.time_point)

    def answer(self, element: str, visit: str = BASELINE) -> bool | None:
        """The yes or no at a visit; None where none or both were given."""
        said = {row.value_boolean for row in self.at(element, visit)} - {None}
        return said.pop() if len(said) == 1 else None

    def ever(self, element: str) -> bool | None:
        """Yes where any answer is yes, no where all are no."""
        said = {row.value_boolean for row in self.rows(element)} - {None}
        return True in said if said else None

    def code(self, element: str, visit: str = BASELINE) -> str | None:
        """The code at a visit; None where none or several were given."""
        said = {row.value_code for row in self.at(element, visit)} - {None}
        return said.pop() if len(said) == 1 else None

    def reported_number(self, element: str) -> float | None:
        """The number at baseline; None where none, several or a comparator was given."""
        said = {row.number for row in self.at(element) if not row.comparator} - {None}
        return said.pop() if len(said) == 1 else None

    def dates(self) -> Iterator[tuple[Period, str]]:
        """Every date of a fact with its element; not those that say how long consent holds."""
        for element, rows in self.observations.items():
            if element not in (CONSENT_FROM, CONSENT_TO):
                for row in rows:
                    yield from _dated(element, row.date, row.value_date)
        for element, drugs in self.medications.items():
            for drug in drugs:
                yield from _dated(element, drug.start_date, drug.end_date)
        for element, conditions in self.conditions.items():
            for each in conditions:
                yield from _dated(element, each.onset_date, each.date)
        for element, procedures in self.procedures.items():
            for done in procedures:
                yield from _dated(element, done.date, done.end_date)


@cache
def elements_of(group: str) -> tuple[str, ...]:
    """The elements of a group of the dictionary, asked once."""
    return load_dictionary().of_group(group)


def _dated(element: str, *dates: str | None) -> Iterator[tuple[Period, str]]:
    for date in dates:
        if date:
            yield period(date), element


def each_patient(cohort: Cohort) -> Iterator[Facts]:
    """The facts of every patient, by site and pseudonym; memory is bounded by a batch of rows.

    Raises `ImnmFhirError` where a table has rows of a patient whom the table of patients lacks.
    """
    streams = {name: _Stream(name, cohort.tables[name], ROWS[name]) for name in ROWS}
    people = ("site", "patient", *Patient._fields)
    for site, patient, *person in _sorted_rows(
        cohort.tables["patients"], people, ("site", "patient")
    ):
        facts = Facts(site, patient, Patient(*person))
        for name, stream in streams.items():
            getattr(facts, name).update(stream.take(site, patient))
        yield facts
    for stream in streams.values():
        stream.check_end()


class _Stream:
    """The rows of one table, handed out patient by patient in the order of the keys."""

    def __init__(self, name: str, table: "pa.Table", row: Any) -> None:
        self.name, self.row = name, row
        key = load_dictionary().tables[name].key
        rows = _sorted_rows(table, ("site", "patient", *row._fields), key)
        self.groups = groupby(rows, key=itemgetter(0, 1))
        self.advance()

    def advance(self) -> None:
        self.whose: tuple[str, str] | None
        self.rows: Iterator[tuple[Any, ...]]
        self.whose, self.rows = next(self.groups, (None, iter(())))

    def take(self, site: str, patient: str) -> dict[str, list[Any]]:
        """The rows of one patient by element."""
        taken: dict[str, list[Any]] = {}
        if self.whose == (site, patient):
            for row in self.rows:
                taken.setdefault(row[2], []).append(self.row._make(row[2:]))
            self.advance()
        return taken

    def check_end(self) -> None:
        if self.whose is not None:
            raise ImnmFhirError(
                f"{self.name}: rows of a patient of site {self.whose[0]} who is not in patients; "
                "harmonise or import again"
            )


def _sorted_rows(
    table: "pa.Table", columns: tuple[str, ...], key: tuple[str, ...]
) -> Iterator[tuple[Any, ...]]:
    """The rows of some columns in the order of the key, a batch at a time.

    A table that is in this order already, as a cohort's folder has it, is not copied.
    """
    chosen = table.select(list(columns))
    order = _order(table, key)
    if order is not None:
        chosen = chosen.take(order)
    for batch in chosen.to_batches(max_chunksize=BATCH):
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


def _order(table: "pa.Table", key: tuple[str, ...]) -> "pa.Array | None":
    """The places of the rows in the order of the key; None where they stand in it."""
    import numpy as np
    import pyarrow.compute as pc

    keys = table.select(list(key))
    order = pc.sort_indices(keys, sort_keys=[(name, "ascending") for name in key])
    in_order = np.array_equal(order.to_numpy(), np.arange(table.num_rows, dtype=np.uint64))
    return None if in_order else order
