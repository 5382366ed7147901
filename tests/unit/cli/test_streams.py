"""What goes to which stream: data, messages, progress, logs; pipes, encodings, terminals, completion."""

import logging
import os
import pty
import subprocess
import sys
import time
from pathlib import Path

import pytest

from imnm_fhir.cli.output import Pipe, Voice, _ProgressLine
from tests.acceptance.command_line import MAIN, run, run_python


def test_data_on_stdout_and_nothing_else() -> None:
    ran = run("elements", "--search", "ck")
    assert (ran.code, ran.err) == (0, "")
    assert "ck " in ran.out


def test_reader_that_stops_early_ends_nothing() -> None:
    """The work goes on and its exit code stays the verdict, here that of two cohorts that differ."""
    code = MAIN + (
        "import imnm_fhir.cohort as c, imnm_fhir.compare as p; c.read_cohort = lambda folder: None; "
        "d = p.Difference('patients', 's', 'p', None, None, None, 'sex'); "
        "p.compare = lambda a, b: [d] * 100_000; main()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, "compare", "a", "b"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    assert process.stdout is not None and process.stderr is not None
    assert process.stdout.readline() == "patients / s / p: sex\n"
    process.stdout.close()
    said = process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=60) == 1
    assert said == "100,000 differences\n"


def test_full_disk_under_the_output_is_one_line() -> None:
    with open("/dev/full", "w", encoding="utf-8") as full:
        ran = subprocess.run(
            [sys.executable, "-m", "imnm_fhir.cli", "elements"],
            stdout=full,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            check=False,
        )
    assert ran.returncode == 3
    (line,) = ran.stderr.splitlines()
    assert line.startswith("imnm-fhir: the output cannot be written: No space left")


def test_help_into_a_closed_pipe() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    ran = subprocess.run(
        [sys.executable, "-m", "imnm_fhir.cli", "elements", "--help"],
        stdout=writing,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        check=False,
    )
    os.close(writing)
    assert (ran.returncode, ran.stderr) == (0, "")


def test_poor_encoding_loses_nothing() -> None:
    ran = run_python(MAIN + "main()", "elements", "--language", "es", PYTHONIOENCODING="iso8859-5")
    assert ran.returncode == 0, ran.stderr
    assert "\\xf3" in ran.stdout  # the ó that this encoding lacks


def on_a_terminal(*arguments: str, **environment: str) -> str:
    """What a command shows where all three streams are a terminal."""
    shown = bytearray()

    def collect(descriptor: int) -> bytes:
        read = os.read(descriptor, 4096)
        shown.extend(read)
        return b""

    before = dict(os.environ)
    os.environ.update(environment)
    try:
        pty.spawn([sys.executable, "-m", "imnm_fhir.cli", *arguments], collect)
    finally:
        os.environ.clear()
        os.environ.update(before)
    return shown.decode("utf-8")


def test_no_color_is_honoured_on_a_terminal() -> None:
    shown = on_a_terminal("elements", "--search", "ck", NO_COLOR="1", TERM="xterm-256color")
    assert "ck" in shown
    assert "\x1b[" not in shown


# ------------------------------------------------------------------------------ voice


def test_quiet_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    voice = Voice(quiet=True, verbose=True)
    voice.say("a message")
    voice.detail("a detail")
    voice.say_some(["one", "two"], most=1)
    assert capsys.readouterr() == ("", "")


def test_messages_go_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    Voice(quiet=False, verbose=False).say("a message")
    Voice(quiet=False, verbose=False).detail("a detail")
    Voice(quiet=False, verbose=True).detail("another")
    assert capsys.readouterr() == ("", "a message\nanother\n")


def test_long_list_is_cut_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    lines = [f"line {n}" for n in range(1500)]
    Voice(quiet=False, verbose=False).say_some(lines, most=2)
    assert capsys.readouterr().err.splitlines() == [
        "line 0", "line 1", "... and 1,498 more lines; --verbose shows them all",
    ]  # fmt: skip
    Voice(quiet=False, verbose=True).say_some(lines, most=2)
    assert capsys.readouterr().err.splitlines() == lines


