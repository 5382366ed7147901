"""What every command says and how: data on stdout, messages and progress on stderr."""

import logging
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TextIO

import click

FIRST_SHOWN, REDRAWN = 1.0, 0.25  # seconds
CLEAR = "\r\033[K"


@dataclass(frozen=True)
class Voice:
    """How much a command says on stderr."""

    quiet: bool
    verbose: bool
    drawn: list["_ProgressLine"] = field(default_factory=list, repr=False, compare=False)

    def say(self, message: str) -> None:
        """A message for a person, unless --quiet."""
        if not self.quiet:
            click.echo(f"{CLEAR if self.drawn else ''}{message}", err=True)

    def detail(self, message: str) -> None:
        """A message that only --verbose shows."""
        if self.verbose:
            self.say(message)

    def say_some(self, messages: list[str], most: int = 20) -> None:
        """The first messages, and how many more there are; all of them with --verbose."""
        shown = messages if self.verbose else messages[:most]
        for message in shown:
            self.say(message)
        if len(shown) < len(messages):
            self.say(f"... and {len(messages) - len(shown):,} more lines; --verbose shows them all")

    def speak_for(self, library: str) -> None:
        """Say what the library logs: warnings such as a repeated request, all with --verbose."""
        logger = logging.getLogger(library)
        for handler in [each for each in logger.handlers if isinstance(each, _Speaker)]:
            logger.removeHandler(handler)  # of an earlier command in the same process
        level = logging.ERROR if self.quiet else logging.INFO if self.verbose else logging.WARNING
        logger.addHandler(_Speaker(self, level))
        logger.setLevel(level)

    @contextmanager
    def progress(self, label: str) -> Iterator["_Progress"]:
        """A line on stderr from the first second on; silent where stderr is no terminal.

        Yields a function that takes how many more are done; its methods take how many are expected
        and how many failed. The line moves on its own, so that a step which counts nothing is seen to
        be alive as well.
        """
        if self.quiet or not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
            yield _Progress(label)
            return
        line = _ProgressLine(label)
        line.start()
        self.drawn.append(line)
        try:
            yield line
        finally:
            self.drawn.remove(line)
            line.finish()


class _Speaker(logging.Handler):
    """A handler of log records that says them with a voice."""

    def __init__(self, voice: Voice, level: int) -> None:
        super().__init__(level)
        self.voice = voice

    def emit(self, record: logging.LogRecord) -> None:
        self.voice.say(record.getMessage())


@dataclass
class _Progress:
    """What is told of a step under way; nobody sees it."""

    label: str
    count: int = 0
    expected: int = 0
    failures: int = 0

    def __call__(self, number: int) -> None:
        self.count += number

    def done(self, number: int) -> None:
        """So many more are done."""
        self.count += number

    def expect(self, number: int) -> None:
        """So many more are to be done."""
        self.expected = self.count + number

    def failed(self, number: int) -> None:
        """So many of these failed."""
        self.failures += number


@dataclass
class _ProgressLine(_Progress):
    """The same as a line on stderr."""

    started: float = field(default_factory=time.monotonic)
    finished: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        self.thread = threading.Thread(target=self._draw, daemon=True)
        self.thread.start()

    def finish(self) -> None:
        self.finished.set()
        self.thread.join()

    def _draw(self) -> None:
        if self.finished.wait(FIRST_SHOWN):
            return
        while not self.finished.wait(REDRAWN):
            click.echo(f"{CLEAR}{self.text(time.monotonic())}", err=True, nl=False)
        click.echo(CLEAR, err=True, nl=False)

    def text(self, now: float) -> str:
        seconds = now - self.started
        if not self.count:
            return f"{self.label} ... {seconds:.0f} s"
        rate = self.count / seconds
        of = f" of {self.expected:,}" if self.expected else ""
        left = max(0.0, self.expected - self.count) / rate
        more = f", {left:.0f} s left" if self.expected else ""
        bad = f", {self.failures:,} failed" if self.failures else ""
        return f"{self.label} ... {self.count:,}{of} ({rate:,.0f} per second{more}{bad})"


class Pipe:
    """stdout or stderr that goes on in silence once it cannot be written any more.

    `imnm-fhir validate build/madrid | head -1` closes the pipe early: the work goes on, and the exit
    code remains the verdict. `lost` is why, where it is another reason, such as a full disk.
    """

    def __init__(self, stream: TextIO) -> None:
        """Take the place of `stream`."""
        self._stream = stream
        self.lost: OSError | None = None

    def write(self, text: str) -> int:
        """Write `text` as the stream does."""
        try:
            return self._stream.write(text)
        except OSError as error:
            self._drop(error)
            return len(text)

    def flush(self) -> None:
        """Flush the stream."""
        try:
            self._stream.flush()
        except OSError as error:
            self._drop(error)

    def _drop(self, error: OSError) -> None:
        with open(os.devnull, "w", encoding="utf-8") as nowhere:
            os.dup2(nowhere.fileno(), self._stream.fileno())
        if not isinstance(error, BrokenPipeError):
            self.lost = error

    def __getattr__(self, name: str) -> Any:
        """Anything else is the stream's own."""
        return getattr(self._stream, name)
