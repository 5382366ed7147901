"""A proxy of a hospital: it opens the way, and sees neither credentials nor what is asked."""

import base64
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread

import pytest
import trustme

from imnm_fhir.errors import ImnmFhirError, ServerError
from imnm_fhir.server import Credentials, ServerOptions, connect
from tests.unit.server.conftest import Clock
from tests.unit.server.stand_in import fhir, stand_in

HOST = "fhir.hospital.invalid"
AUTHORITY = trustme.CA()


@contextmanager
def tunnel(port: int) -> Iterator[tuple[str, list[bytes]]]:
    """A proxy that leads everything to a port of this machine; what it was told in clear."""
    told: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def pass_on(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def serve(asker: socket.socket) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += asker.recv(1)
        told.append(head)
        with socket.create_connection(("127.0.0.1", port)) as server, asker:
            asker.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = Thread(target=pass_on, args=(server, asker))
            back.start()
            pass_on(asker, server)
            back.join()

    def listen() -> None:
        with suppress(OSError):  # closed at the end
            while True:
                asker, _ = listener.accept()
                Thread(target=serve, args=(asker,), daemon=True).start()

    Thread(target=listen, daemon=True).start()
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}", told
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


@pytest.fixture
def trusting(tmp_path: Path) -> ServerOptions:
    path = tmp_path / "authority.pem"
    AUTHORITY.cert_pem.write_to_path(str(path))
    return ServerOptions(timeout=5, patience=2, ca_bundle=path)


def set_proxy(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, proxy)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)


def test_the_way_leads_through_the_proxy(
    monkeypatch: pytest.MonkeyPatch, trusting: ServerOptions
) -> None:
    with stand_in(AUTHORITY.issue_cert(HOST)) as server:
        port = int(server.base_url.split(":")[2].split("/")[0])
        with tunnel(port) as (proxy, told):
            set_proxy(monkeypatch, f"http://ana:canary@{proxy}")
            server.answer = lambda asked: fhir({"resourceType": "Patient"})
            who = Credentials("bearer", secret="canary-token")
            with connect(f"https://{HOST}/fhir", who, trusting) as connection:
                assert connection.request("GET", "Patient/1").status == 200
            assert server.asked[0].headers["Authorization"] == "Bearer canary-token"
            assert "Proxy-Authorization" not in server.asked[0].headers
    assert told and all(head.startswith(f"CONNECT {HOST}:443".encode()) for head in told)
    basic = base64.b64encode(b"ana:canary")
    assert all(b"Basic " + basic in head and b"canary-token" not in head for head in told)


def test_a_certificate_is_checked_behind_the_proxy_too(
    monkeypatch: pytest.MonkeyPatch, trusting: ServerOptions
) -> None:
    with stand_in(AUTHORITY.issue_cert("other.invalid")) as server:
        port = int(server.base_url.split(":")[2].split("/")[0])
        with tunnel(port) as (proxy, _):
            set_proxy(monkeypatch, f"http://{proxy}")
            with (
                pytest.raises(ServerError, match="certificate is not trusted"),
                connect(f"https://{HOST}/fhir", None, trusting),
            ):
                pass


@pytest.mark.parametrize(
    ("proxy", "words"),
    [
        ("http://127.0.0.1:1", "the proxy gives no way to it"),
        ("socks5://127.0.0.1:1", "SOCKS is not supported"),
        ("http://ana:canary@", "HTTPS_PROXY"),
    ],
)
def test_a_proxy_that_leads_nowhere_is_said(
    monkeypatch: pytest.MonkeyPatch, clock: Clock, proxy: str, words: str
) -> None:
    set_proxy(monkeypatch, proxy)
    with (
        pytest.raises(ImnmFhirError, match=words) as error,
        connect(f"https://{HOST}/fhir", None, ServerOptions(patience=1)),
    ):
        pass
    assert "\n" not in str(error.value) and "canary" not in str(error.value)
