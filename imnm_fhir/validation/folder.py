"""Validate the cohort in a folder: the outcome goes into its manifest, the report beside it."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from imnm_fhir.cohort import Cohort, read_cohort, table_hashes, write_manifest
from imnm_fhir.errors import UsageError
from imnm_fhir.findings import Validation
from imnm_fhir.queries.asking import Asked, ask, site_language, write_queries
from imnm_fhir.queries.questions.configuration import Asking, load_asking
from imnm_fhir.queries.record.log import LOG, log_folder, read_log
from imnm_fhir.report import write_report
from imnm_fhir.report.words import load_words
from imnm_fhir.study import load_study
from imnm_fhir.validation.run import validate
from imnm_fhir.validation.waivers import load_waivers


def validate_folder(
    folder: Path,
    *,
    report: Path | None = None,
    queries: Path | None = None,
    study: Path | None = None,
    waivers: Path | None = None,
    language: str = "en",
    log: Path | None = None,
    neutral: bool = False,
    asked_in: str | None = None,
    previous: Path | None = None,
    outcomes: bool = False,
) -> Validation:
    """Validate the cohort in `folder` and note the outcome, bound to its tables, in its manifest.

    `study` and `waivers` are TOML files; `report` is a folder for the report (`write_report`, which is
    given `previous` and `outcomes`) and, of a cohort that was made from site files, queries.xlsx and
    queries.csv; `queries` is a folder for these two alone. `log` is the folder of its queries (default:
    beside the cohort's); without a report the states of the queries are settled where there is one
    already. `asked_in` is the language of the list (default: the site's own, English where there are no
    sentences in it). `neutral`: the list says nothing of what speaks for a finding. Raises as `validate`
    does, and `UsageError` for a `language` without words or a report in the cohort's own folder; the
    manifest stays as it was then.
    """
    load_words(language)  # an unknown language is said before the work, not after it
    for place in (report, queries):
        if place and place.resolve() == folder.resolve():
            raise UsageError(f"{place}: is the cohort's folder; give the report one of its own")
    cohort = read_cohort(folder)
    let_through = load_waivers(waivers) if waivers else ()
    chosen = load_study(study)
    validation = validate(cohort, chosen, let_through)
    listed = queries or report
    asked_in = asked_in or site_language(cohort)
    asking = replace(load_asking(), cap=chosen.questions)
    asked = _ask(validation, cohort, folder, log, bool(listed), asked_in, neutral, asking)
    if report:
        write_report(
            validation, cohort, report, language=language, previous=previous, outcomes=outcomes,
            asked=asked,
        )  # fmt: skip
    if listed and asked:
        write_queries(asked, listed, asked_in, neutral)
    at = datetime.now(UTC).isoformat(timespec="seconds")
    entry = validation.entry(table_hashes(cohort.manifest), at)
    write_manifest({**cohort.manifest, "validation": entry}, folder)
    return validation


def _ask(
    validation: Validation, cohort: Cohort, folder: Path, log: Path | None, first: bool,
    language: str, neutral: bool, asking: Asking,
) -> Asked | None:  # fmt: skip
    """Settle the queries of a cohort that was made from one site's files; None where nobody asks."""
    if cohort.manifest["origin"] != "site file" or len(cohort.sites) != 1:
        return None
    place = log or log_folder(folder)
    if not first and not (place / LOG).is_file():
        return None
    return ask(validation, cohort, read_log(place), language=language, neutral=neutral,
               asking=asking)  # fmt: skip
