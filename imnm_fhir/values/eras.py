"""Dates of the Japanese calendar, by the eras of `mappings/eras.toml`."""

import re
import tomllib
from dataclasses import dataclass
from datetime import date
from functools import cache

from imnm_fhir.terminology import mappings
from imnm_fhir.values.partial import date_bounds, partial_date
from imnm_fhir.values.unreadable import Unreadable


@dataclass(frozen=True)
class Era:
    """One era: its words, the common year of its year 1, and its first and last day."""

    words: tuple[str, ...]
    year_one: int
    first: date
    last: date


@cache
def load_eras() -> tuple[Era, ...]:
    """The eras, oldest first; the running one ends with the calendar."""
    raw = tomllib.loads((mappings() / "eras.toml").read_text("utf-8"))
    return tuple(
        Era(tuple(era["words"]), era["year_one"], era["first"], era.get("last", date.max))
        for era in raw.values()
    )


@cache
def era_pattern() -> re.Pattern[str]:
    """A pattern of era, year, month and day, the last two optional: 平成31年4月3日, R1.5.7."""
    words = "|".join(re.escape(word) for era in load_eras() for word in era.words)
    day = r"(?:月|[./\-]) ?([0-9]{1,2}) ?日?"
    month = rf"(?:年|[./\-]) ?([0-9]{{1,2}}) ?(?:月?|{day})"
    return re.compile(rf"({words}) ?(元|[0-9]{{1,2}}) ?(?:年?|{month})", re.IGNORECASE)


def read_era_date(found: re.Match[str]) -> str:
    """The partial date of a match of `era_pattern`.

    Raises `Unreadable`: "outside-era" where no day of it lies in the era, "no-such-date".
    """
    word, year, month, day = found.groups()
    era = next(era for era in load_eras() if word.upper() in era.words)
    number = 1 if year == "元" else int(year)
    partial = partial_date(str(era.year_one + number - 1), month, day)
    earliest, latest = date_bounds(partial)
    if number == 0 or latest < era.first or earliest > era.last:
        raise Unreadable("outside-era", "expected a date inside its era; check era and year")
    return partial
