"""Reading an NDJSON folder that we wrote and nobody changed: straight from lines to tables."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imnm_fhir.cohort import new_manifest
from imnm_fhir.dictionary import TABLES, load_dictionary
from imnm_fhir.engine import FEW, open_engine
from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.fhir.endorsement import KIND, endorsements_entry, read_endorsement
from imnm_fhir.fhir.files import changed_files, is_sealed, own_manifest, read_file
from imnm_fhir.fhir.reading.assembly import staged_schema
from imnm_fhir.fhir.reading.columns import prepare_values, resource_columns, rows_query
from imnm_fhir.fhir.writing.lines import sql_text
from imnm_fhir.issues import Issue
from imnm_fhir.shapes import match
from imnm_fhir.shapes.match import check_match
from imnm_fhir.shapes.tree import load_shapes

if TYPE_CHECKING:
    import duckdb

LONGEST = 1 << 24  # bytes of a line
OWN_MEMORY = "200MB"  # DuckDB's JSON reader holds two of the longest lines per thread
FINAL = {table: (f"final_{table}",) for table in TABLES}


def trusted_manifest(source: Path) -> dict[str, Any] | None:
    """The sealed manifest of a folder of checked NDJSON of ours, every file with its hash; else None."""
    manifest = own_manifest(source) if source.is_dir() else None
    if manifest is None or not manifest.get("checked") or not is_sealed(manifest):
        return None
    if manifest.get("dictionary_version") != load_dictionary().version:
        return None
    whole = not changed_files(source, manifest) and all(
        (source / n).is_file() for n in manifest["files"]
    )
    return manifest if whole else None


def check_whole(source: Path, keep_going: bool) -> list[Issue]:
    """Whether an export of ours is as it was written; what is not is an error, or else an issue.

    Raises `ImnmFhirError` where a file was changed, removed or added: resources may be lost.
    """
    manifest = own_manifest(source) if source.is_dir() else None
    changed = changed_files(source, manifest) if manifest else []
    if not changed:
        return []
    said = f"{', '.join(changed)}: changed, removed or added since the folder was exported"
    if not keep_going:
        raise ImnmFhirError(
            f"{source}: {said}; ask for the folder again, or read what is there with --keep-going"
        )
    return [Issue("export-changed", "improbable", "completeness", said, file=source.name)]


@contextmanager
def open_own_export(
    folder: Path, exported: Mapping[str, Any], memory: str
) -> Iterator[tuple["duckdb.DuckDBPyConnection", dict[str, Any]]]:
    """An engine with the views of `FINAL` over the folder's files, and the cohort's manifest.

    The files are in the order of the key, and so are the views' rows.
    """
    by_kind = {about["resourceType"]: name for name, about in exported["files"].items()}
    with open_engine(memory, FEW, ordered=True) as engine:
        prepare_values(engine)
        for table in TABLES:
            name = by_kind.get(load_shapes()[table].resource)
            if name is None:
                engine.register(f"final_{table}", _empty(table))
            else:
                engine.execute(
                    f"create temp view final_{table} as {_final_query(table, folder / name)}"
                )
        resources = sum(about["resources"] for about in exported["files"].values())
        manifest = _manifest(folder, by_kind.get("Organization"), resources)
        if name := by_kind.get(KIND):
            said = [read_endorsement(located.resource) for located in read_file(folder / name)]
            manifest["imported"]["rows"] -= len(said)
            manifest |= endorsements_entry(said, manifest["sites"])
        yield engine, manifest


def _empty(table: str) -> Any:
    return staged_schema(table).empty_table().select(load_dictionary().tables[table].columns)


def _final_query(table: str, path: Path) -> str:
    how = f"format='newline_delimited', columns={resource_columns(table)}, maximum_object_size={LONGEST}"
    rows = rows_query(table, f"read_json({sql_text(str(path))}, {how}) r")
    data = ", ".join(load_dictionary().tables[table].data_columns)
    nothing = "cast(null as varchar) as sheet, cast(null as integer) as row"
    provenance = f'{sql_text(path.name)} as file, {nothing}, cast(null as varchar) as "column"'
    return f"select {data}, {provenance} from ({rows})"


def _manifest(folder: Path, organizations: str | None, resources: int) -> dict[str, Any]:
    found = read_file(folder / organizations) if organizations else ()
    rows = [check_match(match(located.resource)) for located in found]
    sites = {
        row["site"]: {key: row.get(key) for key in ("name", "country", "language")} for row in rows
    }
    imported = {
        "resources": resources, "sites": len(sites), "rows": resources - len(sites),
        "repeated": 0, "refused": 0, "not_read": {},
    }  # fmt: skip
    return new_manifest("fhir", sites) | {"imported": imported}
