"""The options that several commands share, each declared once."""

from collections.abc import Callable
from functools import wraps
from math import isfinite
from pathlib import Path
from typing import Any, TypeVar

import click

from imnm_fhir.cli.output import Voice

Command = TypeVar("Command", bound=Callable[..., Any])
PATH = click.Path(path_type=Path, readable=False)  # the reader says what is wrong with a file


def example(line: str) -> str:
    """The line of help that shows one real call, never wrapped, so that it can be copied."""
    return f"\b\nExample: {line}"


def voice_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add --quiet and --verbose to a command, which is given them as one `voice`."""

    @wraps(function)
    def with_voice(*arguments: Any, quiet: bool, verbose: bool, **options: Any) -> Any:
        voice = Voice(quiet, verbose)
        voice.speak_for("imnm_fhir")
        return function(*arguments, voice=voice, **options)

    loud = click.option("--verbose", "-v", is_flag=True, help="Say more on stderr.")(with_voice)
    return click.option("--quiet", "-q", is_flag=True, help="Say nothing but errors.")(loud)


def gate_options(function: Command) -> Command:
    """Add what a user may allow where data leave: --waivers, --exclude-failing-patients, --allow-errors."""
    function = click.option(
        "--allow-errors",
        is_flag=True,
        help="Let data through that failed the validation; stamps the manifest.",
    )(function)
    function = click.option(
        "--exclude-failing-patients",
        is_flag=True,
        help="Leave out patients with impossible findings, and count them.",
    )(function)
    return waivers_option(function)


def waivers_option(function: Command) -> Command:
    """Add --waivers, the file of findings that a named person let through."""
    return click.option(
        "--waivers", type=PATH, help="Waiver file (TOML): patient, rule, who, why."
    )(function)


def study_option(function: Command) -> Command:
    """Add --study, the definitions that a study chose."""
    return click.option(
        "--study", type=PATH, help="The study's TOML: variants, windows, limits of rules."
    )(function)


def language_option(function: Command) -> Command:
    """Add --language of labels and sentences."""
    return click.option(
        "--language",
        default="en",
        show_default=True,
        help="Language of labels and sentences: en, es, de, fr, it, nl, or one of your own.",
    )(function)


def one_object(
    name: str, made: Callable[..., Any], options: dict[str, dict[str, Any]]
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A decorator that adds options, by their flags; a command is given them as the object `made` of them."""
    parameters = [flag.partition("/")[0].strip("-").replace("-", "_") for flag in options]

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def with_object(*arguments: Any, **given: Any) -> Any:
            chosen = {parameter: given.pop(parameter) for parameter in parameters}
            return function(*arguments, **{name: made(**chosen)}, **given)

        command: Callable[..., Any] = with_object
        for flag, about in reversed(options.items()):
            command = click.option(flag, **about)(command)
        return command

    return decorate


class _Seconds(click.FloatRange):
    """Seconds: more than none, and a number (click takes nan and inf for numbers)."""

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        seconds = float(super().convert(value, param, ctx))
        if not isfinite(seconds):
            self.fail(f"{value!r} is no number of seconds.", param, ctx)
        return seconds


_SECONDS = _Seconds(0, min_open=True)


def _server(**chosen: Any) -> Any:
    from imnm_fhir.server.request.options import ServerOptions

    return ServerOptions(**chosen)


server_options = one_object(
    "server",
    _server,
    {
        "--timeout": {
            "default": 60,
            "show_default": True,
            "type": _SECONDS,
            "help": "Seconds of a server's silence that end one attempt.",
        },
        "--patience": {
            "default": 300,
            "show_default": True,
            "type": _SECONDS,
            "help": "Seconds for which one request is tried again.",
        },
        "--deadline": {
            "type": _SECONDS,
            "help": "Seconds after which all work with the server ends; default: none.",
        },
        "--ca-bundle": {
            "type": PATH,
            "help": "File (PEM) of the only certification authorities to trust.",
        },
        "--insecure-http": {
            "is_flag": True,
            "help": "Allow plain http to another machine, without credentials.",
        },
        "--rewrite-links": {
            "is_flag": True,
            "help": "Ask links of another host under the given address (reverse proxies).",
        },
        "--compress/--no-compress": {
            "default": None,
            "help": "Send with gzip where the server takes it; default: unless it is this machine.",
        },
    },
)


def out_option(what: str) -> Callable[[Command], Command]:
    """Add --out, the place of what a command makes."""
    return click.option("--out", required=True, type=PATH, help=what)


def log_option(function: Command) -> Command:
    """Add --log, the folder of a cohort's queries and of what was answered."""
    return click.option(
        "--log", type=PATH, help="Folder of queries and answers. [default: COHORT.queries]"
    )(function)


def neutral_option(function: Command) -> Command:
    """Add --neutral, a list of queries without what speaks for a finding."""
    return click.option(
        "--neutral", is_flag=True, help="Leave what speaks for a finding out of the queries."
    )(function)
