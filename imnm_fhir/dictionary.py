"""The dictionary: tables, elements and value sets, declared once in `mappings/dictionary/`.

It is the only place that knows an element. Everything else (site mappings, FHIR, validation, pages)
reads it. All faults of the files are reported together, each with file and line.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib.resources.abc import Traversable
from typing import Any

from imnm_fhir.errors import ImnmFhirError, Problems
from imnm_fhir.terminology import Coding, load_project, mappings, parse_coding

TABLES = ("patients", "observations", "medications", "conditions", "procedures")
PROVENANCE = ("file", "sheet", "row", "column")
TYPES = ("number", "code", "boolean", "date", "text", "event")


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
    """The values that a coded element may take. `local`: published as the project's CodeSystem."""

    name: str
    definition: str
    local: bool
    codes: Mapping[str, Code]

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
    convert to nothing); `enzyme` says that IU is read as U; `graded` that a `+` or `-` may follow.
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
    unit: str | None = None
    units: tuple[str, ...] = ()
    enzyme: bool = False
    graded: bool = False
    range: Range | None = None
    value_set: str | None = None
    category: str | None = None
    key_by: str | None = None  # "date" where a series has neither record id nor time point
    reported: bool = False
    group: str | None = (
        None  # antibody_msa, biopsy, emg, ...: what rules and tables speak of together
    )
    attributes: Mapping[str, Any] = field(default_factory=dict)
    source: str | None = None


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


