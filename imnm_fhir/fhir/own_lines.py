"""Lines that are exactly ours, told by writing again what was read: equal text has lost nothing.

A server may have changed `meta`; what it writes there is compared with a strict form. Every other
difference (a key, an order, a number's text, a code) sends the line to `match`.
"""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from imnm_fhir.dictionary import TABLES, load_dictionary
from imnm_fhir.fhir.assembly import staged_schema
from imnm_fhir.fhir.compiled_read import BESIDE, prepare_values, resource_structure, rows_query
from imnm_fhir.fhir.compiled_write import (
    end_expression,
    key_expression,
    prepare_lookups,
    row_source,
    sql_text,
)
from imnm_fhir.fhir.files import Block
from imnm_fhir.fhir.rows import prepare_rules, row_rules, rule_source
from imnm_fhir.shapes.tree import load_shapes

if TYPE_CHECKING:
    import duckdb

PIECE = 512  # lines that one thread takes at a time: DuckDB needs 20 times their size to parse them
LONGEST = 8192  # bytes of a line that is tried at all: one of ours has about 1000
_TEXT = r'"[^"\\]*"'
_CODING = rf'\{{"(?:system|version|code|display)":{_TEXT}(?:,"(?:system|version|code|display)":{_TEXT})*\}}'
_META = "|".join(
    (
        rf'"(?:versionId|lastUpdated|source)":{_TEXT}',
        rf'"profile":\[{_TEXT}(?:,{_TEXT})*\]',
        rf'"(?:tag|security)":\[{_CODING}(?:,{_CODING})*\]',
    )
)
# A `meta` that holds nothing but what servers write there.
META = rf',"meta":\{{(?:{_META})(?:,(?:{_META}))*\}}'


def prepare_own_lines(engine: "duckdb.DuckDBPyConnection") -> None:
    """Make what `take_own_lines` joins."""
    prepare_lookups(engine, (), strict=False)
    prepare_values(engine)
    prepare_rules(engine)


def take_own_lines(
    engine: "duckdb.DuckDBPyConnection", block: Block, file: str, place: int, target: Path
) -> dict[str, int]:
    """Write the rows of the lines of a block that are ours; how many by table.

    The rows go to `target`-`<table>`.parquet with the columns of `staged_schema`. Afterwards table
    `taken` holds the numbers of the lines.
    """
    import pyarrow as pa

    numbers = pa.array(range(len(block.lines)), pa.int32())
    lines = pa.table({"line": block.lines, "number": numbers})
    pieces = range(0, len(block.lines), PIECE)
    engine.register("block", pa.concat_tables([lines.slice(start, PIECE) for start in pieces]))
    engine.execute("create or replace temp table taken (number integer)")
    counts = {}
    for table in TABLES:
        if engine.execute(f"select 1 from block where {_line_start(table)} limit 1").fetchone():
            engine.execute(f"create or replace temp table own as {_own_query(table)}")
            engine.execute("insert into taken select number from own where own")
            kind = load_shapes()[table].resource
            columns = _staged_columns(table, kind, file, block.first, place)
            path = sql_text(f"{target}-{table}.parquet")
            copied = engine.execute(
                f"copy (select {columns} from own where own) to {path} (format parquet)"
            ).fetchone()
            counts[table] = int(copied[0]) if copied else 0
    engine.unregister("block")
    return {table: count for table, count in counts.items() if count}


@cache
def _own_query(table: str) -> str:
    """The SELECT of every line's row and number, and `own`: whether the line is exactly ours.

    `own` is no filter: DuckDB would push it down and parse the line for every mention of a column.
    """
    parsed = f"""(select number, line, unnest(from_json(line, {sql_text(resource_structure(table))}))
        from block where {_line_start(table)} and strlen(line) <= {LONGEST} and json_valid(line)) r"""
    rows = rows_query(table, parsed, ("number", "line"))
    columns = [*load_dictionary().tables[table].data_columns, *_beside(table), "number"]
    source = row_source(table, f"({rule_source(table, f'({rows})')})")
    written = f"""select *, concat({_line_start_text(table)}, id, '"') as start,
        concat({end_expression(table)}, chr(10)) as rest from ({source}) t"""
    meta = "substr(line, length(start) + 1, length(line) - length(start) - length(rest))"
    same = f"""starts_with(line, start) and ends_with(line, rest) and strlen(line) >= strlen(start)
        + strlen(rest) and ({meta} = '' or regexp_full_match({meta}, {sql_text(META)}))
        and not contains({meta}, 'SUBSETTED')"""
    kept = [f"coalesce({rule.broken}, false) = false" for rule in row_rules(table)]
    own = " and ".join([same, *kept, *_references(table)])
    chosen = ", ".join(columns)
    return f"select {chosen}, coalesce({own}, false) as own from ({written}) t"


def _line_start_text(table: str) -> str:
    return sql_text(f'{{"resourceType":"{load_shapes()[table].resource}","id":"')


def _line_start(table: str) -> str:
    return f"starts_with(line, {_line_start_text(table)})"


def _references(table: str) -> list[str]:
    """Conditions: what the resource refers to has the id that its key makes."""
    if table == "patients":
        return [f"t.organization_id = {_hashed('t.site')}"]
    return [f"t.patient_id = {_hashed(key_expression('patients'))}"]


def _hashed(key: str) -> str:
    return f"concat('i', substr(sha256({key}), 1, 32))"


def _staged_columns(table: str, kind: str, file: str, first: int, place: int) -> str:
    """The columns of `staged_schema` from those of `own`."""
    given = {
        "resource_id": "id",
        "kind": sql_text(kind),
        "file": sql_text(file),
        "row": f"cast(number + {first} as integer)",
        "checked": "true",
        "place": f"cast(number + {place} as bigint)",
    }
    found = {*load_dictionary().tables[table].data_columns, *_beside(table)}
    return ", ".join(
        f"{given.get(name, name if name in found else 'cast(null as varchar)')} as {name}"
        for name in staged_schema(table).names
    )


def _beside(table: str) -> tuple[str, ...]:
    return ("organization_id",) if table == "patients" else tuple(BESIDE[:1])
