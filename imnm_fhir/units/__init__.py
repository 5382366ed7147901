"""Units: local spellings to UCUM codes, what a code measures, exact factors between them."""

from imnm_fhir.units.conversion import convert, factor, is_times_upper_limit, is_ucum, ucum

__all__ = ["convert", "factor", "is_times_upper_limit", "is_ucum", "ucum"]
