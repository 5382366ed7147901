"""Every command: help, options, streams. Every way to leave: the exit code of the one table."""

import logging
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib.metadata import entry_points
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from imnm_fhir import elements, errors
from imnm_fhir.cli.main import COMMANDS, EXIT_CODES, imnm_fhir, main
from imnm_fhir.cli.output import Pipe, Voice

HEAVY = {
    "duckdb", "fhir", "great_expectations", "great_tables", "matplotlib", "numpy", "openpyxl",
    "pandas", "pyarrow", "requests", "rich",
}  # fmt: skip
EXAMPLE = re.compile(r"^ +Example: (imnm-fhir .*)$", re.MULTILINE)
RUN = "import sys; from imnm_fhir.cli.main import main; sys.argv[0] = 'imnm-fhir'; "


def run_python(code: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Python code in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


@pytest.fixture
def leave(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., tuple[int, str, str]]]:
    """A call of main() with arguments, in this process: exit code, stdout, stderr."""
    monkeypatch.setattr(sys, "stdout", sys.stdout)  # main takes their place; they come back
    monkeypatch.setattr(sys, "stderr", sys.stderr)

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["imnm-fhir", *arguments])
        with pytest.raises(SystemExit) as left:
            main()
        captured = capsys.readouterr()
        assert isinstance(left.value.code, int)
        return left.value.code, captured.out, captured.err

    yield call


def raising(error: BaseException) -> Callable[..., str]:
    """A function that raises `error` whatever it is given."""

    def function(*_: object, **__: object) -> str:
        raise error

    return function


@pytest.mark.parametrize("name", COMMANDS)
def test_help_has_one_real_example(name: str) -> None:
    shown = CliRunner().invoke(imnm_fhir, [name, "--help"])
    assert shown.exit_code == 0
    (example,) = EXAMPLE.findall(shown.output)
    _, command, *arguments = example.split()
    assert command == name
    # It parses: every option exists, every required one is there.
    imnm_fhir.get_command(click.Context(imnm_fhir), name).make_context(name, arguments)  # type: ignore[union-attr]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_says_what_it_does(name: str) -> None:
    command = imnm_fhir.get_command(click.Context(imnm_fhir), name)
    assert command is not None and command.help
    options = {o.name: o for o in command.params if isinstance(o, click.Option)}
    assert {"quiet", "verbose"} <= options.keys()
    assert [name for name, option in options.items() if not option.help] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_first_sentence_fits_into_the_list_of_commands(name: str) -> None:
    listed = CliRunner().invoke(imnm_fhir, ["--help"], terminal_width=80).output
    (line,) = re.findall(rf"^  {name} +(.*)$", listed, re.MULTILINE)
    assert line.endswith(".") and not line.endswith("...")


@pytest.mark.parametrize("name", COMMANDS)
def test_command_has_a_section_in_the_docs(name: str, repository: Path) -> None:
    page = (repository / "docs" / "reference" / "commands.md").read_text("utf-8")
    assert f"\n## imnm-fhir {name}\n" in page


def test_help_imports_nothing_heavy() -> None:
    code = f"""
import sys
from click.testing import CliRunner
from imnm_fhir.cli.main import COMMANDS, imnm_fhir
for words in ([], *([name] for name in COMMANDS)):
    assert CliRunner().invoke(imnm_fhir, [*words, "--help"]).exit_code == 0
print(sorted({{name.split(".")[0] for name in sys.modules}} & {HEAVY!r}))
"""
    ran = run_python(code)
    assert ran.stdout.strip() == "[]", ran.stderr


