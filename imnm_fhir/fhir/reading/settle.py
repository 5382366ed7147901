"""Numbers of a foreign row brought into the units of the dictionary, exactly or not at all."""

from collections.abc import Mapping
from typing import Any

from imnm_fhir.dictionary import Element, load_dictionary
from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.values import Unreadable

# Columns of numbers by the column of their unit.
NUMBERS: dict[str, dict[str, tuple[str, ...]]] = {
    "observations": {"unit": ("value_number", "reference_high")},
    "medications": {"dose_unit": ("dose_number",), "rate_unit": ("rate_number",)},
}
# Where a row says enough without its number: an odd number is then listed, and does not refuse it.
SPARED = {
    "dose_unit": "dosage[].doseAndRate[].doseQuantity",
    "rate_unit": "dosage[].doseAndRate[].rateQuantity",
}


def settle(table: str, row: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The row with its numbers in a unit that its element takes, and paths that were left out.

    Raises `ImnmFhirError` where the unit is unknown, lacks or measures something else, `Unreadable`
    where the number would have to be rounded.
    """
    settled, left_out = dict(row), []
    for unit, numbers in NUMBERS.get(table, {}).items():
        if all(row.get(column) is None for column in numbers):
            continue
        element = load_dictionary().elements[row["element"]]
        try:
            settled |= _settled(element, row, unit, numbers)
        except (ImnmFhirError, Unreadable):
            if unit not in SPARED:
                raise
            settled |= dict.fromkeys((unit, *numbers))
            left_out.append(SPARED[unit])
    return settled, left_out


def _settled(
    element: Element, row: Mapping[str, Any], unit: str, numbers: tuple[str, ...]
) -> dict[str, Any]:
    from imnm_fhir.units import convert, factor, ucum

    allowed = [each for each in (element.unit, *element.units) if each]
    said = row.get(unit)
    if said is None:
        return {unit: _unit_unsaid(element)}
    if said in allowed or not allowed:
        return {}
    known = ucum(said, element.enzyme)
    if known in allowed:
        return {unit: known}
    by = factor(known, element.unit or known)
    if element.unit is None:
        raise ImnmFhirError("its unit is none of the element's units")
    present = [column for column in numbers if row.get(column) is not None]
    return {unit: element.unit, **{column: convert(row[column], by) for column in present}}


def _unit_unsaid(element: Element) -> str:
    """A number without a unit is taken only where the element counts without dimension."""
    if element.unit and (element.unit == "1" or element.unit.startswith("{")):
        return element.unit
    raise ImnmFhirError("its number has no unit")
