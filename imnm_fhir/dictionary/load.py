"""The dictionary: tables, elements and value sets, declared once in `mappings/dictionary/`.

It is the only place that knows an element. Everything else (site mappings, FHIR, validation, pages)
reads it. All faults of the files are reported together, each with file and line.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from difflib import get_close_matches
from functools import cache
from importlib.resources.abc import Traversable
from typing import Any

from imnm_fhir.dictionary.declarations import (
    PROVENANCE,
    TABLES,
    TYPES,
    Code,
    Dictionary,
    Element,
    Range,
    Table,
    ValueSet,
    fold_header,
    header_names,
)
from imnm_fhir.errors import ImnmFhirError, Problems
from imnm_fhir.terminology import Coding, load_codes, load_project, mappings, parse_coding

ELEMENT_KEYS = (
    "definition", "type", "labels", "names", "columns", "codes", "also", "unit", "units", "other_units",
    "enzyme",
    "graded", "range", "value_set", "category", "key", "reported", "group", "source",
)  # fmt: skip
CODE_KEYS = ("definition", "labels", "codes", "also")
KINDS: dict[str, type] = {
    "definition": str, "labels": dict, "names": list, "columns": dict, "also": list, "units": list,
    "other_units": list,
    "range": dict, "takes": list, "usages": list,
}  # fmt: skip
SET_KEYS = ("definition", "local", "system", "codes", "usages")
MARK = re.compile(r"[SLPV]|[RV]\d+[a-z]?")  # of domain sources
Raw = dict[str, Any]


@dataclass
class _File:
    """One file of the dictionary as read, and what is wrong in it."""

    name: str
    text: str
    raw: Raw
    faults: list[str]

    def fault(self, section: str, message: object) -> None:
        """Note a fault of a section (`ck`, `drug.codes.atorvastatin`) with its line."""
        said = f"lacks {message}" if isinstance(message, KeyError) else str(message)
        *parents, last = section.split(".")
        written = r"\.".join([*map(re.escape, parents), rf'"?{re.escape(last)}"?'])
        hit = re.search(rf"^\[{written}\]|^{written} *=", self.text, re.M)
        line = self.text.count("\n", 0, hit.start()) + 1 if hit else 1
        self.faults.append(f"{self.name}, line {line}: {section}: {said}")


def _open(folder: Traversable, name: str, faults: list[str]) -> _File:
    text = (folder / name).read_text("utf-8")
    try:
        return _File(name, text, tomllib.loads(text), faults)
    except tomllib.TOMLDecodeError as error:
        faults.append(f"{name}: {error}")
        return _File(name, text, {}, faults)


def read_dictionary(folder: Traversable) -> Dictionary:
    """The dictionary in `folder`; raises `Problems` with every fault, each with file and line."""
    faults: list[str] = []
    raw_tables = _open(folder, "tables.toml", faults).raw
    if faults:  # without tables nothing else can be read
        raise Problems("the dictionary has faults:", faults)
    tables = _tables(raw_tables)
    sets = _value_sets(_open(folder, "value_sets.toml", faults))
    files = {table: _open(folder, f"{table}.toml", faults) for table in TABLES}
    elements: dict[str, Element] = {}
    for table, file in files.items():
        for each in _elements(file, tables[table], sets):
            if each.name in elements:
                file.fault(each.name, f"is also in {elements[each.name].table}.toml")
            elements.setdefault(each.name, each)
    _check_together(elements, sets, files)
    if faults:
        raise Problems("the dictionary has faults:", faults)
    version = load_project().dictionary_version
    return Dictionary(version, tables, sets, raw_tables["value_sets"], elements)


@cache
def load_dictionary() -> Dictionary:
    """The dictionary that is installed with the package."""
    return read_dictionary(mappings() / "dictionary")


def _tables(raw: Raw) -> dict[str, Table]:
    tables = {}
    for name in TABLES:
        columns = (*raw[name]["columns"], "id", *PROVENANCE)
        kinds = {column: raw["types"].get(column, "text") for column in columns}
        tables[name] = Table(name, raw[name]["resource"], tuple(raw[name]["key"]), columns, kinds)
    return tables


def _value_sets(file: _File) -> dict[str, ValueSet]:
    sets = {}
    for name, raw in file.raw.items():
        try:
            _check_section(raw, SET_KEYS)
            sets[name] = _value_set(file, name, raw)
        except (ImnmFhirError, KeyError) as error:
            file.fault(name, error)
    return sets


def _value_set(file: _File, name: str, raw: Raw) -> ValueSet:
    system = raw.get("system")
    codes: dict[str, Code] = {}
    seen: dict[tuple[str, str], str] = {}
    for key, entry in raw["codes"].items():
        try:
            _check_section(entry, CODE_KEYS)
            codes[key] = _code(key, entry, _own_coding(name, raw["local"], system, key, entry))
        except (ImnmFhirError, KeyError) as error:
            file.fault(f"{name}.codes.{key}", error)
            continue
        for pair in sorted(codes[key].accepted & seen.keys()):
            file.fault(f"{name}.codes.{key}", f"shares code {pair[1]} with {seen[pair]}")
        seen |= dict.fromkeys(codes[key].accepted, key)
    usages = tuple(raw.get("usages", ()))
    for meaning in {meaning for usage in usages for meaning in usage.values()} - codes.keys():
        file.fault(name, f"usages: no code is called '{meaning}'")
    return ValueSet(name, raw["definition"], raw["local"], codes, system, usages)


def _own_coding(name: str, local: bool, system: str | None, key: str, entry: Raw) -> Coding | None:
    if system:
        return Coding(system, key, entry["labels"]["en"])
    if not local:
        return None
    address = load_project().local("CodeSystem", name)
    return Coding(address, key.replace("_", "-"), entry["labels"]["en"])


def _code(key: str, raw: Raw, own: Coding | None) -> Code:
    _check_labels(raw["labels"])
    codings = _codings(raw, own)
    if not codings:
        raise ImnmFhirError("no code is written for it: give codes, or make the set local")
    attributes = {name: value for name, value in raw.items() if name not in CODE_KEYS}
    definition = raw.get("definition", raw["labels"]["en"])
    return Code(key, definition, raw["labels"], codings, _accepted(raw, codings), attributes)


def _codings(raw: Raw, own: Coding | None) -> tuple[Coding, ...]:
    return tuple(map(parse_coding, raw.get("codes", []))) + ((own,) if own else ())


def _accepted(raw: Raw, codings: tuple[Coding, ...]) -> frozenset[tuple[str, str]]:
    read = (*codings, *map(parse_coding, raw.get("also", [])))
    return frozenset((each.system, each.code) for each in read)


def _check_labels(labels: Mapping[str, str]) -> None:
    lacking = [lang for lang in load_project().languages if not labels.get(lang)]
    if lacking:
        raise ImnmFhirError(f"no label in {', '.join(lacking)}")


def _check_section(raw: Any, known: tuple[str, ...]) -> None:
    """Refuse what is no section, values of the wrong kind, and a key that is nearly a known one.

    Any other key of a value or an element is an attribute.
    """
    if not isinstance(raw, dict):
        raise ImnmFhirError("is no section of its own")
    kinds = KINDS | {"codes": dict if known is SET_KEYS else list}
    for key, value in raw.items():
        near = [] if key in known else get_close_matches(key, known, 1, 0.75)
        if near or (known is SET_KEYS and key not in known):
            raise ImnmFhirError(f"key '{key}' is not known" + "".join(f"; near: {n}" for n in near))
        if not isinstance(value, kinds.get(key, object)):
            raise ImnmFhirError(f"{key} is of the wrong kind, {type(value).__name__}")


def _elements(file: _File, table: Table, sets: Mapping[str, ValueSet]) -> Iterator[Element]:
    for name, raw in file.raw.items():
        try:
            _check_section(raw, ELEMENT_KEYS)
            element = _element(name, table.name, raw)
        except (ImnmFhirError, KeyError) as error:
            file.fault(name, error)
            continue
        for message in _element_faults(element, table, sets):
            file.fault(name, message)
        yield element


def _element(name: str, table: str, raw: Raw) -> Element:
    labels = raw["labels"]
    _check_labels(labels)
    address = load_project().local("CodeSystem", "element")
    codings = _codings(raw, Coding(address, name.replace("_", "-"), labels["en"]))
    return Element(
        name=name,
        table=table,
        definition=raw["definition"],
        type=raw["type"],
        labels=labels,
        names=tuple(raw.get("names", [])),
        codings=codings,
        accepted=_accepted(raw, codings),
        column_names={column: tuple(names) for column, names in raw.get("columns", {}).items()},
        unit=raw.get("unit"),
        units=tuple(raw.get("units", [])),
        other_units=tuple(raw.get("other_units", [])),
        enzyme=raw.get("enzyme", False),
        graded=raw.get("graded", False),
        range=_range(raw.get("range")),
        value_set=raw.get("value_set"),
        category=raw.get("category"),
        key_by=raw.get("key"),
        reported=raw.get("reported", False),
        group=raw.get("group"),
        attributes={key: value for key, value in raw.items() if key not in ELEMENT_KEYS},
        source=raw.get("source"),
    )


def _range(raw: Raw | None) -> Range | None:
    if raw is None:
        return None
    low, high = (None if raw.get(end) is None else str(raw[end]) for end in ("min", "max"))
    if low and high and Decimal(low) > Decimal(high):
        raise ImnmFhirError(f"range from {low} to {high} is the wrong way round")
    if not MARK.fullmatch(str(raw["mark"])):
        raise ImnmFhirError(f"range has the mark '{raw['mark']}', which names no source")
    return Range(low, high, raw["mark"])


def _element_faults(each: Element, table: Table, sets: Mapping[str, ValueSet]) -> Iterator[str]:
    from imnm_fhir.units import is_ucum

    if each.type not in TYPES:
        yield f"type '{each.type}' is none of {', '.join(TYPES)}"
    for unit in (each.unit, *each.units, *each.other_units):
        if unit is not None and not is_ucum(unit):
            yield f"unit '{unit}' is not UCUM"
    yield from _other_unit_faults(each)
    if each.value_set and each.value_set not in sets:
        yield f"no value set is called '{each.value_set}'"
    if (each.type == "code") != bool(each.value_set) and each.type != "event":
        yield "a coded element needs a value_set, and only such a one has it"
    if each.type == "number" and not each.unit:
        yield "a number needs a unit; {score} and 1 are units too"
    if each.range and each.type != "number" and not each.units:
        yield "has a range but no number"
    if each.key_by not in (None, "date"):
        yield f"key '{each.key_by}' is not date"
    for column in each.column_names.keys() - set(table.columns):
        yield f"{table.name} has no column '{column}'"
    category = (load_project().system("observation-category"), each.category)
    if (each.table == "observations" or each.category) and category not in load_codes():
        yield f"category '{each.category}' is no observation category"


def _other_unit_faults(each: Element) -> Iterator[str]:
    """What `other_units` measure must become the element's own unit."""
    from imnm_fhir.units import factor

    for unit in each.other_units:
        try:
            factor(unit, each.unit or "")
        except ImnmFhirError as error:
            yield f"other_units: {error}"


def _check_together(
    elements: Mapping[str, Element], sets: Mapping[str, ValueSet], files: Mapping[str, _File]
) -> None:
    """Note what is wrong between elements: shared headers and codes, references to nothing."""
    headers: dict[str, str] = {}
    codes: dict[tuple[str, str, str], str] = {}
    for name, column, header in header_names(elements.values()):
        place = f"{name}.{column}"
        first = headers.setdefault(fold_header(header), place)
        if first != place:
            files[elements[name].table].fault(name, f"header '{header}' is that of {first} too")
    for each in elements.values():
        file = files[each.table]
        for system, code in sorted(each.accepted):
            first = codes.setdefault((each.table, system, code), each.name)
            if first != each.name:
                file.fault(each.name, f"shares code {code} with {first}")
        answer = each.attributes.get("answer")
        if answer and not (answer in elements and elements[answer].type == "boolean"):
            file.fault(each.name, f"answer '{answer}' is no element with a yes or no")
        value_set = sets.get(each.value_set or "")
        known = (
            {code.attributes.get("group") for code in value_set.codes.values()} if value_set else ()
        )
        for group in each.attributes.get("takes", ()):
            if group not in known:
                file.fault(each.name, f"takes '{group}', a group that no value has")
