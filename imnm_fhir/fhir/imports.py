"""Reading FHIR files into a cohort."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from imnm_fhir.cohort import Cohort, write_cohort
from imnm_fhir.fhir.cohorts import from_fhir
from imnm_fhir.fhir.files import read_resources


def read_cohort_from_files(
    source: Path, *, site: str | None = None, keep_going: bool = False
) -> Cohort:
    """The cohort that FHIR files hold: an NDJSON folder or file (.gz too), or a Bundle."""
    return from_fhir(read_resources(source, keep_going), site)


def import_files(
    source: Path,
    out: Path,
    *,
    site: str | None = None,
    keep_going: bool = False,
    progress: Callable[[int], None] | None = None,
) -> dict[str, Any]:
    """Read FHIR files into the cohort folder `out`; returns its manifest."""
    cohort = write_cohort(read_cohort_from_files(source, site=site, keep_going=keep_going), out)
    return cohort.manifest
