"""imnm-fhir import: FHIR from a server or files into a cohort."""

from pathlib import Path

import click

from imnm_fhir.cli.output import Voice, voice_options


@click.command(name="import")
@click.argument("source")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The cohort's folder.")
@click.option("--site", help="Site id for patients whose resources do not say it.")
@click.option(
    "--all", "everything", is_flag=True, help="From a server: also resources without our tag."
)
@click.option(
    "--keep-going", is_flag=True, help="Skip and list what is no FHIR instead of stopping."
)
@click.option(
    "--timeout", default=60, show_default=True, type=click.IntRange(1), help="Seconds per request."
)
@voice_options
def command(
    source: str, out: Path, site: str | None, everything: bool, keep_going: bool, timeout: int,
    quiet: bool, verbose: bool,
) -> None:  # fmt: skip
    """Import FHIR R4 from a server's URL, an NDJSON folder or file (.gz too), or a Bundle.

    What is not understood is listed; nothing is dropped in silence.

    Example: imnm-fhir import http://127.0.0.1:8080/fhir --out build/back
    """
    from imnm_fhir.flow import import_fhir

    voice = Voice(quiet, verbose)
    with voice.progress("resources") as advance:
        imported = import_fhir(
            source,
            out,
            site=site,
            everything=everything,
            keep_going=keep_going,
            timeout=timeout,
            progress=advance,
        )
    for line in imported.lines():
        voice.say(line)
