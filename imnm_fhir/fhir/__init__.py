"""Cohorts as FHIR R4 resources, and back."""

from imnm_fhir.fhir.cohorts import Located, from_fhir, to_fhir
from imnm_fhir.fhir.models import as_model
from imnm_fhir.fhir.text import read_json, write_json

__all__ = ["Located", "as_model", "from_fhir", "read_json", "to_fhir", "write_json"]
