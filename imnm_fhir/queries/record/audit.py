"""The log as a table that a person reads, and what must still be corrected in the source."""

import csv
import io
from collections.abc import Mapping
from pathlib import Path

from imnm_fhir.harmonise.corrections import AT_SOURCE
from imnm_fhir.languages import counted
from imnm_fhir.queries.record.answers import changing_entries, standing_answers
from imnm_fhir.queries.record.log import REDACTION, Entry, Log
from imnm_fhir.queries.record.status import query_states
from imnm_fhir.written import Cell, escape_cell, write_csv, write_excel

AUDIT_COLUMNS = (
    "at", "event", "query", "patient", "file", "row", "column", "answer", "old", "new", "comment",
    "by", "role", "date", "user", "wording", "evidence", "hash",
)  # fmt: skip
TO_FIX_COLUMNS = (
    "patient", "file", "sheet", "row", "column", "source_says", "should_say", "why", "by", "at",
)  # fmt: skip
IN_DOUBT = ("miscorrected", "conflict")  # states of which the source is to be told nothing yet
TOLD = (
    "asked", "typed", "answered", "proposed", "said", "signed", "opened", "packet", "redaction",
)  # fmt: skip
Row = list[Cell]


def audit_rows(log: Log) -> list[Row]:
    """One row per entry, in the order of the log; what was redacted is said to be."""
    return [_row(each) for each in log.entries if each.get("redacted") or each.get("event") in TOLD]


def _row(entry: Entry) -> Row:
    if entry.get("redacted"):
        return [{"event": "redacted", "hash": entry["hash"]}.get(name) for name in AUDIT_COLUMNS]
    cell: Mapping[str, object] = entry.get("cell") or next(iter(entry.get("targets", ())), {})
    known: Mapping[str, object] = {
        "wording": entry.get("question"),
        **entry,
        "file": cell.get("file"),
        "row": cell.get("row"),
        "column": cell.get("column"),
        "old": entry.get("old", cell.get("word")),
        "comment": entry.get("comment")
        or entry.get("statement")
        or entry.get("text")
        or _taken(entry),
    }
    return [_cell(known.get(name)) for name in AUDIT_COLUMNS]


def _taken(entry: Entry) -> str | None:
    """What a redaction accounts for."""
    if entry.get("event") != REDACTION:
        return None
    count = len(entry["of"])
    if "found" in entry:
        return f"{counted(count, 'blanked entry', 'blanked entries')} found {entry['found']}"
    return f"{counted(count, 'entry', 'entries')} of a withdrawn patient taken out"


def _cell(value: object) -> Cell:
    return value if isinstance(value, str | int) or value is None else str(value)


def to_fix_rows(log: Log, replayed: Mapping[str, str]) -> list[Row]:
    """What the source still says wrongly; `replayed` are the states of corrections in the delivery.

    A correction that is asked again, since it cannot be right or is contradicted, is none for the source.
    """
    rows: list[Row] = []
    again = {name for name, (state, _) in query_states(log).items() if state in IN_DOUBT}
    for entry in changing_entries(log):
        if replayed.get(entry["hash"]) != AT_SOURCE and entry["query"] not in again:
            rows.append(_to_fix(entry, entry.get("new") or "", entry["answer"]))
    for standing in standing_answers(log).values():
        last = standing.last
        if last and last["answer"] in ("not-our-patient", "fixed-in-source"):
            rows.append(_to_fix(last, "", last["answer"]))
    return rows


def _to_fix(entry: Entry, should: str, why: str) -> Row:
    cell = entry["cell"]
    known = {
        "patient": entry.get("patient"),
        **{name: cell.get(name) for name in ("file", "sheet", "row", "column")},
        "source_says": entry.get("old"),
        "should_say": should,
        "why": why,
        "by": entry["by"],
        "at": entry["at"],
    }
    return [_cell(known[name]) for name in TO_FIX_COLUMNS]


def csv_lines(columns: tuple[str, ...], rows: list[Row]) -> list[str]:
    """The table as lines of CSV, no cell of which a spreadsheet would run."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow(["" if each is None else escape_cell(str(each)) for each in row])
    return text.getvalue().removesuffix("\n").split("\n")


def write_audit(path: Path, columns: tuple[str, ...], rows: list[Row]) -> None:
    """Write a table as CSV, or as a workbook where the name says so; it is its owner's alone."""
    if path.suffix.lower() == ".xlsx":
        write_excel(path, {"audit": (columns, rows)}, private=True)
    else:
        write_csv(path, columns, rows, private=True)
