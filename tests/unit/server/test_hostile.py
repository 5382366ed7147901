"""Bytes that are no HTTP, or HTTP gone wrong: each ends in one line of ours, none in a traceback."""

import gzip
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread

import pytest

from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.server import ServerOptions, connect
from tests.unit.server.conftest import Clock
from tests.unit.server.stand_in import metadata

OK = b"HTTP/1.1 200 OK\r\n"
SAID = metadata().body
JSON = b"Content-Type: application/fhir+json\r\nContent-Length: %d\r\n" % len(SAID)
GZIP = OK + b"Content-Encoding: gzip\r\n"
HOSTILE = {
    "nothing": b"",
    "noise": bytes(range(256)) * 10,
    "HTTP 0.9": SAID,
    "another protocol": b"SSH-2.0-OpenSSH_9.2\r\n",
    "no status": b"HTTP/1.1\r\n\r\n",
    "a status of letters": b"HTTP/1.1 abc OK\r\n\r\n",
    "a status too large": b"HTTP/1.1 99999 OK\r\n\r\n",
    "an unknown status": b"HTTP/1.1 799 Strange\r\nContent-Length: 0\r\n\r\n",
    "continue for ever": b"HTTP/1.1 100 Continue\r\n\r\n" * 1000,
    "a long header": OK + b"X: " + b"x" * 70_000 + b"\r\n\r\n",
    "many headers": OK + b"X: x\r\n" * 200 + b"\r\n",
    "a header without a colon": OK + b"canary\r\n\r\n",
    "a negative length": OK + b"Content-Length: -5\r\n\r\n{}",
    "two lengths": OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n{}    ",
    "a length of letters": OK + b"Content-Length: x\r\n\r\n{}",
    "a chunk of letters": OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    "a chunk without end": OK + b"Transfer-Encoding: chunked\r\n\r\nffffffff\r\n{}",
    "gzip that is none": GZIP + b"Content-Length: 2\r\n\r\n{}",
    "gzip in gzip": OK + b"Content-Encoding: " + b", ".join([b"gzip"] * 50) + b"\r\n\r\n" + SAID,
    "gzip cut short": GZIP + b"\r\n" + gzip.compress(SAID)[:-12],
    "a wrong place": b"HTTP/1.1 302 Found\r\nLocation: http://[::canary/\r\nContent-Length: 0\r\n\r\n",
    "a place of bytes": b"HTTP/1.1 302 Found\r\nLocation: \xff\xfe\x00\r\nContent-Length: 0\r\n\r\n",
    "a place without host": b"HTTP/1.1 302 Found\r\nLocation: https:///\r\nContent-Length: 0\r\n\r\n",
    "a place of a file": b"HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n",
    "a wrong cookie": OK + JSON.replace(b"%d", b"0") + b"Set-Cookie: \x01=;;;=\r\n\r\n[]" + SAID,
    "a wrong wait": b"HTTP/1.1 503 X\r\nRetry-After: 99999999999999999999\r\nContent-Length: 0\r\n\r\n",
    "a date that is none": b"HTTP/1.1 503 X\r\nRetry-After: Sun, 99 Foo 2026 99:99:99 GMT\r\n\r\n",
    "JSON too deep": OK + b"Content-Length: 90000\r\n\r\n" + b'{"a":' * 18_000,
    "a number too long": OK + b"Content-Length: 9002\r\n\r\n[" + b"1" * 9000 + b"]",
    "JSON in another encoding": OK + b"Content-Length: 8\r\n\r\n\xff\xfe{\x00}\x00\xd8\x00",
}


@contextmanager
def saying(answer: bytes) -> Iterator[str]:
    """A server that says `answer` to whatever it is asked, and closes."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with suppress(OSError):  # closed at the end
            while True:
                asker, _ = listener.accept()
                with asker, suppress(OSError):
                    asker.recv(65_536)
                    asker.sendall(answer)

    Thread(target=serve, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/fhir"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_no_answer_is_said_in_one_line(name: str, clock: Clock) -> None:
    options = ServerOptions(timeout=3, patience=2)
    with (
        saying(HOSTILE[name]) as url,
        pytest.raises(ImnmFhirError) as error,
        connect(url, options=options),
    ):
        pass
    said = str(error.value)
    assert said.startswith(url) and "\n" not in said and "canary" not in said and said.isprintable()


@pytest.mark.parametrize("name", HOSTILE)
def test_and_no_file_comes_of_it(name: str, clock: Clock, tmp_path: Path) -> None:
    good = OK + JSON + b"\r\n" + SAID
    with saying(good) as url, connect(url, options=ServerOptions(timeout=3, patience=2)) as one:
        with saying(HOSTILE[name]) as other:
            try:
                got = one.download(other, tmp_path / "file", elsewhere=True)
            except ImnmFhirError as error:
                assert "\n" not in str(error)
                assert not (tmp_path / "file").exists()
            else:
                assert (got.response.status == 200) is (tmp_path / "file").exists()
