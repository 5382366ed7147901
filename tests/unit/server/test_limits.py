"""Hostile answers: they end with the time that was given, and hold no more memory than allowed."""

import gzip
import socket
import tracemalloc
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread

import pytest

from imnm_fhir.errors import ServerError
from imnm_fhir.server import Connection, DeadlineError, ServerOptions, UnansweredError, connect
from tests.unit.server.stand_in import Answer, StandIn, metadata

DRIPPING = Answer(body=b"{" * 1000, drip=0.05)  # fifty seconds of it
SECONDS = 1.5


def test_a_trickle_ends_with_the_deadline(server: StandIn) -> None:
    server.answer = lambda asked: DRIPPING
    with connect(server.base_url, options=ServerOptions(deadline=SECONDS)) as connection:
        with pytest.raises(DeadlineError, match=r"deadline has passed.*repeat the command"):
            connection.request("GET", "Patient/1")
        asked = len(server.asked)
        with pytest.raises(DeadlineError):
            connection.request("GET", "Patient/1")
        assert len(server.asked) == asked


def test_a_trickle_ends_with_the_patience(server: StandIn) -> None:
    server.answer = lambda asked: DRIPPING
    options = ServerOptions(timeout=SECONDS, patience=SECONDS)
    with (
        connect(server.base_url, options=options) as connection,
        pytest.raises(UnansweredError, match=r"no whole answer within 1\.5 seconds"),
    ):
        connection.request("GET", "Patient/1")


def test_a_download_that_hardly_moves_ends(server: StandIn, tmp_path: Path) -> None:
    server.answer = lambda asked: DRIPPING
    options = ServerOptions(timeout=SECONDS, patience=SECONDS)
    with (
        connect(server.base_url, options=options) as connection,
        pytest.raises(UnansweredError, match=r"no whole answer within 1\.5 seconds"),
    ):
        connection.download("file", tmp_path / "file")
    assert not (tmp_path / "file").exists()


@pytest.fixture
def dripping_headers() -> Iterator[str]:
    """A server that never comes to the end of its headers."""
    done = Event()
    listener = socket.create_server(("127.0.0.1", 0))

    def drip() -> None:
        with suppress(OSError):  # who asked has gone, or the listener is closed
            while not done.is_set():
                asker, _ = listener.accept()
                with asker, suppress(OSError):
                    asker.sendall(b"HTTP/1.1 200 OK\r\nX: ")
                    while not done.wait(0.05):
                        asker.sendall(b"x")

    thread = Thread(target=drip, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}/fhir"
    done.set()
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


def test_headers_without_end_end_with_the_deadline(dripping_headers: str) -> None:
    with (
        pytest.raises(DeadlineError),
        connect(dripping_headers, options=ServerOptions(deadline=SECONDS)),
    ):
        pass


@pytest.fixture
def narrow(server: StandIn) -> Iterator[Connection]:
    with connect(server.base_url, options=ServerOptions(largest_answer=1_000_000)) as connection:
        yield connection


def test_an_answer_that_unpacks_without_end_is_refused(server: StandIn, narrow: Connection) -> None:
    bomb = gzip.compress(bytes(100_000_000), 1)
    server.answer = lambda asked: Answer(body=bomb, headers={"Content-Encoding": "gzip"})
    tracemalloc.start()
    with pytest.raises(ServerError, match="larger than 1 MB: ask for smaller pages"):
        narrow.request("GET", "Patient")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10_000_000
    assert len(server.asked) == 1


def test_a_large_answer_is_refused_and_one_within_the_limit_is_not(
    server: StandIn, narrow: Connection
) -> None:
    server.script = [Answer(body=bytes(1_000_001)), Answer(body=bytes(1_000_000))]
    with pytest.raises(ServerError, match="larger than 1 MB"):
        narrow.request("GET", "Patient")
    assert len(narrow.request("GET", "Patient").body) == 1_000_000


def test_json_too_deep_is_none(server: StandIn, narrow: Connection) -> None:
    server.answer = lambda asked: Answer(body=b"[" * 100_000)
    assert narrow.request("GET", "Patient").json() is None


def test_a_slow_server_is_waited_for_when_it_is_first_asked(server: StandIn) -> None:
    slow = metadata()
    server.metadata = lambda asked: Answer(body=slow.body, headers=slow.headers, drip=0.002)
    with connect(server.base_url) as connection:
        assert connection.fhir_version == "4.0.1"
