"""imnm-fhir import: FHIR from a server or files into a cohort."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from imnm_fhir.cli.options import PATH, example, out_option, server_options, voice_options
from imnm_fhir.cli.output import Voice

if TYPE_CHECKING:
    from imnm_fhir.server.request.options import ServerOptions


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
    "--tag",
    metavar="SYSTEM|CODE",
    help="From a server: resources with this tag in place of the project's, such as that of one site.",
)
@click.option(
    "--method",
    type=click.Choice(["search", "everything", "bulk"]),
    help="How a server is read: by search, patient by patient ($everything), or by bulk $export. "
    "Default: the best that it offers; what was chosen is said.",
)
@click.option(
    "--since",
    metavar="last|DATE",
    help="Read only what changed since the last import, or since a date; deleted resources leave.",
)
@click.option("--group", metavar="ID", help="Only the members of this Group.")
@click.option(
    "--patients",
    type=PATH,
    help="Only the patients in this file: one identifier per line (site/patient, or system|value).",
)
@click.option(
    "--poll",
    default=30,
    show_default=True,
    type=click.IntRange(1, 3600),
    help="The most seconds between two questions whether a bulk export is ready.",
)
@click.option(
    "--page-size",
    default=500,
    show_default=True,
    type=click.IntRange(1, 10_000),
    help="Resources that a server is asked for at a time.",
)
@click.option(
    "--keep-going", is_flag=True, help="Skip and list what is no FHIR instead of stopping."
)
@server_options
@voice_options
def command(
    source: str, out: Path, site: str | None, everything: bool, tag: str | None,
    method: str | None, since: str | None, group: str | None, patients: Path | None, poll: int, page_size: int,
    keep_going: bool, server: "ServerOptions", voice: Voice,
) -> None:  # fmt: skip
    """Import FHIR R4 from a server or files into a cohort.

    SOURCE is a server's URL, an NDJSON folder or file (.gz too), or a Bundle. What is not understood
    is listed; nothing is dropped in silence. A server's own count must agree with what came. An
    import that was interrupted goes on when the command is repeated.
    """
    from imnm_fhir.flow import FromServer, import_fhir

    chosen = FromServer(method, since, everything, tag, group, patients, poll, page_size, server)
    with voice.progress("resources") as advance:
        imported = import_fhir(
            source, out, site=site, keep_going=keep_going, chosen=chosen, progress=advance
        )
    voice.say_some(imported.lines())
