"""Environments of their own for the other tools that benchmarks measure beside ours, from locks with hashes."""

import subprocess
import sys
from pathlib import Path

from benchmarks.data import FOLDER

LOCKS = Path(__file__).parent / "locks"  # NAME.in says what is wanted, NAME.lock all that it needs
PYRATE = "fhir-pyrate"
OTHER_CLIENTS = ("fhirpy", "fhir-kindling")
INSTALL = ("-m", "pip", "install", "--quiet", "--require-hashes", "--no-deps", "--only-binary", ":all:")  # fmt: skip


def own_environment(name: str) -> Path:
    """The Python of an environment with this tool and what it needs, made once."""
    folder = FOLDER / name
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        subprocess.run([python, *INSTALL, "-r", LOCKS / f"{name}.lock"], check=True)
        (folder / "complete").touch()
    return python


def pinned(name: str) -> str:
    """The tool with its version, as `fhirpy==2.3.1`."""
    return (LOCKS / f"{name}.in").read_text("utf-8").splitlines()[0]