def test_program_and_module_are_the_same_command() -> None:
    (program,) = entry_points(group="console_scripts", name="imnm-fhir")
    assert program.load() is main
    answer = subprocess.run(
        [sys.executable, "-m", "imnm_fhir.cli", "--help"],
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    assert answer.stdout.startswith("Usage: imnm-fhir ")


def test_version() -> None:
    shown = CliRunner().invoke(imnm_fhir, ["--version"])
    assert re.search(r"\d+\.\d+\.\d+", shown.output)


# ------------------------------------------------------------------------------ exit codes


def subclasses(kind: type[errors.ImnmFhirError]) -> Iterator[type[errors.ImnmFhirError]]:
    yield kind
    for inner in kind.__subclasses__():
        yield from subclasses(inner)


def test_every_error_has_an_exit_code_of_the_table() -> None:
    assert {kind.exit_code for kind in subclasses(errors.ImnmFhirError)} <= EXIT_CODES.keys()


def test_docs_show_the_same_table(repository: Path) -> None:
    page = (repository / "docs" / "reference" / "exit-codes.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| (\d+) \| (.*?) \|", page, re.MULTILINE))
    assert rows == {str(code): meaning for code, meaning in EXIT_CODES.items()}


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.FindingsError("madrid: findings"), 1),
        (errors.UsageError("wrong option"), 2),
        (errors.ImnmFhirError("ck.csv, row 3: ragged"), 3),
        (errors.Problems("site.toml:", ["line 1: a", "line 2: b"]), 3),
        (errors.ServerError("server is away"), 4),
    ],
)
def test_mistake_of_a_user_is_one_line_and_no_traceback(
    error: errors.ImnmFhirError,
    code: int,
    leave: Callable[..., tuple[int, str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(elements, "list_elements", raising(error))
    assert leave("elements") == (code, "", f"imnm-fhir: {error}\n")


def test_bug_shows_its_traceback(
    leave: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(elements, "list_elements", raising(ZeroDivisionError("planted")))
    code, out, err = leave("elements")
    assert (code, out) == (70, "")
    assert "Traceback" in err and "ZeroDivisionError: planted" in err
    assert err.splitlines()[-1].startswith("imnm-fhir: a bug")


@pytest.mark.parametrize(
    "error",
    [
        KeyboardInterrupt(),
        click.exceptions.Abort(),
        RuntimeError("counting the rows failed: KeyboardInterrupt: "),  # as DuckDB says it
    ],
)
def test_interruption(
    error: BaseException,
    leave: Callable[..., tuple[int, str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(elements, "list_elements", raising(error))
    code, out, err = leave("elements")
    assert (code, out) == (130, "")
    assert err.strip().startswith("imnm-fhir: interrupted")
    assert "Traceback" not in err


def test_ctrl_c_for_real() -> None:
    code = RUN + (
        "import time; import imnm_fhir.elements as e; "
        "e.list_elements = lambda *_: (print('started', flush=True), time.sleep(60)); main()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, "elements"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    assert process.stdout is not None and process.stdout.readline() == "started\n"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "interrupted" in err and "Traceback" not in err


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["elements", "--nonsense"],
        ["elements", "ck", "--search", "ck"],
        ["elements", "--language", "xx"],
        ["elements", "--search", "no such words"],
        ["harmonise", "a.csv"],
        ["export", "a", "--to", "b", "--bundle-size", "0"],
        [],
    ],
)
def test_wrong_call_is_usage(
    arguments: list[str], leave: Callable[..., tuple[int, str, str]]
) -> None:
    code, out, err = leave(*arguments)
    assert (code, out) == (2, "")
    assert err and "Traceback" not in err


# ------------------------------------------------------------------------------ streams


def test_data_on_stdout_and_nothing_else(leave: Callable[..., tuple[int, str, str]]) -> None:
    code, out, err = leave("elements", "--search", "ck")
    assert (code, err) == (0, "")
    assert "ck " in out


def test_reader_that_stops_early_ends_nothing() -> None:
    """The work goes on and its exit code stays the verdict, here that of two cohorts that differ."""
    code = RUN + (
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
    ran = run_python(RUN + "main()", "elements", "--language", "es", PYTHONIOENCODING="iso8859-5")
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
    ran = run_python(RUN + "main()", _IMNM_FHIR_COMPLETE=f"{shell}_source")
    assert ran.returncode == 0, ran.stderr
    assert "imnm-fhir" in ran.stdout and f"{shell}_complete" in ran.stdout


def test_shell_completes_commands_and_options() -> None:
    def completed(words: str) -> list[str]:
        asked = {"_IMNM_FHIR_COMPLETE": "bash_complete", "COMP_WORDS": words}
        place = str(len(words.split()) - 1)
        ran = run_python(RUN + "main()", COMP_CWORD=place, **asked)
        return [line.split(",")[1] for line in ran.stdout.splitlines()]

    assert completed("imnm-fhir ha") == ["harmonise"]
    assert "--search" in completed("imnm-fhir elements --se")
