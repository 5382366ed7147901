"""Filling: the FHIR resource of one row. The reference implementation; the compiled SQL equals it."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any

from imnm_fhir.dictionary import PROVENANCE, load_dictionary
from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.keys import resource_id, row_key
from imnm_fhir.shapes.tree import (
    Array,
    Constant,
    Field,
    Hole,
    Node,
    Object,
    Variant,
    base_column,
    columns_inside,
    load_period,
    load_shapes,
)
from imnm_fhir.terminology import Coding, load_project

Row = Mapping[str, Any]


def fill(table: str, row: Row) -> dict[str, Any]:
    """The FHIR R4 resource of one row of `table` (or of `organization`).

    Numbers are `Decimal`, so that `write_json` writes them digit by digit. Raises `ImnmFhirError`
    where the row has no value, two values, or a code that its value set does not have.
    """
    shape = load_shapes()[table]
    full = add_derived(table, row)
    present = [each for each in shape.variants if full.get(each.when) is not None]
    if shape.variants and not present:
        raise ImnmFhirError(
            f"{table}, element {row.get('element')}: a row needs a value or a missing reason"
        )
    variant = present[0] if present else None
    _check_carried(table, row, variant)
    return _fill_fields(shape.fields(variant), full)


def _check_carried(table: str, row: Row, variant: Variant | None) -> None:
    carried = carried_columns(table, variant)
    lost = [name for name, value in row.items() if value is not None and name not in carried]
    if lost:
        beside = f" beside {variant.when}" if variant else ""
        raise ImnmFhirError(
            f"{table}, element {row.get('element')}: no place for {', '.join(lost)}{beside}"
        )


@cache
def carried_columns(table: str, variant: Variant | None) -> frozenset[str]:
    """The columns that a resource carries: those of the holes, the key, and what stays at the site."""
    inside = {
        base_column(column)
        for each in load_shapes()[table].fields(variant)
        for column in (each.when, *columns_inside(each.node))
        if column
    }
    key = ("site",) if table == "organization" else load_dictionary().tables[table].key
    return frozenset({*inside, *key, "id", *PROVENANCE})


def add_derived(table: str, row: Row) -> dict[str, Any]:
    """The row with the columns that shapes use beside its own: key, patient_id, organization_id."""
    key = ("site",) if table == "organization" else load_dictionary().tables[table].key
    full = dict(row)
    full["key"] = row_key(row.get(column) for column in key)
    full["organization_id"] = resource_id(row_key([row["site"]]))
    if "patient" in row:
        full["patient_id"] = resource_id(row_key([row["site"], row["patient"]]))
    if full.get("id") is None:
        full["id"] = resource_id(full["key"])
    return full | _period_columns(table, row)


def _period_columns(table: str, row: Row) -> dict[str, Any]:
    """What the ends of a period show: one that lies inside the other is cut to be comparable."""
    columns: dict[str, Any] = {}
    ends = load_period(table) or ()
    for column, other in zip(ends, reversed(ends), strict=True):
        date, bound = row.get(column), row.get(other)
        inside = date is not None and bound is not None and date != bound and date.startswith(bound)
        columns |= {f"{column}_shown": bound if inside else date}
        columns |= {f"{column}_exact": date if inside else None}
    return columns


def _present(each: Field, row: Row) -> bool:
    if each.when is None:
        return True
    columns = (each.when,) if each.when else columns_inside(each.node)
    return any(row.get(column) is not None for column in columns)


def _fill_fields(fields: tuple[Field, ...], row: Row) -> dict[str, Any]:
    return {each.key: _fill(each.node, row) for each in fields if _present(each, row)}


def _fill(node: Node, row: Row) -> Any:
    match node:
        case Constant():
            return node.accepted[0]
        case Object():
            return _fill_fields(node.fields, row)
        case Array():
            return [
                _fill(item.node, row)
                for item in node.items
                if item.when is None or row.get(item.when) is not None
            ]
        case Hole():
            return hole_value(node, row)


def hole_value(hole: Hole, row: Row) -> Any:
    """What stands in a hole: text, Decimal, bool, a code, or a list of Codings."""
    if hole.column == "element":
        codings = load_dictionary().elements[row["element"]].codings
        return codings[-1].code if hole.kind == "code" else [coding.fhir() for coding in codings]
    if hole.column == "category":
        return [_category(row["element"]).fhir()]
    value = row.get(hole.column)
    if value is None:
        raise ImnmFhirError(
            f"element {row.get('element')}: {hole.column} is needed and has no value"
        )
    if hole.kind == "number":
        return _number(hole, row)
    if hole.kind == "boolean":
        return bool(value)
    if hole.kind in ("text", "date"):
        return f"{hole.prefix}{value}{hole.suffix}"
    codings = codings_of(row.get("element"), hole.column, str(value))
    return codings[0].code if hole.kind == "code" else [coding.fhir() for coding in codings]


def _number(hole: Hole, row: Row) -> Decimal:
    try:
        return Decimal(row[hole.column])
    except InvalidOperation:
        raise ImnmFhirError(f"element {row.get('element')}: {hole.column} is no number") from None


def codings_of(element: str | None, column: str, key: str) -> tuple[Coding, ...]:
    """The codings that are written for a key of the value set of a column."""
    dictionary = load_dictionary()
    value_set = dictionary.value_set_of(element or "", column)
    if value_set is None or key not in value_set.codes:
        name = value_set.name if value_set else "none"
        raise ImnmFhirError(
            f"element {element}: {column} holds a code that value set {name} does not have"
        )
    return value_set.codes[key].codings


def _category(element: str) -> Coding:
    from imnm_fhir.terminology import load_codes

    code = load_dictionary().elements[element].category
    system = load_project().system("observation-category")
    return Coding(system, str(code), load_codes()[system, str(code)])
