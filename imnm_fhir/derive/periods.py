"""Partial dates as intervals of days, calendar arithmetic and answers with three values.

A comparison is True or False only when it holds for every day that the dates may mean, else None.
"""

from calendar import monthrange
from collections.abc import Iterable
from datetime import date, timedelta
from functools import lru_cache
from typing import NamedTuple

from imnm_fhir.values import date_bounds


class Period(NamedTuple):
    """The days that a date may mean, both ends included; an end that is not known is None."""

    earliest: date | None
    latest: date | None

    @property
    def day(self) -> date | None:
        """The day where the date is exact, else None."""
        return self.earliest if self.earliest == self.latest else None

    def shifted(self, days: int) -> "Period":
        """The period so many days later (or earlier)."""
        return _shifted(self, days)

    def months_later(self, months: int) -> "Period":
        """The period so many calendar months later."""
        return _months_later(self, months)


UNKNOWN = Period(None, None)


@lru_cache(maxsize=65_536)
def period(partial: str | None) -> Period:
    """The period of a partial ISO date; `UNKNOWN` for null."""
    return Period(*date_bounds(partial)) if partial else UNKNOWN


@lru_cache(
    maxsize=65_536
)  # patients of a registry share their days: most calls are answered from here
def _shifted(of: Period, days: int) -> Period:
    return Period(add_days(of.earliest, days), add_days(of.latest, days))


@lru_cache(maxsize=65_536)
def _months_later(of: Period, months: int) -> Period:
    return Period(add_months(of.earliest, months), add_months(of.latest, months))


def exact(day: date | None) -> Period:
    """The period of one day."""
    return Period(day, day)


def add_days(day: date | None, days: int) -> date | None:
    """The day so many days later; the calendar's last (or first) where it ends before."""
    if day is None:
        return None
    try:
        return day + timedelta(days=days)
    except OverflowError:
        return date.max if days > 0 else date.min


def add_months(day: date | None, months: int) -> date | None:
    """The same day so many calendar months later, clamped to the month's last day (domain 8)."""
    if day is None:
        return None
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    if not date.min.year <= year <= date.max.year:
        return date.max if months > 0 else date.min
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def years_between(birth: date, day: date) -> int:
    """Completed years; a birthday on 29 February is 28 February in other years (domain 8)."""
    years = day.year - birth.year
    anniversary = add_months(birth, 12 * years)
    return years if anniversary is not None and anniversary <= day else years - 1


def before(first: Period, second: Period) -> bool | None:
    """Whether `first` is a day before `second`."""
    if first.latest and second.earliest and first.latest < second.earliest:
        return True
    if first.earliest and second.latest and first.earliest >= second.latest:
        return False
    return None


def after(first: Period, second: Period) -> bool | None:
    """Whether `first` is a day after `second`."""
    return before(second, first)


def inside(day: Period, start: Period, end: Period) -> bool | None:
    """Whether `day` lies from `start` to `end`, both included."""
    return all_of(not_(before(day, start)), not_(after(day, end)))


def around(day: Period, anchor: Period, before_days: int, after_days: int) -> bool | None:
    """Whether `day` lies within so many days before and after `anchor`, both ends included."""
    return inside(day, anchor.shifted(-before_days), anchor.shifted(after_days))


def not_(answer: bool | None) -> bool | None:
    """No for yes, yes for no, None for None."""
    return None if answer is None else not answer


def all_of(*answers: bool | None) -> bool | None:
    """False where any is False, True where all are True, else None."""
    if False in answers:
        return False
    return None if None in answers else True


def any_of(answers: Iterable[bool | None]) -> bool | None:
    """True where any is True, False where all are False, None else and for no answer at all."""
    said = list(answers)
    if True in said:
        return True
    return None if None in said or not said else False


def first_of(periods: Iterable[Period]) -> Period:
    """When the first of several happened; an unknown earliest day stays unknown."""
    listed = list(periods)
    starts = [each.earliest for each in listed]
    ends = [each.latest for each in listed if each.latest]
    known = [each for each in starts if each]
    return Period(
        min(known) if known and len(known) == len(starts) else None, min(ends, default=None)
    )


def last_of(periods: Iterable[Period]) -> Period:
    """When the last of several happened; an unknown latest day stays unknown."""
    listed = list(periods)
    starts = [each.earliest for each in listed if each.earliest]
    known = [each.latest for each in listed if each.latest]
    return Period(
        max(starts, default=None), max(known) if known and len(known) == len(listed) else None
    )
