"""Single values: local text to numbers, dates and words, exactly or not at all."""

from imnm_fhir.values.damage import damaged_cell
from imnm_fhir.values.dates import DateStyle, ambiguous_date, read_date
from imnm_fhir.values.numbers import (
    Number,
    ambiguous_number,
    canonical_number,
    read_approximate,
    read_number,
)
from imnm_fhir.values.partial import date_bounds
from imnm_fhir.values.unreadable import Unreadable
from imnm_fhir.values.words import (
    MISSING_REASONS,
    FoldedWords,
    fold,
    fold_words,
    load_words,
    read_word,
    word_sets,
)

__all__ = [
    "MISSING_REASONS",
    "DateStyle",
    "FoldedWords",
    "Number",
    "Unreadable",
    "ambiguous_date",
    "ambiguous_number",
    "canonical_number",
    "damaged_cell",
    "date_bounds",
    "fold",
    "fold_words",
    "load_words",
    "read_approximate",
    "read_date",
    "read_number",
    "read_word",
    "word_sets",
]
