"""Matching: the row that a resource holds, with every leaf of the resource accounted for.

A leaf is taken into the row, equal to a constant, known to be harmless, or listed as not understood.
What changes the meaning of a resource (a modifier extension, another status) refuses it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from imnm_fhir.dictionary import ValueSet, load_dictionary
from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.keys import key_parts
from imnm_fhir.shapes.tree import (
    Array,
    Constant,
    Field,
    Hole,
    Node,
    Object,
    Shape,
    load_harmless,
    load_shapes,
)
from imnm_fhir.terminology import load_project
from imnm_fhir.values import Unreadable, canonical_number

MODIFIERS = ("modifierExtension", "implicitRules")


@dataclass(frozen=True)
class Reading:
    """What was read from one resource.

    `row` has the table's columns (without provenance) plus `patient_id`, `organization_id`; `unread`
    are paths of leaves that were not understood, `refused` says why there is no row.
    """

    table: str
    row: Mapping[str, Any]
    unread: tuple[str, ...] = ()
    refused: str | None = None


class _Mismatch(Exception):
    """A part of the resource is not what the shape says; the message names path and expectation."""


@dataclass
class _Found:
    row: dict[str, Any] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)

    def put(self, column: str, value: Any, path: str) -> None:
        if self.row.setdefault(column, value) != value:
            raise _Mismatch(f"{path}: contradicts what the resource says of {column} elsewhere")

    def add(self, other: "_Found", path: str) -> None:
        for column, value in other.row.items():
            self.put(column, value, path)
        self.unread += other.unread


def match(resource: Mapping[str, Any]) -> Reading:
    """The row of one resource, numbers as canonical text.

    The resource is one of ours or made equal to ours by `imnm_fhir.fhir.foreign.normalise`. Numbers
    must be `int` or `Decimal` (`read_json` gives these), never float.
    """
    shape = shape_of(resource)
    if shape is None:
        return Reading("", {}, refused="not a kind of resource that is read")
    modifier = next((path for path in leaves(resource) if any(m in path for m in MODIFIERS)), None)
    if modifier:
        return Reading(shape.name, {}, refused=f"{modifier} may change what the resource means")
    try:
        element = find_element(shape.name, resource)
        found = _read_resource(shape, resource, element)
        _finish(found, shape.name, element)
    except _Mismatch as mismatch:
        return Reading(shape.name, {}, refused=str(mismatch))
    return Reading(
        shape.name, found.row, tuple(path for path in found.unread if not harmless(path))
    )


def shape_of(resource: Mapping[str, Any]) -> Shape | None:
    """The shape whose resource type this is, or None."""
    kind = resource.get("resourceType")
    return next((each for each in load_shapes().values() if each.resource == kind), None)


def harmless(path: str) -> bool:
    """Whether a leaf has no bearing on the row (`[harmless]` in shapes.toml)."""
    return any(pattern.fullmatch(path) for pattern in load_harmless())


def leaves(value: Any, path: str = "") -> Iterator[str]:
    """The paths of all leaves, such as `code.coding[0].code`."""
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from leaves(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and value:
        for index, inner in enumerate(value):
            yield from leaves(inner, f"{path}[{index}]")
    else:
        yield path


def find_element(table: str, resource: Mapping[str, Any]) -> str | None:
    """The element that a resource is of: by its own coding, else by public code, else by its value.

    None for patients and organisations. Raises `_Mismatch` where no or several elements fit.
    """
    if table in ("patients", "organization"):
        return None
    concepts = (
        [resource.get("category")] if table == "medications" else resource.get("category") or []
    )
    if table in ("observations", "procedures"):
        concepts = [resource.get("code")]
    own = load_project().local("CodeSystem", "element")
    pairs = [pair for concept in concepts for pair in _pairs(concept)]
    for wanted in ([p for p in pairs if p[0] == own], pairs):
        names = {
            n for pair in wanted for n in load_dictionary().elements_by_code.get((table, *pair), ())
        }
        if len(names) == 1:
            return names.pop()
    if table in ("medications", "conditions"):
        return _element_by_value(table, resource)
    raise _Mismatch("code: no element, or more than one, has it")


def _pairs(concept: Any) -> list[tuple[str, str]]:
    codings = concept.get("coding") if isinstance(concept, Mapping) else None
    canonical = load_project().canonical_system
    return [
        (canonical(str(each.get("system"))), str(each.get("code")))
        for each in codings or []
        if isinstance(each, Mapping)
    ]


def _element_by_value(table: str, resource: Mapping[str, Any]) -> str:
    dictionary = load_dictionary()
    concept = resource.get("medicationCodeableConcept" if table == "medications" else "code")
    names = set()
    for name, element in dictionary.of_table(table).items():
        value_set = dictionary.value_sets[element.value_set] if element.value_set else None
        keys = [value_set.keys_by_code.get(pair) for pair in _pairs(concept)] if value_set else []
        groups = element.attributes.get("takes", ())
        if value_set and any(
            key and value_set.codes[key].attributes.get("group") in groups for key in keys
        ):
            names.add(name)
    if len(names) != 1:
        raise _Mismatch("code: no element, or more than one, takes it")
    return names.pop()


def _read_resource(shape: Shape, resource: Mapping[str, Any], element: str | None) -> _Found:
    present = [each for each in shape.variants if each.fields[0].key in resource]
    if shape.variants and len(present) != 1:
        raise _Mismatch("holds no value or reason that is read, or more than one")
    fields = shape.fields(present[0] if present else None)
    return _read_object(fields, resource, "", element)


def _finish(found: _Found, table: str, element: str | None) -> None:
    """Put the parts of the key into the row; the key wins over what the tag says of the site."""
    key = found.row.pop("key", None)
    columns = ("site",) if table == "organization" else load_dictionary().tables[table].key
    if key is not None:
        parts = key_parts(key)
        if len(parts) != len(columns):
            raise _Mismatch("identifier: is no key of this table")
        said = dict(zip(columns, parts, strict=True))
        for column in ("element", "time_point"):
            own = element if column == "element" else found.row.get("time_point")
            if column in said and said[column] != own:
                raise _Mismatch(f"identifier: contradicts the {column} of the resource")
        found.row |= said
    elif element:
        found.row["element"] = element


def _read(node: Node, value: Any, path: str, element: str | None) -> _Found:
    match node:
        case Constant():
            if value not in node.accepted:
                raise _Mismatch(f"{path}: is not {' or '.join(node.accepted)}")
            return _Found()
        case Hole():
            return _read_hole(node, value, path, element)
        case Array():
            return _read_array(node, value, path, element)
        case Object():
            if not isinstance(value, Mapping):
                raise _Mismatch(f"{path}: is no object")
            return _read_object(node.fields, value, path, element)


def _read_object(
    fields: tuple[Field, ...], value: Mapping[str, Any], path: str, element: str | None
) -> _Found:
    found = _Found()
    known = {each.key for each in fields}
    for each in fields:
        place = f"{path}.{each.key}" if path else each.key
        if each.key not in value:
            if each.when is None and each.reading == "must":
                raise _Mismatch(f"{place}: is missing")
            continue
        try:
            found.add(_read(each.node, value[each.key], place, element), place)
        except _Mismatch:
            if each.reading == "refused" or (each.when is None and each.reading == "must"):
                raise
            found.unread += leaves(value[each.key], place)
    for key in value:
        if key not in known:
            found.unread += leaves(value[key], f"{path}.{key}" if path else key)
    return found


def _read_array(node: Array, value: Any, path: str, element: str | None) -> _Found:
    if not isinstance(value, list):
        raise _Mismatch(f"{path}: is no list")
    found = _Found()
    rest = dict(enumerate(value))
    for item in node.items:
        for index, actual in rest.items():
            try:
                part = _read(item.node, actual, f"{path}[{index}]", element)
                found.add(part, f"{path}[{index}]")
            except _Mismatch:
                continue
            del rest[index]
            break
        else:
            if item.when is None:
                raise _Mismatch(f"{path}: lacks an item")
    for index, actual in rest.items():
        found.unread += leaves(actual, f"{path}[{index}]")
    return found


def _read_hole(hole: Hole, value: Any, path: str, element: str | None) -> _Found:
    found = _Found()
    if hole.column == "element" or hole.column == "category":
        return _read_element_codings(hole, value, path, element)
    if hole.kind == "coding":
        return _read_codings(hole, value, path, element)
    found.put(hole.column, _scalar(hole, value, path, element), path)
    return found


def _scalar(hole: Hole, value: Any, path: str, element: str | None) -> Any:
    if hole.kind == "boolean":
        if not isinstance(value, bool):
            raise _Mismatch(f"{path}: is neither true nor false")
        return value
    if hole.kind == "number":
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            raise _Mismatch(f"{path}: is no number")
        try:
            return canonical_number(str(value))
        except Unreadable as error:
            raise _Mismatch(f"{path}: {error}") from None
    if not isinstance(value, str) or not value:
        raise _Mismatch(f"{path}: is no text")
    if hole.kind == "code":
        return _key_of_code(_value_set(hole, path, element), value, path)
    if not value.startswith(hole.prefix) or not value.endswith(hole.suffix):
        raise _Mismatch(f"{path}: is not of the form {hole.prefix}…{hole.suffix}")
    return value[len(hole.prefix) : len(value) - len(hole.suffix)]


def _value_set(hole: Hole, path: str, element: str | None) -> ValueSet:
    value_set = load_dictionary().value_set_of(element or "", hole.column)
    if value_set is None:
        raise _Mismatch(f"{path}: this element takes no code here")
    return value_set


def _key_of_code(value_set: ValueSet, code: str, path: str) -> str:
    for key, each in value_set.codes.items():
        if each.codings[0].code == code:
            return key
    raise _Mismatch(f"{path}: is not in value set {value_set.name}")


def _read_codings(hole: Hole, value: Any, path: str, element: str | None) -> _Found:
    value_set = _value_set(hole, path, element)
    pairs = _pairs({"coding": value})
    keys = [value_set.keys_by_code.get(pair) for pair in pairs]
    known = {key for key in keys if key}
    if len(known) != 1:
        raise _Mismatch(f"{path}: no code, or contradicting codes, of value set {value_set.name}")
    found = _Found()
    found.put(hole.column, known.pop(), path)
    _list_unknown(found, value, [key is not None for key in keys], path)
    return found


def _read_element_codings(hole: Hole, value: Any, path: str, element: str | None) -> _Found:
    pairs = _pairs({"coding": value})
    if hole.column == "element":
        accepted = load_dictionary().elements[element or ""].accepted
    else:
        wanted = load_dictionary().elements[element or ""].category
        accepted = frozenset({(load_project().system("observation-category"), str(wanted))})
    known = [pair in accepted for pair in pairs]
    if not any(known):
        raise _Mismatch(f"{path}: none of the codes of {element}")
    found = _Found()
    _list_unknown(found, value, known, path)
    return found


def _list_unknown(found: _Found, value: list[Any], known: list[bool], path: str) -> None:
    for index, (coding, is_known) in enumerate(zip(value, known, strict=True)):
        listed = (
            {k: v for k, v in coding.items() if k not in ("system", "code", "display")}
            if is_known
            else coding
        )
        if listed:
            found.unread += leaves(listed, f"{path}[{index}]")


def check_match(reading: Reading) -> Mapping[str, Any]:
    """The row of a reading, for callers that want exactly one; raises `ImnmFhirError` otherwise."""
    if reading.refused:
        raise ImnmFhirError(f"the resource is not understood: {reading.refused}")
    return reading.row
