"""imnm-fhir compare: tells whether two cohorts are the same."""

import sys
from pathlib import Path

import click

from imnm_fhir.cli.options import PATH, example, voice_options
from imnm_fhir.cli.output import Voice


@click.command(name="compare", epilog=example("imnm-fhir compare build/madrid build/back"))
@click.argument("first", type=PATH)
@click.argument("second", type=PATH)
@voice_options
def command(first: Path, second: Path, voice: Voice) -> None:
    """Say `identical`, or each difference of two cohorts.

    A difference names table, site, patient, element and columns. All columns count but the
    provenance (file, sheet, row, column). Exit code 1 when they differ.
    """
    from imnm_fhir.cohort import read_cohort
    from imnm_fhir.compare import compare, each_patient_once

    with voice.progress("comparing"):
        differences = each_patient_once(compare(read_cohort(first), read_cohort(second)))
    for difference in differences:
        click.echo(difference.line())
    if differences:
        voice.say(f"{len(differences):,} differences")
        sys.exit(1)
    click.echo("identical")
