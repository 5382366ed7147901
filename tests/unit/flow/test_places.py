"""What a user names as the place that data come from or go to."""

from pathlib import Path

import pytest

from imnm_fhir.errors import UsageError
from imnm_fhir.flow import is_url


@pytest.mark.parametrize("url", ["https://fhir.example.org/fhir", "http://localhost:8080/fhir"])
def test_an_address_is_one(url: str) -> None:
    assert is_url(url)


@pytest.mark.parametrize(
    "folder", ["build/fhir", "fhir", "./fhir.example.org/fhir", "../out.v2/x", "C:\\out", "a.json"]
)
def test_a_folder_is_none(folder: str) -> None:
    assert not is_url(folder)


@pytest.mark.parametrize(
    "target", ["fhir.example.org/fhir", "localhost:8080", "localhost:8080/fhir", "10.0.0.1:80/x"]
)
def test_an_address_without_its_scheme_is_not_taken_for_a_folder(target: str) -> None:
    with pytest.raises(UsageError, match=f"write https://{target} for a server"):
        is_url(target)


def test_a_folder_that_is_there_is_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("out.data").mkdir()
    assert not is_url("out.data/fhir")
