"""Reading NDJSON in bulk: each shape compiled to a DuckDB column type and a SELECT over it.

DuckDB drops unknown keys and bends types in silence, so a line read here counts only where it is
known to be ours: its file has the hash of our manifest, or the row that was read, written again,
gives the same line (`same_line`). Every other line goes through `match`.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from imnm_fhir.dictionary import load_dictionary
from imnm_fhir.shapes.fill import codings_of
from imnm_fhir.shapes.tree import Array, Constant, Field, Hole, Node, Object, Shape, load_shapes
from imnm_fhir.terminology import load_project

Type = str | dict[str, "Type"] | list["Type"]
CODING: Type = [{"system": "VARCHAR", "code": "VARCHAR"}]


def all_fields(shape: Shape) -> tuple[Field, ...]:
    """The fields of a shape with those of all its variants."""
    return shape.before + tuple(f for v in shape.variants for f in v.fields) + shape.after


def _type(node: Node) -> Type:
    match node:
        case Constant():
            return "VARCHAR"
        case Hole():
            return CODING if node.kind == "coding" else "VARCHAR"
        case Array():
            merged: Type = {}
            for item in node.items:
                merged = _merge(merged, _type(item.node))
            return [merged]
        case Object():
            return _fields_type(node.fields)


def _fields_type(fields: tuple[Field, ...]) -> Type:
    found: dict[str, Type] = {}
    for each in fields:
        found[each.key] = _merge(found.get(each.key, {}), _type(each.node))
    return found


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


def resource_type(table: str) -> str:
    """The DuckDB STRUCT type of the resources of a table."""
    return _sql_type(_fields_type(all_fields(load_shapes()[table])))


@dataclass(frozen=True)
class _Path:
    """Where a hole stands: the SQL that reaches it, and the hole."""

    sql: str
    hole: Hole


def _paths(fields: tuple[Field, ...], base: str) -> Iterator[_Path]:
    for each in fields:
        yield from _inside(each.node, f'{base}."{each.key}"')


def _inside(node: Node, base: str) -> Iterator[_Path]:
    match node:
        case Hole():
            yield _Path(base, node)
        case Object():
            yield from _paths(node.fields, base)
        case Array():
            for item in node.items:
                yield from _item(item.node, base, len(node.items) == 1 and item.when is None)


def _item(node: Node, base: str, only: bool) -> Iterator[_Path]:
    if only or not isinstance(node, Object):
        yield from _inside(node, f"{base}[1]")
        return
    constants = [
        f"x.\"{f.key}\" = '{f.node.accepted[0]}'"
        for f in node.fields
        if isinstance(f.node, Constant)
    ]
    for each in node.fields:
        if isinstance(each.node, Constant):
            continue
        test = " and ".join([*constants, f'x."{each.key}" is not null'])
        chosen = f"list_filter({base}, lambda x: {test})[1]"
        yield from _inside(each.node, f'{chosen}."{each.key}"')


def _value(path: _Path) -> str:
    hole, sql = path.hole, path.sql
    if hole.kind == "number":
        exact = f"rtrim(rtrim(cast(cast({sql} as decimal(38, 6)) as varchar), '0'), '.')"
        return f"case when contains({sql}, 'e') then {exact} else {sql} end"
    if hole.kind == "boolean":
        return f"cast({sql} as boolean)"
    if hole.kind == "text":
        cut = f"substr({sql}, {len(hole.prefix) + 1})" if hole.prefix else sql
        return cut
    code = f"{sql}[1].code" if hole.kind == "coding" else sql
    if hole.column == "value_code":
        return code
    keys = load_dictionary().value_sets[load_dictionary().column_value_sets[hole.column]].codes
    branches = " ".join(
        f"when '{codings_of(None, hole.column, key)[0].code}' then '{key}'" for key in keys
    )
    return f"case {code} {branches} end"


def _key_part(index: int) -> str:
    return f"nullif(replace(replace(split_part(k, '/', {index}), '%2F', '/'), '%25', '%'), '')"


def rows_query(table: str, source: str) -> str:
    """The SELECT of the rows of a table from `source`, a relation with a struct column `r`.

    The columns are the table's data columns; join table `w` (element, code, key) must be there
    (`prepare_values`).
    """
    about = load_dictionary().tables[table]
    found: dict[str, list[str]] = {}
    for path in _paths(all_fields(load_shapes()[table]), "r"):
        found.setdefault(path.hole.column, []).append(_value(path))
    columns = [f"{_key_part(i)} as {name}" for i, name in enumerate(about.key, 1)]
    for name in about.data_columns:
        if name in about.key:
            continue
        choices = found[name]
        value = choices[0] if len(choices) == 1 else f"coalesce({', '.join(choices)})"
        columns.append(f"{value} as {name}")
    system = f"{load_project().base}/key"
    key = f"list_filter(r.identifier, lambda x: x.system = '{system}')[1].\"value\""
    query = f"select {', '.join(columns)} from (select *, {key} as k from {source})"
    if "value_code" not in about.columns:
        return query
    rest = ", ".join(
        "w.key as value_code" if name == "value_code" else f"q.{name}"
        for name in about.data_columns
    )
    return f"select {rest} from ({query}) q left join w on w.element = q.element and w.code = q.value_code"


def value_rows() -> list[tuple[str, str, str]]:
    """Element, code as written first, and key of every coded value: the rows of table `w`."""
    dictionary = load_dictionary()
    return [
        (name, code.codings[0].code, key)
        for name, element in dictionary.elements.items()
        if element.value_set
        for key, code in dictionary.value_sets[element.value_set].codes.items()
    ]
