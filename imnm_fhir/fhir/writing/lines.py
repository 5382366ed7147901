"""Writing in bulk: each shape compiled to one DuckDB expression that makes the JSON line of a row.

The line equals what `fill` and `write_json` give, byte for byte (a property test holds them
together). Codings are small tables joined by element and key (`prepare_lookups`). Nothing is ever
left out in silence: where `fill` refuses a row, the macro `lacking` is called with the column.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from imnm_fhir.dictionary import load_dictionary
from imnm_fhir.fhir.text import write_json
from imnm_fhir.keys import resource_id, row_key
from imnm_fhir.shapes.fill import codings_of, hole_value
from imnm_fhir.shapes.tree import (
    ELEMENT_HOLES,
    Array,
    Constant,
    Field,
    Hole,
    Node,
    Object,
    columns_inside,
    is_element_coding,
    load_period,
    load_shapes,
)

if TYPE_CHECKING:
    import duckdb

# Columns whose text never needs escaping in JSON: hashes, and what `check_site_id` and the row checks
# hold to a few characters. All other text is escaped.
PLAIN = frozenset({"id", "patient_id", "organization_id", "site"})
START = ("resourceType", "id", "meta")  # the members with which every resource starts
MISSING = "no value for "  # what the SQL error says before the column's name


class Sql(str):
    """A part of a line that is SQL; a plain `str` is JSON text."""


Part = str | Sql


def sql_text(text: str) -> str:
    """The text as SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def json_text(value: object) -> str:
    """A value as JSON, as `write_json` writes it."""
    return write_json({"x": value})[5:-1].decode()


def line_expression(table: str) -> str:
    """The SQL that makes the JSON line of a row `t` of `table` (see `row_source` for its columns)."""
    fields = load_shapes()[table].before
    start = [each for each in fields if each.key in START]
    return _joined(["{", *_members(tuple(start)), *_end(table)])


def _end(table: str) -> list[Part]:
    shape = load_shapes()[table]
    parts = _members(tuple(each for each in shape.before if each.key not in START), 1)
    if shape.variants:
        branches = [
            f"when t.{each.when} is not null then {_joined(_members(each.fields, 1, (each.when,)))}"
            for each in shape.variants
        ]
        parts.append(Sql(f"case {' '.join(branches)} else lacking('the row') end"))
    return [*parts, *_members(shape.after, 1), "}"]


def _joined(parts: Iterable[Part]) -> str:
    """SQL that joins parts, neighbouring texts together. `concat` copies each byte once, || often."""
    merged: list[Part] = []
    for part in parts:
        if merged and not isinstance(part, Sql) and not isinstance(merged[-1], Sql):
            merged[-1] += part
        elif part:
            merged.append(part)
    sql = [part if isinstance(part, Sql) else sql_text(part) for part in merged]
    return sql[0] if len(sql) == 1 else f"concat({', '.join(sql)})"


def _members(
    fields: tuple[Field, ...], first: int = 0, present: tuple[str, ...] = ()
) -> list[Part]:
    """`"key":value` of fields, each after a comma but for the very first.

    `present`: columns that are known to have a value here, so that nothing is asked twice.
    """
    parts: list[Part] = []
    for index, each in enumerate(fields, first):
        key = f'{"," if index else ""}"{each.key}":'
        columns = (each.when,) if each.when else columns_inside(each.node)
        if each.when is None or set(columns) & set(present):
            parts += [key, *_node(each.node, present)]
            continue
        known = (*present, *columns) if len(columns) == 1 else present
        test = " or ".join(f"t.{column} is not null" for column in columns)
        inside = _joined([key, *_node(each.node, known)])
        parts.append(Sql(f"case when {test} then {inside} else '' end"))
    return parts


def _object(fields: tuple[Field, ...], present: tuple[str, ...]) -> list[Part]:
    if fields[0].when is None or set(columns_inside(fields[0].node)) & set(present):
        return ["{", *_members(fields, 0, present), "}"]
    # The first field may lack: every one comes after a comma, and the first comma is cut off.
    return ["{", Sql(f"substr({_joined(_members(fields, 1, present))}, 2)"), "}"]


