"""What the numbers of a column would be in each unit that their element is written in."""

from collections.abc import Iterable, Sequence
from fractions import Fraction

from imnm_fhir.dictionary import Element, load_dictionary
from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.languages import number_text, translate
from imnm_fhir.queries.model import Target
from imnm_fhir.units import factor
from imnm_fhir.values import Unreadable, read_number

STYLES = ((".", ","), (",", "."), (".", "'"), (",", "'"), (".", " "), (",", " "))
EDGE = 8  # one value of so many is left out at either end: what is odd says nothing of the unit
Readings = list[float | None]


def written_numbers(words: Sequence[str | None]) -> Readings:
    """The numbers that the cells of one column stand for; None where it is none, or may be two.

    The column's own cells say what its decimal sign is: `4.512` counts only where another cell tells.
    """
    readings = [[_number(word, *style) for word in words] for style in STYLES]
    fewest = min(each.count(None) for each in readings)
    best = [each for each in readings if each.count(None) == fewest]
    return [column[0] if len(set(column)) == 1 else None for column in zip(*best, strict=True)]


def _number(word: str | None, decimal: str, thousands: str) -> float | None:
    try:
        found = read_number(word or "", decimal, thousands)
    except Unreadable:
        return None
    return float(found.value) if found.comparator is None else None


def unit_evidence(targets: Sequence[Target], language: str) -> list[str]:
    """Where most of the numbers lie, and where they would in the other units of their element.

    Sentences in `language`; none where no cell holds a number.
    """
    numbers = written_numbers([each.word for each in targets])
    known = sorted(each for each in numbers if each is not None)
    if not known:
        return []
    edge = len(known) // EDGE
    inner = known[edge : len(known) - edge]
    low, high = inner[0], inner[-1]
    said = translate(
        "{count} of {all} values lie between {low} and {high}",
        language, count=sum(low <= each <= high for each in known), all=len(targets),
        low=number_text(low, language), high=number_text(high, language),
    )  # fmt: skip
    element = load_dictionary().elements.get(targets[0].element or "")
    if element is None:
        return [said]
    own, now = _own_unit(element), _unit_now(element, targets, numbers)
    return [said, *_read_now(now, own, low, high, language),
            *_in_others(element, own, now, low, high, language)]  # fmt: skip


def cell_unit_evidence(target: Target, language: str) -> list[str]:
    """What the number of one cell would be in the other units of its element."""
    element = load_dictionary().elements.get(target.element or "")
    (number,) = written_numbers([target.word])
    if element is None or number is None:
        return []
    return _in_others(element, _own_unit(element), None, number, number, language)


def _own_unit(element: Element) -> str | None:
    return element.unit or (element.units[0] if element.units else None)


def _units(element: Element) -> Iterable[tuple[str, Fraction]]:
    """Every unit that the dictionary names and that becomes the element's own, with the factor."""
    own = _own_unit(element)
    for unit in dict.fromkeys((element.unit, *element.other_units, *element.units)):
        if unit and own:
            try:
                yield unit, factor(unit, own)
            except ImnmFhirError:
                continue  # an assay's unit, or a dose by weight: it measures something else


def _unit_now(element: Element, targets: Sequence[Target], numbers: Readings) -> str | None:
    """The unit in which the numbers are read at present; None where they are not, or nothing tells."""
    read = [
        (number, _value(each.value))
        for each, number in zip(targets, numbers, strict=True)
        if number
    ]
    for unit, by in _units(element):
        if read and all(value is not None and _same(number * by, value) for number, value in read):
            return unit
    return None


def _value(text: str | None) -> float | None:
    try:
        return float((text or "").split()[0])
    except (ValueError, IndexError):
        return None


def _same(first: float, second: float) -> bool:
    return abs(first - second) <= 1e-9 * max(abs(first), abs(second))


def _read_now(
    now: str | None, own: str | None, low: float, high: float, language: str
) -> list[str]:
    if now is None or own is None:
        return []
    by = factor(now, own)
    return [
        translate("read in {unit} they are {low} to {high} {own}", language,
                  unit=now, low=_shown(low, by, language), high=_shown(high, by, language), own=own)
    ]  # fmt: skip


def _in_others(
    element: Element, own: str | None, now: str | None, low: float, high: float, language: str
) -> list[str]:
    """One sentence per unit that is not the present one; the element's own says nothing by itself."""
    said = []
    for unit, by in _units(element):
        if unit != now and (by != 1 or now is not None):
            if low == high:
                text = translate("in {unit} it would be {value} {own}", language,
                                 unit=unit, value=_shown(low, by, language), own=own)  # fmt: skip
            else:
                text = translate("in {unit} they would be {low} to {high} {own}", language,
                                 unit=unit, low=_shown(low, by, language),
                                 high=_shown(high, by, language), own=own)  # fmt: skip
            said.append(text)
    return said


def _shown(number: float, by: Fraction, language: str) -> str:
    return number_text(float(f"{number * by:.4g}"), language)
