"""Validate the cohort in a folder: the outcome goes into its manifest, the report beside it."""

from datetime import UTC, datetime
from pathlib import Path

from imnm_fhir.cohort import read_cohort, table_hashes, write_manifest
from imnm_fhir.findings import Validation
from imnm_fhir.report import write_report
from imnm_fhir.report.words import load_words
from imnm_fhir.study import load_study
from imnm_fhir.validation.run import validate
from imnm_fhir.validation.waivers import load_waivers


def validate_folder(
    folder: Path,
    *,
    report: Path | None = None,
    study: Path | None = None,
    waivers: Path | None = None,
    language: str = "en",
) -> Validation:
    """Validate the cohort in `folder` and note the outcome, bound to its tables, in its manifest.

    `study` and `waivers` are TOML files; `report` is a folder for report.html, findings.csv and
    findings.xlsx. Raises as `validate` does, and `UsageError` for a `language` without words; the
    manifest stays as it was then.
    """
    load_words(language)  # an unknown language is said before the work, not after it
    cohort = read_cohort(folder)
    let_through = load_waivers(waivers) if waivers else ()
    validation = validate(cohort, load_study(study), let_through)
    if report:
        write_report(validation, cohort, report, language=language)
    at = datetime.now(UTC).isoformat(timespec="seconds")
    entry = validation.entry(table_hashes(cohort.manifest), at)
    write_manifest({**cohort.manifest, "validation": entry}, folder)
    return validation
