import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path

import keyring
import keyring.backends.fail
import pytest
from keyring.backend import KeyringBackend

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


class Ring(KeyringBackend):
    """A keyring in memory."""

    priority = 1.0

    def __init__(self, entries: dict[tuple[str, str], str]) -> None:
        self.entries = entries
        self.asked: list[tuple[str, str]] = []

    def get_password(self, service: str, username: str) -> str | None:
        self.asked.append((service, username))
        return self.entries.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.entries[service, username] = password


@pytest.fixture
def ring() -> Iterator[Ring]:
    before = keyring.get_keyring()
    ring = Ring({})
    keyring.set_keyring(ring)
    yield ring
    keyring.set_keyring(before)


SERVICE = {"IMNM_FHIR_KEYRING_SERVICE": "hospital"}


def test_secrets_come_from_the_keyring(ring: Ring) -> None:
    keyring.set_password("hospital", "IMNM_FHIR_TOKEN", SECRET)
    assert read_credentials(SERVICE) == Credentials("bearer", secret=SECRET)
    keyring.set_password("hospital", "IMNM_FHIR_PASSWORD", SECRET)
    found = read_credentials({**SERVICE, "IMNM_FHIR_USER": "ana"})
    assert (found.kind, found.user, found.secret) == ("basic", "ana", SECRET)
    keyring.set_password("hospital", "IMNM_FHIR_SMART_KEY", SECRET)
    smart = read_credentials({**SERVICE, "IMNM_FHIR_SMART_CLIENT_ID": "imnm"}).smart
    assert smart is not None and smart.key == SECRET


def test_the_keyring_is_asked_for_what_is_needed_alone(ring: Ring) -> None:
    assert read_credentials({"IMNM_FHIR_USER": "ana", "IMNM_FHIR_PASSWORD": "p"}).kind == "basic"
    assert ring.asked == []
    read_credentials({**SERVICE, "IMNM_FHIR_TOKEN": "t"})
    assert ring.asked == []
    with pytest.raises(UsageError, match="keyring has no entry IMNM_FHIR_TOKEN"):
        read_credentials(SERVICE)
    assert ring.asked == [("hospital", "IMNM_FHIR_TOKEN")]


def test_a_machine_without_a_keyring_is_said() -> None:
    before = keyring.get_keyring()
    keyring.set_keyring(keyring.backends.fail.Keyring())  # type: ignore[no-untyped-call]
    try:
        with pytest.raises(UsageError, match="IMNM_FHIR_TOKEN_FILE instead"):
            read_credentials(SERVICE)
    finally:
        keyring.set_keyring(before)


def test_whatever_a_keyring_raises_is_one_line_without_its_secrets(
    ring: Ring, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Backends quote the line of their file at which they fail."""

    def fail(service: str, username: str) -> str:
        raise ValueError(f"line 1: {SECRET}")

    monkeypatch.setattr(ring, "get_password", fail)
    with pytest.raises(UsageError, match=r"cannot be used \(ValueError\)") as fault:
        read_credentials(SERVICE)
    assert SECRET not in str(fault.value) and fault.value.__suppress_context__


def test_a_smart_client_needs_a_key() -> None:
    with pytest.raises(UsageError, match="IMNM_FHIR_SMART_KEY_FILE is not set"):
        read_credentials({"IMNM_FHIR_SMART_CLIENT_ID": "imnm"})
    for other in ({"IMNM_FHIR_TOKEN": "t"}, {"IMNM_FHIR_USER": "ana", "IMNM_FHIR_PASSWORD": "p"}):
        with pytest.raises(UsageError, match="more than one is set"):
            read_credentials({"IMNM_FHIR_SMART_CLIENT_ID": "imnm", **other})
