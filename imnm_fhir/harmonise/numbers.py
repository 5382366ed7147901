"""Cells of numbers: style, comparator, grade, approximate words, and the unit by its exact factor."""

import re
from fractions import Fraction

from imnm_fhir.dictionary import Element
from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.harmonise.outcomes import (
    NOTHING,
    VALUE,
    Cell,
    Given,
    damage_cell,
    issue_cell,
    missing_cell,
    unreadable_cell,
    value_cell,
)
from imnm_fhir.languages import translatable
from imnm_fhir.sites.contents import unit_text
from imnm_fhir.sites.fields import DOSE
from imnm_fhir.sites.plan import Reading, SourceUnit
from imnm_fhir.sites.styles import decimal_sign, number_in_style
from imnm_fhir.sites.titres import UNIT, read_titre
from imnm_fhir.sites.unit_of import is_rate, source_unit, wants_unit
from imnm_fhir.units import convert
from imnm_fhir.values import (
    Number,
    Unreadable,
    fold,
    read_approximate,
    read_number,
)
from imnm_fhir.values.damage import made_a_date

GRADED = re.compile(r"([0-9]+(?:[.,][0-9]+)?) ?([+-]?)(?: ?/ ?([0-9]+))?")
BETWEEN_GRADES = re.compile(r"[0-9][+-]? ?[-–—/] ?[0-9][+-]?")
DATE_MADE = re.compile(r"[0-9]{4}-0?([0-9]{1,2})-0?([0-9]{1,2})")
WITH_UNIT = re.compile(r"(.*?[0-9]) *([^\W\d].*|[%°µ].*)")
UNIT_MISSING = translatable(
    "the unit is named by neither cell, column, header nor mapping; say unit in the mapping"
)
LIMIT_UNDECIDED = translatable(
    "a multiple of an upper limit that depends on the patient's sex or age, which is not known well "
    "enough; send sex, date of birth and the date of the value, or the limit in that row"
)
UNIT_CONFLICT = translatable(
    "names another unit than the column of units does; correct one of them"
)


def number_cell(reading: Reading, given: tuple[Given, ...]) -> Cell:
    """The cell of a number; after it come the cells of its unit and its upper limit, if it has such."""
    text, typed = given[0]
    meaning = reading.meaning(text)
    try:
        if meaning is not None:
            return _with_unit(reading, Number(meaning, None), None, None, given)
        if titre := titre_cell(reading, given):
            return titre
        if reading.element and reading.element.graded and reading.field == "value_number":
            graded = _graded(reading, reading.element, text, given)
            if graded is not None:
                return graded
        number = read_number(text) if typed else number_in_style(reading, text)
        if number.comparator is None and number.value in reading.missing_numbers:
            return missing_cell(reading.missing_numbers[number.value])
        return _with_unit(reading, number, None, None, given)
    except Unreadable as error:
        return _otherwise(reading, given, error)


def titre_cell(reading: Reading, given: tuple[Given, ...]) -> Cell | None:
    """The cell `1:320` of an antibody: a number whose unit stands in the cell; None where it is none."""
    try:
        titre = read_titre(reading, given[0].text)
    except Unreadable as error:
        return unreadable_cell(error)
    if titre is None:
        return None
    beside = reading.unit
    if reading.unit_column is not None and given[1].text:
        found = _unit_of_row(reading, reading.unit_column, given[1].text)
        beside = found if isinstance(found, SourceUnit) else beside
    if beside is not None and beside.stored != UNIT:
        return issue_cell(
            "unit-conflict", "is a titre, which the unit beside it is not; correct one"
        )
    fields: dict[str, object] = {"value_number": titre.number.value, "unit": UNIT}
    if titre.number.comparator:
        fields["comparator"] = titre.number.comparator
    if titre.word is not None:
        fields[reading.field] = reading.meaning(titre.word)
    return value_cell(fields)


def _graded(reading: Reading, element: Element, text: str, given: tuple[Given, ...]) -> Cell | None:
    """A strength grade: `4+` and `4/5` are 4 with the text kept, `3-4` is text alone."""
    found = GRADED.fullmatch(text)
    top = element.range.high if element.range else None
    if found and (found[2] or found[3]) and found[3] in (None, top):
        return _with_unit(reading, number_in_style(reading, found[1]), text, None, given)
    if BETWEEN_GRADES.fullmatch(text):
        return value_cell({"value_text": text})
    return None


