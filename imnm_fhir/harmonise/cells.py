"""One cell to a value, a missing reason or an issue: exactly one of the three, never a guess.

Every text of a column is converted once, however many rows have it.
"""

from collections.abc import Callable

from imnm_fhir.harmonise.numbers import number_cell, titre_cell
from imnm_fhir.harmonise.outcomes import (
    NOT_AVAILABLE,
    NOTHING,
    VALUE,
    WHY_NOT,
    Cell,
    Given,
    damage_cell,
    issue_cell,
    missing_cell,
    unreadable_cell,
    value_cell,
)
from imnm_fhir.languages import translatable
from imnm_fhir.sites.plan import Reading
from imnm_fhir.sites.styles import TO_DECLARE, date_in_style, undeclared_style
from imnm_fhir.values import fold
from imnm_fhir.values.dates import ISO_ONLY

UNDECLARED = translatable("cannot be read without a declared style; declare {style}")


def convert_cell(reading: Reading, given: tuple[Given, ...]) -> Cell:
    """What the cell becomes; `given` are the cells of `reading.columns`, its own first.

    Missing words go before all else, words of the mapping before styles.
    """
    text, typed = given[0]
    if not text:
        return NOTHING
    reason = WHY_NOT if text == NOT_AVAILABLE else reading.missing.get(fold(text))
    if reason is not None:
        return missing_cell(reason)
    known = reading.meaning(text) is not None
    if not typed and not known and (key := undeclared_style(reading, text)):
        return issue_cell(
            "undeclared-style",
            UNDECLARED.format(style=TO_DECLARE[key]),
        )
    cell = KINDS[reading.kind](reading, given)
    if reading.keeps_text and cell.outcome == VALUE:
        return value_cell({"value_text": text, **cell.fields})
    return cell


def _code_cell(reading: Reading, given: tuple[Given, ...]) -> Cell:
    text = given[0].text
    meaning = reading.meaning(text)
    if meaning is not None:
        return value_cell({reading.field: meaning or None})
    return titre_cell(reading, given) or _unknown_word(reading, text)


def _unknown_word(reading: Reading, text: str) -> Cell:
    if reading.leaves(fold(text)):
        return NOTHING
    if reading.unmapped == "text":
        return value_cell({"value_text": text})
    if damage := damage_cell(text):
        return damage
    return issue_cell("unknown-word", "the mapping has no such word; add it to words or missing")


def _boolean_cell(reading: Reading, given: tuple[Given, ...]) -> Cell:
    text, typed = given[0]
    meaning = reading.meaning(text)
    if meaning is None and typed and text in ("true", "false"):
        meaning = text
    if meaning is None:
        return _unknown_word(reading, text)
    return value_cell({reading.field: meaning == "true"})


def _date_cell(reading: Reading, given: tuple[Given, ...]) -> Cell:
    text, typed = given[0]
    if fold(text) in reading.ongoing:
        return value_cell({"status": "active"})
    meaning = reading.meaning(text)
    found = meaning or date_in_style(text, ISO_ONLY if typed else reading.dates)
    if isinstance(found, str):
        return value_cell({reading.field: found})
    shown = damage_cell(text) if text.startswith("#") else None
    return shown or unreadable_cell(found)


def _text_cell(reading: Reading, given: tuple[Given, ...]) -> Cell:
    text = given[0].text
    if reading.words is None:
        return value_cell({reading.field: text})
    meaning = reading.meaning(text)
    return (
        value_cell({reading.field: meaning})
        if meaning is not None
        else _unknown_word(reading, text)
    )


KINDS: dict[str, Callable[[Reading, tuple[Given, ...]], Cell]] = {
    "number": number_cell,
    "code": _code_cell,
    "element": _code_cell,
    "boolean": _boolean_cell,
    "date": _date_cell,
    "text": _text_cell,
}
