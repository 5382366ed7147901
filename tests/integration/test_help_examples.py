"""The examples that the help shows of commands that need a server, run as they stand."""

from pathlib import Path

import click
import pytest

from imnm_fhir.cli.main import imnm_fhir
from imnm_fhir.cohort import write_cohort
from imnm_fhir.flow import export
from imnm_fhir.validation import validate_folder
from tests.acceptance.command_line import done
from tests.unit.small_cohort import cohort, person

SITE = "help-examples"


@pytest.fixture
def folder(fhir_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a cohort that the server holds, and the name of one patient in a file."""
    monkeypatch.chdir(tmp_path)
    made = cohort(person("PAT-1"), person("PAT-2"), name=SITE)
    write_cohort(made, Path("build/madrid"))
    validate_folder(Path("build/madrid"))
    assert not export([Path("build/madrid")], fhir_server).failures
    Path("who.txt").write_text(f"{SITE}/PAT-1\n", "utf-8")
    return tmp_path


@pytest.mark.parametrize("name", ["doctor", "verify", "withdraw"])
def test_example_runs(name: str, folder: Path, fhir_server: str) -> None:
    command = imnm_fhir.get_command(click.Context(imnm_fhir), name)
    assert command is not None and command.epilog is not None
    _, *words = command.epilog.split("Example: ")[1].split()
    done(*[fhir_server if "://" in word else word for word in words])
