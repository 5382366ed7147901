"""Runs the commands in the pages and puts what they really print below them.

In a page, a block

    ```console
    $ imnm-fhir elements --search ck
    ```

is run as it stands, in a folder that holds the files of both synthetic sites, and its output replaces
the old one. A block below `<!-- file: site.toml -->` is first written to that file.

`python docs/run_examples.py` runs all pages, with names only these; `make docs` calls it, too.
tests/acceptance/test_cli_pages.py fails when a page shows what the commands no longer print.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

DOCS = Path(__file__).resolve().parent
DATA = DOCS.parent / "imnm_fhir" / "demo_data"
BLOCK = re.compile(
    r"^<!-- file: (?P<name>\S+) -->\n\n?```\w*\n(?P<content>.*?)^```$"
    r"|(?<=^```console\n)(?P<commands>.*?)(?=^```$)",
    re.MULTILINE | re.DOTALL,
)


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
    here = str(Path(sys.executable).parent)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("IMNM_")},
        "PATH": here + os.pathsep + os.environ["PATH"],
        "LANG": "C.UTF-8",
        "COLUMNS": "100",
    }
    ran = subprocess.run(
        ["sh", "-c", command],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=False,
    )
    shown = "\n".join(line.rstrip() for line in ran.stdout.splitlines())
    code = f"[exit code {ran.returncode}]\n" if ran.returncode else ""
    if ran.returncode in (70, 127):
        raise SystemExit(f"{command}: left with {ran.returncode}:\n{shown}")
    return (f"{shown}\n" if shown else "") + code


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
