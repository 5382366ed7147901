"""The command line in this process: the real main() with its exit code, stdout and stderr."""

import contextlib
import io
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from imnm_fhir.cli.main import main


@dataclass(frozen=True)
class Ran:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def messages(self) -> list[str]:
        """The lines on stderr."""
        return self.err.splitlines()


def run(*arguments: str | Path) -> Ran:
    """Run `imnm-fhir` with these arguments in the current folder."""
    out, err = io.StringIO(), io.StringIO()
    before, code = sys.argv, None
    sys.argv = ["imnm-fhir", *map(str, arguments)]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main()
    except SystemExit as left:
        code = left.code
    finally:
        sys.argv = before
    assert isinstance(code, int), f"left with {code!r}"
    return Ran(code, out.getvalue(), err.getvalue())


def done(*arguments: str | Path) -> Ran:
    """Run `imnm-fhir`, which must leave with 0."""
    ran = run(*arguments)
    assert ran.code == 0, f"{arguments}: {ran}"
    return ran


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder with its bytes: what must be as it was."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in _files(folder)}


def _files(folder: Path) -> Iterator[Path]:
    for top, _, names in os.walk(folder):
        yield from (Path(top) / name for name in names)


# Python that runs the command in a process of its own, after whatever stands before main().
MAIN = "import sys; from imnm_fhir.cli.main import main; sys.argv[0] = 'imnm-fhir'; "


def run_python(code: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Python code in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
