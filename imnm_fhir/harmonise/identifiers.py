"""Identifiers of patients as sites write them: what is none, what a spreadsheet spoilt, what is alike."""

import unicodedata
from collections.abc import Iterable

from imnm_fhir.languages import translatable
from imnm_fhir.sites.mapping import SiteFile
from imnm_fhir.values import damaged_cell, fold
from imnm_fhir.values.characters import plain
from imnm_fhir.values.spelling import spelling_key


def missing_words(file: SiteFile) -> frozenset[str]:
    """The folded words that mean missing in the whole file, and so no patient."""
    return frozenset(fold(word) for each in file.targets for word in each.common_missing)


def names_nobody(text: str, missing: frozenset[str]) -> bool:
    """Whether the cell says no patient: blank, a sign such as `?`, or a word that means missing."""
    return not any(char.isalnum() for char in plain(text)) or fold(text) in missing


def damaged_identifier(text: str, typed: bool) -> str | None:
    """What is wrong with the identifier; None if nothing.

    A date, a decimal or true and false that Excel typed was other text when it was entered.
    """
    if damage := damaged_cell(text):
        return damage
    if typed and not text.isdigit():
        return translatable(
            "a spreadsheet made a date, a decimal or a yes of it; format the column as text and "
            "enter it again"
        )
    if any(unicodedata.category(char) == "Cc" for char in plain(text)):
        return translatable("holds a line break or a control character; remove it")
    return None


def alike(texts: Iterable[str]) -> dict[str, str]:
    """Each identifier that differs from an earlier one in spelling only: case, dashes, spaces, zeros."""
    first: dict[str, str] = {}
    found = {}
    for text in texts:
        key = spelling_key(text)
        if plain(first.setdefault(key, text)) != plain(text):
            found[text] = first[key]
    return found