def _otherwise(reading: Reading, given: tuple[Given, ...], error: Unreadable) -> Cell:
    """What is no plain number: approximate, with its unit in the cell, words, or an issue."""
    text, typed = given[0]
    if damage := damage_cell(text):
        return damage
    made = DATE_MADE.fullmatch(text) if typed else None
    if made:
        return issue_cell("spreadsheet-date", made_a_date(int(made[1]), int(made[2])))
    if error.rule == "approximate" and reading.field == "value_number":
        words, number = read_approximate(text, decimal_sign(reading), reading.thousands or "")
        return _with_unit(reading, number, words, None, given)
    if (
        error.rule in ("number-with-text", "date-in-number")  # `12 ULN` looks like `12 Jan`
        and reading.element
        and (cell := _unit_inside(reading, given))
    ):
        return cell
    if reading.unmapped == "text" and not re.search(r"\d", text):
        return value_cell({"value_text": text})
    return unreadable_cell(error)


def _unit_inside(reading: Reading, given: tuple[Given, ...]) -> Cell | None:
    """The cell `4512 U/L`: its own unit counts, since it stands closest to the number."""
    found = WITH_UNIT.fullmatch(given[0].text)
    element = reading.element
    if found is None or element is None or not wants_unit(element, reading.field):
        return None
    try:
        unit = source_unit(element, reading.field, found[2])
        if reading.unit_column is not None and given[1].text:
            beside = _unit_of_row(reading, reading.unit_column, given[1].text)
            if beside != unit and isinstance(beside, SourceUnit):
                return issue_cell("unit-conflict", UNIT_CONFLICT)
        return _with_unit(reading, number_in_style(reading, found[1]), None, unit, given)
    except (ImnmFhirError, Unreadable):
        return None


def _with_unit(
    reading: Reading,
    number: Number,
    words: str | None,
    inside: SourceUnit | None,
    given: tuple[Given, ...],
) -> Cell:
    """The number in the stored unit; an issue where no unit, a wrong one or too many digits."""
    if number.comparator and reading.field != "value_number":
        return issue_cell("comparator", "expected a number without < or >; this field keeps none")
    beside = reading.unit_column
    unit = inside or (reading.unit if beside is None or _is_blank(beside, given[1].text) else None)
    if unit is None and reading.unit_column is not None:
        found = _unit_of_row(reading, reading.unit_column, given[1].text)
        if isinstance(found, Cell):
            return found
        unit = found
    elif unit is None and reading.unit_missing:
        return issue_cell("unit-missing", UNIT_MISSING)
    if unit is None:
        return value_cell(_fields(reading, number.value, number.comparator, None, words))
    by = unit.factor if unit.factor is not None else _limit(reading, given)
    if isinstance(by, Cell):
        return by
    value = convert(number.value, by) if by != 1 else number.value
    fields = _fields(reading, value, number.comparator, unit, words)
    mark = reading.reference and reading.reference.limits and reading.reference.limits.mark
    if unit.factor is None and mark:
        fields |= {"reference_high": convert("1", by), "method": mark}
    return value_cell(fields)


def _is_blank(column: Reading, text: str) -> bool:
    """Whether a cell of a column of units names none."""
    return not text or fold(text) in column.missing


def _unit_of_row(reading: Reading, column: Reading, text: str) -> SourceUnit | Cell:
    if _is_blank(column, text):
        return issue_cell("unit-missing", UNIT_MISSING)
    assert reading.element is not None  # a unit's column stands beside an element's number
    try:
        return source_unit(reading.element, reading.field, unit_text(column, text))
    except ImnmFhirError as error:
        return issue_cell("unknown-unit", str(error))


def _limit(reading: Reading, given: tuple[Given, ...]) -> Fraction | Cell:
    """The row's upper limit of normal in the stored unit, by which its multiple is turned."""
    limit = reading.reference
    if limit is None or limit.unit is None or limit.unit.factor is None:
        return issue_cell(
            "limit-missing", "a multiple of the upper limit needs the row's limit and its unit"
        )
    place = 2 if reading.unit_column else 1
    cell = number_cell(limit, given[place:]) if given[place].text else NOTHING
    if cell.outcome != VALUE and limit.limits:
        return issue_cell("limit-missing", LIMIT_UNDECIDED)
    if cell.outcome != VALUE:
        return issue_cell(
            "limit-missing",
            "a multiple of the upper limit, and the row has no readable limit"
            "; send the laboratory's limit in that row, or the value in its own unit",
        )
    return Fraction(str(cell.fields[limit.field]))


def _fields(
    reading: Reading, value: str, comparator: str | None, unit: SourceUnit | None, words: str | None
) -> dict[str, object]:
    stored = unit.stored if unit else None
    if reading.field in (DOSE, "dose_number", "rate_number"):
        start = "rate" if is_rate(stored) else "dose"
        return {f"{start}_number": value, f"{start}_unit": stored}
    fields: dict[str, object] = {reading.field: value}
    if stored:
        fields["unit"] = stored
    if comparator:
        fields["comparator"] = comparator
    if words:
        fields["value_text"] = words
    return fields
