from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.pseudonyms import (
    KEY,
    KEY_FILE,
    check_fingerprint,
    fingerprint,
    pseudonym,
    read_pseudonym_key,
)

GOOD = "0123456789abcdef0123456789abcdef"
OTHER = "fedcba9876543210fedcba9876543210"


def manifest(key: str | None) -> dict[str, object]:
    made = fingerprint(key.encode()) if key else None
    return {"sites": {"madrid": {"pseudonym": {"fingerprint": made}}}}


def test_no_variable_is_no_key() -> None:
    assert read_pseudonym_key({}) is None


def test_key_from_environment_and_file_are_the_same(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text(GOOD + "\n")
    path.chmod(0o600)
    assert read_pseudonym_key({KEY: GOOD}) == read_pseudonym_key({KEY_FILE: str(path)})


def test_both_variables_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ImnmFhirError, match="both set"):
        read_pseudonym_key({KEY: GOOD, KEY_FILE: "x"})


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_file_open_to_others_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "key"
    path.write_text(GOOD)
    path.chmod(mode)
    with pytest.raises(ImnmFhirError, match="chmod 600"):
        read_pseudonym_key({KEY_FILE: str(path)})


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ImnmFhirError, match="nothing-here"):
        read_pseudonym_key({KEY_FILE: str(tmp_path / "nothing-here")})


@pytest.mark.parametrize("text", ["short", GOOD[:31], "a" * 64, "   " + GOOD[:20] + "   "])
def test_weak_key_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(ImnmFhirError, match="too short or too plain") as caught:
        read_pseudonym_key({KEY: text})
    assert text.strip() not in str(caught.value).replace("too short", "")


def test_pseudonym_is_fixed_for_ever() -> None:
    assert pseudonym("MAD-01", GOOD.encode()) == "p63451d9220cf11d35593a462"
    assert pseudonym(" MAD-01 ", GOOD.encode()) == "p63451d9220cf11d35593a462"


@given(st.text(min_size=1), st.text(min_size=1))
def test_pseudonyms_differ_as_the_numbers_do(one: str, other: str) -> None:
    same = one.strip() == other.strip()
    assert (pseudonym(one, GOOD.encode()) == pseudonym(other, GOOD.encode())) is same


def test_another_key_makes_another_pseudonym() -> None:
    assert pseudonym("1", GOOD.encode()) != pseudonym("1", OTHER.encode())


def test_fingerprint_is_no_part_of_the_key() -> None:
    assert fingerprint(GOOD.encode()) not in GOOD
    assert fingerprint(GOOD.encode()) != fingerprint(OTHER.encode())


@pytest.mark.parametrize(("old", "new"), [(GOOD, OTHER), (GOOD, None), (None, GOOD)])
def test_another_key_for_the_same_site_is_refused(old: str | None, new: str | None) -> None:
    with pytest.raises(
        ImnmFhirError, match="madrid: the pseudonyms here were made with another key"
    ):
        check_fingerprint(manifest(old), manifest(new))


@pytest.mark.parametrize("old", [None, {"sites": {}}, {"sites": {"bonn": {}}}, manifest(GOOD)])
def test_the_same_key_or_a_new_site_is_fine(old: dict[str, object] | None) -> None:
    check_fingerprint(old, manifest(GOOD))
