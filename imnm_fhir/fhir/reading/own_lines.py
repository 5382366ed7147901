"""Lines that are exactly ours, told by writing again what was read: equal text has lost nothing.

A server may have changed `meta`; what it writes there is compared with a strict form. Every other
difference (a key, an order, a number's text, a code) sends the line to `match`.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from imnm_fhir.dictionary import TABLES, load_dictionary
from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.fhir.conformance.row_rules import prepare_rules, row_rules, rule_source
from imnm_fhir.fhir.files import Block, read_blocks
from imnm_fhir.fhir.reading.assembly import ROW_GROUP, Staging, staged_schema
from imnm_fhir.fhir.reading.columns import BESIDE, prepare_values, resource_structure, rows_query
from imnm_fhir.fhir.writing.lines import (
    end_expression,
    prepare_lookups,
    row_source,
    sql_text,
)
from imnm_fhir.shapes.tree import load_shapes

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

BLOCK = 1 << 22  # bytes that are read at a time
PIECE = (
    2048  # lines that one thread takes at a time: DuckDB needs 20 times their size to parse them
)
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


@dataclass
class OwnLines:
    """Which lines of a file were taken: `taken` has a true byte for each of the `lines`.

    `problem` is why the file could not be read to its end.
    """

    lines: int = 0
    taken: bytearray = field(default_factory=bytearray)
    problem: ImnmFhirError | None = None

    @property
    def rest(self) -> int:
        """How many lines were not taken."""
        return self.lines - self.taken.count(1)


def take_own_lines(
    engine: "duckdb.DuckDBPyConnection",
    path: Path,
    staging: Staging,
    progress: Callable[[int], None] | None,
) -> OwnLines:
    """Stage the rows of those lines of an NDJSON file that are exactly ours and keep the row rules.

    The file is streamed once for each type of resource that its lines begin with, as a rule one.
    """
    found = OwnLines()
    tables = {table: _line_start(table).encode() for table in TABLES}
    waiting = [_first_table(path, tables)]
    seen: set[str | None] = set()
    while waiting:
        table = waiting.pop()
        if table is None or table in seen:
            continue
        first_time = not seen
        stream = _Stream(path, tables[table], tables, progress if first_time else None)
        rows = _stage(engine, stream, table, staging)
        if first_time:
            found = OwnLines(stream.lines, bytearray(stream.lines), stream.problem)
        for number in rows:
            found.taken[number] = 1
        seen.add(table)
        waiting += [other for other in stream.others if other not in seen]
    staging.place += found.lines
    return found


def _first_table(path: Path, starts: Mapping[str, bytes]) -> str | None:
    try:
        for block in read_blocks(path, 1 << 16):
            for index in range(len(block.lines)):
                line = block.line(index)
                found = next(
                    (name for name, start in starts.items() if line.startswith(start)), None
                )
                if found:
                    return found
    except ImnmFhirError:
        pass  # told when the lines themselves are read
    return None


@dataclass
class _Stream:
    """The lines of a file as batches for DuckDB; what was seen on the way stands here afterwards."""

    path: Path
    start: bytes
    starts: Mapping[str, bytes]
    progress: Callable[[int], None] | None
    lines: int = 0
    others: set[str] = field(default_factory=set)
    problem: ImnmFhirError | None = None

    def batches(self, schema: "pa.Schema") -> Iterator["pa.RecordBatch"]:
        import pyarrow as pa

        try:
            for block in read_blocks(self.path, BLOCK):
                count = len(block.lines)
                if is_text(block):
                    numbers = pa.array(range(self.lines, self.lines + count), pa.int32())
                    batch = pa.record_batch([block.lines, numbers], schema=schema)
                    yield from (batch.slice(at, PIECE) for at in range(0, count, PIECE))
                self.lines += count
                self._look(block)
                if self.progress:
                    self.progress(count)
        except (
            ImnmFhirError
        ) as error:  # an error of ours would come out of DuckDB as one of its own
            self.problem = error

    def _look(self, block: Block) -> None:
        """Note which other types of resource the lines begin with."""
        if block.text.count(b"\n" + self.start) + 1 < len(block.lines):
            self.others |= {name for name, start in self.starts.items() if start in block.text}


def _stage(
    engine: "duckdb.DuckDBPyConnection", stream: _Stream, table: str, staging: Staging
) -> list[int]:
    """Write the rows of a table that the stream holds; the numbers of their lines, from 0."""
    import pyarrow as pa

    schema = pa.schema([("line", pa.string()), ("number", pa.int32())])
    reader = pa.RecordBatchReader.from_batches(schema, stream.batches(schema))
    path = staging.folder / f"{table}-own-{len(staging.files[table])}-{staging.place}.parquet"
    columns = _staged_columns(table, stream.path.name, staging.place)
    engine.register("block", reader)
    engine.execute(
        f"copy (select {columns}, own from ({_own_query(table)})) to {sql_text(str(path))}"
        f" (format parquet, row_group_size {ROW_GROUP})"
    )
    engine.unregister("block")
    own = f"select place - {staging.place} as number from {sql_text(str(path))} where own"
    numbers = [int(number) for (number,) in engine.execute(own).fetchall()]
    if numbers:
        staging.files[table].append(path)
    return numbers


def is_text(block: Block) -> bool:
    """Whether the block is UTF-8 throughout; else its bad lines are told one by one."""
    import pyarrow as pa

    try:
        block.lines.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


@cache
def _own_query(table: str) -> str:
    """The SELECT of every line's row and number, and `own`: whether the line is exactly ours.

    `own` is no filter: DuckDB would push it down and parse the line for every mention of a column.
    """
    start_text = sql_text(_line_start(table))
    parsed = f"""(select number, line, unnest(try(from_json(line, {sql_text(resource_structure(table))})))
        from block where starts_with(line, {start_text}) and strlen(line) <= {LONGEST}) r"""
    rows = rows_query(table, parsed, ("number", "line"))
    columns = [*load_dictionary().tables[table].data_columns, *_beside(table), "number"]
    source = row_source(table, f"({rule_source(table, f'({rows})')})")
    written = f"""select *, concat({start_text}, id, '"') as start,
        concat({end_expression(table)}, chr(10)) as rest from ({source}) t"""
    # In bytes: of a meta beyond ASCII too much is cut out, which then has not the form it must have.
    meta = "substr(line, strlen(start) + 1, strlen(line) - strlen(start) - strlen(rest))"
    same = f"""starts_with(line, start) and ends_with(line, rest) and strlen(line) >= strlen(start)
        + strlen(rest) and ({meta} = '' or regexp_full_match({meta}, {sql_text(META)}))
        and not contains({meta}, 'SUBSETTED')"""
    kept = [f"coalesce({rule.broken}, false) = false" for rule in row_rules(table)]
    own = " and ".join([same, *kept])
    chosen = ", ".join(columns)
    return f"select {chosen}, coalesce({own}, false) as own from ({written}) t"


def _line_start(table: str) -> str:
    return f'{{"resourceType":"{load_shapes()[table].resource}","id":"'


def _staged_columns(table: str, file: str, place: int) -> str:
    """The columns of `staged_schema` from those that were read."""
    given = {
        "resource_id": "id",
        "kind": sql_text(load_shapes()[table].resource),
        "file": sql_text(file),
        "row": "number + 1",
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
