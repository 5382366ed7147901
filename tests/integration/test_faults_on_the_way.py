"""What goes wrong between client and server: one command completes, and nothing is there twice."""

import json
import time
from email.utils import formatdate
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest

from imnm_fhir.server import Connection, ServerOptions, connect
from imnm_fhir.transfer import Transferred, TransferStoppedError
from servers.faulty_proxy import (
    Answer,
    Exchange,
    Proxy,
    Script,
    answer,
    at,
    done_but,
    every,
    instead,
    late,
    lose_answer,
    outcome,
    pass_through,
    posts,
    reset_in_answer,
    reset_in_request,
    silence,
    stall,
    truncate,
)
from tests.integration.small_delivery import check_once, cohort, export

CANARY = "'KANARIE'"  # what a server might say of a patient
HTML = Answer(200, {"Content-Type": "text/html"}, f"<html>{CANARY}</html>".encode())


def send(proxy: Proxy, folder: Path, site: str, number: int = 54, **options: Any) -> Transferred:
    """Export a delivery of `number` observations, five patients and a clinic through the proxy."""
    chosen = {"timeout": 20.0, "patience": 60.0, **options}
    with connect(proxy.url, options=ServerOptions(**chosen)) as connection:
        return export(connection, folder, cohort(site, number), bundle_size=10)


def shorter(exchange: Exchange) -> None:
    """The server's answer without its last entry."""
    whole = exchange.forward()
    bundle = json.loads(whole.body)
    bundle["entry"].pop()
    exchange.send(Answer(whole.status, whole.headers, json.dumps(bundle).encode()))


FAULTS: dict[str, Script] = {
    "answer lost": lose_answer,
    "reset in the answer": reset_in_answer,
    "truncated": truncate,
    "page instead": instead(HTML),
    "page after": done_but(HTML),
    "errors instead": instead(outcome(200, CANARY)),
    "errors after": done_but(outcome(200, CANARY)),
    "empty instead": instead(answer(200)),
    "empty after": done_but(answer(200)),
    "shorter": shorter,
    "429": instead(outcome(429, CANARY, Retry_After="1")),
    "502": instead(answer(502, f"<html>{CANARY}</html>", Content_Type="text/html")),
    "503": instead(outcome(503, CANARY)),
    "504 instead": instead(answer(504)),
    "504 after": done_but(answer(504)),
    "stall": stall(2.5),
    "late": late(2.5),
}


@pytest.mark.parametrize("name", FAULTS)
def test_an_answer_that_is_none(
    name: str, proxy: Proxy, at_server: Connection, site: str, tmp_path: Path
) -> None:
    proxy.play(at({2, 4, 5}, FAULTS[name]))
    timeout = 2.0 if name in ("stall", "late") else 20.0
    done = send(proxy, tmp_path, site, timeout=timeout)
    assert done.complete and done.total("created") == 60 and CANARY.strip("'") not in repr(done)
    check_once(at_server, site, 60)


def test_a_reset_in_the_middle_of_the_request(
    proxy: Proxy, at_server: Connection, site: str, tmp_path: Path
) -> None:
    proxy.play(at({2, 3, 6}, reset_in_request, posts))
    assert send(proxy, tmp_path, site).total("created") == 60
    check_once(at_server, site, 60)


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_the_wait_that_is_asked_for_is_kept(
    form: str, proxy: Proxy, at_server: Connection, site: str, tmp_path: Path
) -> None:
    moments: list[float] = []

    def busy(exchange: Exchange) -> None:
        wait = "3" if form == "seconds" else formatdate(time.time() + 4, usegmt=True)
        exchange.send(outcome(429, "busy", Retry_After=wait, Date=formatdate(usegmt=True)))
        moments.append(time.monotonic())

    def timed(exchange: Exchange) -> None:
        if exchange.writes and len(moments) == 1:
            moments.append(time.monotonic())
        at_first(exchange)

    at_first = at({1}, busy)
    proxy.play(timed)
    assert send(proxy, tmp_path, site).complete
    assert moments[1] - moments[0] >= 3
    check_once(at_server, site, 60)


def test_bursts_are_sat_out(proxy: Proxy, at_server: Connection, site: str, tmp_path: Path) -> None:
    proxy.play(at({1, 2, 3, 4, 6, 7}, instead(answer(503))))
    assert send(proxy, tmp_path, site).complete
    check_once(at_server, site, 60)


def test_every_seventh_request_fails(
    proxy: Proxy, at_server: Connection, site: str, tmp_path: Path
) -> None:
    """Whatever it is: looking, sending, reading back."""
    faults = cycle([instead(answer(503)), lose_answer, Exchange.reset, reset_in_answer])
    proxy.play(every(7, lambda exchange: next(faults)(exchange)))
    with connect(proxy.url, options=ServerOptions(timeout=20, patience=60)) as connection:
        done = export(connection, tmp_path, cohort(site, 194), bundle_size=5)
    assert done.complete and len(proxy.seen) > 42
    check_once(at_server, site, 200)


def test_twenty_kilobytes_a_second(
    proxy: Proxy, at_server: Connection, site: str, tmp_path: Path
) -> None:
    """Large requests time out, smaller ones go through."""
    options = ServerOptions(timeout=4, patience=120)
    with connect(proxy.url, options=options) as connection:
        proxy.bytes_a_second = 20_000
        done = export(connection, tmp_path, cohort(site, 294), bundle_size=200, connections=1)
    assert done.complete
    check_once(at_server, site, 300)


def test_latency_of_every_request(
    proxy: Proxy, at_server: Connection, site: str, tmp_path: Path
) -> None:
    proxy.play(late(0.5))
    assert send(proxy, tmp_path, site, 94).complete
    check_once(at_server, site, 100)


def small(exchange: Exchange) -> None:
    if len(exchange.body) > 4_000:
        exchange.send(answer(413))


def test_what_is_too_large_is_sent_in_pieces(
    proxy: Proxy, at_server: Connection, site: str, tmp_path: Path
) -> None:
    proxy.play(small)
    assert send(proxy, tmp_path, site).complete
    check_once(at_server, site, 60)


LASTING: dict[str, Script] = {
    "503": instead(outcome(503, CANARY)),
    "reset": Exchange.reset,
    "page": instead(HTML),
    "silence": silence(3),
    "errors": instead(outcome(200, CANARY)),
}


@pytest.mark.parametrize("name", LASTING)
def test_a_server_that_never_comes_back_ends_in_one_line_and_is_gone_on_with(
    name: str, proxy: Proxy, at_server: Connection, site: str, tmp_path: Path
) -> None:
    proxy.play(at(range(4, 1_000), LASTING[name]))
    with pytest.raises(TransferStoppedError) as stopped:
        send(proxy, tmp_path, site, timeout=2.0, patience=3.0)
    said = str(stopped.value)
    assert "\n" not in said and CANARY.strip("'") not in said and "repeat the command" in said
    before = stopped.value.transferred
    assert before.total("not sent") > 0 and not before.complete
    proxy.play(pass_through)
    assert send(proxy, tmp_path, site).complete
    check_once(at_server, site, 60)


def test_a_deadline_in_the_middle(
    proxy: Proxy, at_server: Connection, site: str, tmp_path: Path
) -> None:
    proxy.play(at(range(3, 1_000), silence(8)))
    with pytest.raises(TransferStoppedError, match=r"deadline has passed.*repeat the command"):
        send(proxy, tmp_path, site, deadline=5.0)
    proxy.play(pass_through)
    assert send(proxy, tmp_path, site).complete
    check_once(at_server, site, 60)
