"""A plan against the files that came: which file is which, and whether every column is there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING
from unicodedata import normalize

from imnm_fhir.sites.faults import Faults, listed, near
from imnm_fhir.sites.mapping import FILL_IN, SiteFile, SiteMapping
from imnm_fhir.sites.plan import MADE, FilePlan, SitePlan
from imnm_fhir.values import fold

if TYPE_CHECKING:
    from imnm_fhir.readers import TextTable


@dataclass(frozen=True)
class TablePlan:
    """One table with the plan of its kind, and its header for each column that the mapping names."""

    table: "TextTable"
    plan: FilePlan
    headers: Mapping[str, str]
    unread: tuple[str, ...]
    _distinct: dict[str, list[str]] = field(default_factory=dict)
    made: dict[str, list[str]] = field(default_factory=dict)  # columns that the file does not have

    def distinct(self, column: str) -> list[str]:
        """The different cells of a column that say something, in the order of their first row."""
        if column not in self._distinct:
            self._distinct[column] = [text for text in dict.fromkeys(self.cells(column)) if text]
        return self._distinct[column]

    def cells(self, column: str) -> list[str]:
        """The cells under a column of the mapping; blank ones where an optional column lacks.

        Until patients are known, `1` stands in for every upper limit that the mapping gives.
        """
        header = self.headers.get(column)
        if column.startswith(MADE):
            return self.made.get(column) or ["1"] * len(self.table.row_numbers)
        if header is None:
            return [""] * len(self.table.row_numbers)
        return self.table.columns[header]

    def typed(self, column: str) -> frozenset[int]:
        """The places of cells that Excel gave a type, which bypass the mapping's styles."""
        return self.table.typed.get(self.headers.get(column, ""), frozenset())

    @property
    def said(self) -> str:
        """How messages call the table."""
        return (
            f"{self.table.file}, sheet {self.table.sheet}" if self.table.sheet else self.table.file
        )


def fits(file: SiteFile, name: str, sheet: str | None) -> bool:
    """Whether a table of this file name and sheet is of this kind; a CSV file has no sheet."""
    plain = normalize("NFC", name).casefold()
    if not any(fnmatchcase(plain, normalize("NFC", each).casefold()) for each in file.names):
        return False
    return sheet is None or file.sheet is None or fold(file.sheet) == fold(sheet)


def fit_tables(plan: SitePlan, tables: Sequence["TextTable"], faults: Faults) -> list[TablePlan]:
    """Each table with the plan that it fits, in order; tables left out on purpose are left out."""
    found: list[TablePlan] = []
    used: set[int] = set()
    for table in tables:
        fitting = [each for each in plan.files if fits(each.file, table.file, table.sheet)]
        used |= {each.file.place for each in fitting}
        said = f"{table.file}, sheet {table.sheet}" if table.sheet else table.file
        if len(fitting) != 1:
            names = listed(name for each in plan.mapping.files for name in each.names)
            what = "no [[file]] fits it" if not fitting else "several [[file]] fit it"
            hint = "" if fitting else other_built_in(plan.mapping, table)
            faults.at(
                fitting[1].file.line if fitting else 1, f"{said}: {what} (names: {names}){hint}"
            )
        elif not fitting[0].file.skip:
            found.append(_fit_columns(fitting[0], table, said, faults))
    for each in plan.files:
        if each.file.place not in used and not each.file.optional and not each.file.skip:
            name = listed(each.file.names) + (
                f", sheet {each.file.sheet}" if each.file.sheet else ""
            )
            faults.at(each.file.line, f"[[file]] '{name}' fits none of the files given; "
                      "give the file too, or say optional = true")  # fmt: skip
    return found


def other_built_in(mapping: SiteMapping, table: "TextTable") -> str:
    """The end of a message: the built-in mappings in which a file of this name has its place."""
    from imnm_fhir.sites.load import built_in_sites, load_site_mapping

    named = [
        name
        for name in built_in_sites()
        if f"{name}.toml" != mapping.source
        and any(fits(each, table.file, table.sheet) for each in load_site_mapping(name).files)
    ]
    return f"; it would fit --site {' or '.join(named)}" if named else ""


def _fit_columns(plan: FilePlan, table: "TextTable", said: str, faults: Faults) -> TablePlan:
    headers: dict[str, str] = {}
    folded: dict[str, list[str]] = {}
    for header in table.columns:
        folded.setdefault(fold(header), []).append(header)
    for column, line, optional in _named_columns(plan):
        same = [column] if column in table.columns else folded.get(fold(column), [])
        if len(same) == 1:
            headers[column] = same[0]
        elif not optional or same:
            hint = near(column, table.columns) or f"; the file has {listed(table.columns, 12)}"
            faults.at(line, f"column '{column}' is not in {said}{hint}")
    read = set(headers.values())
    return TablePlan(
        table, plan, headers, tuple(each for each in table.columns if each not in read)
    )


def _named_columns(plan: FilePlan) -> list[tuple[str, int, bool]]:
    """Every column that the file's section names, with its line and whether it may lack."""
    file = plan.file
    named: dict[str, tuple[int, bool]] = {}
    for who in (file.patient, file.record):
        if who and who != FILL_IN:
            named[who] = (file.line, False)
    for reading in plan.readings:
        for column in reading.columns:
            if column.startswith(MADE):
                continue
            named.setdefault(column, (reading.line, reading.optional))
    for column in file.ignore:
        named.setdefault(column, (file.line, True))
    return [(column, line, optional) for column, (line, optional) in named.items()]


def consent_left_unread(
    mapping: SiteMapping, fitted: Sequence[TablePlan]
) -> list[tuple[TablePlan, str]]:
    """Table and column of every column left unread whose name speaks of consent.

    Only where a legal basis stands in for consent: a consent that was asked for must be read.
    """
    from imnm_fhir.dictionary import load_dictionary

    if mapping.legal_basis is None:
        return []
    element = load_dictionary().elements["consent_reuse"]
    stems = {fold(word)[:7] for word in element.names if " " not in word}  # consent, einwill, ...
    found = []
    for each in fitted:
        ignored = [each.headers[name] for name in each.plan.file.ignore if name in each.headers]
        for header in (*each.unread, *ignored):
            if any(stem in fold(header) for stem in stems):
                found.append((each, header))
    return found
