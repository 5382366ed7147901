"""The pages of the command line, its exit codes, and the library."""

from typing import Any

import click

from imnm_fhir import api
from imnm_fhir.cli.main import COMMANDS, EXIT_CODES, imnm_fhir
from scripts.reference.markdown import table

LIBRARY = """Every command is a thin reader of functions that `imnm_fhir.api` offers, each loaded when first named.
`help(name)` says arguments, units and the errors raised."""


def commands_page() -> str:
    """The help of every command, as the command line shows it."""
    width: dict[str, Any] = {"terminal_width": 88, "max_content_width": 88}
    group = click.Context(imnm_fhir, info_name="imnm-fhir", **imnm_fhir.context_settings, **width)
    parts = [
        "# Commands",
        "Data go to stdout or into files, messages and progress to stderr. The same help is shown by"
        " `imnm-fhir COMMAND --help`. All verbs exist as functions of the library, too"
        " (`imnm_fhir.api`).",
        _help(imnm_fhir, group),
    ]
    for name in COMMANDS:
        command = imnm_fhir.get_command(group, name)
        assert command is not None
        context = click.Context(command, parent=group, info_name=name, **width)
        parts += [f"## imnm-fhir {name}", _help(command, context)]
        for part, inner in command.commands.items() if isinstance(command, click.Group) else ():
            within = click.Context(inner, parent=context, info_name=part, **width)
            parts += [f"### imnm-fhir {name} {part}", _help(inner, within)]
    return "\n\n".join(parts)


def _help(command: click.Command, context: click.Context) -> str:
    return f"```text\n{command.get_help(context).strip()}\n```"


def exit_codes_page() -> str:
    """The one table of exit codes."""
    advice = {
        0: "go on",
        1: "read the report or the list of differences",
        2: "read `imnm-fhir COMMAND --help`",
        3: "mend what the line names, then repeat the command",
        4: "read what the server said; the same command may be repeated, it makes nothing twice",
        5: "read the lines `not loaded`, mend what they name, repeat the command",
        70: "report the traceback, without patients' values",
        130: "repeat the command; what was there before is as it was",
    }
    rows = [(str(code), meaning, advice[code]) for code, meaning in EXIT_CODES.items()]
    return "\n\n".join(
        [
            "# Exit codes",
            "A script may rely on these. Every error message is one line on stderr (or one line per"
            " problem, where several were found together) that says where, what and what to do. It"
            " never holds a patient's value.",
            table(("code", "meaning", "what to do"), rows),
        ]
    )


def library_page() -> str:
    """The functions of imnm_fhir.api by command, each with the first line of its docstring."""
    example = str(api.__doc__).split("\n\n", 1)[1]
    used = {name for names in api.VERBS.values() for name in names}
    groups = {f"`imnm-fhir {command}`": names for command, names in api.VERBS.items()}
    groups["objects, single resources"] = tuple(each for each in api.__all__ if each not in used)
    rows = [
        (command, f"`{name}`", str(getattr(api, name).__doc__).split("\n")[0])
        for command, names in groups.items()
        for name in names
    ]
    code = f"```python\n{example.strip()}\n```"
    return "\n\n".join(
        ["# Library", LIBRARY, code, table(("command", "function", "what it gives"), rows)]
    )
