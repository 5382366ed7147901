"""Where in a site's files the resources that a server refused came from."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from imnm_fhir.cohort import read_manifest, table_file
from imnm_fhir.dictionary import TABLES
from imnm_fhir.transfer.tally import Failure


def with_places(folder: Path, failures: Sequence[Failure]) -> list[Failure]:
    """The failures with file, sheet, row and column of the cohort's rows of the same id.

    Only the rows of these ids are read. A resource without a row (an Organization) has no place.
    """
    import pyarrow.parquet as pq

    ids = sorted({failure.id for failure in failures})
    if not ids:
        return list(failures)
    manifest = read_manifest(folder)
    found: dict[str, dict[str, object]] = {}
    for table in TABLES:
        path = table_file(folder, manifest, table)
        columns = ["id", "file", "sheet", "row", "column"]
        rows = pq.read_table(path, columns=columns, filters=[("id", "in", ids)])
        found.update({row.pop("id"): row for row in rows.to_pylist()})
    return [replace(each, **found.get(each.id, {})) for each in failures]  # type: ignore[arg-type]
