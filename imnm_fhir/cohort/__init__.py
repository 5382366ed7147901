"""The cohort: five tables with a manifest, in memory as Arrow, on disk as Parquet with hashed names."""

from imnm_fhir.cohort.folder import (
    MANIFEST,
    ROW_GROUP,
    check_place,
    read_cohort,
    read_issues,
    read_manifest,
    read_people,
    table_file,
    write_cohort,
    write_folder,
    write_manifest,
)
from imnm_fhir.cohort.manifest import new_manifest, table_hashes
from imnm_fhir.cohort.model import (
    Cohort,
    arrow_schema,
    keep_patients,
    sort_rows,
    table_from_rows,
)

__all__ = [
    "MANIFEST",
    "ROW_GROUP",
    "Cohort",
    "arrow_schema",
    "check_place",
    "keep_patients",
    "new_manifest",
    "read_cohort",
    "read_issues",
    "read_manifest",
    "read_people",
    "sort_rows",
    "table_file",
    "table_from_rows",
    "table_hashes",
    "write_cohort",
    "write_folder",
    "write_manifest",
]
