"""Table 1 as CSV, Excel and one HTML page that needs no network."""

from collections.abc import Iterator
from decimal import Decimal
from html import escape
from pathlib import Path
from typing import Any

from imnm_fhir.errors import UsageError
from imnm_fhir.table1.model import Row
from imnm_fhir.table1.result import Table1
from imnm_fhir.table1.text import label_of
from imnm_fhir.written import Cell, replace_atomically, write_csv, write_excel

NUMBERS = (
    "variable", "value", "row", "column", "n", "tested", "median", "q1", "q3", "least", "greatest",
    "interval_low", "interval_high",
)  # fmt: skip
PAGE = """<!DOCTYPE html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ margin: 1rem; background: #fff; }}
#table1 td {{ white-space: nowrap; font-variant-numeric: tabular-nums; }}
#table1 .gt_sourcenote {{ white-space: normal; }}
@media print {{ body {{ margin: 0; zoom: 0.6; }} }}
</style>
</head>
<body>
{table}
</body>
</html>
"""

LOOK: dict[str, Any] = {
    "table_font_size": "14px",
    "data_row_padding": "3px",
    "heading_align": "left",
    "heading_title_font_weight": "600",
    "source_notes_font_size": "12px",
    "table_body_hlines_color": "#e8ecf0",
}


def write_table1(table: Table1, path: Path) -> None:
    """Write the table as the ending of `path` says: .csv, .xlsx or .html."""
    writers = {".csv": write_table_csv, ".xlsx": write_table_excel, ".html": write_table_html}
    writer = writers.get(path.suffix.lower())
    if writer is None:
        raise UsageError(
            f"{path}: Table 1 is written as {', '.join(writers)}; choose such an ending"
        )
    writer(table, path)


def write_table_csv(table: Table1, path: Path) -> None:
    """Write the table as it is shown, with its footnotes as last lines, as CSV."""
    write_csv(path, _header(table), _shown(table))


def write_table_excel(table: Table1, path: Path) -> None:
    """Write a workbook: the table as it is shown, and every number behind it line by line."""
    sheets = {"Table 1": (_header(table), _shown(table)), "Numbers": (NUMBERS, _numbers(table))}
    write_excel(path, sheets)


def write_table_html(table: Table1, path: Path) -> None:
    """Write the table as one self-contained HTML page."""
    page = to_html(table)
    with replace_atomically(path) as unfinished:
        unfinished.write_text(page, "utf-8")


def _header(table: Table1) -> list[str]:
    return [table.variable_label, *(f"{each.label} ({each.size})" for each in table.columns)]


def _shown(table: Table1) -> Iterator[list[Cell]]:
    blank: list[Cell] = [None] * len(table.columns)
    for row in table.rows:
        yield [label_of(row, "  "), *([cell.text for cell in row.cells] if row.cells else blank)]
    for number, note in enumerate(table.footnotes, 1):
        yield [f"{number}: {note}" if number < len(table.footnotes) else note, *blank]


def _numbers(table: Table1) -> Iterator[list[Cell]]:
    for row in table.rows:
        for column, cell in zip(table.columns, row.cells, strict=False):
            spread = cell.numbers or (None,) * 5
            found = [*spread, *(cell.interval or (None, None))]
            yield [
                row.variable, row.value, row.label, column.label, cell.n, cell.tested,
                *(None if each is None else Decimal(repr(round(each, 6))) for each in found),
            ]  # fmt: skip


def to_html(table: Table1) -> str:
    """The table as a whole HTML page: no script, no request, prints on paper."""
    import pandas as pd
    from great_tables import GT, html, loc, style

    names = [f"column_{place}" for place in range(len(table.columns))]
    body = pd.DataFrame([_line(row, len(names)) for row in table.rows], columns=["label", *names])
    labels: dict[str, Any] = {"label": table.variable_label}
    for name, column in zip(names, table.columns, strict=True):
        labels[name] = html(f"{escape(column.label)}<br><small>{escape(column.size)}</small>")
    headings = loc.body(rows=[place for place, row in enumerate(table.rows) if row.level == 0])
    made = (
        GT(body, id="table1")
        .tab_header(title=table.title)
        .cols_label(labels)
        .cols_align("left", ["label"])
        .cols_align("right", names)
        .tab_style([style.text(weight="bold"), style.fill(color="#eef2f6")], headings)
        .tab_options(**LOOK)
    )
    for number, note in enumerate(table.footnotes, 1):
        mark = f"<sup>{number}</sup> " if number < len(table.footnotes) else ""
        made = made.tab_source_note(html(mark + escape(note)))
    return PAGE.format(
        language=table.language,
        title=escape(table.title),
        table=made.as_raw_html(make_page=False),
    )


def _line(row: Row, columns: int) -> list[str]:
    """The texts of a line; great_tables escapes them."""
    return [label_of(row, "\u2003"), *([cell.text for cell in row.cells] or [""] * columns)]