class _Faults:
    """Collects what is wrong in the files, with file and line, until all are read."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def add(self, file: str, text: str, section: str, message: str) -> None:
        pattern = re.compile(rf"^\[\"?{re.escape(section)}\"?\]|^{re.escape(section)} *=", re.M)
        hit = pattern.search(text) or re.search(rf"\b{re.escape(section.split('.')[-1])}\b", text)
        line = text.count("\n", 0, hit.start()) + 1 if hit else 1
        self.found.append(f"{file}, line {line}: {section}: {message}")


def _codings(names: list[str], local: Coding | None) -> tuple[Coding, ...]:
    return tuple(parse_coding(name) for name in names) + ((local,) if local else ())


def _accepted(codings: tuple[Coding, ...], also: list[str]) -> frozenset[tuple[str, str]]:
    own = {(each.system, each.code) for each in codings}
    return frozenset(own | {(each.system, each.code) for each in map(parse_coding, also)})


def _require_labels(labels: Mapping[str, str]) -> None:
    lacking = [lang for lang in load_project().languages if lang not in labels]
    if lacking:
        raise ImnmFhirError(f"no label in {', '.join(lacking)}")


def _code(value_set: str, local: bool, key: str, raw: dict[str, Any]) -> Code:
    known = {"definition", "labels", "codes", "also"}
    _require_labels(raw["labels"])
    address = load_project().local("CodeSystem", value_set)
    own = Coding(address, key.replace("_", "-"), raw["labels"]["en"]) if local else None
    codings = _codings(raw.get("codes", []), own)
    if not codings:
        raise ImnmFhirError("no code is written for it: give codes, or make the set local")
    return Code(
        key=key,
        definition=raw.get("definition", raw["labels"]["en"]),
        labels=raw["labels"],
        codings=codings,
        accepted=_accepted(codings, raw.get("also", [])),
        attributes={name: value for name, value in raw.items() if name not in known},
    )


def _value_set(name: str, raw: dict[str, Any], faults: _Faults, file: str, text: str) -> ValueSet:
    codes: dict[str, Code] = {}
    for key, entry in raw["codes"].items():
        try:
            codes[key] = _code(name, raw["local"], key, entry)
        except (ImnmFhirError, KeyError) as error:
            faults.add(file, text, f"{name}.codes.{key}", _said(error))
    seen: dict[tuple[str, str], str] = {}
    for code in codes.values():
        for pair in code.accepted:
            if pair in seen:
                faults.add(
                    file, text, f"{name}.codes.{code.key}", f"shares {pair[1]} with {seen[pair]}"
                )
            seen[pair] = code.key
    return ValueSet(name, raw["definition"], raw["local"], codes)


def _said(error: Exception) -> str:
    return f"lacks {error}" if isinstance(error, KeyError) else str(error)


_ELEMENT_KEYS = {
    "definition", "type", "labels", "names", "codes", "also", "unit", "units", "enzyme", "graded",
    "range", "value_set", "category", "key", "reported", "group", "source",
}  # fmt: skip


def _element(name: str, table: str, raw: dict[str, Any], sets: Mapping[str, ValueSet]) -> Element:
    from imnm_fhir.units import is_ucum

    if raw["type"] not in TYPES:
        raise ImnmFhirError(f"type '{raw['type']}' is none of {', '.join(TYPES)}")
    _require_labels(raw["labels"])
    if raw.get("value_set") and raw["value_set"] not in sets:
        raise ImnmFhirError(f"no value set is called '{raw['value_set']}'")
    if raw["type"] == "code" and not raw.get("value_set"):
        raise ImnmFhirError("a coded element needs a value_set")
    for unit in [*([raw["unit"]] if "unit" in raw else []), *raw.get("units", [])]:
        if not is_ucum(unit):
            raise ImnmFhirError(f"unit '{unit}' is not UCUM")
    own = Coding(
        load_project().local("CodeSystem", "element"), name.replace("_", "-"), raw["labels"]["en"]
    )
    codings = _codings(raw.get("codes", []), own)
    return Element(
        name=name,
        table=table,
        definition=raw["definition"],
        type=raw["type"],
        labels=raw["labels"],
        names=tuple(raw.get("names", [])),
        codings=codings,
        accepted=_accepted(codings, raw.get("also", [])),
        unit=raw.get("unit"),
        units=tuple(raw.get("units", [])),
        enzyme=raw.get("enzyme", False),
        graded=raw.get("graded", False),
        range=_range(raw.get("range")),
        value_set=raw.get("value_set"),
        category=raw.get("category"),
        key_by=raw.get("key"),
        reported=raw.get("reported", False),
        group=raw.get("group"),
        attributes={key: value for key, value in raw.items() if key not in _ELEMENT_KEYS},
        source=raw.get("source"),
    )


def _range(raw: dict[str, Any] | None) -> Range | None:
    if raw is None:
        return None
    low, high = (None if raw.get(end) is None else str(raw[end]) for end in ("min", "max"))
    return Range(low, high, raw["mark"])


def _tables(raw: dict[str, Any]) -> dict[str, Table]:
    types = raw["types"]
    tables = {}
    for name in TABLES:
        columns = (*raw[name]["columns"], "id", *PROVENANCE)
        kinds = {column: types.get(column, "text") for column in columns}
        tables[name] = Table(name, raw[name]["resource"], tuple(raw[name]["key"]), columns, kinds)
    return tables


def _sections(folder: Traversable, file: str, faults: _Faults) -> tuple[str, dict[str, Any]]:
    text = (folder / file).read_text("utf-8")
    try:
        return text, tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        faults.found.append(f"{file}: {error}")
        return text, {}


def _each_element(
    folder: Traversable, sets: Mapping[str, ValueSet], faults: _Faults
) -> Iterator[Element]:
    for table in TABLES:
        file = f"{table}.toml"
        text, raw = _sections(folder, file, faults)
        for name, entry in raw.items():
            try:
                yield _element(name, table, entry, sets)
            except (ImnmFhirError, KeyError) as error:
                faults.add(file, text, name, _said(error))


def read_dictionary(folder: Traversable) -> Dictionary:
    """The dictionary in `folder`; raises `Problems` with every fault, each with file and line."""
    faults = _Faults()
    _, tables = _sections(folder, "tables.toml", faults)
    text, raw_sets = _sections(folder, "value_sets.toml", faults)
    sets = {
        name: _value_set(name, raw, faults, "value_sets.toml", text)
        for name, raw in raw_sets.items()
    }
    elements: dict[str, Element] = {}
    for each in _each_element(folder, sets, faults):
        if each.name in elements:
            faults.found.append(
                f"{each.table}.toml: {each.name} is also in {elements[each.name].table}.toml"
            )
        elements[each.name] = each
    if faults.found:
        raise Problems("the dictionary has faults:", faults.found)
    project = load_project()
    return Dictionary(
        project.dictionary_version, _tables(tables), sets, tables["value_sets"], elements
    )


@cache
def load_dictionary() -> Dictionary:
    """The dictionary that is installed with the package."""
    return read_dictionary(mappings() / "dictionary")
