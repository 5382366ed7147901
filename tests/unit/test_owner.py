"""What its owner alone may read, and where the temporary folders of ours are found again."""

import os
from pathlib import Path

import pytest

from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.owner import (
    is_open_to_others,
    make_private_file,
    make_private_folder,
    temporary_folder,
    temporary_folders,
    user_name,
)

PACKAGE = Path(__file__).resolve().parents[2] / "imnm_fhir"


def test_files_and_folders_are_their_owners_alone(tmp_path: Path) -> None:
    folder = tmp_path / "one" / "two"
    make_private_folder(folder, "choose another")
    make_private_file(folder / "file")
    with temporary_folder() as temporary:
        assert [
            is_open_to_others(each.stat()) for each in (folder, folder / "file", temporary)
        ] == [
            False,
            False,
            False,
        ]
    (folder / "file").chmod(0o640)
    assert is_open_to_others((folder / "file").stat()) == (os.name == "posix")


def test_a_file_that_is_there_is_not_taken(tmp_path: Path) -> None:
    make_private_file(tmp_path / "file")
    with pytest.raises(FileExistsError):
        make_private_file(tmp_path / "file")


def test_a_folder_that_cannot_be_made_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ImnmFhirError, match=r"cannot be made .*; choose another --out"):
        make_private_folder(tmp_path / "file", "choose another --out")


def test_a_temporary_folder_is_found_while_it_is_there() -> None:
    with temporary_folder() as folder:
        assert folder in temporary_folders()
    assert not folder.exists()


def test_every_temporary_folder_is_made_where_a_withdrawal_finds_it() -> None:
    """But those beside what they are for, which are named by their `dir`."""
    makers = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        for line in path.read_text("utf-8").splitlines()
        if ("TemporaryDirectory(" in line or "mkdtemp(" in line) and "dir=" not in line
    }
    assert makers == {"owner.py"}


def test_a_user_without_a_name_has_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def nameless() -> str:
        raise OSError("no username set in the environment")

    monkeypatch.setattr("getpass.getuser", nameless)
    assert user_name() == (str(os.getuid()) if hasattr(os, "getuid") else "unknown")
