"""imnm-fhir validate: the rules over a cohort, with a report."""

import sys
from pathlib import Path

import click

from imnm_fhir.cli.output import Voice, voice_options


@click.command(name="validate")
@click.argument("cohort", type=click.Path(path_type=Path))
@click.option(
    "--report",
    type=click.Path(path_type=Path),
    help="Folder for report.html, findings.xlsx, findings.csv.",
)
@click.option(
    "--study",
    type=click.Path(path_type=Path),
    help="The study's TOML: limits, variants, rules off.",
)
@click.option("--waivers", type=click.Path(path_type=Path), help="Waiver file (TOML).")
@click.option(
    "--language", default="en", show_default=True, help="Language of the report's sentences."
)
@voice_options
def command(
    cohort: Path, report: Path | None, study: Path | None, waivers: Path | None, language: str,
    quiet: bool, verbose: bool,
) -> None:  # fmt: skip
    """Run every rule on a cohort. Exit code 0: it may be exported and pooled; 1: not yet.

    Example: imnm-fhir validate build/madrid --report build/report
    """
    from imnm_fhir.flow import validate_folder

    voice = Voice(quiet, verbose)
    voice.detail("loading Great Expectations takes some seconds")
    validation = validate_folder(
        cohort, report=report, study=study, waivers=waivers, language=language
    )
    for line in validation.lines():
        click.echo(line)
    if report:
        voice.say(f"report: {report / 'report.html'} (identifies patients: for the site only)")
    if not validation.passed:
        sys.exit(1)
