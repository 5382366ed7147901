"""One Excel cell to text: what Excel typed becomes canonical, what it only shows stays as shown."""

import re
from calendar import month_abbr
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple

NOT_SHOWN = re.compile(r'"[^"]*"|\[[^\]]*\]|\\.|_.|\*.')  # literals, colours and spaces of a format
EXACT_DIGITS = 15  # Excel keeps no more of a number
ZEROS = re.compile(r"0{2,}")
ESCAPED = re.compile(r"_x(005F|00[01][0-9A-F])_", re.IGNORECASE)


class ExcelCell(NamedTuple):
    """Value, openpyxl's letter for its type, and number format of a cell that is not blank."""

    value: Any
    data_type: str
    number_format: str


def cell_text(cell: ExcelCell) -> tuple[str, bool]:
    """The cell's text, and whether Excel typed it (number, date or boolean).

    A whole number has no decimals; other numbers have the 15 digits that Excel shows; a date is
    ISO, only as precise as its format shows; a percentage is shown with its sign, since 0.5 is not
    what the site saw. A number too long for Excel, whose last digits are lost, is shown in short form.
    A date shown without its year (`4-Mar`, which is what
    Excel makes of 3-4), a number shown with leading zeros and an error stay text as shown.
    """
    value = cell.value
    if isinstance(value, bool):
        return ("true" if value else "false"), True
    if isinstance(value, int):
        return _shown_number(str(value), cell.number_format)
    if isinstance(value, float):
        return _shown_number(f"{Decimal(f'{value + 0.0:.15g}'):f}", cell.number_format)
    if isinstance(value, date):
        return _date_text(value, cell.number_format)
    if isinstance(value, str):
        return ESCAPED.sub(lambda found: chr(int(found[1], 16)), value), False
    return str(value), False  # a time of day or a duration


def _shown_number(text: str, number_format: str) -> tuple[str, bool]:
    if len(text.lstrip("-").partition(".")[0]) > EXACT_DIGITS:
        return f"{Decimal(text):.14E}", False
    if "%" in NOT_SHOWN.sub("", number_format):
        return f"{Decimal(text).scaleb(2).normalize():f}%", True
    if ZEROS.fullmatch(number_format) and text.isdigit():
        return text.zfill(len(number_format)), len(text) >= len(number_format)
    return text, True


def _date_text(value: date, number_format: str) -> tuple[str, bool]:
    if isinstance(value, datetime) and (value.hour or value.minute or value.second):
        return value.isoformat(sep=" ", timespec="seconds"), True
    shown = NOT_SHOWN.sub("", number_format).lower()
    has_day, has_month = "d" in shown, "m" in shown
    has_year = "y" in shown or "e" in shown  # e is the year of a Japanese era
    if has_day and has_month and not has_year:
        return f"{value.day}-{month_abbr[value.month]}", False
    if has_year and not has_day and value.day == 1:
        year_only = not has_month and value.month == 1
        return f"{value.year:04}" + ("" if year_only else f"-{value.month:02}"), True
    return f"{value.year:04}-{value.month:02}-{value.day:02}", True
