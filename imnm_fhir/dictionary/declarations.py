"""What the dictionary declares: tables, value sets, elements, and the lookups over them.

`load` reads them from `mappings/dictionary/`; nothing here reads a file.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.terminology import Coding
from imnm_fhir.values.words import fold

TABLES = ("patients", "observations", "medications", "conditions", "procedures")
PROVENANCE = ("file", "sheet", "row", "column")
# Types of elements, each with the column of its value (patients: the column of the element's name).
TYPES = {
    "number": "value_number",
    "code": "value_code",
    "boolean": "value_boolean",
    "date": "value_date",
    "text": "value_text",
    "event": "value_code",
}


def fold_header(header: str) -> str:
    """The header without case, accents, spaces and punctuation: `F. nacimiento` is `fnacimiento`."""
    return "".join(char for char in fold(header) if char.isalnum())


@dataclass(frozen=True)
class Table:
    """One of the five tables: its FHIR resource, its key columns, all its columns in order."""

    name: str
    resource: str
    key: tuple[str, ...]
    columns: tuple[str, ...]
    types: Mapping[str, str]

    @property
    def data_columns(self) -> tuple[str, ...]:
        """The columns that count when two cohorts are compared: all but the provenance."""
        return tuple(name for name in self.columns if name not in PROVENANCE)


@dataclass(frozen=True)
class Code:
    """One value of a value set: its key, what it means, the codings written, those accepted."""

    key: str
    definition: str
    labels: Mapping[str, str]
    codings: tuple[Coding, ...]
    accepted: frozenset[tuple[str, str]]
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ValueSet:
    """The values that a coded element may take.

    `local`: published as the project's CodeSystem. `system`: the values are the codes of a required
    FHIR binding, written as they are. `usages`: what short words mean where they stand together; a
    site that means something else by them has to say so.
    """

    name: str
    definition: str
    local: bool
    codes: Mapping[str, Code]
    system: str | None = None
    usages: tuple[Mapping[str, str], ...] = ()

    @cached_property
    def keys_by_code(self) -> dict[tuple[str, str], str]:
        """Key by (system, code), for every coding that is written or accepted."""
        return {pair: code.key for code in self.codes.values() for pair in code.accepted}

    def members(self, **attributes: Any) -> tuple[str, ...]:
        """The keys whose attributes have these values, such as `members(group="statin")`."""
        return tuple(
            key
            for key, code in self.codes.items()
            if all(code.attributes.get(name) == value for name, value in attributes.items())
        )


@dataclass(frozen=True)
class Range:
    """Plausible range in the element's unit, both ends inside. `mark` is that of domain sources."""

    low: str | None
    high: str | None
    mark: str


@dataclass(frozen=True)
class Element:
    """One common data element.

    `type` is one of `TYPES`; `unit` is UCUM; `units` are those kept unconverted (assay units that
    convert to nothing, units of doses); `other_units` are those in which it is often written, too, and
    which evidence of a missing unit tries; `enzyme` says that IU is read as U; `graded` that a `+` or
    `-` may follow. `names` are headers of its value, `column_names` those of its other columns.
    `codings` are written in this order, the project's own last; `accepted` are those read.
    """

    name: str
    table: str
    definition: str
    type: str
    labels: Mapping[str, str]
    names: tuple[str, ...]
    codings: tuple[Coding, ...]
    accepted: frozenset[tuple[str, str]]
    column_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    unit: str | None = None
    units: tuple[str, ...] = ()
    other_units: tuple[str, ...] = ()
    enzyme: bool = False
    graded: bool = False
    range: Range | None = None
    value_set: str | None = None
    category: str | None = None
    key_by: str | None = None  # "date" where a series has neither record id nor time point
    reported: bool = False
    group: str | None = None  # msa, maa, biopsy, emg, ...: what rules speak of together
    attributes: Mapping[str, Any] = field(default_factory=dict)
    source: str | None = None

    @property
    def column(self) -> str:
        """The column of the table in which the element's value stands; for procedures, its date."""
        if self.table == "procedures":
            return "date"
        if self.table != "patients":
            return TYPES[self.type]
        return "deceased_boolean" if self.name == "deceased" else self.name


@dataclass(frozen=True)
class Dictionary:
    """All tables, value sets and elements."""

    version: str
    tables: Mapping[str, Table]
    value_sets: Mapping[str, ValueSet]
    column_value_sets: Mapping[str, str]
    elements: Mapping[str, Element]

    def of_table(self, table: str) -> dict[str, Element]:
        """The elements of one table by name."""
        return {name: each for name, each in self.elements.items() if each.table == table}

    def of_group(self, group: str) -> tuple[str, ...]:
        """The names of the elements of one group, in the dictionary's order."""
        return tuple(name for name, each in self.elements.items() if each.group == group)

    def element(self, name: str) -> Element:
        """The element called `name`; raises `ImnmFhirError` with near names where there is none."""
        if name in self.elements:
            return self.elements[name]
        from difflib import get_close_matches

        near = get_close_matches(name, self.elements, 3)
        hint = f"; near: {', '.join(near)}" if near else ""
        raise ImnmFhirError(f"no element is called '{name}'{hint} (see imnm-fhir elements)")

    def value_set_of(self, element: str, column: str) -> ValueSet | None:
        """The value set of a column for an element, or None where the column holds no codes."""
        name = self.column_value_sets.get(column)
        if column == "value_code":
            name = self.elements[element].value_set
        return self.value_sets[name] if name else None

    @cached_property
    def elements_by_code(self) -> dict[tuple[str, str, str], tuple[str, ...]]:
        """Element names by (table, system, code) of an accepted code."""
        found: dict[tuple[str, str, str], tuple[str, ...]] = {}
        for each in self.elements.values():
            for system, code in each.accepted:
                place = (each.table, system, code)
                found[place] = (*found.get(place, ()), each.name)
        return found

    @cached_property
    def headers(self) -> dict[str, tuple[str, str]]:
        """Element and column by header as `fold_header` gives it, of exact synonyms alone."""
        return {
            fold_header(header): (name, column)
            for name, column, header in header_names(self.elements.values())
        }


def header_names(elements: Iterable[Element]) -> list[tuple[str, str, str]]:
    """Every header synonym as (element, column, header)."""
    found = []
    for each in elements:
        named = ((each.column, each.names), *each.column_names.items())
        found += [(each.name, column, name) for column, names in named for name in names]
    return found
