"""The unit of a column: what is stored instead, by which exact factor, and what a header names."""

import re
from functools import lru_cache

from imnm_fhir.dictionary import Element
from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.sites.plan import SourceUnit
from imnm_fhir.units import factor, is_times_upper_limit, ucum
from imnm_fhir.units.measures import measure

IN_HEADER = re.compile(r"(?:\(([^()]+)\)|\[([^\[\]]+(?:\[[^\[\]]+\][^\[\]]*)?)\])\s*$")
PER_TIME = ("s", -1)  # the second, UCUM's base unit of time, below the line


def wants_unit(element: Element, field: str) -> bool:
    """Whether a number in this field needs a unit that somebody names.

    The dimensionless scores of the dictionary, such as {score}, name themselves.
    """
    if field == "sessions":
        return False
    return bool(element.units) or not (element.unit or "{").startswith("{")


@lru_cache(maxsize=4096)
def _source_unit(element: str, stored: str | None, units: tuple[str, ...], code: str) -> SourceUnit:
    if is_times_upper_limit(code) and stored:
        return SourceUnit(stored, None)
    if stored:
        return SourceUnit(stored, factor(code, stored))
    if code in units:
        return SourceUnit(code)
    for each in units:
        try:
            return SourceUnit(each, factor(code, each))
        except ImnmFhirError:
            continue
    if units:
        raise ImnmFhirError(f"{code} is none of its units ({', '.join(units)})")
    raise ImnmFhirError(f"{element} has no unit; leave it out")


def source_unit(element: Element, field: str, text: str) -> SourceUnit:
    """What becomes of a number of the element that is written in the unit `text`.

    Raises `ImnmFhirError` where the unit is unknown or measures something else.
    """
    code = ucum(text, element.enzyme)
    found = _source_unit(element.name, element.unit, element.units, code)
    if field in ("dose_number", "rate_number") and is_rate(found.stored) != (
        field == "rate_number"
    ):
        other = "rate_number" if field == "dose_number" else "dose_number"
        raise ImnmFhirError(f'{code} belongs into field "{other}", or let "dose" choose')
    return found


def source_unit_of_header(element: Element, field: str, named: str) -> SourceUnit:
    """As `source_unit`, of a unit that a header names; there, bare `ULN` may be the limit itself.

    Raises `ImnmFhirError` for it too: `CK (ULN)` may hold multiples or limits, `CK (xULN)` multiples.
    """
    found = source_unit(element, field, named)
    if is_times_upper_limit(ucum(named, element.enzyme)) and _is_bare(named, element.enzyme):
        raise ImnmFhirError(
            f"{named} may be the limit or a multiple of it; the header says not which"
        )
    return found


def _is_bare(named: str, enzyme: bool) -> bool:
    """Whether the multiple is named without its sign: `ULN`, of which `xULN` is known too."""
    try:
        return is_times_upper_limit(ucum(f"x{named}", enzyme))
    except ImnmFhirError:
        return False


def own_unit(element: Element) -> SourceUnit | None:
    """The unit of a number that needs none named: the element's score, or nothing."""
    return SourceUnit(element.unit) if element.unit else None


def is_rate(code: str | None) -> bool:
    """Whether the unit is per time, such as mg/kg/d."""
    found = measure(code or "1")
    return found is not None and PER_TIME in found.dimensions


def unit_in_header(header: str) -> str | None:
    """What stands in the last brackets of a header, such as `UI/l` of `CPK basal (UI/l)`."""
    found = IN_HEADER.search(header)
    return next((part.strip() for part in found.groups() if part), None) if found else None
