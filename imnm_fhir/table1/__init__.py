"""Table 1 of a cohort: built from cases, shown in the terminal, as CSV, Excel and HTML."""

from imnm_fhir.table1.disclosure import disclosed
from imnm_fhir.table1.files import (
    to_html,
    write_table1,
    write_table_csv,
    write_table_excel,
    write_table_html,
)
from imnm_fhir.table1.model import Cell, Column, Row
from imnm_fhir.table1.result import Table1
from imnm_fhir.table1.table import table1

__all__ = [
    "Cell",
    "Column",
    "Row",
    "Table1",
    "disclosed",
    "table1",
    "to_html",
    "write_table1",
    "write_table_csv",
    "write_table_excel",
    "write_table_html",
]
