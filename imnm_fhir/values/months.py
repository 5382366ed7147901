"""Names of months, and the words between day, month and year, of `mappings/synonyms/months.csv`."""

from functools import cache

from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.values.words import fold, read_synonyms


def month_number(word: str) -> int | None:
    """The month, 1 to 12, that the word names in one of the languages; None if none."""
    return _months().get(fold(word)) or None


def is_joining_word(word: str) -> bool:
    """Whether the word says nothing in a date, as in `4 de marzo` and `4th of March`."""
    return _months().get(fold(word)) == 0


@cache
def _months() -> dict[str, int]:
    """Month by folded word; 0 for a joining word. `ImnmFhirError` where two languages disagree."""
    months: dict[str, int] = {}
    for line, row in read_synonyms("months.csv"):
        month = int(row["month"] or 0)
        if months.setdefault(fold(row["word"]), month) != month:
            raise ImnmFhirError(f"{line}: '{row['word']}' is another month in another language")
    return months
