"""The report of a validation: one HTML page that needs nothing else, and the findings as tables."""

from pathlib import Path

from imnm_fhir.cohort import Cohort
from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.findings import Validation
from imnm_fhir.report.page import report_page
from imnm_fhir.report.rows import FINDING_COLUMNS, finding_rows, sheets
from imnm_fhir.report.words import load_words
from imnm_fhir.written import replace_atomically, write_csv, write_excel

__all__ = ["report_page", "write_report"]


def write_report(
    validation: Validation, cohort: Cohort, folder: Path, *, language: str = "en"
) -> tuple[Path, Path, Path]:
    """Write report.html, findings.csv and findings.xlsx into `folder`; their paths.

    They identify patients, so a folder made here is readable by its owner only. Raises
    `ImnmFhirError` where the folder cannot be written, or the language has no words.
    """
    words = load_words(language)
    page = report_page(validation, cohort, words)
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise ImnmFhirError(
            f"{folder}: cannot be made ({error.strerror}); choose another --report"
        ) from None
    paths = (folder / "report.html", folder / "findings.csv", folder / "findings.xlsx")
    with replace_atomically(paths[0]) as unfinished:
        unfinished.write_text(page, "utf-8")
    write_csv(paths[1], FINDING_COLUMNS, finding_rows(validation, words))
    write_excel(paths[2], sheets(validation, words))
    return paths
