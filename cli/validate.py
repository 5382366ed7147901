"""imnm-fhir validate: the rules over a cohort, with a report."""

import shlex
import sys
from pathlib import Path

import click

from imnm_fhir.cli.options import (
    PATH,
    example,
    language_option,
    log_option,
    neutral_option,
    study_option,
    voice_options,
    waivers_option,
)
from imnm_fhir.cli.output import Voice


@click.command(
    name="validate", epilog=example("imnm-fhir validate build/madrid --report build/report")
)
@click.argument("cohort", type=PATH)
@click.option("--report", type=PATH, help="Folder for report.html, findings and queries.")
@click.option(
    "--previous", type=PATH, help="Earlier report of these sites: tells what changed since."
)
@click.option("--outcomes", is_flag=True, help="Write outcomes.json too: findings as FHIR.")
@study_option
@waivers_option
@language_option
@log_option
@neutral_option
@voice_options
def command(
    cohort: Path, report: Path | None, previous: Path | None, outcomes: bool, study: Path | None,
    waivers: Path | None, language: str, log: Path | None, neutral: bool, voice: Voice,
) -> None:  # fmt: skip
    """Run every rule on a COHORT and say whether it may leave.

    Exit code 0: it may be exported and pooled; 1: not yet.
    """
    from imnm_fhir.errors import UsageError
    from imnm_fhir.validation import validate_folder

    if report is None and (previous or outcomes):
        raise UsageError("--previous and --outcomes go into a report; give --report FOLDER")
    with voice.progress("validating"):
        validation = validate_folder(
            cohort, report=report, study=study, waivers=waivers, language=language, log=log,
            neutral=neutral, previous=previous, outcomes=outcomes,
        )  # fmt: skip
    for line in validation.lines():
        click.echo(line)
    if report:
        voice.say(f"report: {report / 'report.html'} (identifies patients: for the site only)")
    voice.say(_next(cohort, report, validation.passed))
    if not validation.passed:
        sys.exit(1)


def _next(cohort: Path, report: Path | None, passed: bool) -> str:
    """What to do now, in one line."""
    filled = report / "queries.xlsx" if report else None
    if passed:
        return f"next: imnm-fhir export {_shown(cohort)} --to FOLDER (or a server's URL)"
    if filled is None:
        return f"which and why: imnm-fhir validate {_shown(cohort)} --report FOLDER"
    if not filled.exists():
        return "next: correct the source, then make the cohort anew"
    return (
        f"next: correct the files and harmonise again, or answer {filled}, then: "
        f"imnm-fhir queries import {_shown(filled)} --cohort {_shown(cohort)}"
    )


def _shown(path: Path) -> str:
    return shlex.quote(str(path))
