"""Dates: local text to partial ISO dates, never by guessing which number is the month."""

import re
from dataclasses import dataclass
from datetime import date, timedelta

from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.languages import translatable
from imnm_fhir.values.characters import plain
from imnm_fhir.values.eras import era_pattern, read_era_date
from imnm_fhir.values.months import is_joining_word, month_number
from imnm_fhir.values.partial import partial_date
from imnm_fhir.values.unreadable import Unreadable

ORDERS = ("ymd", "dmy", "mdy")
EXCEL_DAY_ZERO = {"1900": date(1899, 12, 30), "1904": date(1904, 1, 1)}
SERIAL_NUMBERS = range(20_000, 60_001)

ISO = re.compile(r"([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2}))?)?")
COMPACT = re.compile(r"((?:1[89]|2[01])[0-9]{2})([0-9]{2})([0-9]{2})")
SERIAL = re.compile(r"([0-9]{5})(?:[.,]([0-9]+))?")
THREE_NUMBERS = re.compile(r"([0-9]{1,4}) ?([./\- ]) ?([0-9]{1,2}) ?\2 ?([0-9]{1,4})")
MONTH_YEAR = re.compile(r"(?P<m>[0-9]{1,2}) ?[./\- ] ?(?P<y>[0-9]{4})")
# Not 2019.5, which is the middle of a year as likely as May.
YEAR_MONTH = re.compile(r"(?P<y>[0-9]{4}) ?(?:[/\- ] ?(?P<m>[0-9]{1,2})|\. ?(?P<two>[0-9]{2}))")
JAPANESE = re.compile(r"([0-9]{4}) ?年 ?(?:([0-9]{1,2}) ?月 ?(?:([0-9]{1,2}) ?日)?)?")
WITH_NAME = re.compile(r"(?:[0-9 ./,\-°]|[^\W\d_])+")
PIECE = re.compile(r"[0-9]+|[^\W\d_ºª]+|[ºª°]")
TIME = re.compile(
    r"(?P<date>.*[0-9日])(?:T| +|(?<=日))"
    r"(?P<hour>[0-9]{1,2}):(?P<rest>[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]+)?)?)"
    r"(?: ?(?P<half>[ap])\.? ?m\.?)?(?:Z|[+-][0-9]{2}:?[0-9]{2})?",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class DateStyle:
    """How a site writes dates.

    `order` is `ymd`, `dmy` or `mdy`; `two_digit_pivot` the last year that a two-digit year may
    mean (with 2026, `36` is 1936), None to refuse such years; `excel` is `1900` or `1904` where
    serial numbers 20000 to 60000 are dates; `eras` says whether Japanese eras are read.
    """

    order: str = "ymd"
    two_digit_pivot: int | None = None
    excel: str | None = None
    eras: bool = False

    def __post_init__(self) -> None:
        """Refuse what is no style."""
        if self.order not in ORDERS:
            raise ImnmFhirError(f"date order '{self.order}' is none of {', '.join(ORDERS)}")
        if self.excel is not None and self.excel not in EXCEL_DAY_ZERO:
            raise ImnmFhirError(f"excel '{self.excel}' is none of {', '.join(EXCEL_DAY_ZERO)}")


ISO_ONLY = DateStyle()


def read_date(text: str, style: DateStyle = ISO_ONLY) -> str:
    """The date as `YYYY`, `YYYY-MM` or `YYYY-MM-DD`.

    ISO text, 2019年4月3日, and dates with a month's name and a four-digit year are read in any
    style. A midnight time is dropped. Raises `Unreadable`: "unreadable-date", "no-such-date",
    "date-order" (day and month need an order), "two-digit-year", "no-year", "time-of-day",
    "excel-date", "era-undeclared", "outside-era".
    """
    written = _without_midnight(plain(text))
    if found := ISO.fullmatch(written) or COMPACT.fullmatch(written) or JAPANESE.fullmatch(written):
        return partial_date(*found.groups())
    if found := THREE_NUMBERS.fullmatch(written):
        return _read_three_numbers(found, style)
    if found := MONTH_YEAR.fullmatch(written):
        return partial_date(found["y"], found["m"])
    if found := YEAR_MONTH.fullmatch(written):
        return partial_date(found["y"], found["m"] or found["two"])
    if found := SERIAL.fullmatch(written):
        return _read_serial(found, style)
    if found := era_pattern().fullmatch(written):
        return _read_era(found, style)
    if WITH_NAME.fullmatch(written):
        return _read_named_month(written, style)
    raise _unreadable()


def _unreadable() -> Unreadable:
    return Unreadable("unreadable-date", "expected a date such as 2019-03-04, 2019-03 or 2019")


def _without_midnight(written: str) -> str:
    found = TIME.fullmatch(written) if ":" in written else None
    if found is None:
        return written
    midnight_hour = "12" if (found["half"] or "").lower() == "a" else "0"
    if found["hour"].lstrip("0") != midnight_hour.lstrip("0") or found["rest"].strip("0:.,"):
        raise Unreadable("time-of-day", "expected a date, found a time of day with it; remove it")
    return found["date"]


def _read_three_numbers(found: re.Match[str], style: DateStyle) -> str:
    first, _, second, third = found.groups()
    if len(first) == 4 and len(third) <= 2:
        return partial_date(first, second, third)
    if len(first) > 2 or len(third) not in (2, 4):
        raise _unreadable()
    if style.order == "ymd":
        if len(third) == 4:
            raise Unreadable("date-order", "expected the order of day and month to be declared")
        return partial_date(_full_year(first, style), second, third)
    day, month = (first, second) if style.order == "dmy" else (second, first)
    if int(month) > 12 >= int(day):
        raise Unreadable(
            "no-such-date", "expected a month from 1 to 12; this row has day and month swapped"
        )
    return partial_date(_full_year(third, style), month, day)


def _full_year(year: str, style: DateStyle) -> str:
    if len(year) == 4:
        return year
    if len(year) != 2:
        raise _unreadable()
    if style.two_digit_pivot is None:
        raise Unreadable(
            "two-digit-year", "expected a year of four digits, or a declared two_digit_pivot"
        )
    century = style.two_digit_pivot // 100 * 100
    full = century + int(year)
    return str(full if full <= style.two_digit_pivot else full - 100)


def _read_serial(found: re.Match[str], style: DateStyle) -> str:
    number = int(found[1])
    if style.excel is None or number not in SERIAL_NUMBERS:
        said = translatable(
            "expected a date; a spreadsheet's serial number counts only where excel_dates is declared, "
            "and from {first} to {last}"
        )
        first, last = SERIAL_NUMBERS[0], SERIAL_NUMBERS[-1]
        raise Unreadable("excel-date", said.format(first=first, last=last))
    if (found[2] or "").strip("0"):
        raise Unreadable("time-of-day", "expected a whole day, found a serial number with a time")
    return (EXCEL_DAY_ZERO[style.excel] + timedelta(days=number)).isoformat()


def _read_era(found: re.Match[str], style: DateStyle) -> str:
    if not style.eras:
        raise Unreadable("era-undeclared", "expected a common year; declare eras to read this one")
    return read_era_date(found)


def _read_named_month(written: str, style: DateStyle) -> str:
    """The date of pieces such as 4, mar, 2019; other words than months and joining ones refuse."""
    pieces = [piece for piece in PIECE.findall(written) if not is_joining_word(piece)]
    month = next((number for piece in pieces if (number := month_number(piece))), None)
    numbers = [piece for piece in pieces if piece.isascii() and piece.isdigit()]
    if month is None or len(numbers) != len(pieces) - 1:
        raise _unreadable()
    match numbers:
        case [year] if len(year) == 4:
            return partial_date(year, str(month))
        case [_] | []:
            raise Unreadable("no-year", "expected a year of four digits beside the month")
        case [first, last] if month_number(pieces[1]):
            return _read_around_month(first, str(month), last, style)
        case [day, year] if month_number(pieces[0]):
            return _named_day(_full_year(year, style), str(month), day)
    raise _unreadable()


def _read_around_month(first: str, month: str, last: str, style: DateStyle) -> str:
    year_first = len(first) == 4 or (style.order == "ymd" and len(last) == 2)
    year, day = (first, last) if year_first else (last, first)
    return _named_day(_full_year(year, style), month, day)


def _named_day(year: str, month: str, day: str) -> str:
    if len(day) > 2:
        raise _unreadable()
    return partial_date(year, month, day)


def ambiguous_date(text: str) -> bool:
    """Whether the date depends on the order of day, month and year, as `03/04/2019` does."""
    if ISO.fullmatch(text):
        return False
    dates = set()
    for order in ORDERS:
        try:
            dates.add(read_date(text, DateStyle(order, two_digit_pivot=2099)))
        except Unreadable:
            continue
    return len(dates) > 1
