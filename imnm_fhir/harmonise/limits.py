"""Upper limits of normal that a mapping gives: each row's by its patient's sex and age, never guessed."""

import datetime
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from imnm_fhir.derive.periods import UNKNOWN, Period, before, period
from imnm_fhir.harmonise.account import Fact
from imnm_fhir.harmonise.facts import Work, date_at
from imnm_fhir.languages import translatable
from imnm_fhir.sites.plan import FactPlan, Limit, Reading, UpperLimits

RULE = "limit-imputed"
TOLD = translatable(
    "multiples of an upper limit that nobody sent: {count}; limits of a population stand in for it "
    "({limits}), and the values are marked; send the laboratory's own limit"
)


def add_upper_limits(
    works: Sequence[Work], patients: Mapping[str, Mapping[str, Any]], cut_off: str
) -> None:
    """Give each row of the tables its upper limit, blank where the patient does not say which."""
    last = period(cut_off).latest
    for work in works:
        for fact in work.fitted.plan.facts:
            for reading, limits in _given(fact):
                work.fitted.made[reading.column] = [
                    _limit(limits, patients.get(str(patient), {}), date_at(work, fact, row), last)
                    for row, patient in enumerate(work.patients)
                ]


def _given(fact: FactPlan) -> Iterator[tuple[Reading, UpperLimits]]:
    """The readings of the fact's upper limits, each once, with what the mapping says."""
    found = [each for reading in fact.readings for each in (reading, reading.reference) if each]
    for each in dict.fromkeys(found):
        if each.limits is not None:
            yield each, each.limits


def _limit(
    limits: UpperLimits, patient: Mapping[str, Any], date: str | None, last: datetime.date | None
) -> str:
    """The first limit that fits; blank where it is not sure which does."""
    day = period(date) if date else Period(None, last)
    for each in limits.limits:
        fits = _fits(each, patient, day)
        if fits is None:
            return ""
        if fits:
            return each.value
    return ""


def _fits(limit: Limit, patient: Mapping[str, Any], day: Period) -> bool | None:
    """Whether the limit is the patient's; None where sex or age is not known well enough."""
    if limit.sex is not None:
        sex = patient.get("sex")
        if sex != limit.sex:
            return None if sex is None else False
    if limit.below_age is None:
        return True
    birth = period(patient.get("birth_date"))
    return None if birth == UNKNOWN else before(day, birth.months_later(12 * limit.below_age))


def note_imputed(work: Work) -> None:
    """Ask the site for its own limit, once per column whose multiples were turned by imputed ones."""
    counted: dict[str, tuple[int, UpperLimits, FactPlan]] = {}
    for made in work.facts:
        for each in made.converted:
            limits = each.reading.reference and each.reading.reference.limits
            if not limits or limits.mark is None:
                continue
            marked = [cell.fields.get("method") == limits.mark for cell in each.cells]
            count = sum(marked[code] for code in each.codes)
            before_it = counted.get(each.reading.column, (0, limits, made.fact))[0]
            counted[each.reading.column] = (before_it + count, limits, made.fact)
    for column, (count, limits, fact) in counted.items():
        if count:
            said = ", ".join(map(_said, limits.limits))
            message = TOLD.format(count=count, limits=said)
            about = Fact(fact.element.table, fact.element.name, fact.time_point, fact.n)
            work.account.note(None, column, RULE, "improbable", message, about)


def _said(limit: Limit) -> str:
    below = f" < {limit.below_age}" if limit.below_age else ""
    return f"{limit.sex or ''}{below}: {limit.value}".strip(": ")
