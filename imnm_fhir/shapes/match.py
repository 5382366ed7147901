"""Matching: the row that a resource holds, with every leaf of the resource accounted for.

A leaf is taken into the row, equal to a constant, known to be harmless, or listed as not understood.
What changes the meaning of a resource (a modifier extension, another status) refuses it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from imnm_fhir.dictionary import load_dictionary
from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.keys import key_parts
from imnm_fhir.shapes.codings import (
    find_element,
    read_category,
    read_codings,
    read_element,
)
from imnm_fhir.shapes.found import Found, Leaf, Mismatch, Refusal, leaves
from imnm_fhir.shapes.scalars import read_scalar
from imnm_fhir.shapes.tree import (
    Array,
    Constant,
    Field,
    Hole,
    Item,
    Node,
    Object,
    Shape,
    load_patterns,
    load_period,
    load_shapes,
)


@dataclass(frozen=True)
class Reading:
    """What was read from one resource.

    `row` has the table's columns that the resource has a value for (without provenance), and
    `patient_id`, `organization_id`; `unread` are paths of leaves that were not understood; `refused`
    says why there is no row.
    """

    table: str
    row: Mapping[str, Any]
    unread: tuple[str, ...] = ()
    refused: str | None = None


def match(resource: Mapping[str, Any]) -> Reading:
    """The row of one resource, numbers as canonical text.

    The resource is one of ours or made equal to ours by `imnm_fhir.fhir.reading.foreign.normalise`. Numbers
    must be `int` or `Decimal` (`read_json` gives these), never float.
    """
    shape = shape_of(resource)
    if shape is None:
        return Reading("", {}, refused="not a kind of resource that is read")
    try:
        _check_meaning(resource)
        element = find_element(shape.name, resource)
        found = _read_resource(shape, resource, element)
        _finish(found, shape.name, element)
    except (Mismatch, Refusal) as why:
        return Reading(shape.name, {}, refused=str(why))
    return Reading(shape.name, found.row, tuple(leaf.path for leaf in _listed(found.unread)))


def shape_of(resource: Mapping[str, Any]) -> Shape | None:
    """The shape whose resource type this is, or None."""
    kind = resource.get("resourceType")
    return next((each for each in load_shapes().values() if each.resource == kind), None)


def is_harmless(leaf: Leaf) -> bool:
    """Whether a leaf has no bearing on the row (`[harmless]` in shapes.toml)."""
    return _fits(leaf, "harmless")


def _fits(leaf: Leaf, kind: str) -> bool:
    pattern = load_patterns(kind)
    return bool(pattern.fullmatch(leaf.path) or pattern.fullmatch(f"{leaf.path}={leaf.text()}"))


def _listed(unread: list[Leaf]) -> list[Leaf]:
    return [leaf for leaf in unread if not is_harmless(leaf)]


def _check_meaning(resource: Mapping[str, Any]) -> None:
    for leaf in leaves(resource):
        if _fits(leaf, "refusing"):
            raise Refusal(f"{leaf.path} may change what the resource means")


def _read_resource(shape: Shape, resource: Mapping[str, Any], element: str | None) -> Found:
    present = [each for each in shape.variants if each.fields[0].key in resource]
    if shape.variants and len(present) != 1:
        raise Mismatch("holds no value or reason that is read, or more than one")
    fields = shape.fields(present[0] if present else None)
    return _read_object(fields, resource, "", element)


def _finish(found: Found, table: str, element: str | None) -> None:
    """Put the parts of the key into the row; the key must agree with what else the resource says."""
    found.unread += [leaf for column, leaf in found.implied if column not in found.row]
    _join_period(found, table)
    key = found.row.pop("key", None)
    if element:
        found.row["element"] = element
    if key is None:
        return
    columns = ("site",) if table == "organization" else load_dictionary().tables[table].key
    parts = key_parts(key)
    if len(parts) != len(columns) or None in parts[:2]:
        raise Mismatch("identifier: is no key of this table")
    said = dict(zip(columns, parts, strict=True))
    for column in ("element", "time_point"):
        if column in said and said[column] != found.row.get(column):
            raise Refusal(f"identifier: contradicts the {column} of the resource")
    found.row |= said


def _join_period(found: Found, table: str) -> None:
    """Put the exact end of a period in the place of what was shown for it."""
    for column in load_period(table) or ():
        shown = found.row.pop(f"{column}_shown", None)
        exact = found.row.pop(f"{column}_exact", None)
        if exact is not None and not exact.startswith(shown or "?"):
            raise Refusal(f"{column}: its exact date contradicts the one that is shown")
        if shown is not None:
            found.row[column] = exact or shown


def _read(node: Node, value: Any, path: str, element: str | None) -> Found:
    match node:
        case Constant():
            if value not in node.accepted:
                raise Mismatch(f"{path}: is not {' or '.join(node.accepted)}")
            return Found()
        case Hole():
            return _read_hole(node, value, path, element)
        case Array():
            return _read_array(node, value, path, element)
        case Object():
            if not isinstance(value, Mapping):
                raise Mismatch(f"{path}: is no object")
            return _read_object(node.fields, value, path, element)


def _read_object(
    fields: tuple[Field, ...], value: Mapping[str, Any], path: str, element: str | None
) -> Found:
    found = Found(unread=[] if value else [Leaf(path, value)])
    by_key: dict[str, list[Field]] = {}
    for each in fields:
        by_key.setdefault(each.key, []).append(each)
    for key, ways in by_key.items():
        place = f"{path}.{key}" if path else key
        if key in value:
            found.add(_read_key(ways, value[key], place, element), place)
        elif any(each.when is None and each.reading == "must" for each in ways):
            raise Mismatch(f"{place}: is missing")
    for key in value:
        if key not in by_key:
            found.unread += leaves(value[key], f"{path}.{key}" if path else key)
    return found


def _read_key(ways: list[Field], value: Any, place: str, element: str | None) -> Found:
    """The value of a key, in the first of its ways that fits; several are written `key?column`."""
    for each in ways[:-1]:
        try:
            return _read_node(each, value, place, element)
        except Mismatch:
            continue
    return _read_field(ways[-1], value, place, element)


def _read_field(each: Field, value: Any, place: str, element: str | None) -> Found:
    if each.reading == "never":
        return Found(unread=list(leaves(value, place)))
    try:
        found = _read_node(each, value, place, element)
    except Mismatch as why:
        if each.reading == "listed":
            return Found(unread=list(leaves(value, place)))
        raise Refusal(str(why)) if each.reading == "strict" else why from None
    if each.reading == "strict" and _listed(found.unread):
        raise Refusal(f"{_listed(found.unread)[0].path}: may change what the resource means")
    return found


def _read_node(each: Field, value: Any, place: str, element: str | None) -> Found:
    found = _read(each.node, value, place, element)
    if each.when and isinstance(each.node, Constant):
        found.implied.append((each.when, Leaf(place, value)))
    return found


def _read_array(node: Array, value: Any, path: str, element: str | None) -> Found:
    if not isinstance(value, list):
        raise Mismatch(f"{path}: is no list")
    found = Found(unread=[] if value else [Leaf(path, value)])
    rest = dict(enumerate(value))
    for item in node.items:
        for index, actual in rest.items():
            part = _read_item(item, actual, f"{path}[{index}]", element)
            if part is not None:
                found.add(part, f"{path}[{index}]")
                del rest[index]
                break
        else:
            if item.when is None:
                raise Mismatch(f"{path}: lacks an item that is understood")
    for index, actual in rest.items():
        found.unread += leaves(actual, f"{path}[{index}]")
    return found


def _read_item(item: Item, value: Any, path: str, element: str | None) -> Found | None:
    try:
        return _read(item.node, value, path, element)
    except Mismatch as why:
        if item.strict and _same_constants(item.node, value):
            raise Refusal(str(why)) from None
        return None


def _same_constants(node: Node, value: Any) -> bool:
    if not isinstance(node, Object) or not isinstance(value, Mapping):
        return False
    constants = [each for each in node.fields if isinstance(each.node, Constant)]
    return all(
        isinstance(each.node, Constant) and value.get(each.key) in each.node.accepted
        for each in constants
    )


def _read_hole(hole: Hole, value: Any, path: str, element: str | None) -> Found:
    if hole.column == "element":
        return read_element(hole, value, path, element)
    if hole.column == "category":
        return read_category(value, path, element)
    if hole.kind == "coding":
        return read_codings(hole, value, path, element)
    found = Found()
    found.put(hole.column, read_scalar(hole, value, path), path)
    return found


def check_match(reading: Reading) -> Mapping[str, Any]:
    """The row of a reading, for callers that want exactly one; raises `ImnmFhirError` otherwise."""
    if reading.refused:
        raise ImnmFhirError(f"the resource is not understood: {reading.refused}")
    return reading.row
