"""The grammar of UCUM over the units of `mappings/units.toml`: what a code measures.

https://ucum.org, the part of it that a clinic needs (no unit with an offset).
"""

import re
import tomllib
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, lru_cache
from typing import Any

from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.terminology import mappings

ANNOTATION = re.compile(r"\{[!-z|~]+\}")
INTEGER = re.compile(r"10*")  # 109 is 10 to the ninth with its exponent lost
EXPONENT = re.compile(r"[+-]?[1-9][0-9]?")
Dimensions = tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Measure:
    """What a unit measures: its size in base units, and the base units above and below the line.

    `dimensions` are pairs of base and sign and never cancel: mg/kg/d is no 1/d.
    """

    code: str
    size: Fraction
    dimensions: Dimensions
    arbitrary: bool = False

    def times(self, other: "Measure", sign: int) -> "Measure":
        """The product (sign 1) or quotient (sign -1) of two measures; its code is not joined."""
        turned = tuple((base, sign * power) for base, power in other.dimensions)
        return Measure(
            self.code,
            self.size * other.size**sign,
            tuple(sorted(self.dimensions + turned)),
            self.arbitrary or other.arbitrary,
        )


ONE = Measure("1", Fraction(1), ())


@cache
def load_units() -> dict[str, Any]:
    """`mappings/units.toml` as it stands."""
    return tomllib.loads((mappings() / "units.toml").read_text("utf-8"))


@cache
def _symbols() -> dict[str, Measure]:
    """Every unit of `mappings/units.toml`, with each prefix that it takes, by its symbol."""
    raw = load_units()
    symbols: dict[str, Measure] = {}
    for name, unit in raw["units"].items():
        for prefix in ["", *unit.get("prefixes", [])]:
            size = Fraction(raw["prefixes"][prefix]) if prefix else Fraction(1)
            measure = _unit_measure(name, unit, symbols)
            for symbol in [name, *unit.get("also", [])]:
                symbols[prefix + symbol] = Measure(
                    prefix + name, size * measure.size, measure.dimensions, measure.arbitrary
                )
    return symbols


def _unit_measure(name: str, unit: dict[str, Any], symbols: dict[str, Measure]) -> Measure:
    if unit.get("base") or unit.get("arbitrary"):
        return Measure(name, Fraction(1), ((name, 1),), bool(unit.get("arbitrary")))
    of, rest = _read_expression(unit["of"], symbols)
    if rest:
        raise ImnmFhirError(f"mappings/units.toml, [units.{name}]: '{unit['of']}' is no unit")
    return Measure(name, Fraction(unit["number"]) * of.size, of.dimensions, of.arbitrary)


@lru_cache(maxsize=1024)
def measure(code: str) -> Measure | None:
    """What the UCUM code measures; None where it is no code of known units."""
    try:
        found, rest = _read_expression(code, _symbols())
    except ValueError:
        return None
    return found if code and not rest else None


def _read_expression(text: str, symbols: dict[str, Measure]) -> tuple[Measure, str]:
    """The measure at the beginning of the text, and the rest; `ValueError` where there is none."""
    whole, written, sign, rest = ONE, "", 1, text
    if rest.startswith("/"):
        written, sign, rest = "/", -1, rest[1:]
    while True:
        part, rest = _read_component(rest, symbols)
        whole, written = whole.times(part, sign), written + part.code
        if not rest or rest[0] not in "./":
            return Measure(written, whole.size, whole.dimensions, whole.arbitrary), rest
        sign = 1 if rest[0] == "." else -1
        written, rest = written + rest[0], rest[1:]


def _read_component(text: str, symbols: dict[str, Measure]) -> tuple[Measure, str]:
    if text.startswith("("):
        inner, rest = _read_expression(text[1:], symbols)
        if not rest.startswith(")"):
            raise ValueError("a bracket is not closed")
        return Measure(f"({inner.code})", inner.size, inner.dimensions, inner.arbitrary), rest[1:]
    part, rest = _read_simple_unit(text, symbols)
    if found := ANNOTATION.match(rest):
        named = Measure(part.code, Fraction(1), ((found[0], 1),))
        code = (part.code if part is not ONE else "") + found[0]
        product = part.times(named, 1)
        return Measure(code, product.size, product.dimensions, part.arbitrary), rest[found.end() :]
    if part is ONE:
        raise ValueError("no unit")
    return part, rest


def _read_simple_unit(text: str, symbols: dict[str, Measure]) -> tuple[Measure, str]:
    """The longest symbol with its exponent, or a power of ten; `ONE` where the text has neither."""
    symbol = max((name for name in symbols if text.startswith(name)), key=len, default="")
    if symbol:
        return _raised(symbols[symbol], text[len(symbol) :])
    if found := INTEGER.match(text):
        return Measure(found[0], Fraction(int(found[0])), ()), text[found.end() :]
    return ONE, text


def _raised(part: Measure, rest: str) -> tuple[Measure, str]:
    found = EXPONENT.match(rest)
    if not found:
        return part, rest
    power = int(found[0])
    sign = 1 if power > 0 else -1
    dimensions = tuple((base, sign * way) for base, way in part.dimensions) * abs(power)
    raised = Measure(part.code + found[0], part.size**power, dimensions, part.arbitrary)
    return raised, rest[found.end() :]
