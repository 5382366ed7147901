"""DuckDB, opened so that it stays offline, out of other people's folders and within its memory."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from imnm_fhir.owner import temporary_folder

if TYPE_CHECKING:
    import duckdb


@contextmanager
def open_engine(
    memory_limit: str = "200MB", threads: int | None = None, ordered: bool = False
) -> Iterator["duckdb.DuckDBPyConnection"]:
    """A DuckDB connection in memory with a temporary folder of its own, removed at the end.

    Extensions are neither installed nor loaded by themselves (hospitals have no internet, and nothing
    is to be fetched in silence); the configuration is locked; insertion order is not preserved, so
    that memory is bounded: queries whose order matters say ORDER BY. With `ordered` rows that are
    streamed to a file keep their order, joins included: the first table of a join is never hashed.
    """
    import duckdb

    with temporary_folder() as folder:
        config: dict[str, str | bool | int | float | list[str]] = {
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "memory_limit": memory_limit,
            "temp_directory": str(folder),
            "preserve_insertion_order": ordered,
        }
        if threads:
            config["threads"] = threads
        connection = duckdb.connect(":memory:", config=config)
        try:
            connection.execute("SET enable_progress_bar = false")
            if ordered:
                connection.execute("SET disabled_optimizers = 'join_order,build_side_probe_side'")
            connection.execute("SET lock_configuration = true")
            yield connection
        finally:
            connection.close()
