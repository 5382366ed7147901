"""Tables of an import on their way out of the engine: into memory, or straight into a cohort folder."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imnm_fhir.cohort import arrow_schema, write_folder
from imnm_fhir.dictionary import TABLES, load_dictionary
from imnm_fhir.fhir.compiled_write import sql_text
from imnm_fhir.issues import Issue

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa


# Rows that DuckDB holds per thread while it writes: a multiple of its vectors, small for memory's sake.
ROW_GROUP = 20_480


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
        how = f"format parquet, compression zstd, row_group_size {ROW_GROUP}"
        copied = engine.execute(
            f"copy (from final_{name}) to {sql_text(str(path))} ({how})"
        ).fetchone()
        return int(copied[0]) if copied else 0

    return write_folder(folder, manifest, write_table, issues)
