"""Rows of facts dealt into parts by their patient, the parts in the order of the key.

What is asked of the rows of one patient (their order, which of them are twins) is then asked part by
part: memory stays the same however many patients there are.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imnm_fhir.fhir.writing.lines import sql_text

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

ROWS = 120_000  # rows of a part, about
MOST = 64  # parts, each an open file while rows are dealt
DEALT = 32_768  # rows that are dealt at a time
BATCH = 8_192  # rows that leave the engine at a time


def part_expression(engine: "duckdb.DuckDBPyConnection", people: str, rows: int) -> str:
    """The SQL of the part, from 0, of a row with `site` and `patient`.

    `people` is a relation with these columns; `rows` is how many rows are to be dealt among them.
    """
    parts = min(MOST, rows // ROWS + 1)
    cuts = list(_cuts(engine, people, parts)) if parts > 1 else []
    cases = [
        f"when (site, patient) < ({sql_text(site)}, {sql_text(patient)}) then {part}"
        for part, (site, patient) in enumerate(cuts)
    ]
    return f"case {' '.join(cases)} else {len(cuts)} end" if cases else "0"


def _cuts(
    engine: "duckdb.DuckDBPyConnection", people: str, parts: int
) -> Iterator[tuple[str, str]]:
    """The first patient of each part but the first."""
    [(count,)] = engine.execute(f"select count(*) from {people}").fetchall()
    found = engine.execute(f"select site, patient from {people} order by site, patient")
    every, number = count // parts + 1, 0
    while row := found.fetchone():
        if number and number % every == 0:
            yield row
        number += 1


def write_parts(
    schema: "pa.Schema", rows: "Iterator[pa.RecordBatch]", folder: Path, name: str
) -> dict[int, Path]:
    """Deal rows by their column `part` into one Parquet file each; the files by part, sorted."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    paths: dict[int, Path] = {}
    writers: dict[int, pq.ParquetWriter] = {}
    with ExitStack() as stack:
        for table in _held(rows):
            for part, dealt in _by_part(table):
                if part not in writers:
                    paths[part] = folder / f"{name}-part-{part}.parquet"
                    writer = pq.ParquetWriter(paths[part], schema, compression="lz4")
                    writers[part] = stack.enter_context(writer)
                writers[part].write_table(dealt)
    pa.default_memory_pool().release_unused()
    return dict(sorted(paths.items()))


def _held(rows: "Iterator[pa.RecordBatch]") -> Iterator["pa.Table"]:
    """The rows, so many at a time that no part's file gets very short pieces."""
    import pyarrow as pa

    held: list[Any] = []
    for batch in rows:
        held.append(batch)
        if sum(map(len, held)) >= DEALT:
            yield pa.Table.from_batches(held)
            held = []
    if held:
        yield pa.Table.from_batches(held)


def _by_part(table: "pa.Table") -> Iterator[tuple[int, "pa.Table"]]:
    import numpy as np
    import pyarrow as pa

    parts = table["part"].to_numpy()
    order = np.argsort(parts, kind="stable")
    several, first = np.unique(parts[order], return_index=True)
    ends = [*first[1:].tolist(), len(parts)]
    dealt = table.take(pa.array(order)) if len(several) > 1 else table
    for part, start, end in zip(several.tolist(), first.tolist(), ends, strict=True):
        yield int(part), dealt.slice(start, end - start)
