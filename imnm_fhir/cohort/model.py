"""The cohort in memory: five Arrow tables, the manifest, the issues found while they were made, the cells."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from imnm_fhir.cohort.cells import Cells
from imnm_fhir.dictionary import TABLES, Table, load_dictionary
from imnm_fhir.issues import Issue

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Cohort:
    """The five tables by name, the manifest, the issues found while they were made, and the cells.

    `manifest` is JSON: `format`, `origin` (`site file`, `fhir` or `pool`), `created`,
    `dictionary_version`, `sites` (by site id: name, country, language, cut_off, kind, legal_basis,
    pseudonym, mapping, sources), `tables` and `issues` (file, sha256, rows), `validation` (null, or
    what passed), `stamps` (what was allowed against the rules). `cells` (as `issues`) is null where
    no site file was read: after an import, in a pool.
    """

    manifest: dict[str, Any]
    tables: Mapping[str, "pa.Table"]
    issues: tuple[Issue, ...] = field(default=())
    cells: Cells | None = field(default=None, compare=False)

    @property
    def sites(self) -> tuple[str, ...]:
        """The ids of the sites, sorted."""
        return tuple(sorted(self.manifest["sites"]))


def arrow_schema(table: Table) -> "pa.Schema":
    """The Arrow schema of a table: text but for the booleans and the row number."""
    import pyarrow as pa

    kinds = {"text": pa.string(), "boolean": pa.bool_(), "integer": pa.int32()}
    return pa.schema([(name, kinds[table.types[name]]) for name in table.columns])


def table_from_rows(name: str, rows: Iterable[Mapping[str, Any]]) -> "pa.Table":
    """An Arrow table of the cohort from rows as dicts; columns that a row lacks are null."""
    import pyarrow as pa

    table = load_dictionary().tables[name]
    listed = list(rows)
    for row in listed:
        unknown = set(row) - set(table.columns)
        if unknown:
            raise ValueError(f"{name} has no column {', '.join(sorted(unknown))}")
    columns = {column: [row.get(column) for row in listed] for column in table.columns}
    return pa.table(columns, schema=arrow_schema(table))


def sort_rows(table: "pa.Table", name: str) -> "pa.Table":
    """The table in the order of its key, so that equal cohorts have equal files."""
    key = [(column, "ascending") for column in load_dictionary().tables[name].key]
    return table.sort_by(key) if table.num_rows else table


def keep_patients(cohort: Cohort, patients: "pa.Table | set[tuple[str, str]]") -> Cohort:
    """The cohort with these patients only (site, patient); issues that name another one go too."""
    if not isinstance(patients, set):
        patients = set(zip(*(patients[c].to_pylist() for c in ("site", "patient")), strict=True))
    tables = {name: _rows_of(cohort.tables[name], patients) for name in TABLES}
    issues = tuple(
        each
        for each in cohort.issues
        if each.patient is None or (each.site or "", each.patient) in patients
    )
    cells = cohort.cells.keep(_ids(tables)) if cohort.cells else None
    return replace(cohort, tables=tables, issues=issues, cells=cells)


def _ids(tables: Mapping[str, "pa.Table"]) -> "pa.Array":
    """The ids of all rows."""
    import pyarrow as pa

    return pa.chunked_array(
        [chunk for table in tables.values() for chunk in table["id"].chunks], pa.string()
    ).combine_chunks()


def _rows_of(table: "pa.Table", patients: set[tuple[str, str]]) -> "pa.Table":
    import pyarrow as pa

    keys = zip(table["site"].to_pylist(), table["patient"].to_pylist(), strict=True)
    return table.filter(pa.array([key in patients for key in keys], pa.bool_()))
