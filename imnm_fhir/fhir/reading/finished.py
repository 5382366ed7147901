"""Tables of an import on their way out of the engine: into memory, or straight into a cohort folder."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imnm_fhir.cohort import arrow_schema, write_folder
from imnm_fhir.dictionary import TABLES, load_dictionary
from imnm_fhir.issues import Issue

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa


BATCH = 32_768  # rows that are on their way at a time


def tables_in_memory(engine: "duckdb.DuckDBPyConnection") -> dict[str, "pa.Table"]:
    """The views `final_*` as Arrow tables."""
    return {
        name: engine.sql(f"from final_{name}")
        .to_arrow_table()
        .cast(arrow_schema(load_dictionary().tables[name]))
        for name in TABLES
    }


def write_cohort_folder(
    engine: "duckdb.DuckDBPyConnection",
    manifest: dict[str, Any],
    issues: Sequence[Issue],
    folder: Path,
) -> dict[str, Any]:
    """Write the views `final_*` as a cohort in `folder`; returns the manifest as written."""

    def write_table(name: str, path: Path) -> int:
        return _write_view(engine, name, path)

    return write_folder(folder, manifest, write_table, issues)


def _write_view(engine: "duckdb.DuckDBPyConnection", name: str, path: Path) -> int:
    """Stream a view into Parquet, with the same schema as `write_cohort`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema, rows = arrow_schema(load_dictionary().tables[name]), 0
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for batch in engine.sql(f"from final_{name}").to_arrow_reader(BATCH):
            table = pa.Table.from_batches([batch]).select(schema.names).cast(schema)
            writer.write_table(table, row_group_size=BATCH)
            rows += table.num_rows
    return rows