def _array(node: Array, present: tuple[str, ...]) -> list[Part]:
    parts: list[Part] = []
    for item in node.items:
        known = (*present, item.when) if item.when else present
        inside = [",", *_node(item.node, known)]
        if item.when is None or item.when in present:
            parts += inside
        else:
            test = f"t.{item.when} is not null"
            parts.append(Sql(f"case when {test} then {_joined(inside)} else '' end"))
    if isinstance(parts[0], Sql):
        return ["[", Sql(f"substr({_joined(parts)}, 2)"), "]"]
    return ["[", parts[0][1:], *parts[1:], "]"]


def _node(node: Node, present: tuple[str, ...]) -> list[Part]:
    match node:
        case Constant():
            return [json_text(node.accepted[0])]
        case Object():
            return _object(node.fields, present)
        case Array():
            return _array(node, present)
        case Hole():
            return _hole(node, present)


def _hole(hole: Hole, present: tuple[str, ...]) -> list[Part]:
    column = f"t.{hole.column}"
    if is_element_coding(hole):
        return [_needed(f"{column}_json", hole.column)]
    if hole.column == "element":
        return ['"', _needed("t.element_code", hole.column), '"']
    if hole.kind in ("code", "coding"):
        return [_coded(hole)]
    value = Sql(column) if hole.column in present else _needed(column, hole.column)
    if hole.kind == "number":
        return [value]
    if hole.kind == "boolean":
        return [Sql(f"case when {value} then 'true' else 'false' end")]
    if hole.column in PLAIN:
        return ['"' + json_text(hole.prefix)[1:-1], value, json_text(hole.suffix)[1:-1] + '"']
    if hole.prefix or hole.suffix:
        raise ValueError(f"{hole.column} inside a text would need escaping")
    return [Sql(_escaped(value))]


def _needed(sql: str, column: str) -> Sql:
    return Sql(f"coalesce({sql}, lacking('{column}'))")


def _escaped(sql: str) -> str:
    """JSON of a text. Most texts need no escaping, and to see that is cheaper than to escape."""
    simple = r"'[\x20-\x21\x23-\x5b\x5d-\x7e]*'"
    escaped = f"cast(to_json({sql}) as varchar)"
    return f"case when regexp_full_match({sql}, {simple}) then concat('\"', {sql}, '\"') else {escaped} end"


def _coded(hole: Hole) -> Sql:
    """A code or codings: of the element's value set by a join, of a column's own by a CASE."""
    column = f"t.{hole.column}"
    if hole.column == "value_code":
        return _needed(f"t.value_code_{hole.kind}", hole.column)
    dictionary = load_dictionary()
    keys = dictionary.value_sets[dictionary.column_value_sets[hole.column]].codes
    branches = " ".join(
        f"when {sql_text(key)} then {sql_text(_written(hole.kind, None, hole.column, key))}"
        for key in keys
    )
    return Sql(f"case {column} {branches} else lacking('{hole.column}') end")


def _written(kind: str, element: str | None, column: str, key: str) -> str:
    codings = codings_of(element, column, key)
    return json_text(codings[0].code if kind == "code" else [each.fhir() for each in codings])


def prepare_lookups(
    engine: "duckdb.DuckDBPyConnection", sites: Iterable[str], strict: bool = True
) -> None:
    """Make the tables that `row_source` joins, and the macro `lacking`.

    With `strict` a row that lacks something raises a DuckDB error; else its line comes out wrong,
    for a reader that compares it.
    """
    lacking = f"error('{MISSING}' || name)" if strict else "cast(null as varchar)"
    engine.execute(f"create temp macro lacking(name) as {lacking}")
    register_lookup(engine, "lookup_elements", *_element_lookup())
    values = ("element", "key", "value_code_coding", "value_code_code")
    register_lookup(engine, "lookup_values", values, _value_lookup())
    organizations = [(site, resource_id(row_key([site]))) for site in sites]
    register_lookup(engine, "lookup_sites", ("site", "organization_id"), organizations)


