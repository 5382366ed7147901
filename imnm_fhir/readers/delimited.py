"""CSV and TSV: delimiter, quotes, and row numbers as a spreadsheet counts them."""

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import replace

from imnm_fhir.readers.decoding import check_header, decode
from imnm_fhir.readers.tables import Record, Source, TextTable, make_table

DELIMITERS = {";": "';'", ",": "','", "\t": "tab", "|": "'|'"}
SAMPLE = 65_536
FEWEST_DELIMITERS = 3  # below, a sentence has as many
SEPARATOR_LINE = re.compile(r"sep=(.)\r?\n", re.IGNORECASE)  # Excel's own first line


def read_delimited(
    source: Source, content: bytes, encoding: str | None, delimiter: str | None, header_row: int
) -> TextTable:
    """The table of a CSV or TSV file (RFC 4180, any of the delimiters ; , tab and |).

    Raises `ImnmFhirError` as `decode` and `make_table` do, and for a quote that is not closed.
    """
    text, said = decode(source, content, encoding)
    if not text.strip():
        raise source.error("it is empty; send the file with its header and rows")
    if delimiter is not None and len(delimiter) != 1:
        raise source.error(f"'{delimiter}' is no delimiter; name one character")
    declared = SEPARATOR_LINE.match(text)
    text = text[declared.end() :] if declared else text  # Excel does not count this line
    sign = delimiter or (declared[1] if declared else _detected(source, text, header_row))
    how = "as given" if delimiter else "as its first line says" if declared else "by its columns"
    source = replace(source, said=(said, f"delimiter {DELIMITERS.get(sign, repr(sign))} ({how})"))
    records = records_of(source, text, sign)
    header = next((cells for number, cells in records if number == header_row), [])
    check_header(source, list(header), header_row)
    return make_table(source, records, header_row)


def records_of(source: Source, text: str, delimiter: str) -> list[Record]:
    """The rows with their numbers: a row is one row whatever line breaks its quoted cells hold."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    records: list[Record] = []
    try:
        for number, cells in enumerate(reader, start=1):
            if swallowed := _swallowed_rows(cells, delimiter):
                raise source.error(
                    f"a quoted cell holds what looks like {swallowed} more row(s): a quote opens and "
                    "only a later row closes it; close it, or take the line breaks out of the cell",
                    number,
                )
            records.append((number, cells))
    except csv.Error as error:
        raise source.error(_explained(str(error), '"' in text), len(records) + 1) from None
    return records


def _swallowed_rows(cells: Sequence[str], delimiter: str) -> int:
    """How many rows a cell holds by the look of it; 0 where it is a cell.

    A quote left open that a quote in the same column of a later row closes gives a row of the right
    width, and its cell has all delimiters of the rows between.
    """
    per_row = len(cells) - 1
    for cell in cells if per_row >= FEWEST_DELIMITERS else ():
        lines = cell.count("\n") or cell.count("\r")
        if lines and cell.count(delimiter) == lines * per_row:
            return lines
    return 0


def _explained(said: str, quoted: bool) -> str:
    too_long = "field limit" in said or "field larger" in said
    if too_long and not quoted:
        return f"a cell has more than {csv.field_size_limit():,} characters; shorten it"
    if too_long or "end of data" in said:
        return 'a quote (") opens here and is not closed; close it, or double it inside a cell'
    return 'text follows a closing quote ("); double a quote that belongs to the cell'


def _detected(source: Source, text: str, header_row: int) -> str:
    """The delimiter that gives most rows the header's number of columns, more than one of them."""
    scores = {sign: _score(text, sign, header_row) for sign in DELIMITERS}
    best = max(scores.values())
    if best == (0.0, 0):
        return ","  # a single column
    found = [sign for sign, score in scores.items() if score == best]
    if len(found) > 1:
        names = " and ".join(DELIMITERS[sign] for sign in found)
        raise source.error(f"{names} fit equally well as delimiter; name the delimiter")
    return found[0]


def _score(text: str, delimiter: str, header_row: int) -> tuple[float, int]:
    sample = text[:SAMPLE]
    widths = _widths(sample, delimiter, cut=len(text) > SAMPLE)[header_row - 1 :]
    columns = widths[0] if widths else 0
    rows = [width for width in widths if width > 0]
    if columns < 2:
        return 0.0, 0
    return sum(width == columns for width in rows) / len(rows), columns


def _widths(sample: str, delimiter: str, cut: bool) -> Sequence[int]:
    """Cells per row; of a sample that was cut the last row is left out."""
    reader = csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter)
    widths = [len(cells) if any(cells) else 0 for cells in reader]
    return widths[:-1] if cut and len(widths) > 1 else widths
