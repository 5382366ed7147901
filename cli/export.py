"""imnm-fhir export: a cohort as FHIR, on disk or on a server."""

import sys
from pathlib import Path

import click

from imnm_fhir.cli.output import Voice, voice_options


@click.command(name="export")
@click.argument("source", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--to", "target", required=True, help="A folder (NDJSON), a .json file (Bundle), or a URL."
)
@click.option("--site", help="Export site files in one step: the mapping's name or path.")
@click.option("--bundle-size", default=100, show_default=True, type=click.IntRange(1, 1000))
@click.option(
    "--timeout", default=60, show_default=True, type=click.IntRange(1), help="Seconds per request."
)
@click.option("--waivers", type=click.Path(path_type=Path), help="Waiver file (TOML).")
@click.option(
    "--exclude-failing-patients", is_flag=True, help="Leave out patients with impossible findings."
)
@click.option(
    "--allow-errors",
    is_flag=True,
    help="Export although the validation failed; stamps the manifest.",
)
@voice_options
def command(
    source: tuple[Path, ...], target: str, site: str | None, bundle_size: int, timeout: int,
    waivers: Path | None, exclude_failing_patients: bool, allow_errors: bool, quiet: bool, verbose: bool,
) -> None:  # fmt: skip
    """Export a cohort (or, with --site, site files) as FHIR R4.

    A server takes only what passed validation. A patient without valid consent does not leave.
    Credentials come from IMNM_FHIR_TOKEN, or IMNM_FHIR_USER and IMNM_FHIR_PASSWORD (or *_FILE).

    Example: imnm-fhir export build/madrid --to http://127.0.0.1:8080/fhir
    """
    from imnm_fhir.flow import Gate, export

    voice = Voice(quiet, verbose)
    gate = Gate(waivers, exclude_failing_patients, allow_errors)
    with voice.progress("resources") as advance:
        exported = export(
            list(source),
            target,
            site=site,
            gate=gate,
            bundle_size=bundle_size,
            timeout=timeout,
            progress=advance,
        )
    for line in exported.lines():
        voice.say(line)
    for failure in exported.failures:
        click.echo(f"not loaded: {failure}", err=True)
    if exported.failures:
        sys.exit(4)
