"""Cohorts as FHIR R4 resources, and back."""

from typing import TYPE_CHECKING

from imnm_fhir.later import later

if TYPE_CHECKING:
    from imnm_fhir.fhir.conformance.check import check_conformance
    from imnm_fhir.fhir.files import Located, read_resources, write_bundle
    from imnm_fhir.fhir.models import as_model
    from imnm_fhir.fhir.reading.imports import from_fhir, import_files, read_cohort_from_files
    from imnm_fhir.fhir.text import read_json, write_json
    from imnm_fhir.fhir.writing.ndjson import write_ndjson
    from imnm_fhir.fhir.writing.resources import to_fhir

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

__getattr__ = later(
    __name__,
    {
        "conformance.check": ("check_conformance",),
        "files": (
            "Located",
            "read_resources",
            "write_bundle",
        ),
        "models": ("as_model",),
        "reading.imports": (
            "from_fhir",
            "import_files",
            "read_cohort_from_files",
        ),
        "text": (
            "read_json",
            "write_json",
        ),
        "writing.ndjson": ("write_ndjson",),
        "writing.resources": ("to_fhir",),
    },
)
