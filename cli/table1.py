"""imnm-fhir table1: the paper's Table 1."""

from pathlib import Path

import click

from imnm_fhir.cli.options import PATH, example, language_option, study_option, voice_options
from imnm_fhir.cli.output import Voice


@click.command(
    name="table1",
    epilog=example("imnm-fhir table1 build/pool --out build/table1.html --out build/table1.xlsx"),
)
@click.argument("cohort", type=PATH)
@click.option(
    "--out", multiple=True, type=PATH, help="Also write .csv, .xlsx or .html (repeatable)."
)
@click.option(
    "--small-cells",
    type=click.Choice(["warn", "hide", "refuse", "permitted"]),
    help="What becomes of counts below 5 in the files; else as the study says.",
)
@study_option
@language_option
@voice_options
def command(
    cohort: Path, out: tuple[Path, ...], small_cells: str | None, study: Path | None,
    language: str, voice: Voice,
) -> None:  # fmt: skip
    """Print the paper's Table 1 of a COHORT.

    Overall, by serogroup and by site, with tested denominators; footnotes name the definitions.
    """
    from imnm_fhir.flow import table1_of

    with voice.progress("Table 1"):
        table, notes = table1_of(
            cohort, list(out), study=study, language=language, small_cells=small_cells
        )
    click.echo(table)
    for note in notes:
        voice.say(note)
    for path in out:
        voice.say(f"written: {path}")
