"""Cohort to FHIR resources: the reference implementation in plain Python."""

from collections.abc import Iterator, Mapping
from typing import Any

from imnm_fhir.cohort import Cohort
from imnm_fhir.dictionary import TABLES
from imnm_fhir.fhir.endorsement import endorsement_resource
from imnm_fhir.shapes import fill

SITE_COLUMNS = ("name", "country", "language")


def organization_rows(manifest: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One row per site of a manifest, as the shape `organization` takes it."""
    return [
        {"site": site, **{name: about.get(name) for name in SITE_COLUMNS}}
        for site, about in sorted(manifest["sites"].items())
    ]


def to_fhir(cohort: Cohort) -> Iterator[dict[str, Any]]:
    """Every resource of a cohort: Organizations, endorsements, Patients, then the facts, in the tables' order."""
    for row in organization_rows(cohort.manifest):
        yield fill("organization", row)
    for site, said in cohort.manifest.get("endorsements", {}).items():
        yield endorsement_resource({**said, "site": site})
    for name in TABLES:
        for row in cohort.tables[name].to_pylist():
            yield fill(name, row)
