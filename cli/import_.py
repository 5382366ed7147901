"""imnm-fhir import: FHIR from a server or files into a cohort."""

from pathlib import Path

import click

from imnm_fhir.cli.options import example, out_option, server_options, voice_options
from imnm_fhir.cli.output import Voice
from imnm_fhir.server.options import ServerOptions


@click.command(
    name="import", epilog=example("imnm-fhir import http://127.0.0.1:8080/fhir --out build/back")
)
@click.argument("source")
@out_option("The cohort's folder.")
@click.option("--site", help="Site id for patients whose resources do not say it.")
@click.option(
    "--all", "everything", is_flag=True, help="From a server: also resources without our tag."
)
@click.option(
    "--keep-going", is_flag=True, help="Skip and list what is no FHIR instead of stopping."
)
@server_options
@voice_options
def command(
    source: str, out: Path, site: str | None, everything: bool, keep_going: bool,
    server: ServerOptions, voice: Voice,
) -> None:  # fmt: skip
    """Import FHIR R4 from a server or files into a cohort.

    SOURCE is a server's URL, an NDJSON folder or file (.gz too), or a Bundle. What is not understood
    is listed; nothing is dropped in silence.
    """
    from imnm_fhir.flow import import_fhir

    with voice.progress("resources") as advance:
        imported = import_fhir(
            source,
            out,
            site=site,
            everything=everything,
            keep_going=keep_going,
            server=server,
            progress=advance,
        )
    voice.say_some(imported.lines())
