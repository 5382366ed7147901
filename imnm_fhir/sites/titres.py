"""Titres of antibodies: `1:320` is 320 {titer}, `<1:40` below it, `positive 1:160` a result and a titre."""

import re
from typing import NamedTuple

from imnm_fhir.dictionary import Element
from imnm_fhir.sites.plan import Reading
from imnm_fhir.sites.styles import number_in_style
from imnm_fhir.values import Number
from imnm_fhir.values.characters import plain

UNIT = "{titer}"  # UCUM's annotation: the number is the denominator of the dilution
TITRE = re.compile(r"(?:(.*?\S)[ ,;]*)??\(?(<=|>=|[<>≤≥≦≧])? ?1 ?[:/] ?([0-9][0-9.,'’ ]*)\)?")


class Titre(NamedTuple):
    """A titre as a number with its comparator, and the word before it, if there is one."""

    number: Number
    word: str | None


def has_titres(element: Element | None) -> bool:
    """Whether the element is measured in dilutions too."""
    return element is not None and UNIT in element.units


def read_titre(reading: Reading, text: str) -> Titre | None:
    """The titre that a cell says; None where the reading takes none or the text is no titre.

    A word before it must be one of the reading's own. Raises `Unreadable` for digits that are no
    number in the column's style.
    """
    if not reading.takes_titre:
        return None
    found = TITRE.fullmatch(plain(text))
    if found is None or (found[1] and not _is_word(reading, found[1])):
        return None
    number = number_in_style(reading, f"{found[2] or ''}{found[3].strip()}")
    return Titre(number, found[1])


def _is_word(reading: Reading, word: str) -> bool:
    return reading.kind == "code" and bool(reading.meaning(word))
