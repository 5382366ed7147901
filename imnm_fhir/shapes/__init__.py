"""Shapes: one declaration of each FHIR resource, filled to write it and matched to read it."""

from imnm_fhir.shapes.fill import fill
from imnm_fhir.shapes.match import Reading, match

__all__ = ["Reading", "fill", "match"]