class Terminal:
    """A stream that says it is a terminal and remembers what it was given."""

    def __init__(self) -> None:
        self.shown = ""

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self.shown += text
        return len(text)

    def flush(self) -> None:
        pass


@pytest.mark.parametrize(
    ("quiet", "term", "seconds", "seen"),
    [
        (False, "xterm", 0.6, True),
        (False, "xterm", 0.0, False),  # done at once: nothing to see
        (True, "xterm", 0.6, False),
        (False, "dumb", 0.6, False),
    ],
)
def test_progress_on_a_terminal(
    quiet: bool, term: str, seconds: float, seen: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", term)
    monkeypatch.setattr("imnm_fhir.cli.output.FIRST_SHOWN", 0.1)
    monkeypatch.setattr("imnm_fhir.cli.output.REDRAWN", 0.05)
    with Voice(quiet, verbose=False).progress("cells") as advance:
        advance(1500)
        time.sleep(seconds)
    assert ("cells ... 1,500" in terminal.shown) is seen
    assert not terminal.shown or terminal.shown.endswith("\r\033[K")  # and then it is gone


def test_progress_tells_rate_time_left_and_failures() -> None:
    line = _ProgressLine("resources")
    assert line.text(line.started + 2) == "resources ... 2 s"
    line.done(100)
    line.expect(900)
    line.done(300)
    line.failed(3)
    told = line.text(line.started + 4)
    assert told == "resources ... 400 of 1,000 (100 per second, 6 s left, 3 failed)"


def test_progress_is_silent_where_stderr_is_no_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imnm_fhir.cli.output.FIRST_SHOWN", 0.0)
    with Voice(quiet=False, verbose=False).progress("cells") as advance:
        advance(1)
    assert capsys.readouterr() == ("", "")


def test_library_speaks_with_the_voice_of_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    logger = logging.getLogger("planted")
    said = []
    for quiet, verbose in ((False, False), (True, False), (False, True)):
        Voice(quiet, verbose).speak_for("planted")
        logger.info("a detail")
        logger.warning("a warning")
        said.append(capsys.readouterr().err.split("\n")[:-1])
    assert said == [["a warning"], [], ["a detail", "a warning"]]


def test_message_during_progress_has_a_line_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    voice = Voice(quiet=False, verbose=False)
    with voice.progress("cells"):
        voice.say("a message")
    voice.say("another")
    assert terminal.shown == "\r\x1b[Ka message\nanother\n"


def test_pipe_keeps_what_it_does_not_replace() -> None:
    pipe = Pipe(sys.__stdout__)  # type: ignore[arg-type]
    assert pipe.encoding == sys.__stdout__.encoding  # type: ignore[union-attr]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shell_completion_as_documented(shell: str, repository: Path) -> None:
    page = (repository / "docs" / "how-to" / "shell-completion.md").read_text("utf-8")
    assert f"_IMNM_FHIR_COMPLETE={shell}_source imnm-fhir" in page
    ran = run_python(MAIN + "main()", _IMNM_FHIR_COMPLETE=f"{shell}_source")
    assert ran.returncode == 0, ran.stderr
    assert "imnm-fhir" in ran.stdout and f"{shell}_complete" in ran.stdout


def test_shell_completes_commands_and_options() -> None:
    def completed(words: str) -> list[str]:
        asked = {"_IMNM_FHIR_COMPLETE": "bash_complete", "COMP_WORDS": words}
        place = str(len(words.split()) - 1)
        ran = run_python(MAIN + "main()", COMP_CWORD=place, **asked)
        return [line.split(",")[1] for line in ran.stdout.splitlines()]

    assert completed("imnm-fhir ha") == ["harmonise"]
    assert "--search" in completed("imnm-fhir elements --se")
