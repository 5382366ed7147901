"""Cohorts as FHIR R4 resources, and back."""

from imnm_fhir.fhir.cohorts import to_fhir
from imnm_fhir.fhir.conformance import check_conformance
from imnm_fhir.fhir.files import Located, read_resources, write_bundle
from imnm_fhir.fhir.imports import from_fhir, import_files, read_cohort_from_files
from imnm_fhir.fhir.models import as_model
from imnm_fhir.fhir.ndjson import write_ndjson
from imnm_fhir.fhir.text import read_json, write_json

__all__ = [
    "Located",
    "as_model",
    "check_conformance",
    "from_fhir",
    "import_files",
    "read_cohort_from_files",
    "read_json",
    "read_resources",
    "to_fhir",
    "write_bundle",
    "write_json",
    "write_ndjson",
]
