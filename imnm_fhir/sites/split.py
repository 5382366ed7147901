"""Cells that hold several facts: their parts in order, and which of them a switch has ended."""

import re
from functools import lru_cache

from imnm_fhir.sites.plan import Reading


@lru_cache(maxsize=256)
def _signs(split: tuple[str, ...], switch: tuple[str, ...]) -> re.Pattern[str]:
    longest_first = sorted((*split, *switch), key=len, reverse=True)
    return re.compile("(" + "|".join(map(re.escape, longest_first)) + ")")


def split_cell(reading: Reading, text: str) -> list[tuple[str, bool]]:
    """The parts of a cell, stripped, blank ones left out, each with whether a switch follows it.

    `AZA→MMF+PDN` split at `+` and switched at `→` is AZA (ended), MMF, PDN.
    """
    if not reading.split and not reading.switch:
        return [(text.strip(), False)]
    pieces = _signs(reading.split, reading.switch).split(text)
    parts = zip(pieces[::2], [*pieces[1::2], ""], strict=True)
    return [(part.strip(), sign in reading.switch) for part, sign in parts if part.strip()]
