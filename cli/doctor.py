"""imnm-fhir doctor: what a FHIR server can do, and what is there."""

import json
import sys
from typing import TYPE_CHECKING

import click

from imnm_fhir.cli.options import example, server_options, voice_options
from imnm_fhir.cli.output import Voice
from imnm_fhir.errors import FindingsError

if TYPE_CHECKING:
    from imnm_fhir.server.request.options import ServerOptions


@click.command(name="doctor", epilog=example("imnm-fhir doctor http://127.0.0.1:8080/fhir"))
@click.argument("url")
@click.option("--json", "as_json", is_flag=True, help="Print the diagnosis as JSON.")
@server_options
@voice_options
def command(url: str, as_json: bool, server: "ServerOptions", voice: Voice) -> None:
    """Look at a FHIR server before anything is sent to it.

    Says what it can do, which plan an export and an import would take, how fast it answers, how far
    its clock is from ours, and what is there of this project by type and site. Nothing is written.
    Exit code 1: an export or import would meet a problem, which is named.
    """
    from imnm_fhir.flow import examine

    with voice.progress("questions"):
        diagnosis = examine(url, server)
    if as_json:
        click.echo(json.dumps(diagnosis.record(), indent=2, allow_nan=False))
    else:
        click.echo("\n".join(diagnosis.lines()))
    if diagnosis.problems:
        sys.exit(FindingsError.exit_code)
