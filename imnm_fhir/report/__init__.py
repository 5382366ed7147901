"""The report of a validation: one HTML page that needs nothing else, and the findings as data.

Everything is written into one folder that its owner alone may read; README.txt there says what in it
identifies patients.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from imnm_fhir.cohort import Cohort
from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.findings import Validation
from imnm_fhir.owner import make_private_folder
from imnm_fhir.queries.asking import Asked
from imnm_fhir.report.changes import (
    FINDINGS,
    PREVIOUS,
    changes_since,
    findings_record,
    last_findings,
    read_findings,
)
from imnm_fhir.report.outcomes import outcome_bundle
from imnm_fhir.report.page import report_page
from imnm_fhir.report.rows import FINDING_COLUMNS, finding_rows, sheets
from imnm_fhir.report.words import load_words
from imnm_fhir.written import Cell, replace_atomically, write_csv, write_excel

__all__ = ["Written", "report_page", "write_report"]

NOTE = "README.txt"


@dataclass(frozen=True)
class Written:
    """The files of a report; `outcomes` and `previous` are None where there are none."""

    page: Path
    csv: Path
    excel: Path
    parquet: Path
    json: Path
    note: Path
    outcomes: Path | None = None
    previous: Path | None = None


def write_report(
    validation: Validation,
    cohort: Cohort,
    folder: Path,
    *,
    language: str = "en",
    previous: Path | None = None,
    outcomes: bool = False,
    asked: Asked | None = None,
) -> Written:
    """Write the report into `folder`: page, tables, JSON, Parquet, and a note on what identifies patients.

    What changed is told against the findings that an earlier report left in `folder`, or those of
    the folder (or findings.json) `previous`. With `outcomes` the findings are written as a FHIR
    Bundle, too; `asked` are the questions to the site that the page shows. Raises `ImnmFhirError`
    where the folder cannot be written, `previous` holds no findings or those of other sites, or the
    language has no words.
    """
    words = load_words(language)
    before = _previous(previous, folder, cohort)
    changes = changes_since(validation.findings, before) if before else None
    page = report_page(validation, cohort, words, changes, asked)
    make_private_folder(folder, "choose another --report")
    written = Written(
        page=folder / "report.html",
        csv=folder / "findings.csv",
        excel=folder / "findings.xlsx",
        parquet=folder / "findings.parquet",
        json=folder / FINDINGS,
        note=folder / NOTE,
        outcomes=folder / "outcomes.json" if outcomes else None,
        previous=folder / PREVIOUS if before else None,
    )
    _write_text(written.note, words("folder_note"))
    _write_text(written.page, page)
    write_csv(written.csv, FINDING_COLUMNS, finding_rows(validation, words), private=True)
    write_excel(written.excel, sheets(validation, words), private=True)
    _write_parquet(written.parquet, finding_rows(validation, words))
    if written.outcomes:
        _write_json(written.outcomes, outcome_bundle(validation, words))
    if written.previous and before:
        _write_json(written.previous, before)
    at = datetime.now(UTC).isoformat(timespec="seconds")
    _write_json(written.json, findings_record(validation, cohort, at))
    return written


def _previous(chosen: Path | None, folder: Path, cohort: Cohort) -> Mapping[str, Any] | None:
    if chosen is None:
        return last_findings(folder, cohort)
    record = read_findings(chosen)
    if record["sites"] != list(cohort.sites):
        raise ImnmFhirError(
            f"{chosen}: holds findings of {', '.join(record['sites'])}, not of "
            f"{', '.join(cohort.sites)}; name an earlier report of the same sites"
        )
    return record


def _write_text(path: Path, text: str) -> None:
    with replace_atomically(path, private=True) as unfinished:
        unfinished.write_text(text, "utf-8")


def _write_json(path: Path, record: Mapping[str, Any]) -> None:
    _write_text(path, json.dumps(record, ensure_ascii=False, indent=1) + "\n")


def _write_parquet(path: Path, rows: Iterable[Sequence[Cell]]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds = {name: pa.int32() if name == "row" else pa.string() for name in FINDING_COLUMNS}
    found = [dict(zip(FINDING_COLUMNS, row, strict=True)) for row in rows]
    table = pa.Table.from_pylist(found, schema=pa.schema(list(kinds.items())))
    with replace_atomically(path, private=True) as unfinished:
        pq.write_table(table, unfinished, compression="zstd")
