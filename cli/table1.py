"""imnm-fhir table1: the paper's Table 1."""

from pathlib import Path

import click

from imnm_fhir.cli.output import Voice, voice_options


@click.command(name="table1")
@click.argument("cohort", type=click.Path(path_type=Path))
@click.option(
    "--out",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Also write .csv, .xlsx or .html (repeatable).",
)
@click.option(
    "--study", type=click.Path(path_type=Path), help="The study's TOML: variants, windows."
)
@click.option("--language", default="en", show_default=True, help="Language of the labels.")
@voice_options
def command(
    cohort: Path,
    out: tuple[Path, ...],
    study: Path | None,
    language: str,
    quiet: bool,
    verbose: bool,
) -> None:
    """Print Table 1 overall, by serogroup and by site, with tested denominators.

    Example: imnm-fhir table1 build/pool --out build/table1.html --out build/table1.xlsx
    """
    from imnm_fhir.flow import table1_of

    click.echo(table1_of(cohort, list(out), study=study, language=language))
    for path in out:
        Voice(quiet, verbose).say(f"written: {path}")
