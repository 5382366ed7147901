"""The verbs of the library: each is there, and is a function even after its room was imported."""

from pathlib import Path

import pytest

import imnm_fhir.compare
import imnm_fhir.harmonise  # noqa: F401
from imnm_fhir import api
from imnm_fhir.cli.main import COMMANDS


def test_every_verb_is_there_and_can_be_called() -> None:
    for name in api.__all__:
        assert callable(getattr(api, name)), name


def test_every_command_has_verbs_in_the_library() -> None:
    assert list(api.VERBS) == list(COMMANDS)
    named = {name for names in api.VERBS.values() for name in names}
    assert named <= set(api.__all__)


def test_an_unknown_verb_is_an_attribute_error() -> None:
    assert not hasattr(api, "harmonize")


def test_the_example_runs(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(repository / "imnm_fhir" / "demo_data" / "madrid")
    exec(str(api.__doc__).split("\n\n", 1)[1], {})
    assert "Table 1" in capsys.readouterr().out
