"""Every command: help, options. Every way to leave: the exit code of the one table."""

import errno
import importlib
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType

import click
import pytest
from click.testing import CliRunner

from imnm_fhir import elements, errors
from imnm_fhir.cli.main import COMMANDS, EXIT_CODES, imnm_fhir, main
from tests.acceptance.command_line import MAIN, Ran, run, run_python

HEAVY = {
    "babel", "duckdb", "fhir", "great_expectations", "great_tables", "joserfc", "keyring", "matplotlib",
    "numpy", "openpyxl", "pandas", "pyarrow", "requests", "rich",
}  # fmt: skip
EXAMPLE = re.compile(r"^ +Example: (imnm-fhir .*)$", re.MULTILINE)


def parts(ran: Ran) -> tuple[int, str, str]:
    """Exit code, stdout, stderr."""
    return ran.code, ran.out, ran.err


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


def leaves(command: click.Command, name: str) -> dict[str, click.Command]:
    """The command, or those of the group, by what a user types."""
    if not isinstance(command, click.Group):
        return {name: command}
    return {
        words: each
        for part, inner in command.commands.items()
        for words, each in leaves(inner, f"{name} {part}").items()
    }


LEAVES = {
    words: each
    for name in COMMANDS
    for words, each in leaves(imnm_fhir.get_command(click.Context(imnm_fhir), name), name).items()  # type: ignore[arg-type]
}


@pytest.mark.parametrize("name", [words for words in LEAVES if " " in words])
def test_help_of_a_command_in_a_group_has_one_real_example(name: str) -> None:
    shown = CliRunner().invoke(imnm_fhir, [*name.split(), "--help"])
    (example,) = EXAMPLE.findall(shown.output)
    _, *words = shlex.split(example)
    assert " ".join(words[:2]) == name
    LEAVES[name].make_context(name, words[2:])


@pytest.mark.parametrize("name", LEAVES)
def test_every_option_says_what_it_does(name: str) -> None:
    command = LEAVES[name]
    assert command.help
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
    for words in LEAVES:
        assert f" imnm-fhir {words}\n" in page


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


@pytest.mark.parametrize("words", [[], ["export"], ["doctor"]])
def test_help_loads_no_room_of_the_library(words: list[str]) -> None:
    code = f"""
import sys
from click.testing import CliRunner
from imnm_fhir.cli.main import imnm_fhir
assert CliRunner().invoke(imnm_fhir, [*{words}, "--help"]).exit_code == 0
print(*sorted({{name.split(".")[1] for name in sys.modules if name.startswith("imnm_fhir.")}}))
"""
    ran = run_python(code)
    assert set(ran.stdout.split()) <= {"cli", "errors", "languages"}, ran.stderr


def test_an_export_loads_neither_rules_nor_harmonising() -> None:
    code = """
import sys
from imnm_fhir import fhir, flow, transfer, validation
flow.export, flow.pass_gate, fhir.write_ndjson, validation.gate, transfer.transfer
print(*sorted(name for name in sys.modules if name.startswith("imnm_fhir.")))
"""
    ran = run_python(code)
    loaded = set(ran.stdout.split())
    assert "imnm_fhir.fhir.writing.ndjson" in loaded, ran.stderr
    for room in ("harmonise", "sites", "queries.record.states", "report", "readers", "validation.run",
                 "fhir.reading.bulk", "derive.cases"):  # fmt: skip
        assert {each for each in loaded if f"{each}.".startswith(f"imnm_fhir.{room}.")} == set()


@pytest.mark.parametrize("room", ["derive", "fhir", "flow", "validation", "withdrawal"])
def test_a_name_that_loads_later_is_there(room: str) -> None:
    package = importlib.import_module(f"imnm_fhir.{room}")
    for name in package.__all__:
        assert not isinstance(getattr(package, name), ModuleType), name
    with pytest.raises(AttributeError, match="has no attribute 'nothing_of_the_kind'"):
        getattr(package, "nothing_of_the_kind")  # noqa: B009


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


