"""imnm-fhir export: a cohort as FHIR, on disk or on a server."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from imnm_fhir.cli.options import (
    PATH,
    example,
    gate_options,
    log_option,
    one_object,
    server_options,
    voice_options,
)
from imnm_fhir.cli.output import Voice

if TYPE_CHECKING:
    from imnm_fhir.flow import Exported
    from imnm_fhir.server.request.options import ServerOptions
    from imnm_fhir.transfer import Choices, Transferred

PARTLY, FAILED = 5, 4  # exit codes


def _choices(**chosen: Any) -> "Choices":
    from imnm_fhir.transfer import Choices

    return Choices(**chosen)


transfer_options = one_object(
    "choices",
    _choices,
    {
        "--dry-run": {
            "is_flag": True,
            "help": "Say what would be sent to a server; send nothing.",
        },
        "--verify": {
            "is_flag": True,
            "help": "Look up at the server what the journal calls unchanged, too.",
        },
        "--overwrite": {
            "is_flag": True,
            "help": "Replace what somebody else changed or deleted there.",
        },
        "--withdraw-missing": {
            "is_flag": True,
            "help": "Delete at the server what earlier deliveries brought and this one lacks.",
        },
        "--all-or-nothing": {
            "is_flag": True,
            "help": "Send one transaction: all is stored, or nothing.",
        },
        "--bundle-size": {
            "default": 100,
            "show_default": True,
            "type": click.IntRange(1, 1000),
            "help": "Resources in one request at most.",
        },
        "--connections": {
            "default": 2,
            "show_default": True,
            "type": click.IntRange(1, 32),
            "help": "Requests at the same time.",
        },
        "--journal": {
            "type": PATH,
            "help": "Folder of the journals; default: SOURCE.journal beside the (first) source.",
        },
        "--wait": {
            "default": 0,
            "show_default": True,
            "type": click.FloatRange(0),
            "help": "Seconds to wait for another export to the same server.",
        },
    },
)


@click.command(
    name="export", epilog=example("imnm-fhir export build/madrid --to http://127.0.0.1:8080/fhir")
)
@click.argument("source", nargs=-1, required=True, type=PATH)
@click.option(
    "--to", "target", required=True, help="A folder (NDJSON), a .json file (Bundle), or a URL."
)
@click.option("--site", help="Export site files in one step: the mapping's name or path.")
@log_option
@gate_options
@transfer_options
@click.option("--json", "as_json", is_flag=True, help="Print what was done as JSON on stdout.")
@server_options
@voice_options
def command(
    source: tuple[Path, ...], target: str, site: str | None, log: Path | None, waivers: Path | None,
    exclude_failing_patients: bool, allow_errors: bool, choices: "Choices", as_json: bool,
    server: "ServerOptions", voice: Voice,
) -> None:  # fmt: skip
    """Export a cohort or site files as FHIR R4.

    A server takes only what passed validation. A patient without valid consent does not leave. A
    journal beside the cohort knows what the server holds: the same command again sends what changed
    or was not confirmed, and nothing twice.

    Credentials come from variables (IMNM_FHIR_TOKEN, IMNM_FHIR_USER, IMNM_FHIR_SMART_CLIENT_ID),
    files or the keyring, never from here.
    """
    from imnm_fhir.flow import Gate, export
    from imnm_fhir.transfer import TransferStoppedError

    gate = Gate(waivers, exclude_failing_patients, allow_errors)
    try:
        with voice.progress("resources") as line:
            exported = export(
                list(source), target, site=site, gate=gate, server=server, choices=choices,
                progress=line.done, watch=line, log=log,
            )  # fmt: skip
    except TransferStoppedError as error:
        if as_json:
            _print({"target": target, **error.transferred.record(), "error": str(error)})
        _tell_failures(error.transferred)
        raise
    _tell(exported, as_json, voice)


def _tell(exported: "Exported", as_json: bool, voice: Voice) -> None:
    """Say what was done; leave with the code that says whether all of it was."""
    sent = exported.sent
    planned = bool(sent and sent.dry_run and not as_json)  # then the plan is what was asked for
    if as_json:
        _print(exported.record())
    for line in exported.lines():
        click.echo(line) if planned else voice.say(line)
    if sent:
        _tell_failures(sent)
    if sent and not sent.complete:
        sys.exit(PARTLY if sent.total("created", "updated", "unchanged", "removed") else FAILED)


def _tell_failures(sent: "Transferred") -> None:
    for failure in sent.failures:
        click.echo(f"not loaded: {failure}", err=True)
    if sent.failed > len(sent.failures):
        click.echo(f"not loaded: {sent.failed - len(sent.failures):,} more", err=True)


def _print(record: dict[str, Any]) -> None:
    click.echo(json.dumps(record))
