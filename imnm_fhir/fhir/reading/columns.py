"""Reading in bulk: each shape compiled to a DuckDB column type and a SELECT over it.

DuckDB drops unknown keys and bends types in silence, so what is read here counts only where the line
is known to be ours: its file has the hash of our manifest. Every other line is read by templates or
by `match`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from imnm_fhir.dictionary import load_dictionary
from imnm_fhir.fhir.writing.lines import register_lookup, sql_text
from imnm_fhir.shapes.fill import codings_of
from imnm_fhir.shapes.tree import (
    Array,
    Constant,
    Field,
    Hole,
    Node,
    Object,
    holes,
    is_element_coding,
    load_period,
    load_shapes,
)

if TYPE_CHECKING:
    import duckdb

Type = str | dict[str, "Type"] | list["Type"]
CODINGS: Type = [{"code": "VARCHAR"}]
BESIDE = ("patient_id", "organization_id")  # columns of a shape that are not of its table


def all_fields(table: str) -> tuple[Field, ...]:
    """The fields of a shape that are read, with those of all its variants."""
    shape = load_shapes()[table]
    inside = tuple(field for variant in shape.variants for field in variant.fields)
    return tuple(f for f in shape.before + inside + shape.after if f.reading != "never")


@cache
def resource_columns(table: str) -> str:
    """The columns of a table's resources as DuckDB's `read_json` takes them."""
    fields = _fields_type(all_fields(table))
    listed = [f"{sql_text(key)}: {sql_text(_sql_type(kind))}" for key, kind in fields.items()]
    return "{" + ", ".join(listed) + "}"


def _type(node: Node) -> Type:
    match node:
        case Constant():
            return "VARCHAR"
        case Hole():
            return CODINGS if node.kind == "coding" else "VARCHAR"
        case Array():
            merged: Type = {}
            for item in node.items:
                merged = _merge(merged, _item_type(item.node, len(node.items) == 1))
            return [merged]
        case Object():
            return _fields_type(node.fields)


def _item_type(node: Node, alone: bool) -> Type:
    """The type of an item, with its constants where they tell it from other items."""
    if alone or not isinstance(node, Object):
        return _type(node)
    constants = {f.key: _type(f.node) for f in node.fields if isinstance(f.node, Constant)}
    return _merge(constants, _type(node))


def _fields_type(fields: tuple[Field, ...]) -> dict[str, Type]:
    found: dict[str, Type] = {}
    for each in _read_fields(fields):
        found[each.key] = _merge(found.get(each.key, {}), _type(each.node))
    return found


def _read_fields(fields: tuple[Field, ...]) -> Iterator[Field]:
    """The fields that must be read: those with a hole of which no field before says the same.

    All others follow from the row, whose line is compared, or whose file is known to be ours.
    """
    seen: set[str] = set()
    for each in fields:
        columns = {hole.column for hole in holes(each.node) if is_read(hole)}
        if columns - seen:
            yield each
        if isinstance(each.node, Hole):
            seen |= columns


def is_read(hole: Hole) -> bool:
    """Whether a hole is read: the element stands in the key."""
    return not is_element_coding(hole) and hole.column != "element"


def _merge(left: Type, right: Type) -> Type:
    if isinstance(left, dict) and isinstance(right, dict):
        return {k: _merge(left.get(k, {}), right.get(k, {})) for k in {**left, **right}}
    if isinstance(left, list) and isinstance(right, list):
        return [_merge(left[0], right[0])]
    return right or left


def _sql_type(kind: Type) -> str:
    if isinstance(kind, str):
        return kind
    if isinstance(kind, list):
        return _sql_type(kind[0]) + "[]"
    return "STRUCT(" + ", ".join(f'"{key}" {_sql_type(inner)}' for key, inner in kind.items()) + ")"


@dataclass(frozen=True)
class _Path:
    """Where a hole stands: the SQL that reaches it, and the hole."""

    sql: str
    hole: Hole


def _paths(fields: tuple[Field, ...], base: str) -> Iterator[_Path]:
    for each in _read_fields(fields):
        yield from _inside(each.node, f'{base}."{each.key}"')


def _inside(node: Node, base: str) -> Iterator[_Path]:
    match node:
        case Hole():
            yield _Path(base, node)
        case Object():
            yield from _paths(node.fields, base)
        case Array():
            alone = len(node.items) == 1
            for item in node.items:
                yield from _item(item.node, base, alone)


def _item(node: Node, base: str, alone: bool) -> Iterator[_Path]:
    """The holes of an item of a list, which its constants tell from the other items."""
    if alone or not isinstance(node, Object):
        yield from _inside(node, f"{base}[1]")
        return
    constants = [
        f'x."{each.key}" = {sql_text(each.node.accepted[0])}'
        for each in node.fields
        if isinstance(each.node, Constant)
    ]
    for each in _read_fields(node.fields):
        if not isinstance(each.node, Constant):
            test = " and ".join([*constants, f'x."{each.key}" is not null'])
            yield from _inside(each.node, f'list_filter({base}, lambda x: {test})[1]."{each.key}"')


def _value(path: _Path) -> str:
    hole, sql = path.hole, path.sql
    if hole.kind == "boolean":
        return f"cast({sql} as boolean)"
    if hole.kind == "text" and hole.prefix:
        return f"substr({sql}, {len(hole.prefix) + 1})"
    if hole.kind == "number":  # DuckDB writes 0.000001 as 1e-06
        plain = f"rtrim(rtrim(cast(cast({sql} as decimal(38, 6)) as varchar), '0'), '.')"
        return f"case when contains({sql}, 'e') then {plain} else {sql} end"
    if hole.kind in ("text", "date"):
        return sql
    # The last coding is the project's own where there is one, so that no two keys share it.
    code = f"{sql}[-1].code" if hole.kind == "coding" else sql
    if hole.column == "value_code":
        return code
    dictionary = load_dictionary()
    keys = dictionary.value_sets[dictionary.column_value_sets[hole.column]].codes
    branches = " ".join(
        f"when {sql_text(codings_of(None, hole.column, key)[-1].code)} then {sql_text(key)}"
        for key in keys
    )
    # Most columns are mostly null: those rows are done before the branches are tried.
    return f"case when {code} is null then null else case {code} {branches} end end"


def _key_part(index: int, name: str) -> str:
    part = f"split_part(r.key, '/', {index})"
    if name in ("patient", "n"):  # the others are made of a-z, 0-9, _ and -
        part = f"replace(replace({part}, '%2F', '/'), '%25', '%')"
    return f"nullif({part}, '')"


def rows_query(table: str, source: str, kept: tuple[str, ...] = ()) -> str:
    """The SELECT of the rows of a table from `source`, a FROM clause with alias `r`.

    Under `r` are the keys of the resource and the columns `kept`. The columns are the table's data
    columns, then those of `BESIDE` that the shape has, then `kept`. Table `read_values` must be there
    (`prepare_values`).
    """
    about = load_dictionary().tables[table]
    found = _column_values(table)
    found["key"] = 'r.identifier[1]."value"'
    beside = [name for name in BESIDE if name in found]
    columns = [f"{found[name]} as {name}" for name in found if name not in about.key]
    columns += [f"r.{name}" for name in kept]
    inner = f"select {', '.join(columns)} from {source}"
    parts = {name: _key_part(index, name) for index, name in enumerate(about.key, 1)}
    chosen = [f"{parts[name]} as {name}" if name in parts else name for name in about.data_columns]
    coded = "value_code" in about.columns
    if coded:
        element = parts["element"]
        chosen[about.data_columns.index("value_code")] = "w.key as value_code"
        join = f"left join read_values w on w.element = {element} and w.code = r.value_code"
    return f"select {', '.join([*chosen, *beside, *kept])} from ({inner}) r {join if coded else ''}"


def _column_values(table: str) -> dict[str, str]:
    """The SQL of each column that a hole carries, by column, those of periods joined."""
    found: dict[str, dict[str, None]] = {}
    for path in _paths(all_fields(table), "r"):
        if is_read(path.hole):
            found.setdefault(path.hole.column, {})[_value(path)] = None
    values = {
        name: f"coalesce({', '.join(ways)})" if len(ways) > 1 else next(iter(ways))
        for name, ways in found.items()
    }
    for column in load_period(table) or ():
        exact, shown = values.pop(f"{column}_exact"), values.pop(f"{column}_shown")
        values[column] = f"coalesce({exact}, {shown})"
    return values


def prepare_values(engine: "duckdb.DuckDBPyConnection") -> None:
    """Make the table `read_values` that `rows_query` joins: element, code as written last, key."""
    dictionary = load_dictionary()
    rows = [
        (name, code.codings[-1].code, key)
        for name, element in dictionary.elements.items()
        if element.value_set
        for key, code in dictionary.value_sets[element.value_set].codes.items()
    ]
    if len({row[:2] for row in rows}) != len(rows):
        raise ValueError("two keys of a value set end with the same code")
    register_lookup(engine, "read_values", ("element", "code", "key"), rows)
