"""The dates of a patient: bounds, ages, and the diagnostic interval (onset class)."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from typing import Any

from imnm_fhir.derive.facts import Condition, Facts
from imnm_fhir.derive.names import IMNM, LAST_CONTACT
from imnm_fhir.derive.periods import (
    UNKNOWN,
    Period,
    add_months,
    before,
    last_of,
    period,
    years_between,
)
from imnm_fhir.study import Study

CLASSES = ("acute", "subacute", "chronic")
NO_DATE, REVERSED, TOO_COARSE = "no-date", "reversed", "too-coarse"


@dataclass(frozen=True)
class Course:
    """The dates that other definitions start from."""

    birth: Period
    onset: Period
    diagnosis: Period
    last_contact: Period
    death: Period
    deceased: bool | None
    data_date: date | None


def course_of(facts: Facts, data_date: date | None) -> Course:
    """The course of a patient; `data_date` is the cut-off of the patient's site."""
    imnm = _first_row(facts.conditions.get(IMNM, []))
    person = facts.person
    contacts = [period(row.value_date) for row in facts.rows(LAST_CONTACT) if row.value_date]
    return Course(
        birth=period(person.birth_date),
        onset=period(imnm.onset_date) if imnm else UNKNOWN,
        diagnosis=period(imnm.date) if imnm else UNKNOWN,
        last_contact=last_of(contacts),
        death=period(person.deceased_date),
        deceased=True if person.deceased_date else person.deceased_boolean,
        data_date=data_date,
    )


def _first_row(rows: list[Condition]) -> Condition | None:
    """The first row that has a date; several are a matter for the rules."""
    return next((row for row in rows if row.onset_date or row.date), rows[0] if rows else None)


def onset_class(onset: Period, diagnosis: Period, acute_days: int, months: int) -> str | None:
    """acute, subacute or chronic where every possible pair of days gives the same, else None."""
    found = _onset_classes(onset, diagnosis, acute_days, months)
    return CLASSES[found[0]] if found and found[0] == found[1] else None


@lru_cache(maxsize=65_536)
def _onset_classes(
    onset: Period, diagnosis: Period, acute_days: int, months: int
) -> tuple[int, int] | None:
    """The mildest and the slowest class over all pairs with onset <= diagnosis; None without any.

    For one onset the class can only rise with the diagnosis, so its two ends are enough.
    """
    first, last = diagnosis
    if onset.earliest is None or onset.latest is None or first is None or last is None:
        return None
    found = [
        _class_of_days(start, end, acute_days, months)
        for start in _days(onset.earliest, min(onset.latest, last))
        for end in (max(start, first), last)
    ]
    return (min(found), max(found)) if found else None


def _class_of_days(onset: date, diagnosis: date, acute_days: int, months: int) -> int:
    if (diagnosis - onset).days < acute_days:
        return 0
    limit = add_months(onset, months)
    return 1 if limit is not None and diagnosis <= limit else 2


def _days(first: date, last: date) -> Iterable[date]:
    return (first + timedelta(days=n) for n in range((last - first).days + 1))


def onset_class_unjudged(onset: Period, diagnosis: Period) -> str:
    """Why there is no class: a date is missing, both are reversed, or too coarse."""
    if None in (*onset, *diagnosis):
        return NO_DATE
    return REVERSED if before(diagnosis, onset) else TOO_COARSE


def age_bounds(birth: Period, day: Period) -> tuple[int | None, int | None]:
    """The least and the greatest age in completed years that the dates allow."""
    if birth.latest is None or birth.earliest is None or day.earliest is None or day.latest is None:
        return None, None
    return years_between(birth.latest, day.earliest), years_between(birth.earliest, day.latest)


def course_columns(facts: Facts, study: Study, course: Course) -> dict[str, Any]:
    """The columns of dates, ages and onset class."""
    limit = study.limits["onset_class"]
    onset, diagnosis = course.onset, course.diagnosis
    derived = onset_class(onset, diagnosis, limit["acute_days"], limit["subacute_months"])
    exact_days = None not in (onset.day, diagnosis.day)
    low, high = _day_bounds(onset, diagnosis)
    return {
        **_bounds(birth=course.birth, onset=onset, diagnosis=diagnosis, death=course.death),
        **_bounds(last_contact=course.last_contact),
        "deceased": course.deceased,
        "data_date": course.data_date,
        "adults_only": study.adults_only,
        "sex": facts.person.sex,
        **_ages("onset", facts, course.birth, onset),
        **_ages("diagnosis", facts, course.birth, diagnosis),
        "diagnosis_year": _year(diagnosis),
        "onset_to_diagnosis_days": low if exact_days else None,
        "onset_to_diagnosis_days_low": low,
        "onset_to_diagnosis_days_high": high,
        "onset_class": derived,
        "onset_class_unjudged": None if derived else onset_class_unjudged(onset, diagnosis),
        "onset_class_reported": facts.code("onset_class_reported"),
        **_extremes(facts, course),
    }


def _bounds(**periods: Period) -> dict[str, date | None]:
    return {
        name: day
        for what, each in periods.items()
        for name, day in ((f"{what}_earliest", each.earliest), (f"{what}_latest", each.latest))
    }


def _ages(what: str, facts: Facts, birth: Period, day: Period) -> dict[str, Any]:
    low, high = age_bounds(birth, day)
    reported = facts.reported_number(f"age_at_{what}_reported")
    age = low if low is not None or reported is None else int(reported)
    columns = {
        f"age_at_{what}": age,
        f"age_at_{what}_low": low,
        f"age_at_{what}_high": high,
        f"age_at_{what}_reported": reported,
    }
    marked = None if age is None else low != high
    return columns | ({"age_at_onset_marked": marked} if what == "onset" else {})


def _year(day: Period) -> int | None:
    if day.earliest is None or day.latest is None or day.earliest.year != day.latest.year:
        return None
    return day.earliest.year


def _day_bounds(onset: Period, diagnosis: Period) -> tuple[int | None, int | None]:
    if onset.earliest is None or onset.latest is None:
        return None, None
    if diagnosis.earliest is None or diagnosis.latest is None:
        return None, None
    return (diagnosis.earliest - onset.latest).days, (diagnosis.latest - onset.earliest).days


def _extremes(facts: Facts, course: Course) -> dict[str, Any]:
    """The oldest and newest dates of all facts, and the last event apart from death."""
    events = list(facts.dates())
    every = [*events, (course.birth, "birth_date"), (course.death, "deceased")]
    columns: dict[str, Any] = {}
    for name, found in (
        ("oldest_date", min(_ends(every, 1), default=(None, None))),
        ("newest_date", max(_ends(every, 0), default=(None, None))),
        ("last_event", max(_ends(events, 0), default=(None, None))),
    ):
        columns |= {name: found[0], f"{name}_element": found[1]}
    return columns


def _ends(dates: Iterable[tuple[Period, str]], end: int) -> list[tuple[date, str]]:
    return [(day, element) for each, element in dates if (day := each[end]) is not None]
