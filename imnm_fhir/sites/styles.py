"""Styles that nobody declared and that matter: cells whose value depends on them are not guessed."""

from functools import lru_cache

from imnm_fhir.sites.plan import Reading
from imnm_fhir.values import (
    DateStyle,
    Number,
    Unreadable,
    ambiguous_date,
    ambiguous_number,
    read_date,
    read_number,
)

# What to declare where a date cannot be read without it.
DATE_KEYS = {
    "date-order": "date_order",
    "two-digit-year": "two_digit_pivot",
    "era-undeclared": "eras",
    "excel-date": "excel_dates",
}
TO_DECLARE = {
    "decimal": 'decimal = "," or "." (and thousands)',
    "thousands": "thousands, the sign between groups of three digits",
    "date_order": 'date_order = "dmy" or "mdy"',
    "two_digit_pivot": "two_digit_pivot, the last year that a two-digit year may mean",
    "eras": "eras = true",
    "excel_dates": 'excel_dates = "1900" or "1904"',
}


def decimal_sign(reading: Reading) -> str:
    """The decimal sign of a column: declared, or the one that its thousands sign leaves."""
    if reading.decimal is not None:
        return reading.decimal
    return "," if reading.thousands == "." else "."


def number_in_style(reading: Reading, text: str) -> Number:
    """The number that the text is in the column's style; raises `Unreadable`."""
    return read_number(text, decimal_sign(reading), reading.thousands or "")


@lru_cache(maxsize=1 << 16)
def date_in_style(text: str, style: DateStyle) -> str | Unreadable:
    """The date that the text is, or why it is none; columns of one file share many dates."""
    try:
        return read_date(text, style)
    except Unreadable as error:
        return error


def undeclared_style(reading: Reading, text: str) -> str | None:
    """Which style must be declared before the text can be read; None where it is clear or hopeless."""
    if reading.kind == "number":
        return _undeclared_number(reading, text)
    return _undeclared_date(reading, text) if reading.kind == "date" else None


def _undeclared_number(reading: Reading, text: str) -> str | None:
    if reading.decimal is None and reading.thousands is None and ambiguous_number(text):
        return "decimal"
    if reading.decimal is not None and reading.thousands is not None:
        return None
    try:
        number_in_style(reading, text)
    except Unreadable as error:
        if error.rule not in ("number-style", "thousands"):
            return None
        if reading.decimal is None:
            return "decimal"
        return "thousands" if _reads_in_groups(reading.decimal, text) else None
    return None


def _reads_in_groups(decimal: str, text: str) -> bool:
    for thousands in {".", ",", " ", "'"} - {decimal}:
        try:
            read_number(text, decimal, thousands)
        except Unreadable:
            continue
        return True
    return False


def _undeclared_date(reading: Reading, text: str) -> str | None:
    if reading.date_order is None and ambiguous_date(text):
        return "date_order"
    found = date_in_style(text, reading.dates)
    key = DATE_KEYS.get(found.rule) if isinstance(found, Unreadable) else None
    declared = {"date_order": reading.date_order, "excel_dates": reading.dates.excel}
    return None if key is None or declared.get(key) else key
