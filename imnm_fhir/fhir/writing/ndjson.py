"""Writing a cohort as NDJSON in bulk, from memory or straight from its Parquet files."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imnm_fhir.cohort import Cohort, read_manifest, sort_rows, table_file
from imnm_fhir.dictionary import TABLES
from imnm_fhir.engine import FEW, open_engine
from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.fhir.conformance.check import check_rows, check_shapes, refuse_faults
from imnm_fhir.fhir.endorsement import KIND, content_hashes_in, endorsement_resource
from imnm_fhir.fhir.files import (
    MANIFEST,
    export_manifest,
    is_own_folder,
    write_manifest,
)
from imnm_fhir.fhir.text import write_json
from imnm_fhir.fhir.writing.lines import MISSING, lines_query, prepare_lookups, sql_text
from imnm_fhir.fhir.writing.resources import organization_rows
from imnm_fhir.shapes import fill
from imnm_fhir.shapes.tree import load_shapes
from imnm_fhir.written import replace_together

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa


def write_ndjson(
    source: Cohort | Path,
    folder: Path,
    *,
    checked: bool = True,
    allowed: "pa.Table | None" = None,
    stamps: Sequence[str] = (),
    endorsed: Mapping[str, Mapping[str, str]] | None = None,
    progress: Callable[[int], None] | None = None,
) -> dict[str, Any]:
    """Write a cohort as NDJSON, a file per resource type that has any; returns the manifest.

    `source` is a cohort or its folder, which is then streamed and never held in memory. Only
    patients of `allowed` (columns site, patient) leave, all where it is None. `checked` refuses a
    cohort with a row that is no valid FHIR; `stamps` (what was allowed against the rules) are added
    to those of the cohort; `endorsed` is what investigators have declared, by site, and travels with
    the hash of what leaves (`imnm_fhir.fhir.endorsement`). Equal cohorts give equal files. The old files stay until
    the new ones are complete.

    Raises `Problems` with table, element, column and count of faulty rows; `ImnmFhirError` where the
    folder holds something else or cannot be written to.
    """
    _check_place(folder)
    manifest = source.manifest if isinstance(source, Cohort) else read_manifest(source)
    manifest = {**manifest, "stamps": [*manifest.get("stamps", []), *stamps]}
    with open_engine(threads=FEW, ordered=True) as engine:
        sites = _open_tables(engine, source, manifest, allowed)
        prepare_lookups(engine, sites)
        if checked:
            refuse_faults(check_rows(engine, list(sites)))
            refuse_faults(check_shapes(engine))
        said = [{**each, "site": site} for site, each in (endorsed or {}).items() if site in sites]
        whole = {**manifest, "sites": sites, "endorsements": said}
        return _write_all(engine, folder, whole, checked, progress)


def _check_place(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise ImnmFhirError(f"{folder}: is a file; name a folder for NDJSON, or a .json file")
    if folder.is_dir() and any(folder.iterdir()) and not is_own_folder(folder):
        raise ImnmFhirError(f"{folder}: holds other files; choose an empty or new folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ImnmFhirError(
            f"{folder}: cannot be made ({error.strerror}); choose another place"
        ) from None


def _open_tables(
    engine: "duckdb.DuckDBPyConnection",
    source: Cohort | Path,
    manifest: Mapping[str, Any],
    allowed: "pa.Table | None",
) -> dict[str, Any]:
    """Make a view per table, of allowed patients, in the order of the key; returns their sites."""
    if allowed is not None:
        engine.register("allowed_patients", allowed)
        engine.execute(
            "create temp table allowed as select distinct site, patient from allowed_patients"
        )
    for name in TABLES:
        if isinstance(source, Cohort):
            engine.register(f"all_{name}", sort_rows(source.tables[name], name))
            rows = f"all_{name}"
        else:
            rows = f"read_parquet({sql_text(str(table_file(source, manifest, name)))})"
        kept = (
            ""
            if allowed is None
            else " t semi join allowed a on a.site = t.site and a.patient = t.patient"
        )
        engine.execute(f"create temp view {name} as select * from {rows}{kept}")
    if allowed is None:
        return dict(manifest["sites"])
    left = {site for (site,) in engine.execute("select distinct site from patients").fetchall()}
    return {site: about for site, about in manifest["sites"].items() if site in left}


def _write_all(
    engine: "duckdb.DuckDBPyConnection",
    folder: Path,
    cohort: Mapping[str, Any],
    checked: bool,
    progress: Callable[[int], None] | None,
) -> dict[str, Any]:
    """Write every file beside its place, then put all in their places, the manifest last."""
    shapes = load_shapes()
    parts: dict[str, tuple[Path, int]] = {}
    with replace_together(folder) as part_of:
        for table in ("organization", *TABLES):
            kind = shapes[table].resource
            count = _count(engine, table, cohort)
            if not count:
                continue
            part = part_of(f"{kind}.ndjson")
            if table == "organization":
                _write_organizations(organization_rows(cohort), part)
            else:
                _copy(engine, table, part, folder)
            parts[kind] = part, count
            if progress:
                progress(count)
        if cohort["endorsements"]:
            part = part_of(f"{KIND}.ndjson")
            _write_endorsements(engine, cohort["endorsements"], part)
            parts[KIND] = part, len(cohort["endorsements"])
        manifest = export_manifest(parts, cohort, checked)
        write_manifest(part_of(MANIFEST), manifest)
    for kind in (KIND, *(shape.resource for shape in shapes.values())):
        if kind not in parts:
            (folder / f"{kind}.ndjson").unlink(missing_ok=True)
    return manifest


def _count(engine: "duckdb.DuckDBPyConnection", table: str, cohort: Mapping[str, Any]) -> int:
    if table == "organization":
        return len(cohort["sites"])
    return int((engine.execute(f"select count(*) from {table}").fetchone() or (0,))[0])


def _write_organizations(rows: Iterable[Mapping[str, Any]], path: Path) -> None:
    path.write_bytes(b"".join(write_json(fill("organization", row)) + b"\n" for row in rows))


def _write_endorsements(
    engine: "duckdb.DuckDBPyConnection", listed: Sequence[Mapping[str, str]], path: Path
) -> None:
    hashes = content_hashes_in(engine)
    made = [endorsement_resource({**each, "content": hashes[each["site"]]}) for each in listed]
    path.write_bytes(b"".join(write_json(each) + b"\n" for each in made))


def _copy(engine: "duckdb.DuckDBPyConnection", table: str, path: Path, folder: Path) -> None:
    import duckdb

    try:
        engine.execute(f"copy ({lines_query(table)}) to {sql_text(str(path))} (format blob)")
    except duckdb.InvalidInputException as error:
        found = str(error).partition(MISSING)[2].split("'")[0].split("\n")[0]
        raise ImnmFhirError(
            f"{table}: a row has {MISSING}{found or 'a column'}; run imnm-fhir validate"
        ) from None
    except (duckdb.IOException, duckdb.OutOfMemoryException) as error:
        said = (
            "the disk is full" if "space" in str(error) else "the disk refuses, or memory is short"
        )
        raise ImnmFhirError(
            f"{folder}: cannot be written: {said}; free some or choose another place"
        ) from error
