"""Files of a site to tables of text; nothing is converted and nothing is guessed in silence."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from imnm_fhir.readers.delimited import read_delimited
from imnm_fhir.readers.excel import read_workbook
from imnm_fhir.readers.grids import Grid, read_grids
from imnm_fhir.readers.kinds import EXCEL_NAMES, ZIP, check_kind, read_content
from imnm_fhir.readers.tables import Source, TextTable, column_letter

__all__ = ["EXCEL_NAMES", "Grid", "TextTable", "column_letter", "read_grids", "read_tables"]


def read_tables(
    path: Path,
    *,
    encoding: str | None = None,
    delimiter: str | None = None,
    sheets: Sequence[str] | None = None,
    header_row: int = 1,
) -> list[TextTable]:
    """The tables of a CSV or TSV file (one) or of an Excel workbook (one per sheet).

    Encoding and delimiter are detected unless given, and said in the table; `sheets` names the
    sheets to read, else every visible one with cells. Cells are text, exactly as the site wrote
    them, without outer white space. Raises `ImnmFhirError`, one line with file, row, what is wrong
    and what to do, for anything that is no such table.
    """
    content = read_content(path)
    source = Source(path.name, None, hashlib.sha256(content).hexdigest())
    check_kind(source, content)
    if content.startswith(ZIP):
        return read_workbook(source, content, sheets, header_row)
    if path.suffix.lower() in EXCEL_NAMES:
        raise source.error("it is no Excel workbook, or a damaged one; save it again")
    if sheets:
        raise source.error("it has no sheets, the mapping names some; remove them from the mapping")
    return [read_delimited(source, content, encoding, delimiter, header_row)]
