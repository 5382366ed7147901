"""Relapse as derived: the loss of a remission, answered by a new drug (domain 7, item 7)."""

from datetime import date
from typing import NamedTuple

from imnm_fhir.derive.enzymes import ck_values
from imnm_fhir.derive.facts import Facts
from imnm_fhir.derive.names import MMT8, WORST_MRC
from imnm_fhir.derive.periods import add_days, add_months, any_of, exact, inside
from imnm_fhir.derive.treatment import Treatment, running_on
from imnm_fhir.study import Study


class Point(NamedTuple):
    """A value on an exact day."""

    day: date
    value: float


class Remission(NamedTuple):
    """A span of low CK and stable strength, and the strength at its start."""

    first: date
    last: date
    strength: float


def derived_relapse(facts: Facts, treatment: Treatment, study: Study) -> bool | None:
    """Whether a remission was lost with escalation; None where no remission can be judged.

    Remission: CK at most `ck_x_uln` its upper limit of normal with strength that does not fall, for
    `remission_months`. Loss: CK above it, or strength below that of the remission. Escalation: a
    drug for IMNM that was not running starts within `escalation_days` of the loss; a higher dose of
    a running drug is not seen. Only exact days and values with a limit of normal are used.
    """
    limits = study.limits["relapse"]
    series = [
        Point(v.day.day, v.x_uln) for v in ck_values(facts) if v.day.day and v.x_uln is not None
    ]
    strength = _strength(facts)
    if not _spans(series, limits["remission_months"]) or len(strength) < 2:
        return None
    found = _remission(series, strength, limits["ck_x_uln"], limits["remission_months"])
    if found is None:
        return False
    lost = _loss(found, series, strength, limits["ck_x_uln"])
    return False if lost is None else _escalated(treatment, lost, limits["escalation_days"])


def _strength(facts: Facts) -> list[Point]:
    """The dated strength of the patient: MMT8 where there is any, else the worst MRC grade."""
    for element in (MMT8, WORST_MRC):
        points = [
            Point(day, row.number)
            for row in facts.rows(element)
            if (day := facts.day_of(row).day) and row.number is not None and not row.comparator
        ]
        if points:
            return sorted(points)
    return []


def _spans(series: list[Point], months: int) -> bool:
    if not series:
        return False
    end = add_months(series[0].day, months)
    return end is not None and series[-1].day >= end


def _remission(
    series: list[Point], strength: list[Point], limit: float, months: int
) -> Remission | None:
    """The first span of values at most `limit` that lasts, with strength that never falls in it."""
    for place, start in enumerate(series):
        for point in series[place:]:
            if point.value > limit:
                break
            end = add_months(start.day, months)
            grades = [each.value for each in strength if start.day <= each.day <= point.day]
            if end and point.day >= end and len(grades) > 1 and min(grades) >= grades[0]:
                return Remission(start.day, point.day, grades[0])
    return None


def _loss(
    found: Remission, series: list[Point], strength: list[Point], limit: float
) -> date | None:
    losses = [each.day for each in series if each.day > found.last and each.value > limit]
    losses += [e.day for e in strength if e.day > found.last and e.value < found.strength]
    return min(losses, default=None)


def _escalated(treatment: Treatment, lost: date, days: int) -> bool | None:
    """Whether a drug for IMNM that was not running on the day of the loss starts soon after it."""
    running: set[str] = set()
    for drug in treatment.drugs:
        if drug.for_imnm and drug.start.latest and drug.start.latest < lost:
            running |= drug.substances if running_on(drug, exact(lost)) is not False else set()
    new = [drug for drug in treatment.drugs if drug.for_imnm and not drug.substances <= running]
    soon = [inside(drug.start, exact(lost), exact(add_days(lost, days))) for drug in new]
    return any_of(soon) if soon else (False if treatment.sent else None)
