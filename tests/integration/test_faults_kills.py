"""Server and client killed at any moment: the same command again, and nothing is lost or doubled."""

import multiprocessing
import os
import random
import signal
import threading
import time
from collections.abc import Callable
from multiprocessing.context import ForkServerContext
from pathlib import Path

import pytest

from imnm_fhir.server import Connection, ServerOptions, connect
from imnm_fhir.transfer import TransferStoppedError
from servers.faulty_proxy import (
    Exchange,
    Proxy,
    faulty_proxy,
    pass_through,
)
from servers.fhir_server import FhirServer
from tests.integration.small_delivery import check_once, cohort, export

OBSERVATIONS = 54  # with five patients and a clinic: 60 resources, about 14 requests


def export_all(url: str, folder: Path, site: str) -> None:
    """What the process does that is killed."""
    with connect(url, options=ServerOptions(timeout=30)) as connection:
        export(connection, folder, cohort(site, OBSERVATIONS), bundle_size=10)


@pytest.fixture(scope="module")
def processes() -> ForkServerContext:
    """Makes processes that have imported everything already, so that twenty of them take no time."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, "requests", "orjson", "sqlite3"])
    return context


MOMENTS = ("before", "after", "within")  # the server has taken the request in


@pytest.mark.parametrize("seed", range(20))
def test_a_client_killed_anywhere(
    seed: int,
    processes: ForkServerContext,
    proxy: Proxy,
    at_server: Connection,
    site: str,
    tmp_path: Path,
) -> None:
    """At each of the first requests, whichever it is: twice, then undisturbed."""
    chosen = random.Random(seed)
    for _ in range(2):
        kill_at(chosen.randint(1, 14), chosen.choice(MOMENTS), processes, proxy, site, tmp_path)
    proxy.play(pass_through)
    export_all(proxy.url, tmp_path, site)
    check_once(at_server, site, OBSERVATIONS + 6)


def kill_at(
    number: int, moment: str, processes: ForkServerContext, proxy: Proxy, site: str, folder: Path
) -> None:
    """Export in a process that is killed at a request, or comes to its end before there are so many."""
    process = processes.Process(target=export_all, args=(proxy.url, folder, site))

    def kill(exchange: Exchange) -> None:
        if exchange.number != number:
            return
        answer = None if moment == "before" else exchange.forward()
        if answer and moment == "within":
            exchange.send(answer, first=len(answer.body) // 2)
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        exchange.reset()

    proxy.play(kill)
    process.start()
    process.join()
    assert process.exitcode == (-signal.SIGKILL if len(proxy.seen) >= number else 0)


@pytest.fixture
def restarted(start_hapi: Callable[..., FhirServer], tmp_path: Path) -> Callable[[], FhirServer]:
    """Starts the server on the database on disk that it had before."""
    database = f"jdbc:h2:file:{tmp_path / 'database'};WRITE_DELAY=0"
    return lambda: start_hapi(db=database)


def test_a_server_killed_before_during_and_after_a_transaction(
    restarted: Callable[[], FhirServer], site: str, tmp_path: Path
) -> None:
    """The transactions behind the one that was done meet a server that is away: killed before them."""
    server = restarted()
    with faulty_proxy(server.url) as proxy:
        for kill in (killed_during, killed_after):
            proxy.play(on_third_write(kill, server))
            with pytest.raises(TransferStoppedError, match="repeat the command"):
                send(proxy, tmp_path, site)
            server = restarted()
            proxy.upstream = server.url
        proxy.play(pass_through)
        send(proxy, tmp_path, site)
        with connect(server.url) as connection:
            check_once(connection, site, OBSERVATIONS + 6)


def send(proxy: Proxy, folder: Path, site: str) -> None:
    with connect(proxy.url, options=ServerOptions(timeout=30, patience=2)) as connection:
        done = export(connection, folder, cohort(site, OBSERVATIONS), bundle_size=5)
    assert done.complete


def on_third_write(
    kill: Callable[[Exchange, FhirServer], None], server: FhirServer
) -> Callable[[Exchange], None]:
    left = iter((False, False, True))

    def script(exchange: Exchange) -> None:
        if exchange.writes and next(left, False):
            kill(exchange, server)

    return script


def killed_after(exchange: Exchange, server: FhirServer) -> None:
    """The transaction is stored, its answer is never seen."""
    exchange.forward()
    server.kill()
    exchange.reset()


def killed_during(exchange: Exchange, server: FhirServer) -> None:
    """Some milliseconds after the server took the transaction in."""

    def kill() -> None:
        time.sleep(0.01)
        server.kill()

    threading.Thread(target=kill).start()
    exchange.forward()
    exchange.reset()
