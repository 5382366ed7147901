"""A site mapping as its TOML file says it: what stands in which column, in which words and units."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

UNMAPPED = ("stop", "issue", "text")
FILL_IN = "FILL IN"  # what new-site leaves open

Words = str | Mapping[str, str] | None


@dataclass(frozen=True)
class Style:
    """How numbers and dates are written; None where nobody said so."""

    decimal: str | None = None
    thousands: str | None = None
    date_order: str | None = None
    two_digit_pivot: int | None = None
    excel_dates: str | None = None
    eras: bool | None = None


@dataclass(frozen=True)
class Beside:
    """Another column of the same row whose cell fills a field, as `with` names it."""

    column: str
    words: Words = None
    unit: str | None = None
    missing: Mapping[str, str] = dataclasses.field(default_factory=dict)
    common_missing: Mapping[str, str] = dataclasses.field(default_factory=dict)
    style: Style = Style()
    many_to_one: bool = False
    meant: bool = False
    unmapped: str = "stop"


@dataclass(frozen=True)
class UpperLimit:
    """The upper limit of normal that holds for a column, as text by sex (`""`: for everybody).

    Without any the limits of a population are imputed.
    """

    by_sex: Mapping[str, str] = dataclasses.field(default_factory=dict)
    unit: str | None = None


@dataclass(frozen=True)
class Target:
    """What one column stands for. A column may have several targets.

    `element` is None for a field that belongs to every fact of the row (`field` says which).
    `missing` are the reasons by word that the column itself says, `common_missing` those of the
    whole file, over which the column's own words win.
    `unmapped` says what a word without a mapping does: `stop` the run, become an `issue`, or stay
    as `text` where the element takes free text.
    """

    column: str
    line: int
    element: str | None = None
    field: str | None = None
    time_point: str | None = None
    n: str | None = None
    unit: str | None = None
    words: Words = None
    constants: Mapping[str, str] = dataclasses.field(default_factory=dict)
    beside: Mapping[str, Beside] = dataclasses.field(default_factory=dict)
    split: tuple[str, ...] = ()
    switch: tuple[str, ...] = ()
    ongoing: tuple[str, ...] = ()
    missing: Mapping[str, str] = dataclasses.field(default_factory=dict)
    common_missing: Mapping[str, str] = dataclasses.field(default_factory=dict)
    many_to_one: bool = False
    meant: bool = False
    keep: str | None = None
    unmapped: str = "stop"
    optional: bool = False
    style: Style = Style()
    upper_limit: UpperLimit | None = None


@dataclass(frozen=True)
class SiteFile:
    """One kind of file or sheet: which names it fits, which columns say who and which record."""

    place: int  # which [[file]] it is, from 0
    line: int
    names: tuple[str, ...]
    patient: str | None
    sheet: str | None = None
    record: str | None = None
    ignore: tuple[str, ...] = ()
    skip: bool = False
    optional: bool = False
    encoding: str | None = None
    delimiter: str | None = None
    header_row: int = 1
    targets: tuple[Target, ...] = ()


@dataclass(frozen=True)
class SiteMapping:
    """Everything a mapping file says: its `text`, the hash of it, and `source`, the file's name.

    `to_fill_in` are the lines that still say FILL IN: such a mapping loads, but fits nothing.
    """

    source: str
    sha256: str
    id: str
    name: str
    country: str
    language: str
    legal_basis: str | None
    legal_basis_line: int
    relapse_definition: str | None
    identifier: str
    pseudonymise: str
    cut_off: str
    kind: str
    words: Mapping[str, Mapping[str, str]]
    files: tuple[SiteFile, ...]
    lines: Mapping[tuple[str | int, ...], int]
    to_fill_in: tuple[tuple[int, str], ...] = ()
    text: str = ""
