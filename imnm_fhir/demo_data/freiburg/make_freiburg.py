#!/usr/bin/env python3
"""Writes the two deliveries of the synthetic site Freiburg, the same bytes at every run.

Usage: python make_freiburg.py [FOLDER]     (default: the folder of this script)

freiburg_patients.py makes the rows. Delivery 2 is the corrected one. Delivery 1 is delivery 2 with
source/faults.csv put in, and planted.csv says where each fault stands. The CSV files need the
standard library only, the workbook needs openpyxl.
"""

import csv
import io
import re
import sys
import zipfile
from collections.abc import Iterable
from datetime import date, datetime
from pathlib import Path

from freiburg_patients import CUT_OFF, HERE, SHEETS, Row, Sheet, day, read, site

TWICE = ("FRB-017", {"Geburtsdatum": "31.01.1963", "MRC minimal": "5", "Myalgien": "unbekannt"})
TWICE_WHAT = "second row of FRB-017 (row 18) with another birth date, MRC and myalgia"
NUMBERS = re.compile(r"Alter|Wert|Cut-off|CK|Norm|Dosis$|Sitzungen|mRS|MRC")


def faulty(sheets: dict[str, Sheet]) -> tuple[dict[str, Sheet], Sheet]:
    """Return the sheets with all faults, and where each stands (the header is row 1)."""
    spoiled = {name: [dict(row) for row in rows] for name, rows in sheets.items()}
    planted = []
    for fault in read("faults.csv"):
        rows = spoiled[fault["file"].removesuffix(".csv")]
        place = next(
            place for place, row in enumerate(rows)
            if row["Pat-ID"] == fault["patient"] and fault["where"] in ("", *row.values())
        )  # fmt: skip
        rows[place][fault["column"]] = fault["cell"]
        planted.append(_planted(fault, place + 2))
    first = next(row for row in spoiled["patienten"] if row["Pat-ID"] == TWICE[0])
    spoiled["patienten"].append(first | TWICE[1])
    twice = {"file": "patienten.csv", "column": "Pat-ID", "rule": "A05", "kind": "impossible"}
    twice |= {"patient": TWICE[0], "also": "", "what": TWICE_WHAT}
    return spoiled, [*planted, _planted(twice, len(spoiled["patienten"]) + 1)]


def _planted(fault: Row, row: int) -> Row:
    names = ("file", "row", "column", "rule", "what", "patient", "kind", "also")
    return {name: str(row) if name == "row" else fault[name] for name in names}


def csv_bytes(rows: Sheet, encoding: str) -> bytes:
    """Return the rows as a German spreadsheet program saves them."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), delimiter=";", lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode(encoding)


def typed(column: str, cell: str) -> str | int | float | date | None:
    """Return the cell as Excel would hold it: dates and numbers typed, the rest as text."""
    if re.fullmatch(r"\d\d\.\d\d\.\d{4}", cell):
        return day(cell)
    plain = cell.replace(".", "").replace(",", ".")
    if NUMBERS.search(column) and re.fullmatch(r"\d+(\.\d+)?", plain):
        return float(plain) if "." in plain else int(plain)
    return cell or None


def workbook_bytes(sheets: dict[str, Sheet]) -> bytes:
    """Return one workbook with a sheet per file; no clock gets into it."""
    from openpyxl import Workbook

    book = Workbook()
    book.remove(book.worksheets[0])
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        sheet.append(list(rows[0]))
        for row in rows:
            sheet.append([typed(column, row[column]) for column in rows[0]])
        for cell in (cell for line in sheet.iter_rows() for cell in line if cell.is_date):
            cell.number_format = "DD.MM.YYYY"
    written = io.BytesIO()
    book.save(written)
    return without_clock(written)


def without_clock(written: io.BytesIO) -> bytes:
    """Return the same zip file with every time stamp set to the cut-off date."""
    fixed = io.BytesIO()
    stamp = f"{datetime(CUT_OFF.year, CUT_OFF.month, CUT_OFF.day).isoformat()}Z".encode()
    with zipfile.ZipFile(written) as old, zipfile.ZipFile(fixed, "w") as new:
        for name in sorted(old.namelist()):
            content = re.sub(rb"(?<=W3CDTF\">)[^<]+", stamp, old.read(name))
            entry = zipfile.ZipInfo(name, (CUT_OFF.year, CUT_OFF.month, CUT_OFF.day, 0, 0, 0))
            new.writestr(entry, content, zipfile.ZIP_DEFLATED)
    return fixed.getvalue()


def deliveries() -> Iterable[tuple[str, bytes]]:
    """Yield every CSV file that this script writes: its path and its bytes."""
    clean = site()
    spoiled, planted = faulty(clean)
    for name in SHEETS:
        yield f"delivery_1/{name}.csv", csv_bytes(spoiled[name], "cp1252")
        yield f"delivery_2/{name}.csv", csv_bytes(clean[name], "utf-8-sig")
    yield "planted.csv", csv_bytes(planted, "utf-8")


def write(path: Path, content: bytes) -> None:
    """Write one file, and its folder where there is none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def main(folder: Path) -> None:
    """Write all files under `folder`, the workbook last: it alone needs openpyxl."""
    for name, content in deliveries():
        write(folder / name, content)
    write(folder / "delivery_2/freiburg.xlsx", workbook_bytes(site()))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
