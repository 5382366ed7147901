"""What every command shares: options for how much is said, messages and progress on stderr."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True)
class Voice:
    """How much a command says on stderr."""

    quiet: bool
    verbose: bool

    def say(self, message: str) -> None:
        """A message for a person, unless --quiet."""
        if not self.quiet:
            click.echo(message, err=True)

    def detail(self, message: str) -> None:
        """A message that only --verbose shows."""
        if self.verbose:
            click.echo(message, err=True)

    @contextmanager
    def progress(self, label: str) -> Iterator[Callable[[int], None]]:
        """A counter on stderr from the first second on; silent where stderr is no terminal.

        Yields a function that takes how many more are done.
        """
        shown = not self.quiet and sys.stderr.isatty()
        start, done, last = time.monotonic(), 0, 0.0

        def advance(count: int) -> None:
            nonlocal done, last
            done += count
            now = time.monotonic()
            if shown and now - start > 1 and now - last > 0.2:
                last = now
                rate = done / (now - start)
                click.echo(f"\r{label}: {done:,} ({rate:,.0f}/s)\033[K", err=True, nl=False)

        try:
            yield advance
        finally:
            if last:
                click.echo("\r\033[K", err=True, nl=False)


def voice_options(function: Command) -> Command:
    """Add --quiet and --verbose to a command."""
    function = click.option("--verbose", "-v", is_flag=True, help="Say more on stderr.")(function)
    return click.option("--quiet", "-q", is_flag=True, help="Say nothing but errors.")(function)
