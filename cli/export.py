"""imnm-fhir export: a cohort as FHIR, on disk or on a server."""

import sys
from pathlib import Path

import click

from imnm_fhir.cli.options import PATH, example, gate_options, server_options, voice_options
from imnm_fhir.cli.output import Voice
from imnm_fhir.errors import ServerError
from imnm_fhir.server.options import ServerOptions


@click.command(
    name="export", epilog=example("imnm-fhir export build/madrid --to http://127.0.0.1:8080/fhir")
)
@click.argument("source", nargs=-1, required=True, type=PATH)
@click.option(
    "--to", "target", required=True, help="A folder (NDJSON), a .json file (Bundle), or a URL."
)
@click.option("--site", help="Export site files in one step: the mapping's name or path.")
@gate_options
@click.option(
    "--bundle-size",
    default=100,
    show_default=True,
    type=click.IntRange(1, 1000),
    help="Resources per transaction of a server.",
)
@server_options
@voice_options
def command(
    source: tuple[Path, ...], target: str, site: str | None, waivers: Path | None,
    exclude_failing_patients: bool, allow_errors: bool, bundle_size: int,
    server: ServerOptions, voice: Voice,
) -> None:  # fmt: skip
    """Export a cohort or site files as FHIR R4.

    A server takes only what passed validation. A patient without valid consent does not leave.
    Credentials come from variables (IMNM_FHIR_TOKEN, IMNM_FHIR_USER, IMNM_FHIR_SMART_CLIENT_ID),
    files or the keyring, never from here.
    """
    from imnm_fhir.flow import Gate, export

    gate = Gate(waivers, exclude_failing_patients, allow_errors)
    with voice.progress("resources") as advance:
        exported = export(
            list(source),
            target,
            site=site,
            gate=gate,
            bundle_size=bundle_size,
            server=server,
            progress=advance,
        )
    for line in exported.lines():
        voice.say(line)
    for failure in exported.failures:
        click.echo(f"not loaded: {failure}", err=True)
    if exported.failures:
        sys.exit(ServerError.exit_code)