def _element_lookup() -> tuple[Sequence[str], list[tuple[str | None, ...]]]:
    rows: list[tuple[str | None, ...]] = []
    for name, element in load_dictionary().elements.items():
        known = [column == "element" or element.category for column in ELEMENT_HOLES]
        codings = [
            json_text(hole_value(Hole(column, "coding"), {"element": name})) if there else None
            for column, there in zip(ELEMENT_HOLES, known, strict=True)
        ]
        rows.append((name, element.codings[-1].code, *codings))
    return ("element", "element_code", *(f"{column}_json" for column in ELEMENT_HOLES)), rows


def _value_lookup() -> Iterator[tuple[str, ...]]:
    for name, element in load_dictionary().elements.items():
        value_set = load_dictionary().value_sets[element.value_set] if element.value_set else None
        for key in value_set.codes if value_set else ():
            yield (
                name,
                key,
                *(_written(kind, name, "value_code", key) for kind in ("coding", "code")),
            )


def register_lookup(
    engine: "duckdb.DuckDBPyConnection",
    name: str,
    columns: Sequence[str],
    rows: Iterable[tuple[str | None, ...]],
) -> None:
    """Make a small table of text."""
    import pyarrow as pa

    schema = pa.schema([(column, pa.string()) for column in columns])
    listed = [dict(zip(columns, row, strict=True)) for row in rows]
    engine.register("lookup", pa.Table.from_pylist(listed, schema=schema))
    engine.execute(f"create or replace temp table {name} as from lookup")
    engine.unregister("lookup")


def key_expression(table: str, alias: str = "t") -> str:
    """The SQL of `row_key` over the key columns of a table."""
    parts = [
        f"replace(replace(coalesce({alias}.{column}, ''), '%', '%25'), '/', '%2F')"
        if column in ("patient", "n")
        else f"coalesce({alias}.{column}, '')"
        for column in load_dictionary().tables[table].key
    ]
    return "concat_ws('/', " + ", ".join(parts) + ")"


def id_expression(table: str) -> str:
    """SQL of the id of a row, as `imnm_fhir.keys.resource_id`."""
    return f"concat('i', substr(sha256({key_expression(table)}), 1, 32))"


def row_source(table: str, source: str | None = None) -> str:
    """The SELECT of a table's rows with what their lines need beside them, from a view of its name.

    From another `source` the rows already have their patient_id and organization_id.
    """
    long = table != "patients"
    coded = "value_code" in load_dictionary().tables[table].columns
    columns, joins = ["t.*", f"{key_expression(table)} as key"], []
    if source is None:
        columns += ["o.organization_id", f"{'p' if long else 't'}.id as patient_id"]
        joins.append("left join lookup_sites o on o.site = t.site")
    if source is None and long:
        joins.append("left join patients p on p.site = t.site and p.patient = t.patient")
    if long:
        columns += ["e.element_code", *(f"e.{column}_json" for column in ELEMENT_HOLES)]
        joins.append("left join lookup_elements e on e.element = t.element")
    columns += _period_columns(table)
    if coded:
        columns += ["v.value_code_coding", "v.value_code_code"]
        joins.append("left join lookup_values v on v.element = t.element and v.key = t.value_code")
    return f"select {', '.join(columns)} from {source or table} t {' '.join(joins)}"


def _period_columns(table: str) -> list[str]:
    """What the ends of a period show, as `imnm_fhir.shapes.fill` makes it."""
    ends = load_period(table) or ()
    columns = []
    for column, other in zip(ends, reversed(ends), strict=True):
        inside = f"strlen(t.{column}) > strlen(t.{other}) and starts_with(t.{column}, t.{other})"
        columns.append(f"case when {inside} then t.{other} else t.{column} end as {column}_shown")
        columns.append(f"case when {inside} then t.{column} end as {column}_exact")
    return columns


def lines_query(table: str) -> str:
    """The SELECT of the lines of a table, as bytes with a line end each."""
    line = line_expression(table)
    return f"select encode(concat({line}, chr(10))) as line from ({row_source(table)}) t"
