"""The command `imnm-fhir`: finds the file of a command, runs it, turns errors into exit codes."""

import importlib
import os
import sys
import traceback

import click

from imnm_fhir.errors import ImnmFhirError

EXIT_CODES = """Exit codes: 0 fine, 1 findings that stop, 2 usage, 3 bad input, 4 server or network,
70 a bug of imnm-fhir, 130 interrupted."""
COMMANDS = {
    "new-site": "new_site",
    "harmonise": "harmonise",
    "validate": "validate",
    "export": "export",
    "import": "import_",
    "compare": "compare",
    "pool": "pool",
    "table1": "table1",
    "elements": "elements",
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


@click.group(
    cls=_Commands, epilog=EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(package_name="imnm-fhir")
def imnm_fhir() -> None:
    """Harmonise, validate, exchange as FHIR R4 and pool cohorts of IMNM patients.

    Example: imnm-fhir demo build/demo
    """


def main() -> None:
    """Run the command line and leave with one of the documented exit codes."""
    try:
        code = imnm_fhir.main(standalone_mode=False) or 0
    except click.exceptions.Abort:
        _leave("interrupted; nothing half-written was left", 130)
    except KeyboardInterrupt:
        _leave("interrupted; nothing half-written was left", 130)
    except click.ClickException as error:
        error.show(file=sys.stderr)
        sys.exit(2)
    except ImnmFhirError as error:
        _leave(str(error), error.exit_code)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception:  # a bug: shown whole, so that it can be reported
        traceback.print_exc()
        _leave(
            "this is a bug of imnm-fhir; please report the lines above (they may name files)", 70
        )
    sys.exit(code if isinstance(code, int) else 0)


def _leave(message: str, code: int) -> None:
    click.echo(f"imnm-fhir: {message}", err=True)
    sys.exit(code)
