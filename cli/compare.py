"""imnm-fhir compare: tells whether two cohorts are the same."""

import sys
from pathlib import Path

import click

from imnm_fhir.cli.output import voice_options


@click.command(name="compare")
@click.argument("first", type=click.Path(path_type=Path))
@click.argument("second", type=click.Path(path_type=Path))
@voice_options
def command(first: Path, second: Path, quiet: bool, verbose: bool) -> None:
    """Say `identical`, or each difference: table, site, patient, element, columns.

    All columns count but the provenance (file, sheet, row, column). Exit code 1 when they differ.

    Example: imnm-fhir compare build/madrid build/back
    """
    from imnm_fhir.cohort import read_cohort
    from imnm_fhir.compare import compare

    differences = compare(read_cohort(first), read_cohort(second))
    for difference in differences:
        click.echo(difference.line())
    if differences:
        click.echo(f"{len(differences)} differences", err=True)
        sys.exit(1)
    click.echo("identical")
