"""Numbers: local text to exact canonical decimal text. No float is involved anywhere.

At most 15 significant digits and 6 decimals, which every store and server on the way keeps; more
is refused, never rounded.
"""

import re
from decimal import Decimal
from functools import cache
from typing import NamedTuple

from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.languages import translatable
from imnm_fhir.values.characters import plain
from imnm_fhir.values.number_problems import why_not_a_number
from imnm_fhir.values.unreadable import Unreadable
from imnm_fhir.values.words import is_approximate

SIGNIFICANT_DIGITS, DECIMALS = 15, 6
DECIMAL_SIGNS = (".", ",")
THOUSANDS_SIGNS = ("", ".", ",", " ", "'")

CANONICAL = re.compile(r"0|-?(?:[1-9][0-9]{0,8}(?:\.[0-9]{0,5}[1-9])?|0\.[0-9]{0,5}[1-9])")
MACHINE = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
COMPARATOR = re.compile(r"(<=|>=|<|>|≤|≥|≦|≧)? *")
COMPARATORS = {"≤": "<=", "≦": "<=", "≥": ">=", "≧": ">="}
AMBIGUOUS = re.compile(r"[+-]?[1-9][0-9]{0,2}[.,][0-9]{3}")


class Number(NamedTuple):
    """A number as canonical text, and its comparator: `<`, `<=`, `>`, `>=`, or None."""

    value: str
    comparator: str | None


def canonical_number(text: str) -> str:
    """Machine-written decimal text without exponent and trailing zeros: `1.50` is `1.5`, `-0` `0`.

    Raises `Unreadable`: "unreadable-number" where it is no decimal number, "too-precise" beyond 15
    significant digits or 6 decimals.
    """
    if CANONICAL.fullmatch(text):
        return text
    if not MACHINE.fullmatch(text):
        raise Unreadable("unreadable-number", "expected a decimal number such as 12 or -1.5")
    number = Decimal(text)
    if number == 0:
        return "0"
    if number.adjusted() >= SIGNIFICANT_DIGITS or number.adjusted() < -DECIMALS:
        raise too_precise()
    written = f"{number:f}"
    canonical = written.rstrip("0").rstrip(".") if "." in written else written
    whole, _, part = canonical.lstrip("-").partition(".")
    if len(part) > DECIMALS or len((whole + part).lstrip("0")) > SIGNIFICANT_DIGITS:
        raise too_precise()
    return canonical


def too_precise() -> Unreadable:
    """The refusal of a number that would have to be rounded."""
    said = translatable(
        "expected at most {digits} significant digits and {decimals} decimals; round the value at the "
        "source or choose another unit"
    )
    return Unreadable("too-precise", said.format(digits=SIGNIFICANT_DIGITS, decimals=DECIMALS))


def read_number(text: str, decimal: str = ".", thousands: str = "") -> Number:
    """The number that a site wrote in its declared style, with its comparator.

    `decimal` is `.` or `,`; `thousands` is blank, `.`, `,`, a space (any space) or `'`. Thousands
    groups must be well formed. `1e+05`, as R and Python write a round number, is read; `1,23E+15`,
    as a spreadsheet shows a long one, has lost digits. Raises `Unreadable` with a rule for each way
    to be no number: see `number_problems`; `ImnmFhirError` for a style that cannot be.
    """
    style = _number_in(decimal, thousands)
    written = plain(text)
    comparator, rest = _split_comparator(written)
    found = style.fullmatch(rest)
    if found is None:
        raise why_not_a_number(written, decimal, thousands)
    sign, whole, part, exponent = found.groups(default="")
    digits = re.sub(r"[^0-9]", "", whole) or "0"
    value = canonical_number(f"{sign}{digits}.{part or '0'}{exponent}")
    return Number(value, comparator)


def _split_comparator(written: str) -> tuple[str | None, str]:
    found = COMPARATOR.match(written)
    if not found or not found[1]:
        return None, written
    return COMPARATORS.get(found[1], found[1]), written[found.end() :]


@cache
def _number_in(decimal: str, thousands: str) -> re.Pattern[str]:
    """A pattern of sign, whole, decimals and exponent in one style."""
    if decimal not in DECIMAL_SIGNS or thousands not in THOUSANDS_SIGNS or decimal == thousands:
        raise ImnmFhirError(
            f"decimal '{decimal}' with thousands '{thousands}' is no style of numbers; decimal is "
            "'.' or ',', thousands is '', '.', ',', ' ' or an apostrophe, and they differ"
        )
    point = re.escape(decimal)
    gap = "['’]" if thousands == "'" else re.escape(thousands)
    grouped = rf"[1-9][0-9]{{0,2}}(?:{gap}[0-9]{{3}})+|" if thousands else ""
    whole = rf"({grouped}[0-9]+)"
    return re.compile(rf"([+-]?)(?=[0-9{point}]){whole}?(?:{point}([0-9]+))?(e[+-]?[0-9]{{1,3}})?")


def read_approximate(text: str, decimal: str = ".", thousands: str = "") -> tuple[str, Number]:
    """The words that make it approximate, as written, and the number: `ca. 4000` is `ca.`, 4000.

    For a column that keeps such words as text beside the number. Raises `Unreadable` as
    `read_number` does, also where nothing says that the number is approximate.
    """
    written = plain(text)
    start = re.search(r"[0-9<>≤≥≦≧+-]", written)
    words = written[: start.start()].strip() if start else ""
    if not is_approximate(words):
        raise Unreadable("unreadable-number", "expected a number after a word such as 'about'")
    return words, read_number(written[len(words) :], decimal, thousands)


def ambiguous_number(text: str) -> bool:
    """Whether the value depends on the style: `4.512` is 4512 or 4.512."""
    return AMBIGUOUS.fullmatch(_split_comparator(plain(text))[1]) is not None
