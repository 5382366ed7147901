"""The command `imnm-fhir`: finds the file of a command, runs it, turns errors into exit codes."""

import atexit
import errno
import importlib
import signal
import sys
import traceback
from difflib import get_close_matches
from io import TextIOWrapper
from typing import TextIO, cast

import click

from imnm_fhir.cli.options import example
from imnm_fhir.cli.output import Pipe
from imnm_fhir.cli.plain import register
from imnm_fhir.errors import ImnmFhirError

EXIT_CODES = {
    0: "fine",
    1: "findings that stop: a validation that failed, cohorts that differ",
    2: "usage: an option or argument is missing or wrong",
    3: "bad input: a file, mapping or cohort that cannot be used",
    4: "server or network",
    5: "partly done: a server refused some resources, or somebody else changed them; the rest is there",
    70: "a bug of imnm-fhir",
    130: "interrupted (Ctrl-C)",
}
# What a disk refuses wherever it happens: nobody's bug.
DISK = frozenset(
    (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
)
# Names that a system does not take: too long, with signs that Windows forbids, a circle of links.
NAMES = frozenset((errno.ENAMETOOLONG, errno.EINVAL, errno.ELOOP, errno.ENOTDIR))
FINE, USAGE, BAD_INPUT, BUG, INTERRUPTED = 0, 2, 3, 70, 130
LONGEST_SHOWN = 120  # characters of a path
INTERRUPTION = "interrupted; what was there before is as it was"
COMMANDS = {
    "new-site": "new_site",
    "harmonise": "harmonise",
    "validate": "validate",
    "queries": "queries",
    "export": "export",
    "import": "import_",
    "verify": "verify",
    "doctor": "doctor",
    "withdraw": "withdraw",
    "compare": "compare",
    "pool": "pool",
    "table1": "table1",
    "smart-key": "smart_key",
    "elements": "elements",
    "check-table": "check_table",
    "demo": "demo",
}


class _Commands(click.Group):
    """Loads a command's file only when the command is named, so that help stays quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"imnm_fhir.cli.{COMMANDS[name]}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that was named; an unknown one is a usage error with what is near."""
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            close = get_close_matches(name.lower().replace("_", "-"), COMMANDS, 3, 0.5)
            hint = f"did you mean {' or '.join(close)}?" if close else "see imnm-fhir --help"
            ctx.fail(f"No such command '{name}'; {hint}")
        return super().resolve_command(ctx, args)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(code), meaning) for code, meaning in EXIT_CODES.items()])
        super().format_epilog(ctx, formatter)


@click.group(
    cls=_Commands,
    epilog=example("imnm-fhir demo build/demo"),
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(package_name="imnm-fhir")
def imnm_fhir() -> None:
    """Harmonise, validate, exchange as FHIR R4 and pool cohorts of IMNM patients."""


def main() -> None:
    """Run the command line and leave with one of the documented exit codes."""
    atexit.register(signal.signal, signal.SIGINT, signal.SIG_IGN)  # the code is settled by then
    try:
        code = _run_with_pipes()
    except KeyboardInterrupt:  # before the command was found, or after it was done
        code = _say(INTERRUPTION, INTERRUPTED)
    sys.exit(code)


def _run_with_pipes() -> int:
    """The exit code of the command, with streams that a poor encoding or a closed pipe does not end."""
    out, err = Pipe(_tolerant(sys.stdout)), Pipe(_tolerant(sys.stderr))
    sys.stdout, sys.stderr = cast(TextIO, out), cast(TextIO, err)
    code = _run()
    if out.lost:
        reason = out.lost.strerror or str(out.lost)
        return _say(f"the output cannot be written: {reason}; send it elsewhere", BAD_INPUT)
    return code


def _run() -> int:
    """The exit code of the command that was called, after its error was told."""
    try:
        code = imnm_fhir.main(prog_name="imnm-fhir", standalone_mode=False)
    except SystemExit as verdict:
        code = verdict.code
    except (click.exceptions.Abort, KeyboardInterrupt):
        return _say(INTERRUPTION, INTERRUPTED)
    except click.ClickException as error:
        error.show(file=sys.stderr)
        return USAGE
    except ImnmFhirError as error:
        return _say(str(error), error.exit_code)
    except Exception as error:
        if _interrupted(error):
            return _say(INTERRUPTION, INTERRUPTED)
        if why := _of_a_file(error):
            return _say(why, BAD_INPUT)
        traceback.print_exc()  # a bug: shown whole, so that it can be reported
        return _say(
            "a bug of imnm-fhir; please report the lines above, without patients' values", BUG
        )
    return code if isinstance(code, int) else FINE


def _of_a_file(error: Exception) -> str:
    """What a disk, or the name of a file, has against being used; empty where it is something else."""
    if isinstance(error, UnicodeEncodeError) and error.reason == "surrogates not allowed":
        return "the name of a file or folder is no text in this system's encoding; rename it"
    if not isinstance(error, OSError):
        return ""
    place = str(error.filename or "a file")
    place = place if len(place) <= LONGEST_SHOWN else f"{place[:LONGEST_SHOWN]}..."
    if error.errno in NAMES and error.filename is not None:
        return f"{place}: cannot be used: {error.strerror}; choose another name, or a shorter path"
    if error.errno in DISK:
        why = f"{error.strerror}; see to its rights and to the room on the disk"
        return f"{place}: cannot be used: {why}"
    return ""


def _interrupted(error: BaseException | None) -> bool:
    """Whether a Ctrl-C is behind the error: DuckDB and Python's making of classes wrap it in their own."""
    while error is not None:
        if isinstance(error, KeyboardInterrupt) or "KeyboardInterrupt" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def _tolerant(stream: TextIO) -> TextIO:
    """The stream, so that a poor encoding does not end the work: `u` for `µ` there."""
    if isinstance(stream, TextIOWrapper):
        stream.reconfigure(errors=register())
    return stream


def _say(message: str, code: int) -> int:
    click.echo(f"imnm-fhir: {message}", err=True)
    return code
