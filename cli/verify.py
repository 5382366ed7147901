"""imnm-fhir verify: proof that a server holds a cohort as it was sent."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from imnm_fhir.cli.options import (
    PATH,
    example,
    gate_options,
    language_option,
    server_options,
    voice_options,
)
from imnm_fhir.cli.output import Voice
from imnm_fhir.errors import FindingsError, UsageError

if TYPE_CHECKING:
    from imnm_fhir.server.request.options import ServerOptions

SHOWN = 20  # resources that are named on the screen; all stand in the report


@click.command(
    name="verify",
    epilog=example("imnm-fhir verify build/madrid --at http://127.0.0.1:8080/fhir"),
)
@click.argument("cohort", required=False, type=PATH)
@click.option("--at", "url", help="The server's address.")
@click.option(
    "--certificate",
    type=PATH,
    help="Write the transfer certificate here (.json; a page and a report stand beside it).",
)
@click.option("--page", type=PATH, help="Make the page of a certificate (.json) again, and stop.")
@click.option(
    "--journal", type=PATH, help="The journal's folder, where export was given another one."
)
@language_option
@gate_options
@server_options
@voice_options
def command(
    cohort: Path | None, url: str | None, certificate: Path | None, page: Path | None,
    journal: Path | None, language: str, waivers: Path | None, exclude_failing_patients: bool,
    allow_errors: bool, server: "ServerOptions", voice: Voice,
) -> None:  # fmt: skip
    """Read a cohort back from a server and compare every value.

    COHORT is what was exported. Exit code 0: everything is there as it was sent. 1: something was
    changed, is missing, or is there that the cohort does not have.
    """
    if page is not None:
        from imnm_fhir.proof import read_certificate, write_certificate

        voice.say(f"written: {write_certificate(read_certificate(page), page, language)[1]}")
        return
    if cohort is None or url is None:
        raise UsageError("give a cohort and the server's address with --at")
    from imnm_fhir.flow import Gate, verify

    gate = Gate(waivers, exclude_failing_patients, allow_errors)
    with voice.progress("resources") as advance:
        verified = verify(
            cohort,
            url,
            gate=gate,
            certificate=certificate,
            journal=journal,
            server=server,
            progress=advance,
            language=language,
        )
    voice.say_some(verified.lines())
    exceptions = verified.verification.exceptions
    for one in [each for each in exceptions if each.state != "equivalent"][:SHOWN]:
        differs = f": {', '.join(one.differs)}" if one.differs else ""
        click.echo(f"{one.state}: {one.type}/{one.server_id or one.id}{differs}", err=True)
    if not verified.verification.holds:
        sys.exit(FindingsError.exit_code)
