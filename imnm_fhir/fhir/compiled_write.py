"""Writing NDJSON in bulk: each shape compiled to one DuckDB string expression per table.

The result equals `fill` byte for byte (a property test holds them together); it is about a hundred
times as fast. Codings are small tables joined by element and key.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from imnm_fhir.dictionary import TABLES, load_dictionary
from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.fhir.text import write_json
from imnm_fhir.keys import resource_id, row_key
from imnm_fhir.shapes.fill import codings_of, hole_value
from imnm_fhir.shapes.tree import (
    Array,
    Constant,
    Field,
    Hole,
    Node,
    Object,
    columns_inside,
    load_shapes,
)
from imnm_fhir.written import replace_atomically

if TYPE_CHECKING:
    import duckdb

# Columns whose text needs no JSON escaping: ids are hex, numbers and dates are checked by conformance.
PLAIN = frozenset({"id", "patient_id", "organization_id", "site"})


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _json(text: str) -> str:
    return write_json({"x": text})[5:-1].decode()


def line_expression(table: str) -> str:
    """The SQL expression that makes the JSON line of a row of `table`, with alias `t` for the row."""
    shape = load_shapes()[table]
    if not shape.variants:
        return _concat(_object(shape.fields()))
    branches = [
        f"when t.{each.when} is not null then {_concat(['', *_members(each.fields, 1)])}"
        for each in shape.variants
    ]
    middle = _Sql(f"case {' '.join(branches)} end")
    return _concat(["{", *_members(shape.before), middle, *_members(shape.after, 1), "}"])


def _concat(parts: list[str]) -> str:
    """SQL that joins parts, of which those that are not `_Sql` are JSON text."""
    merged: list[str] = []
    for part in parts:
        if part and _is_sql(part):
            merged.append(part)
        elif merged and not _is_sql(merged[-1]):
            merged[-1] = merged[-1] + part
        else:
            merged.append(part)
    return " || ".join(part if _is_sql(part) else _literal(part) for part in merged if part)


class _Sql(str):
    """A part that is SQL, not JSON text."""


def _is_sql(part: str) -> bool:
    return isinstance(part, _Sql)


def _members(fields: tuple[Field, ...], first: int = 0) -> list[str]:
    """`"key":value` of fields, each after a comma but for the very first."""
    parts: list[str] = []
    for index, each in enumerate(fields, first):
        inner = [f'{"," if index else ""}"{each.key}":', *_node(each.node)]
        parts += inner if each.when is None else [_Sql(_optional(each, inner))]
    return parts


def _optional(each: Field, inner: list[str]) -> str:
    columns = (each.when,) if each.when else columns_inside(each.node)
    present = " or ".join(f"t.{column} is not null" for column in columns)
    return f"case when {present} then {_concat(inner)} else '' end"


def _object(fields: tuple[Field, ...]) -> list[str]:
    if fields[0].when is None:
        return ["{", *_members(fields), "}"]
    # The first field may lack: every one comes after a comma, and the first comma is cut off.
    return ["{", _Sql(f"substr({_concat(_members(fields, 1))}, 2)"), "}"]


def _array(node: Array) -> list[str]:
    if all(item.when is None for item in node.items):
        parts: list[str] = []
        for index, item in enumerate(node.items):
            parts += [*([","] if index else []), *_node(item.node)]
        return ["[", *parts, "]"]
    inner = []
    for item in node.items:
        text = _concat([",", *_node(item.node)])
        inner.append(
            _Sql(
                text
                if item.when is None
                else f"case when t.{item.when} is not null then {text} else '' end"
            )
        )
    return ["[", _Sql(f"substr({_concat(list(inner))}, 2)"), "]"]


def _node(node: Node) -> list[str]:
    match node:
        case Constant():
            return [_json(node.accepted[0])]
        case Object():
            return _object(node.fields)
        case Array():
            return _array(node)
        case Hole():
            return [_Sql(_hole(node))] if not node.prefix + node.suffix else _inside(node)


def _inside(hole: Hole) -> list[str]:
    if hole.column not in PLAIN:
        raise ValueError(f"{hole.column} inside a text would need escaping")
    return [
        '"' + _json(hole.prefix)[1:-1],
        _Sql(f"t.{hole.column}"),
        _json(hole.suffix)[1:-1] + '"',
    ]


def _hole(hole: Hole) -> str:
    column = f"t.{hole.column}"
    if hole.column in ("element", "category"):
        return f"t.{hole.column}_json"
    if hole.kind == "number":
        return column
    if hole.kind == "boolean":
        return f"case when {column} then 'true' when not {column} then 'false' end"
    if hole.kind == "text":
        return (
            f"'\"' || {column} || '\"'"
            if hole.column in PLAIN
            else f"cast(to_json({column}) as varchar)"
        )
    if hole.column == "value_code":
        return f"t.{hole.kind}_json"
    return _words(hole, column)


def _words(hole: Hole, column: str) -> str:
    """A CASE over the few keys of a value set that is the same for every element."""
    dictionary = load_dictionary()
    keys = dictionary.value_sets[dictionary.column_value_sets[hole.column]].codes
    branches = " ".join(
        f"when {_literal(key)} then {_literal(_written(hole.kind, None, hole.column, key))}"
        for key in keys
    )
    return f"case {column} {branches} end"


def _written(kind: str, element: str | None, column: str, key: str) -> str:
    codings = codings_of(element, column, key)
    if kind == "code":
        return _json(codings[0].code)
    return write_json({"x": [coding.fhir() for coding in codings]})[5:-1].decode()


def prepare_lookups(engine: "duckdb.DuckDBPyConnection", sites: Mapping[str, object]) -> None:
    """Make the small tables that the expressions join: elements, values, organisations."""
    dictionary = load_dictionary()
    elements, values = [], []
    for name, element in dictionary.elements.items():
        row = {"element": name}
        own, category = (
            write_json({"x": hole_value(Hole(column, "coding"), row)})[5:-1].decode()
            if column == "element" or element.category
            else None
            for column in ("element", "category")
        )
        elements.append((name, own, category))
        for key in dictionary.value_sets[element.value_set].codes if element.value_set else ():
            values.append(
                (
                    name,
                    key,
                    *(_written(kind, name, "value_code", key) for kind in ("coding", "code")),
                )
            )
    engine.execute(
        "create temp table e (element varchar, element_json varchar, category_json varchar)"
    )
    engine.execute(
        "create temp table v (element varchar, key varchar, coding_json varchar, code_json varchar)"
    )
    engine.execute("create temp table o (site varchar, organization_id varchar)")
    engine.executemany("insert into e values (?, ?, ?)", elements)
    engine.executemany("insert into v values (?, ?, ?, ?)", values)
    engine.executemany(
        "insert into o values (?, ?)", [(s, resource_id(row_key([s]))) for s in sites]
    )


def key_expression(table: str) -> str:
    """The SQL of `row_key` over the key columns of a table."""
    parts = [
        f"replace(replace(coalesce(t.{column}, ''), '%', '%25'), '/', '%2F')"
        if column in ("patient", "n")
        else f"coalesce(t.{column}, '')"
        for column in load_dictionary().tables[table].key
    ]
    return " || '/' || ".join(parts)


def table_query(table: str) -> str:
    """The SELECT of the lines of a table from the view of the same name, column `line`."""
    long = table != "patients"
    joins = "left join o on o.site = t.site"
    if long:
        joins += " left join patients p on p.site = t.site and p.patient = t.patient"
        joins += " left join e on e.element = t.element"
        joins += (
            " left join v on v.element = t.element and v.key = t.value_code"
            if table != "procedures"
            else ""
        )
    patient = "p.id" if long else "t.id"
    inner = f"""select t.*, {key_expression(table)} as key, {patient} as patient_id, o.organization_id
        {", e.element_json, e.category_json" if long else ""}
        {", v.coding_json, v.code_json" if long and table != "procedures" else ""}
        from {table} t {joins}"""
    return f"select {line_expression(table)} as line from ({inner}) t"


def write_tables(
    engine: "duckdb.DuckDBPyConnection", sites: Mapping[str, object], folder: Path
) -> dict[str, int]:
    """Write one NDJSON file per table from views named as the tables; resources by type.

    Raises `ImnmFhirError` where a row could not be written whole (a code that its value set does not
    have, a patient without a row): nothing is left out in silence.
    """
    prepare_lookups(engine, sites)
    counts = {}
    for table in TABLES:
        kind = load_shapes()[table].resource
        with replace_atomically(folder / f"{kind}.ndjson") as temporary:
            counts[kind] = _copy(engine, table, temporary)
    return counts


def _copy(engine: "duckdb.DuckDBPyConnection", table: str, path: Path) -> int:
    target = str(path).replace("'", "''")
    checked = f"select coalesce(line, error('row')) as line from ({table_query(table)})"
    import duckdb

    try:
        result = engine.execute(
            f"copy ({checked}) to '{target}' (format csv, header false, quote '', escape '', delimiter '\x01')"
        ).fetchone()
    except duckdb.InvalidInputException as error:
        raise ImnmFhirError(
            f"{table}: a row holds a code, element or patient that is not known; run imnm-fhir validate"
        ) from error
    return int(result[0]) if result else 0
