"""Local spellings to UCUM codes, and exact factors between commensurable ones.

The units themselves are in `mappings/units.toml`, their spellings in `mappings/synonyms/units.csv`.
"""

import re
import unicodedata
from difflib import get_close_matches
from fractions import Fraction
from functools import cache, lru_cache

from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.units.measures import Measure, load_units, measure
from imnm_fhir.values import canonical_number, fold
from imnm_fhir.values.numbers import DECIMALS, too_precise
from imnm_fhir.values.words import read_synonyms

SUPERSCRIPTS = "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"


def is_ucum(code: str) -> bool:
    """Whether the code is UCUM, of the units that `mappings/units.toml` knows."""
    return measure(code) is not None


@lru_cache(maxsize=1024)
def factor(source: str, target: str) -> Fraction:
    """The exact number of `target` in one `source`: 60 for ukat/L and U/L.

    Raises `ImnmFhirError` where one is no unit, they measure different things, or an arbitrary
    unit such as [IU] is asked to become another.
    """
    one, other = _known(source), _known(target)
    if one.code == other.code:
        return Fraction(1)
    if one.arbitrary or other.arbitrary or one.dimensions != other.dimensions:
        raise ImnmFhirError(
            f"{source} cannot be converted to {target}: they do not measure the same; "
            "correct the unit, or map the column to an element that has it"
        )
    return one.size / other.size


def _known(code: str) -> Measure:
    found = measure(code)
    if found is None:
        raise ImnmFhirError(f"'{code}' is no UCUM unit of mappings/units.toml; correct it")
    return found


def convert(value: str, by: Fraction) -> str:
    """The canonical number times the factor, exactly, as canonical text.

    Raises `Unreadable` ("too-precise") where the product has more than 15 digits or 6 decimals.
    """
    product = Fraction(canonical_number(value)) * by
    scaled, rest = divmod(abs(product.numerator) * 10**DECIMALS, product.denominator)
    if rest:
        raise too_precise()
    whole, part = divmod(scaled, 10**DECIMALS)
    return canonical_number(f"{'-' if product < 0 else ''}{whole}.{part:0{DECIMALS}}")


def is_times_upper_limit(code: str) -> bool:
    """Whether the unit is a multiple of the row's upper limit of normal, which converts by it."""
    times_upper_limit: str = load_units()["times_upper_limit"]
    return code == times_upper_limit


def ucum(text: str, enzyme: bool = False) -> str:
    """The UCUM code of a local spelling: `UI/l` is [IU]/L, and U/L where `enzyme` says so.

    Case counts where it makes a difference. Raises `ImnmFhirError`, with the nearest known unit,
    where the spelling is unknown or may mean two units.
    """
    squeezed = _squeezed(text)
    code = _spelled(squeezed, enzyme)
    if code is None and "/" in squeezed:
        parts = [_spelled(part, enzyme) if part else "" for part in squeezed.split("/")]
        code = None if None in parts else "/".join(part for part in parts if part is not None)
    found = measure(code or squeezed)
    if found is None:
        raise ImnmFhirError(f"the unit is not known{_suggestion(squeezed, enzyme)}")
    return found.code


def _squeezed(text: str) -> str:
    """The text without spaces, in plain characters; ×10⁹ is 10*9, which NFKC would make 109."""
    power = re.sub(rf"[x×]? *10 *([{SUPERSCRIPTS}]+)", r"10*\1", text)
    return re.sub(r"\s", "", unicodedata.normalize("NFKC", power))


def _spelled(squeezed: str, enzyme: bool) -> str | None:
    """The code of a whole spelling or of a part of it; None if unknown."""
    exact, folded = _spellings()
    row = exact.get(squeezed) or folded.get(fold(squeezed))
    if row is None:
        return None
    code = (enzyme and row["enzyme"]) or row["ucum"]
    if not code:
        raise ImnmFhirError(f"the unit is not clear: {row['note']}")
    return code


@cache
def _spellings() -> tuple[dict[str, dict[str, str]], dict[str, dict[str, str]]]:
    """Lines of the spellings by exact text and by folded text, each code checked to be UCUM."""
    exact: dict[str, dict[str, str]] = {}
    folded: dict[str, dict[str, str]] = {}
    for line, row in read_synonyms("units.csv"):
        squeezed = _squeezed(row["written"])
        table, key = (exact, squeezed) if row["case"] == "exact" else (folded, fold(squeezed))
        if table.setdefault(key, row) is not row:
            raise ImnmFhirError(f"{line}: '{row['written']}' is there twice")
        if not all(measure(code) for code in (row["ucum"], row["enzyme"]) if code):
            raise ImnmFhirError(f"{line}: a code of '{row['written']}' is not UCUM")
    return exact, folded


def _suggestion(squeezed: str, enzyme: bool) -> str:
    """The nearest known unit, for a message; the text itself may be a cell and is not repeated."""
    exact, folded = _spellings()
    known = {fold(key): key for key in [*exact, *(row["written"] for row in folded.values())]}
    nearest = [
        get_close_matches(fold(part), known, n=1, cutoff=0.6) for part in squeezed.split("/")
    ]
    advice = "write its UCUM code, or add the spelling to mappings/synonyms/units.csv"
    if not all(nearest):
        return f"; {advice}"
    try:
        return (
            f"; is it {ucum('/'.join(known[near[0]] for near in nearest), enzyme)}? Else {advice}"
        )
    except ImnmFhirError:
        return f"; {advice}"
