"""Tables of an import on their way out of the engine: into memory, or straight into a cohort folder."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imnm_fhir.cohort import arrow_schema, write_folder
from imnm_fhir.dictionary import TABLES, load_dictionary
from imnm_fhir.engine import streamed
from imnm_fhir.issues import Issue

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa


BATCH = 32_768  # rows that are on their way at a time
Views = Mapping[
    str, Sequence[str]
]  # by table, the views whose rows are its own, one after the other


def tables_in_memory(engine: "duckdb.DuckDBPyConnection", final: Views) -> dict[str, "pa.Table"]:
    """The tables as Arrow tables."""
    import pyarrow as pa

    return {
        name: pa.concat_tables(
            engine.sql(f"from {view}").to_arrow_table().cast(_schema(name)) for view in final[name]
        )
        for name in TABLES
    }


def write_cohort_folder(
    engine: "duckdb.DuckDBPyConnection",
    final: Views,
    manifest: dict[str, Any],
    issues: Sequence[Issue],
    folder: Path,
) -> dict[str, Any]:
    """Write the tables as a cohort in `folder`; returns the manifest as written."""

    def write_table(name: str, path: Path) -> int:
        return _write_views(engine, final[name], _schema(name), path)

    return write_folder(folder, manifest, write_table, issues)


def _schema(table: str) -> "pa.Schema":
    return arrow_schema(load_dictionary().tables[table])


def _write_views(
    engine: "duckdb.DuckDBPyConnection", views: Sequence[str], schema: "pa.Schema", path: Path
) -> int:
    """Stream views into Parquet, with the same schema as `write_cohort`; returns how many rows."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = 0
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for view in views:
            for batch in streamed(engine, f"from {view}", BATCH)[1]:
                table = pa.Table.from_batches([batch]).select(schema.names).cast(schema)
                writer.write_table(table, row_group_size=BATCH)
                rows += table.num_rows
    return rows
