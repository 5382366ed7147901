"""imnm-fhir validate: the rules over a cohort, with a report."""

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
@study_option
@waivers_option
@language_option
@log_option
@neutral_option
@voice_options
def command(
    cohort: Path, report: Path | None, study: Path | None, waivers: Path | None, language: str,
    log: Path | None, neutral: bool, voice: Voice,
) -> None:  # fmt: skip
    """Run every rule on a COHORT and say whether it may leave.

    Exit code 0: it may be exported and pooled; 1: not yet.
    """
    from imnm_fhir.validation import validate_folder

    with voice.progress("validating"):
        validation = validate_folder(
            cohort, report=report, study=study, waivers=waivers, language=language, log=log,
            neutral=neutral,
        )  # fmt: skip
    for line in validation.lines():
        click.echo(line)
    if report:
        voice.say(f"report: {report / 'report.html'} (identifies patients: for the site only)")
    if not validation.passed:
        sys.exit(1)
