"""imnm-fhir pool: several validated cohorts as one."""

from pathlib import Path

import click

from imnm_fhir.cli.output import Voice, voice_options


@click.command(name="pool")
@click.argument("cohorts", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The pool's folder.")
@click.option("--study", type=click.Path(path_type=Path), help="The study's TOML.")
@click.option("--waivers", type=click.Path(path_type=Path), help="Waiver file (TOML).")
@click.option(
    "--exclude-failing-patients", is_flag=True, help="Leave out patients with impossible findings."
)
@click.option(
    "--allow-errors", is_flag=True, help="Pool although a validation failed; stamps the manifest."
)
@voice_options
def command(
    cohorts: tuple[Path, ...], out: Path, study: Path | None, waivers: Path | None,
    exclude_failing_patients: bool, allow_errors: bool, quiet: bool, verbose: bool,
) -> None:  # fmt: skip
    """Pool validated cohorts; the site of each row is kept, the same site twice is refused.

    Example: imnm-fhir pool build/madrid build/freiburg --out build/pool
    """
    from imnm_fhir.flow import Gate, pool_folders

    gate = Gate(waivers, exclude_failing_patients, allow_errors)
    for line in pool_folders(list(cohorts), out, gate=gate, study=study):
        Voice(quiet, verbose).say(line)
