"""DuckDB, opened so that it stays offline, out of other people's folders and within its memory."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.owner import temporary_folder

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

T = TypeVar("T")
MORE = "1GB"  # where a limit was not enough
FEW = 4  # threads of work that is to stay within little memory: each has buffers of its own


def within_memory(limit: str, work: Callable[[str], T]) -> T:
    """What `work` returns, given the memory limit; once more with a larger one where it ran out.

    `work` must leave nothing behind that hinders a second run. Raises `ImnmFhirError` where the
    larger limit is not enough either.
    """
    import duckdb

    for given in (limit, MORE):
        try:
            return work(given)
        except duckdb.OutOfMemoryException:
            continue
    raise ImnmFhirError(
        f"needs more than {MORE} of memory; free space in the folder for temporary files, or import "
        "fewer patients at a time"
    )


def streamed(
    engine: "duckdb.DuckDBPyConnection", query: str, size: int
) -> tuple["pa.Schema", "Iterator[pa.RecordBatch]"]:
    """The schema of a query, and its rows in batches of at most `size`, never all in memory.

    Raises `duckdb.OutOfMemoryException` like DuckDB; Arrow, which hands the batches on, would make an
    OSError of it.
    """
    import duckdb

    rows = engine.sql(query).to_arrow_reader(size)

    def batches() -> "Iterator[pa.RecordBatch]":
        try:
            yield from rows
        except OSError as error:
            if "Out of Memory" in str(error):
                raise duckdb.OutOfMemoryException(str(error)) from None
            raise

    return rows.schema, batches()


@contextmanager
def open_engine(
    memory_limit: str = "200MB", threads: int | None = None, ordered: bool = False
) -> Iterator["duckdb.DuckDBPyConnection"]:
    """A DuckDB connection in memory with a temporary folder of its own, removed at the end.

    Extensions are neither installed nor loaded by themselves (hospitals have no internet, and nothing
    is to be fetched in silence); the configuration is locked; insertion order is not preserved, so
    that memory is bounded: queries whose order matters say ORDER BY. With `ordered` rows that are
    streamed to a file keep their order, joins included: the first table of a join is never hashed.
    `threads`: at most so many, by default as many as there are processors.
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
            config["threads"] = min(threads, os.cpu_count() or 1)
        connection = duckdb.connect(":memory:", config=config)
        try:
            connection.execute("SET enable_progress_bar = false")
            if ordered:
                connection.execute("SET disabled_optimizers = 'join_order,build_side_probe_side'")
            connection.execute("SET lock_configuration = true")
            yield connection
        finally:
            connection.close()
