"""Partial ISO dates: text whose length is its precision, as FHIR writes them."""

from calendar import monthrange
from datetime import date

from imnm_fhir.values.unreadable import Unreadable


def partial_date(year: str, month: str | None = None, day: str | None = None) -> str:
    """Partial ISO text of a year, month or day; `Unreadable` where the calendar has none such."""
    parts = [int(part) for part in (year, month, day) if part is not None]
    try:
        date(*[*parts, 1, 1][:3])
    except ValueError:
        raise Unreadable("no-such-date", "expected a day that the calendar has") from None
    return "-".join([f"{parts[0]:04}", *(f"{part:02}" for part in parts[1:])])


def date_bounds(partial: str) -> tuple[date, date]:
    """The earliest and the latest day of `YYYY`, `YYYY-MM` or `YYYY-MM-DD`, both included.

    Raises `ValueError` where the text is no partial date.
    """
    match [int(part) for part in partial.split("-")]:
        case [year]:
            return date(year, 1, 1), date(year, 12, 31)
        case [year, month]:
            first = date(year, month, 1)
            return first, first.replace(day=monthrange(year, month)[1])
        case [year, month, day]:
            return date(year, month, day), date(year, month, day)
    raise ValueError("a partial date has one to three parts")
