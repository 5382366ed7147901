import datetime
import re
import ssl
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from imnm_fhir.errors import ServerError, UsageError
from imnm_fhir.server import Credentials, ServerOptions, connect, read_credentials
from tests.unit.server.conftest import Clock
from tests.unit.server.stand_in import StandIn, stand_in

AUTHORITY = trustme.CA()
CLIENTS = trustme.CA()
CLIENT = CLIENTS.issue_cert("imnm@example.org")
PASSWORD = "canary-päss"


@pytest.fixture(scope="module")
def trusting(tmp_path_factory: pytest.TempPathFactory) -> ServerOptions:
    path = tmp_path_factory.mktemp("tls") / "authority.pem"
    AUTHORITY.cert_pem.write_to_path(str(path))
    return ServerOptions(timeout=5, patience=1, ca_bundle=path)


def refused(url: str, options: ServerOptions, who: Credentials | None = None) -> str:
    with pytest.raises(ServerError) as error, connect(url, who, options):
        pass
    message = str(error.value)
    assert message.startswith(url) and "\n" not in message
    return message


def test_another_host_an_expired_one_and_one_of_nobody(
    trusting: ServerOptions, clock: Clock
) -> None:
    expired = AUTHORITY.issue_cert(
        "127.0.0.1", not_after=datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    )
    cases = {
        "mismatch": AUTHORITY.issue_cert("other.example"),
        "expired": expired,
        "self-signed|unable to get": trustme.CA().issue_cert("127.0.0.1"),
    }
    for words, certificate in cases.items():
        with stand_in(certificate) as server:
            said = refused(server.base_url, trusting)
            assert re.search(rf"certificate is not trusted \(.*({words})", said), said
            assert server.asked == [] and not clock.waits


def test_a_bundle_is_the_only_authority(trusting: ServerOptions) -> None:
    with stand_in(AUTHORITY.issue_cert("127.0.0.1")) as server:
        assert "not trusted" in refused(server.base_url, ServerOptions())
        with connect(server.base_url, options=trusting) as connection:
            assert connection.fhir_version == "4.0.1"


@pytest.mark.parametrize("text", ["", "no certificate", "-----BEGIN CERTIFICATE-----\nx\n"])
def test_a_bundle_without_certificates_is_said(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bundle.pem"
    path.write_text(text)
    options = ServerOptions(ca_bundle=path)
    with (
        pytest.raises(UsageError, match="holds no certificate"),
        connect("https://x", None, options),
    ):
        pass


@pytest.fixture
def asking() -> Iterator[StandIn]:
    """A server that wants a client certificate."""
    with stand_in(AUTHORITY.issue_cert("127.0.0.1"), CLIENTS) as server:
        yield server


def write_client(folder: Path, password: str = "") -> dict[str, str]:
    """The client's certificate and key as files; the variables that name them."""
    certificate, key = folder / "client.pem", folder / "client.key"
    CLIENT.cert_chain_pems[0].write_to_path(str(certificate))
    pem = CLIENT.private_key_pem.bytes()
    if password:
        pem = load_pem_private_key(pem, None).private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(password.encode())
        )
    key.write_bytes(pem)
    key.chmod(0o600)
    return {
        "IMNM_FHIR_CLIENT_CERT_FILE": str(certificate),
        "IMNM_FHIR_CLIENT_CERT_KEY_FILE": str(key),
        "IMNM_FHIR_CLIENT_CERT_PASSWORD": password,
    }


@pytest.mark.parametrize("password", ["", PASSWORD])
def test_a_client_certificate_opens_the_door(
    asking: StandIn, trusting: ServerOptions, tmp_path: Path, password: str
) -> None:
    who = read_credentials(write_client(tmp_path, password))
    with connect(asking.base_url, who, trusting) as connection:
        assert connection.fhir_version == "4.0.1"


def test_certificate_and_key_may_be_one_file(
    asking: StandIn, trusting: ServerOptions, tmp_path: Path
) -> None:
    path = tmp_path / "both.pem"
    CLIENT.private_key_and_cert_chain_pem.write_to_path(str(path))
    environ = {"IMNM_FHIR_CLIENT_CERT_FILE": str(path), "IMNM_FHIR_TOKEN": "t"}
    path.chmod(0o644)
    with pytest.raises(UsageError, match=r"IMNM_FHIR_CLIENT_CERT_FILE.*chmod 600"):
        read_credentials(environ)
    path.chmod(0o600)
    who = read_credentials(environ)
    assert who.kind == "bearer"
    with connect(asking.base_url, who, trusting):
        pass


def test_without_one_the_message_says_what_is_wanted(
    asking: StandIn, trusting: ServerOptions, clock: Clock
) -> None:
    assert "IMNM_FHIR_CLIENT_CERT_FILE" in refused(asking.base_url, trusting)


@pytest.mark.parametrize("change", ["no password", "another", "not its key", "no PEM", "missing"])
def test_a_client_certificate_that_cannot_be_used(tmp_path: Path, change: str) -> None:
    environ = write_client(tmp_path, PASSWORD)
    key = tmp_path / "client.key"
    if change in ("no password", "another"):
        environ["IMNM_FHIR_CLIENT_CERT_PASSWORD"] = "" if change == "no password" else "canary-2"
    elif change == "not its key":
        CLIENTS.issue_cert("ben@example.org").private_key_pem.write_to_path(str(key))
    elif change == "no PEM":
        key.write_text("canary")
    else:
        key.unlink()
    with (
        pytest.raises(UsageError, match="IMNM_FHIR_CLIENT_CERT") as error,
        connect("https://127.0.0.1:1", read_credentials(environ)),
    ):
        pass
    assert "canary" not in "".join(traceback.format_exception(error.value))


def test_a_key_needs_its_certificate() -> None:
    with pytest.raises(UsageError, match="IMNM_FHIR_CLIENT_CERT_FILE is not set"):
        read_credentials({"IMNM_FHIR_CLIENT_CERT_KEY_FILE": "key.pem"})


def test_a_certificate_is_not_for_plain_http(tmp_path: Path) -> None:
    who = read_credentials(write_client(tmp_path))
    with pytest.raises(ServerError, match="plain http"), connect("http://192.0.2.1/fhir", who):
        pass


def test_old_tls_is_not_spoken() -> None:
    from imnm_fhir.server.identity.tls import make_context

    context = make_context(None, None)
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
    assert context.verify_mode == ssl.CERT_REQUIRED and context.check_hostname
    assert len(context.get_ca_certs()) > 50
