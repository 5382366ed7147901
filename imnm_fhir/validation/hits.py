"""What breaks the rules, and the findings made of it."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from imnm_fhir.cohort import Cohort
from imnm_fhir.findings import DemandCount, Finding, Rule
from imnm_fhir.keys import row_key
from imnm_fhir.validation.across import Found, Query
from imnm_fhir.validation.checks import Check
from imnm_fhir.validation.places import (
    CohortRows,
    Patient,
    Row,
    column_place,
    first_place,
    places,
    rows_at,
)

if TYPE_CHECKING:
    import pyarrow as pa

AT_ONCE = 2_000  # patients whose rows are held as Python objects while findings are made of them
MOST_OTHERS = (
    10  # patients that one is said to resemble; a column copied into all resembles everybody
)


@dataclass(frozen=True, slots=True)
class Hit:
    """A row that breaks a check: the numbers that its places are found by, and where the row stands.

    `table` is the table of the cohort that was judged (None for `cases`) and `place` the row in it.
    """

    check: Check
    patient: Patient
    own: Mapping[str, Any]
    table: "pa.Table | None"
    place: int
    shown: str | None
    numbers: tuple[tuple[str, str], ...] = ()


@dataclass
class Run:
    """What the rules found: rows that break them, and the state of every patient by check.

    `source` is where frames are handed to Great Expectations.
    """

    cohort: Cohort
    patients: list[Patient]
    rules: Mapping[str, Rule]
    source: Any
    hits: list[Hit] = field(default_factory=list)
    about_sites: list[tuple[Query, Found]] = field(default_factory=list)
    demands: tuple[DemandCount, ...] = ()
    states: dict[str, dict[Check | Query, Any]] = field(default_factory=lambda: defaultdict(dict))
    compared: dict[str, Counter[tuple[str, str, bool]]] = field(
        default_factory=lambda: defaultdict(Counter)
    )


def findings_of(run: Run) -> list[Finding]:
    """The findings in the order of the catalogue, then of the patients."""
    found = [each for hits in _by_patients(run.hits) for each in _findings(run, hits)]
    persons = [(each.site, each.patient) for _, each in run.about_sites if each.patient]
    rows = CohortRows(run.cohort, persons)

    @cache
    def place_of(
        site: str, element: str | None, field: str | None, time_point: str | None
    ) -> dict[str, Any]:
        return column_place(run.cohort, site, element, field, time_point)

    for query, each in run.about_sites:
        if not each.patient:
            at = place_of(each.site, each.element, each.field, each.time_point)
            found.append(_site_finding(run, query, [each], at))
    for query, pairs in _of_pairs(run):
        found.append(_site_finding(run, query, pairs, _own_place(pairs[0], rows)))
    order = {rule: place for place, rule in enumerate(run.rules)}
    return sorted(
        found,
        key=lambda each: (order[each.rule], each.site or "", each.patient or "", each.row or 0),
    )


def _by_patients(hits: Sequence[Hit]) -> Iterator[list[Hit]]:
    """The hits of some patients at a time, in their order."""
    patients = sorted({hit.patient for hit in hits})
    number = {patient: place // AT_ONCE for place, patient in enumerate(patients)}
    parts: dict[int, list[Hit]] = defaultdict(list)
    for hit in hits:
        parts[number[hit.patient]].append(hit)
    yield from parts.values()


def _findings(run: Run, hits: Sequence[Hit]) -> Iterator[Finding]:
    rows = CohortRows(run.cohort, {hit.patient for hit in hits})
    own = _judged_rows(hits)
    for hit in hits:
        yield _finding(run, hit, own.get((id(hit.table), hit.place)), rows)


def _judged_rows(hits: Sequence[Hit]) -> dict[tuple[int, int], Row]:
    """The rows that were judged, by their table and place, fetched together: one by one is slow."""
    wanted: dict[int, tuple[pa.Table, list[int]]] = {}
    for hit in hits:
        if hit.table is not None:
            wanted.setdefault(id(hit.table), (hit.table, []))[1].append(hit.place)
    found: dict[tuple[int, int], Row] = {}
    for number, (table, every) in wanted.items():
        at = sorted(set(every))
        rows = zip(at, rows_at(table, at), strict=True)
        found |= {(number, place): row for place, row in rows}
    return found


def _finding(run: Run, hit: Hit, row: Row | None, rows: CohortRows) -> Finding:
    check, rule = hit.check, run.rules[hit.check.rule]
    part = rule.part(check.part)
    found = places(check, hit.own, row, hit.patient, rows)
    at = first_place(found, check)
    return Finding(
        rule=check.rule,
        kind=part.kind,
        category=part.category,
        message=rule.said("en", check.part),
        site=hit.patient[0],
        patient=hit.patient[1],
        **{**at, "value": hit.shown or at.get("value")},
        part=check.part,
        places=found,
        numbers=hit.numbers,
    )


def _of_pairs(run: Run) -> list[tuple[Query, list[Found]]]:
    """The rows about patients, all of one rule and patient together."""
    together: dict[tuple[int, str, str], tuple[Query, list[Found]]] = {}
    for query, each in run.about_sites:
        if each.patient:
            key = (id(query), each.site, each.patient)
            together.setdefault(key, (query, []))[1].append(each)
    return list(together.values())


def _own_place(found: Found, rows: CohortRows) -> dict[str, Any]:
    """Where the row of the patient stands of whom a query speaks."""
    own = rows.of("patients", (found.site, found.patient or ""))[0]
    return {"table": "patients"} | {name: own[name] for name in ("file", "sheet", "row", "column")}


def _site_finding(run: Run, query: Query, found: Sequence[Found], at: Mapping[str, Any]) -> Finding:
    """One finding about a site or patient; the patients that it resembles are its value."""
    rule, first = run.rules[query.rule], found[0]
    part = rule.part(query.part)
    others = [row_key(each.other) for each in found if each.other]
    return Finding(
        rule=rule.id,
        kind=part.kind,
        category=part.category,
        message=rule.said("en", query.part),
        site=first.site,
        patient=first.patient,
        element=first.element,
        time_point=first.time_point,
        **at,
        value="; ".join(others[:MOST_OTHERS] + (["…"] if len(others) > MOST_OTHERS else []))
        or None,
        part=query.part,
        numbers=first.numbers,
    )
