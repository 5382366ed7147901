"""Tables of results: do their own numbers agree? Needs no patient data and no mapping."""

from imnm_fhir.aggregates.check import check_rows, check_table, write_contradictions
from imnm_fhir.aggregates.contradiction import Contradiction
from imnm_fhir.aggregates.reading import read_rows
from imnm_fhir.aggregates.rows import Row, is_checked

__all__ = [
    "Contradiction",
    "Row",
    "check_rows",
    "check_table",
    "is_checked",
    "read_rows",
    "write_contradictions",
]
