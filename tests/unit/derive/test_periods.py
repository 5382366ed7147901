"""Partial dates as intervals: what holds, holds for every day that they may mean."""

from datetime import date, timedelta
from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from imnm_fhir.derive.course import age_bounds, onset_class
from imnm_fhir.derive.periods import (
    UNKNOWN,
    Period,
    add_days,
    add_months,
    all_of,
    any_of,
    around,
    before,
    first_of,
    inside,
    last_of,
    period,
    years_between,
)

DAYS = st.dates(date(1900, 1, 1), date(2100, 12, 31))
NEAR = st.dates(date(2019, 1, 1), date(2019, 3, 31))
ANSWERS = st.sampled_from([True, False, None])


@st.composite
def periods(draw: st.DrawFn) -> Period:
    """Short periods close to each other, so that they often meet."""
    first = draw(NEAR)
    return Period(first, first + timedelta(days=draw(st.integers(0, 40))))


def days(each: Period) -> list[date]:
    assert each.earliest and each.latest
    return [
        each.earliest + timedelta(days=n) for n in range((each.latest - each.earliest).days + 1)
    ]


def agreed(answers: list[bool]) -> bool | None:
    """The answer that all pairs of days give, else None."""
    return answers[0] if len(set(answers)) == 1 else None


@given(periods(), periods())
def test_before_is_what_all_pairs_of_days_say(one: Period, other: Period) -> None:
    assert before(one, other) == agreed([a < b for a, b in product(days(one), days(other))])


@given(periods(), st.integers(0, 30), st.integers(0, 30), NEAR)
def test_a_window_around_an_exact_day(day: Period, low: int, high: int, anchor: date) -> None:
    start, end = anchor - timedelta(days=low), anchor + timedelta(days=high)
    said = around(day, Period(anchor, anchor), low, high)
    assert said in (None, agreed([start <= each <= end for each in days(day)]))
    if day.day:
        assert said == (start <= day.day <= end)


def test_what_is_not_known_decides_nothing() -> None:
    day = period("2019-03-04")
    assert before(UNKNOWN, day) is None and before(day, UNKNOWN) is None
    assert inside(UNKNOWN, day, day) is None
    assert before(Period(date(2020, 1, 1), None), day) is False  # an open end is enough here
    assert before(Period(None, date(2019, 1, 1)), day) is True


@given(DAYS, st.integers(-240, 240))
def test_months_are_clamped_to_the_months_last_day(day: date, months: int) -> None:
    later = add_months(day, months)
    assert later is not None
    assert (later.year * 12 + later.month) - (day.year * 12 + day.month) == months
    assert later.day == day.day or (later.day < day.day and (later + timedelta(days=1)).day == 1)


def test_the_calendar_has_ends() -> None:
    assert add_days(date.max, 1) == date.max and add_days(date.min, -1) == date.min
    assert add_months(date.max, 1) == date.max and add_months(date.min, -1) == date.min
    assert add_days(None, 1) is None and add_months(None, 1) is None


@given(DAYS, st.integers(0, 100))
def test_an_age_changes_on_the_birthday(birth: date, years: int) -> None:
    birthday = add_months(birth, 12 * years)
    assert birthday is not None
    assert years_between(birth, birthday) == years
    assert years_between(birth, birthday - timedelta(days=1)) == years - 1


@given(periods(), periods())
def test_age_bounds_hold_every_age(birth: Period, onset: Period) -> None:
    older = Period(*(add_months(each, -12 * 70) for each in birth))
    ages = {years_between(a, b) for a, b in product(days(older), days(onset))}
    assert age_bounds(older, onset) == (min(ages), max(ages))


@given(periods(), periods(), st.integers(1, 40), st.integers(0, 2))
def test_the_class_is_that_of_every_ordered_pair(
    onset: Period, diagnosis: Period, acute_days: int, months: int
) -> None:
    def class_of(start: date, end: date) -> str:
        if (end - start).days < acute_days:
            return "acute"
        limit = add_months(start, months)
        assert limit
        return "subacute" if end <= limit else "chronic"

    found = {class_of(a, b) for a, b in product(days(onset), days(diagnosis)) if a <= b}
    expected = found.pop() if len(found) == 1 else None
    assert onset_class(onset, diagnosis, acute_days, months) == expected


@given(st.lists(ANSWERS, min_size=1))
def test_three_valued_and_or(answers: list[bool | None]) -> None:
    """An unknown answer matters only where replacing it by yes or no changes the result."""
    filled = [
        [choice if answer is None else answer for answer in answers] for choice in (True, False)
    ]
    assert all_of(*answers) == agreed([all(each) for each in filled])
    assert any_of(answers) == agreed([any(each) for each in filled])


@given(st.lists(periods(), min_size=1))
def test_first_and_last_of_several(several: list[Period]) -> None:
    assert first_of(several) == (
        min(each.earliest for each in several if each.earliest),
        min(each.latest for each in several if each.latest),
    )
    assert first_of([*several, UNKNOWN]).earliest is None
    assert last_of([*several, UNKNOWN]).latest is None
    assert last_of(several).earliest == max(each.earliest for each in several if each.earliest)
    assert first_of([]) == last_of([]) == UNKNOWN
