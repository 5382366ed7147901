"""Runs the commands in the pages and puts what they really print below them.

In a page, a block

    ```console
    $ imnm-fhir elements --search ck
    ```

is run as it stands (our own commands in this process), in a folder that holds the files of both
synthetic sites, and its output replaces the old one. A block below
`<!-- file: site.toml -->` is first written to that file.

`python docs/run_examples.py` runs all pages, with names only these; `make docs` calls it, too.
tests/acceptance/test_cli_pages.py fails when a page shows what the commands no longer print.
"""

import io
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from unittest import mock

from imnm_fhir.cli.main import main as main_of_the_command

DOCS = Path(__file__).resolve().parent
DATA = DOCS.parent / "imnm_fhir" / "demo_data"
BLOCK = re.compile(
    r"^<!-- file: (?P<name>\S+) -->\n\n?```\w*\n(?P<content>.*?)^```$"
    r"|(?<=^```console\n)(?P<commands>.*?)(?=^```$)",
    re.MULTILINE | re.DOTALL,
)

OURS = re.compile(
    r"(?P<words>imnm-fhir [^|&;<>$*]+)(?:> (?P<file>\S+))?"
)  # nothing for a shell to do


def pages() -> list[Path]:
    """The pages that show commands with what they print."""
    return [
        path for path in sorted(DOCS.rglob("*.md")) if "```console\n" in path.read_text("utf-8")
    ]


def rerun(text: str) -> str:
    """The text of a page with every block's output as it is today."""
    with tempfile.TemporaryDirectory(prefix="imnm-fhir-") as temporary:
        folder = Path(temporary)
        for name in ("madrid16.csv", "madrid16_es.csv"):
            shutil.copy(DATA / "madrid" / name, folder)
        shutil.copytree(DATA / "freiburg" / "delivery_1", folder / "first")
        shutil.copytree(DATA / "freiburg" / "delivery_2", folder, dirs_exist_ok=True)
        return BLOCK.sub(lambda block: _do(block, folder), text)


def _do(block: re.Match[str], folder: Path) -> str:
    if block["name"]:
        (folder / block["name"]).write_text(block["content"], "utf-8")
        return block[0]
    commands = [line for line in block["commands"].splitlines() if line.startswith("$ ")]
    return "".join(f"{command}\n{_run(command[2:], folder)}" for command in commands)


def _run(command: str, folder: Path) -> str:
    """What a command prints on both streams, and its exit code where that is not 0."""
    with _surroundings(folder):
        ours = OURS.fullmatch(command)
        code, printed = _in_this_process(ours) if ours else _in_a_shell(command)
    shown = "\n".join(line.rstrip() for line in printed.splitlines())
    if code in (70, 127):
        raise SystemExit(f"{command}: left with {code}:\n{shown}")
    return (f"{shown}\n" if shown else "") + (f"[exit code {code}]\n" if code else "")


@contextmanager
def _surroundings(folder: Path) -> Iterator[None]:
    """The folder and the environment that a command finds, whoever runs this script."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("IMNM_")}
    path = str(Path(sys.executable).parent) + os.pathsep + os.environ["PATH"]
    environment = {**kept, "PATH": path, "LANG": "C.UTF-8", "COLUMNS": "100"}
    with chdir(folder), mock.patch.dict(os.environ, environment, clear=True):
        yield


def _in_this_process(command: re.Match[str]) -> tuple[int, str]:
    """Our own command by its real main(), so that what takes seconds to import is imported once."""
    both = io.StringIO()
    words = mock.patch.object(sys, "argv", shlex.split(command["words"]))
    with open(command["file"] or os.devnull, "w", encoding="utf-8") as file:
        with redirect_stdout(file if command["file"] else both), redirect_stderr(both), words:
            try:
                main_of_the_command()
            except SystemExit as left:
                return int(left.code or 0), both.getvalue()
    raise AssertionError("main() leaves with a code")


def _in_a_shell(command: str) -> tuple[int, str]:
    ran = subprocess.run(
        ["sh", "-c", command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=False,
    )
    return ran.returncode, ran.stdout


def main() -> None:
    """Run the pages that are named, or all, and write those that changed."""
    for path in [Path(name).resolve() for name in sys.argv[1:]] or pages():
        before = path.read_text("utf-8")
        after = rerun(before)
        if after != before:
            path.write_text(after, "utf-8")
            print(f"written: {path.relative_to(DOCS.parent)}", file=sys.stderr)


if __name__ == "__main__":
    main()
