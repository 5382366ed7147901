"""imnm-fhir withdraw: take a patient out of servers, cohorts and files."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from imnm_fhir.cli.options import PATH, example, server_options, voice_options
from imnm_fhir.cli.output import Voice
from imnm_fhir.errors import FindingsError, ServerError, UsageError

if TYPE_CHECKING:
    from imnm_fhir.server.request.options import ServerOptions


@click.command(
    name="withdraw",
    epilog=example(
        "imnm-fhir withdraw build --patient-file who.txt --at https://fhir.example.org/fhir"
    ),
)
@click.argument("places", nargs=-1, type=PATH)
@click.option("--patient", help="The site's id and the pseudonym, such as madrid/MAD-03.")
@click.option(
    "--patient-file",
    type=PATH,
    help="A file with that in it, so that no list of commands shows it.",
)
@click.option("--at", "urls", multiple=True, help="A server's address; may be given several times.")
@click.option(
    "--cascade", is_flag=True, help="Also remove what other systems wrote of the patient."
)
@click.option(
    "--another-person",
    is_flag=True,
    help="Only note that --patient is another person than a withdrawn one who is spelt nearly so.",
)
@click.option("--keep-history", is_flag=True, help="Do not ask the server to remove old versions.")
@server_options
@voice_options
def command(
    places: tuple[Path, ...], patient: str | None, patient_file: Path | None, urls: tuple[str, ...],
    cascade: bool, another_person: bool, keep_history: bool, server: "ServerOptions", voice: Voice,
) -> None:  # fmt: skip
    """Take a patient out of servers, cohorts and files for good.

    PLACES are folders: everything of ours in them is found (cohorts, exports, journals, logs,
    reports). A tombstone keeps later deliveries from bringing the patient back; another spelling of
    the pseudonym is held back. Ends with a search for what is left. Exit code 0: nothing is. 1:
    something is, and is named.
    """
    from imnm_fhir.flow import tell_apart, withdraw

    if another_person:
        if urls:
            raise UsageError("--another-person is noted in folders alone: leave --at out")
        for line in tell_apart(_patient(patient, patient_file), list(places)):
            voice.say(line)
        return
    done = withdraw(
        _patient(patient, patient_file),
        list(places),
        list(urls),
        cascade=cascade,
        expunge=not keep_history,
        server=server,
        say=voice.say,
    )
    for problem in [*done.problems, *done.server_problems]:
        click.echo(f"not done: {problem}", err=True)
    if not done.is_known:
        click.echo(
            "nothing of this patient was found anywhere: check the site's id and the pseudonym, "
            "capitals and zeros included",
            err=True,
        )
    for path in done.traces:
        click.echo(f"still names the patient: {path}", err=True)
    if done.server_problems:
        sys.exit(ServerError.exit_code)
    if not done.is_complete:
        sys.exit(FindingsError.exit_code)
    voice.say("searched everywhere named: nothing is left of the patient")


def _patient(patient: str | None, file: Path | None) -> str:
    if (patient is None) == (file is None):
        raise UsageError("give --patient or --patient-file, one of them")
    if file is None:
        return patient or ""
    try:
        return file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise UsageError(f"{file}: cannot be read as text in UTF-8") from None