def test_ctrl_c_while_loading_is_one_line() -> None:
    code = """
import sys
class Interrupted:
    def find_spec(self, name, path=None, target=None):
        if name == "imnm_fhir.cli.options":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupted())
from imnm_fhir.cli import main
"""
    ran = run_python(code)
    assert (ran.returncode, ran.stdout) == (130, "")
    assert ran.stderr == "\nimnm-fhir: interrupted; nothing was begun\n"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            OSError(errno.EACCES, "Permission denied", "nd/P.ndjson"),
            "nd/P.ndjson: cannot be used: P",
        ),
        (
            OSError(errno.ENAMETOOLONG, "File name too long", "x" * 300),
            f"{'x' * 120}...: cannot be",
        ),
        (OSError(errno.EINVAL, "Invalid argument", "build/a?b"), "build/a?b: cannot be used: Inv"),
        (
            UnicodeEncodeError("utf-8", "\udcfc", 0, 1, "surrogates not allowed"),
            "the name of a file",
        ),
    ],
)
def test_what_a_disk_refuses_is_no_bug(
    error: Exception, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(elements, "list_elements", raising(error))
    code, out, err = parts(run("elements"))
    assert (code, out, err.count("\n")) == (3, "", 1)
    assert err.startswith(f"imnm-fhir: {said}")


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
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(elements, "list_elements", raising(error))
    assert parts(run("elements")) == (code, "", f"imnm-fhir: {error}\n")


def test_bug_shows_its_traceback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(elements, "list_elements", raising(ZeroDivisionError("planted")))
    code, out, err = parts(run("elements"))
    assert (code, out) == (70, "")
    assert "Traceback" in err and "ZeroDivisionError: planted" in err
    assert err.splitlines()[-1].startswith("imnm-fhir: a bug")


def wrapped(cause: BaseException) -> RuntimeError:
    error = RuntimeError("Error calling __set_name__ on an instance")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    "error",
    [
        KeyboardInterrupt(),
        click.exceptions.Abort(),
        RuntimeError("counting the rows failed: KeyboardInterrupt: "),  # as DuckDB says it
        wrapped(KeyboardInterrupt()),  # as Python does while it makes a class
    ],
)
def test_interruption(
    error: BaseException,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(elements, "list_elements", raising(error))
    code, out, err = parts(run("elements"))
    assert (code, out) == (130, "")
    assert err.strip().startswith("imnm-fhir: interrupted")
    assert "Traceback" not in err


def test_ctrl_c_for_real() -> None:
    code = MAIN + (  # a shell that runs us in the background lets its children ignore Ctrl-C
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
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


def test_ctrl_c_before_the_command_was_found(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module = sys.modules[main.__module__]
    monkeypatch.setattr(module, "Pipe", raising(KeyboardInterrupt()))
    monkeypatch.setattr("atexit.register", lambda *_: None)
    with pytest.raises(SystemExit) as verdict:
        main()
    assert verdict.value.code == 130
    assert capsys.readouterr().err.startswith("imnm-fhir: interrupted")


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
    arguments: list[str],
) -> None:
    code, out, err = parts(run(*arguments))
    assert (code, out) == (2, "")
    assert err and "Traceback" not in err


@pytest.mark.parametrize(
    ("given", "said"),
    [("harmonize", "did you mean harmonise?"), ("xyzzy", "see imnm-fhir --help")],
)
def test_an_unknown_command_is_told_what_is_near(given: str, said: str) -> None:
    code, out, err = parts(run(given))
    assert (code, out, said in err) == (2, "", True)


def test_a_sites_file_is_no_fhir(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id\n1\n")
    code, _, err = parts(run("import", str(tmp_path / "a.csv"), "--out", str(tmp_path / "out")))
    assert (code, "read it with imnm-fhir harmonise" in err) == (3, True)


def test_our_fhir_definitions_are_written_for_servers_and_validators(tmp_path: Path) -> None:
    code, out, err = parts(run("elements", "--definitions", tmp_path / "definitions"))
    kinds = {path.name.partition("-")[0] for path in (tmp_path / "definitions").glob("*.json")}
    assert (code, out) == (0, "") and "definitions written" in err
    assert kinds == {"CodeSystem", "StructureDefinition", "ValueSet"}
    assert parts(run("elements", "ck", "--definitions", tmp_path))[0] == 2
