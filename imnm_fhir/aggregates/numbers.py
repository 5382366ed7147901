"""The numbers of a table of results, as people print them: `4.512`, `71,5`, `1 234`, `< 1 %`."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

GROUP = r"[ .,'’]"  # what stands between thousands; other spaces are plain ones by then
NUMBER = rf"(?:[-−–]?\d{{1,3}}(?:{GROUP}\d{{3}})+(?!\d)(?:[.,]\d+)?|[-−–]?\d+(?:[.,]\d+)?)"
MINUS = str.maketrans("−–", "--")  # a paper's minus is often a dash
GROUPED = re.compile(rf"-?([1-9]\d{{0,2}})({GROUP})\d{{3}}((?:\2\d{{3}})*)([.,]\d+)?")
PLAIN = re.compile(r"-?\d+(?:[.,]\d+)?")
TOTAL = re.compile(rf"\b[nN]\s*[=:]\s*(?P<total>{NUMBER})(?!\d|[.,]\d)")
LONGEST = 40  # digits of a number that is read at all
THOUSANDS = re.compile(rf"[1-9]\d{{0,2}}(?:{GROUP}\d{{3}})+")
PRINTED = re.compile(r"(?<![\d.,])\d{1,3}([.,])\d{1,2}(?!\d|[.,]\d)")
IN_THOUSANDS = re.compile(r"(?<![\d.,])[1-9]\d{0,2}([.,])\d{3}(?!\d|[.,]\d)")
BELOW_ONE = re.compile(r"(?<![\d.,])0([.,])\d{3,}(?!\d|[.,]\d)")
BOUND = re.compile(r"^[<>≤≥]")


@dataclass(frozen=True)
class Percent:
    """A percentage as printed: its value, one unit of its last digit, and `<` or `>` before it."""

    value: Decimal
    unit: Decimal
    bound: str = ""


def decimal_sign(texts: Iterable[str]) -> str:
    """The decimal sign that most numbers of a table use; a point where nothing says otherwise.

    Where no number has tenths or hundredths, the point of `19.972` is that of thousands.
    """
    found: Counter[str] = Counter()
    thousands: Counter[str] = Counter()
    for text in texts:
        found.update(PRINTED.findall(text))
        found.update(BELOW_ONE.findall(text))
        thousands.update(IN_THOUSANDS.findall(text))
    if not found:
        return "," if thousands["."] > thousands[","] else "."
    return "," if found[","] > found["."] else "."


@lru_cache(maxsize=65536)
def number(text: str, decimal: str) -> Decimal | None:
    """The number that `text` is, with this decimal sign; None where it is none.

    A sign that can only be the decimal one (`71,5`, `0.123`) is that, whatever the table's is.
    """
    plain = text.strip().translate(MINUS)
    if len(plain) > LONGEST:
        return None
    grouped = GROUPED.fullmatch(plain)
    if grouped and (grouped[2] != decimal or grouped[3] or grouped[4]):
        head = plain.removesuffix(grouped[4] or "").replace(grouped[2], "")
        return Decimal(head + (grouped[4] or "").replace(",", "."))
    return Decimal(plain.replace(",", ".")) if PLAIN.fullmatch(plain) else None


@lru_cache(maxsize=65536)
def whole(text: str) -> int | None:
    """The count that `text` is, thousands marked or not; None where it is no whole number."""
    plain = text.strip()
    if THOUSANDS.fullmatch(plain):
        plain = re.sub(r"\D", "", plain)
    return int(plain) if plain.isdecimal() and len(plain) <= LONGEST else None


@lru_cache(maxsize=65536)
def percent(text: str) -> Percent | None:
    """The percentage that `text` is, and the unit of its last digit; either decimal sign is read."""
    plain = text.strip().removesuffix("%").strip()
    sign = BOUND.match(plain)
    plain = BOUND.sub("", plain).strip().replace(",", ".")
    if len(plain) > LONGEST or not re.fullmatch(r"-?\d+(\.\d+)?", plain):
        return None
    found = Decimal(plain)
    bound = {"≤": "<", "≥": ">"}.get(sign[0], sign[0]) if sign else ""
    return Percent(found, unit_of(found), bound)


def unit_of(found: Decimal) -> Decimal:
    """One unit of the last digit as printed."""
    exponent = found.as_tuple().exponent
    return Decimal(1).scaleb(exponent if isinstance(exponent, int) else 0)


def fits(n: int, total: int, printed: Percent) -> bool:
    """Whether n of total is the printed percentage, within one unit of its last digit."""
    if total == 0:
        return printed.value == 0
    if printed.bound == "<":
        return 100 * n <= printed.value * total
    if printed.bound == ">":
        return 100 * n >= printed.value * total
    return abs(100 * n - printed.value * total) <= printed.unit * total
