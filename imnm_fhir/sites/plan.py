"""A site mapping resolved against the dictionary: per file, which facts its columns make and how.

Words are folded, units are UCUM with their factor, every field has its kind. Made once by
`resolve`; harmonising then only looks up.
"""

import dataclasses
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from imnm_fhir.dictionary import Element
from imnm_fhir.sites.mapping import SiteFile, SiteMapping
from imnm_fhir.values import DateStyle, Unreadable, canonical_number, fold
from imnm_fhir.values.dates import ISO_ONLY
from imnm_fhir.values.words import FoldedWords

MADE = "\0"  # begins the name of a column that no file has
KINDS = ("number", "date", "boolean", "code", "unit", "text", "element")


@dataclass(frozen=True)
class SourceUnit:
    """The unit in which a column is written: what is stored instead, and the exact factor.

    `factor` is None where the number is a multiple of the row's upper limit of normal.
    """

    stored: str | None
    factor: Fraction | None = Fraction(1)


@dataclass(frozen=True)
class Limit:
    """An upper limit of normal in the element's unit, for patients of a sex and below an age in years."""

    value: str
    sex: str | None = None
    below_age: int | None = None


@dataclass(frozen=True)
class UpperLimits:
    """Limits of a column that no file has: the first that fits the patient counts.

    `mark` is the method that says of a value that its limit was imputed; None for the site's own.
    """

    limits: tuple[Limit, ...]
    mark: str | None = None


@dataclass(frozen=True, eq=False)  # each is itself: two columns may be read alike
class Reading:
    """How the cells of one column fill one field of a fact.

    `carries`: a cell of it can make a row by itself (a value can, a method or a date of an
    observation cannot). `reason_field` is where a missing reason goes, None where the table has
    no place for it. `unit` is None where the number has none or the row names it: then in
    `unit_column`. `reference` is the column of the upper limit that a multiple is turned by.
    `elsewhere` are the words that another target of the same column takes, and
    `free_text_elsewhere` says that another keeps any text: such words are none of this reading's.
    `takes_titre`: a cell may say `1:320`, which no other column of the fact does. `limits`: the
    column is none of the file's; its cells are the mapping's upper limits.
    """

    column: str
    line: int
    field: str
    kind: str
    carries: bool
    reason_field: str | None = None
    element: Element | None = None
    words: FoldedWords[str] | None = None
    missing: Mapping[str, str] = dataclasses.field(default_factory=dict)
    ongoing: frozenset[str] = frozenset()
    decimal: str | None = None
    thousands: str | None = None
    date_order: str | None = None
    dates: DateStyle = ISO_ONLY
    unit: SourceUnit | None = None
    unit_column: "Reading | None" = None
    unit_missing: bool = False
    reference: "Reading | None" = None
    split: tuple[str, ...] = ()
    switch: tuple[str, ...] = ()
    keeps_text: bool = False
    unmapped: str = "stop"
    elsewhere: frozenset[str] = frozenset()
    free_text_elsewhere: bool = False
    optional: bool = False
    takes_titre: bool = False
    limits: UpperLimits | None = None

    def meaning(self, text: str) -> str | None:
        """What the mapping's words say of the text; None where they do not know it."""
        return self.words.get(fold(text)) if self.words is not None else None

    def leaves(self, folded: str) -> bool:
        """Whether a word that this reading does not know is another target's of the same column."""
        return self.free_text_elsewhere or folded in self.elsewhere

    @cached_property
    def missing_numbers(self) -> Mapping[str, str]:
        """Reason by canonical number, of missing words that are numbers: `-9` is also `-9,0`."""
        found = {}
        for word, reason in self.missing.items():
            with suppress(Unreadable):
                found[canonical_number(word)] = reason
        return found

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column whose cells take part in the conversion."""
        beside = [each.columns for each in (self.unit_column, self.reference) if each]
        return (self.column, *(column for columns in beside for column in columns))


@dataclass(frozen=True, eq=False)
class FactPlan:
    """One row of the cohort per row of the file: its key, its constants and its readings.

    `when` restricts it to rows whose cell in that reading names this element.
    """

    element: Element
    time_point: str | None
    n: str | None
    line: int
    constants: Mapping[str, object]
    readings: tuple[Reading, ...]
    when: Reading | None = None

    @property
    def split(self) -> Reading | None:
        """The reading whose cell holds several facts, if there is one."""
        return next((each for each in self.readings if each.split or each.switch), None)

    def by_date_in(self, plan: "FilePlan") -> bool:
        """Whether the date tells its rows apart: in a table of several rows a patient without records."""
        return (
            self.element.key_by == "date" and not plan.one_per_patient and plan.file.record is None
        )


@dataclass(frozen=True)
class FilePlan:
    """What one kind of file makes. `one_per_patient`: it fills the patients table."""

    file: SiteFile
    facts: tuple[FactPlan, ...]
    time_point: Reading | None

    @property
    def one_per_patient(self) -> bool:
        """Whether each row of the file is a patient."""
        return any(fact.element.table == "patients" for fact in self.facts)

    @property
    def readings(self) -> tuple[Reading, ...]:
        """Every reading of the file, those of rows included."""
        found = [reading for fact in self.facts for reading in fact.readings]
        found += [reading.unit_column for reading in found if reading.unit_column]
        found += [fact.when for fact in self.facts if fact.when]
        found += [self.time_point] if self.time_point else []
        return tuple(dict.fromkeys(found))


@dataclass(frozen=True)
class SitePlan:
    """The plan of every file of a mapping."""

    mapping: SiteMapping
    files: tuple[FilePlan, ...]
