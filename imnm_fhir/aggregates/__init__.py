"""Tables of results: do their own numbers agree? Needs no patient data and no mapping."""

from imnm_fhir.aggregates.check import check_rows, check_table, write_contradictions
from imnm_fhir.aggregates.contradiction import Contradiction
from imnm_fhir.aggregates.reading import read_rows
from imnm_fhir.aggregates.rows import Row

__all__ = [
    "Contradiction",
    "Row",
    "check_rows",
    "check_table",
    "read_rows",
    "write_contradictions",
]
