"""Identifiers that look alike: one person typed twice, or two people. What is alike is asked, never merged."""

import re
import unicodedata
from functools import lru_cache

from imnm_fhir.values.characters import plain
from imnm_fhir.values.words import fold

MINUS = "\u2212"
SEPARATORS = re.compile(r"[-_\s]+")
NEEDLESS = re.compile(r"(?<![0-9])-|-(?![0-9])")
LEADING_ZEROS = re.compile(r"(?<![0-9])0+(?=[0-9])")
LONGEST_NUMBER = 12  # digits to which a number that lost its zeros is filled up again


@lru_cache(maxsize=4096)
def spelling_key(text: str) -> str:
    """What spellings of one identifier share: case, width, accents, dashes, spaces and leading zeros apart.

    A dash between two digits tells `1-12` from `11-2` and stays.
    """
    folded = SEPARATORS.sub("-", _with_plain_dashes(fold(text)))
    return LEADING_ZEROS.sub("", NEEDLESS.sub("", folded))


def _with_plain_dashes(text: str) -> str:
    return "".join(
        "-" if char == MINUS or unicodedata.category(char) == "Pd" else char for char in text
    )


def spellings(text: str) -> set[str]:
    """Other ways in which the identifier is likely to be typed, itself left out.

    For keyed identifiers, of which nobody can see how alike they are.
    """
    base = {plain(text), _with_plain_dashes(unicodedata.normalize("NFKC", plain(text)))}
    base |= {re.sub(r"\s+", "", each) for each in base}
    base |= {re.sub(r"[-_]", "", each) for each in base}
    found = base | {each.upper() for each in base} | {each.lower() for each in base}
    for each in [each for each in found if each.isascii() and each.isdigit()]:
        bare = each.lstrip("0") or "0"
        found |= {bare.zfill(size) for size in range(len(bare), LONGEST_NUMBER + 1)}
    return found - {plain(text)}
