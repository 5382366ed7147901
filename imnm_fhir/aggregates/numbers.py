"""The numbers of a table of results, as people print them: `13 (81.3%)`, `4.512`, `71,5 (36-80)`."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

NUMBER = r"[-−]?\d[\d.,'’\u00a0\u202f]*"
DASH = r"\s*(?:-|–|—|−|to|a|bis|à|;)\s*"
COUNT = re.compile(
    rf"(?P<n>{NUMBER})(?:\s*(?:/|of|de|von|sur|su)\s*(?P<total>{NUMBER}))?"
    rf"(?:\s*[(\[]?\s*(?P<percent>{NUMBER})\s*%\s*[)\]]?)?"
)
SPREAD = re.compile(
    rf"(?P<median>{NUMBER})\s*[(\[]\s*(?P<low>{NUMBER}){DASH}(?P<high>{NUMBER})\s*[)\]]"
)
RANGE = re.compile(rf"[(\[]?\s*(?P<low>{NUMBER}){DASH}(?P<high>{NUMBER})\s*[)\]]?")
TOTAL = re.compile(r"\b[nN]\s*=\s*(\d[\d.,']*)")
LONGEST = 40  # digits of a number that is read at all
THOUSANDS = re.compile(r"\d{1,3}(?:[.,'’\u00a0\u202f]\d{3})+")
PRINTED = re.compile(r"(?<!\d)\d{1,3}([.,])\d{1,2}(?!\d)")


@dataclass(frozen=True)
class Percent:
    """A percentage as printed: its value, one unit of its last digit, and `<` or `>` before it."""

    value: Decimal
    unit: Decimal
    bound: str = ""

    @property
    def shown(self) -> str:
        """The percentage as a reader sees it, such as `11.8 %`."""
        return f"{self.bound}{self.value} %"


def decimal_sign(texts: Iterable[str]) -> str:
    """The decimal sign that most numbers of a table use; a point where nothing says otherwise."""
    commas = points = 0
    for text in texts:
        for sign in PRINTED.findall(text):
            commas += sign == ","
            points += sign == "."
    return "," if commas > points else "."


@lru_cache(maxsize=65536)
def number(text: str, decimal: str) -> Decimal | None:
    """The number that `text` is, with this decimal sign; None where it is none."""
    plain = text.strip().replace("−", "-")
    thousands = "." if decimal == "," else ","
    for sign in (thousands, "'", "’", "\u00a0", "\u202f"):
        plain = plain.replace(sign, "")
    plain = plain.replace(decimal, ".").rstrip(".")
    fits = len(plain) <= LONGEST and re.fullmatch(r"-?\d+(\.\d+)?", plain)
    return Decimal(plain) if fits else None


@lru_cache(maxsize=65536)
def whole(text: str) -> int | None:
    """The count that `text` is, thousands marked or not; None where it is no whole number."""
    plain = text.strip()
    if THOUSANDS.fullmatch(plain):
        plain = re.sub(r"\D", "", plain)
    return int(plain) if plain.isdecimal() and len(plain) <= LONGEST else None


@lru_cache(maxsize=65536)
def percent(text: str, decimal: str) -> Percent | None:
    """The percentage that `text` is, and the unit of its last digit; either decimal sign is read."""
    plain = text.strip().removesuffix("%").strip()
    found = (
        number(plain.replace(",", "."), ".") if PRINTED.fullmatch(plain) else number(plain, decimal)
    )
    if found is None:
        return None
    exponent = found.as_tuple().exponent
    return Percent(found, Decimal(1).scaleb(exponent if isinstance(exponent, int) else 0))
