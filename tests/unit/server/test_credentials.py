import traceback
from collections.abc import Mapping
from pathlib import Path

import pytest

from imnm_fhir.errors import UsageError
from imnm_fhir.server import Credentials, read_credentials

SECRET = "canary-5ecret"


def test_nothing_set_is_nobody() -> None:
    assert read_credentials({"IMNM_FHIR_TOKEN": ""}) == Credentials("none")
    assert Credentials().authorization() is None


def test_a_token_is_sent_as_bearer() -> None:
    assert read_credentials({"IMNM_FHIR_TOKEN": SECRET}).authorization() == f"Bearer {SECRET}"


def test_user_and_password_are_sent_as_basic() -> None:
    found = read_credentials({"IMNM_FHIR_USER": "Aladdin", "IMNM_FHIR_PASSWORD": "open sesame"})
    assert found.kind == "basic"
    assert found.authorization() == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="


@pytest.mark.parametrize("name", ["IMNM_FHIR_TOKEN", "IMNM_FHIR_PASSWORD"])
def test_secrets_come_from_a_file_of_ones_own(tmp_path: Path, name: str) -> None:
    path = tmp_path / "secret"
    path.write_text(f"{SECRET}\n")
    path.chmod(0o600)
    user = {"IMNM_FHIR_USER": "ana"} if "PASSWORD" in name else {}
    assert read_credentials({f"{name}_FILE": str(path), **user}).secret == SECRET


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_a_file_open_to_others_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "secret"
    path.write_text(SECRET)
    path.chmod(mode)
    with pytest.raises(UsageError, match="chmod 600"):
        read_credentials({"IMNM_FHIR_TOKEN_FILE": str(path)})


@pytest.mark.parametrize(
    "environ",
    [
        {"IMNM_FHIR_TOKEN": SECRET, "IMNM_FHIR_USER": "ana", "IMNM_FHIR_PASSWORD": SECRET},
        {"IMNM_FHIR_TOKEN": SECRET, "IMNM_FHIR_TOKEN_FILE": "token"},
        {"IMNM_FHIR_TOKEN": f"{SECRET}\nX-Injected: 1"},
        {"IMNM_FHIR_TOKEN_FILE": "no-such-file"},
        {"IMNM_FHIR_USER": "ana"},
        {"IMNM_FHIR_PASSWORD": SECRET},
        {"IMNM_FHIR_USER": "a:na", "IMNM_FHIR_PASSWORD": SECRET},
        {"IMNM_FHIR_USER": "ana", "IMNM_FHIR_PASSWORD": f"{SECRET}\x00"},
    ],
)
def test_what_contradicts_itself_is_refused_without_the_secret(environ: Mapping[str, str]) -> None:
    with pytest.raises(UsageError) as refused:
        read_credentials(environ)
    assert SECRET not in "".join(traceback.format_exception(refused.value))


def test_the_representation_holds_no_secret() -> None:
    assert repr(Credentials("basic", "ana", SECRET)) == "Credentials(kind='basic')"
