"""Commands whose server is away, lets nobody in, or lets nobody in any more: one line, and no harm."""

import itertools
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from imnm_fhir.cohort import write_cohort
from imnm_fhir.server import Connection, Credentials, ServerOptions, connect
from imnm_fhir.server.identity.credentials import SmartClient
from imnm_fhir.server.identity.signing import make_signing_key
from imnm_fhir.terminology import load_project
from imnm_fhir.transfer import TransferStoppedError
from imnm_fhir.validation import validate_folder
from servers.faulty_proxy import (
    Exchange,
    Proxy,
    Script,
    answer,
    at,
    every,
    instead,
    lose_answer,
    outcome,
    pass_through,
    reset_in_answer,
)
from tests.acceptance.command_line import Ran, contents, run
from tests.integration.small_delivery import check_once, cohort, export
from tests.unit.small_cohort import cohort as made
from tests.unit.small_cohort import person

SITE, PATIENT = "access", "KANARIE-1"
COMMANDS: dict[str, tuple[str, ...]] = {
    "export": ("export", "cohort", "--to", "URL"),
    "dry run": ("export", "cohort", "--to", "URL", "--dry-run"),
    "verify": ("verify", "cohort", "--at", "URL", "--certificate", "certificate.json"),
    "import": ("import", "URL", "--out", "back"),
    "doctor": ("doctor", "URL"),
    "withdraw": ("withdraw", "cohort", "--patient-file", "who.txt", "--at", "URL"),
}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cohort that may leave, and a patient to withdraw."""
    folder = tmp_path_factory.mktemp("access")
    write_cohort(made(person(PATIENT), person("P2"), name=SITE), folder / "cohort")
    validate_folder(folder / "cohort")
    (folder / "who.txt").write_text(f"{SITE}/{PATIENT}", "utf-8")
    return folder


@pytest.fixture
def here(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, which is the current folder."""
    shutil.copytree(built, tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))  # which a withdrawal searches
    return tmp_path / "here"


def call(name: str, url: str, *more: str) -> Ran:
    arguments = [url if word == "URL" else word for word in COMMANDS[name]]
    return run(*arguments, *more, "--timeout", "20", "-q")


SHUT: dict[str, tuple[Script, str]] = {
    "away": (Exchange.reset, "connection lost"),
    "401": (instead(outcome(401, f"who is '{PATIENT}'")), "401 Unauthorized"),
    "503": (instead(answer(503)), "503 Service Unavailable"),
}


@pytest.mark.parametrize("fault", SHUT)
@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("first", [1, 2], ids=["at once", "later"])
def test_a_door_that_is_shut(name: str, fault: str, first: int, proxy: Proxy, here: Path) -> None:
    """From the first request on, or from the one after the server said what it is.

    A withdrawal goes on with what is on disk: it is the only one that changes anything.
    """
    before = contents(here)
    shut, said = SHUT[fault]
    proxy.play(lambda exchange: shut(exchange) if exchange.number >= first else None)
    ran = call(name, proxy.url, "--patience", "1")
    check_one_line(ran, 4, said)
    assert len(proxy.seen) <= (2 if fault == "401" else 12)
    if name == "withdraw":
        assert "repeat the command when the server answers" in ran.err
        assert run("withdraw", "cohort", "--patient-file", "who.txt").code == 0  # done already
    else:
        left = {path: kept for path, kept in contents(here).items() if ".journal" not in path}
        assert left == before


def check_one_line(ran: Ran, code: int, *said: str) -> None:
    assert (ran.code, ran.out, len(ran.messages)) == (code, "", 1), ran
    assert PATIENT not in ran.err and "Traceback" not in ran.err
    assert [words for words in said if words not in ran.err] == [], ran


def test_a_withdrawal_through_every_fault(proxy: Proxy, at_server: Connection, here: Path) -> None:
    """The server is away, then every third request fails: in the end the patient is absent."""
    proxy.play(pass_through)
    assert call("export", proxy.url).code == 0
    proxy.play(Exchange.reset)
    assert call("withdraw", proxy.url, "--patience", "1").code == 4
    assert len(of_site(at_server)) == 7
    faults = itertools.cycle([instead(answer(503)), lose_answer, reset_in_answer])
    proxy.play(every(3, lambda exchange: next(faults)(exchange)))
    assert call("withdraw", proxy.url).code == 0
    assert len(of_site(at_server)) == 4
    proxy.play(pass_through)
    assert call("withdraw", proxy.url).code == 0
    assert call("export", proxy.url).code == 0 and call("verify", proxy.url).code == 0
    assert len(of_site(at_server)) == 4


def test_old_versions_go_though_the_server_went_away_before_it_was_asked_to(
    proxy: Proxy, at_server: Connection, here: Path
) -> None:
    """What was deleted is found by no search any more, and the cohort has forgotten it."""
    proxy.play(pass_through)
    assert call("export", proxy.url, "--overwrite").code == 0
    before = of_site(at_server)
    proxy.play(lambda exchange: exchange.reset() if "$expunge" in exchange.path else None)
    assert call("withdraw", proxy.url, "--patience", "1").code == 4
    gone = before - of_site(at_server)
    assert len(gone) == 3 and {status(at_server, place) for place in gone} == {200}
    proxy.play(pass_through)
    assert call("withdraw", proxy.url).code == 0
    assert {status(at_server, place) for place in gone} == {404}
    assert not list(here.rglob("*.unfinished"))


def status(connection: Connection, place: str) -> int:
    return connection.request("GET", f"{place}/_history/1").status


def of_site(connection: Connection) -> set[str]:
    """What the server holds of the cohort's site, as Type/id."""
    tag = f"{load_project().base}/site|{SITE}"
    places = set()
    for kind in ("Organization", "Patient", "Condition", "Observation"):
        page: Any = connection.request("GET", f"{kind}?_tag={tag}&_count=100").json()
        places |= {f"{kind}/{entry['resource']['id']}" for entry in page.get("entry", [])}
    return places


def forgetful_gate(requests: int) -> Script:
    """An authorization server with tokens that are good for so many requests."""
    numbers = itertools.count(1)
    left: dict[str, int] = {}

    def script(exchange: Exchange) -> None:
        if exchange.path.endswith("/.well-known/smart-configuration"):
            place = f"http://{exchange.host}/token"
            exchange.send(answer(200, json.dumps({"token_endpoint": place})))
        elif exchange.path == "/token":
            name = f"token-{next(numbers)}"
            left[f"Bearer {name}"] = requests
            given = {"access_token": name, "token_type": "Bearer", "expires_in": 3600}
            exchange.send(answer(200, json.dumps(given)))
        elif "/metadata" not in exchange.path:
            token = exchange.headers.get("Authorization", "")
            left[token] = left.get(token, 0) - 1
            if left[token] < 0:
                exchange.send(outcome(401, "token expired"))

    return script


def test_a_token_that_expires_in_the_middle(
    proxy: Proxy, at_server: Connection, site: str, tmp_path: Path
) -> None:
    pem, _ = make_signing_key("ES384")
    client = Credentials("smart", smart=SmartClient("imnm-cohort", pem))
    proxy.play(forgetful_gate(3))
    with connect(proxy.url, client, ServerOptions(timeout=20)) as connection:
        assert export(connection, tmp_path, cohort(site, 94), bundle_size=10).complete
    tokens = sum(line == "POST /token" for line in proxy.seen)
    assert tokens >= 4
    check_once(at_server, site, 100)


def test_let_in_no_longer(proxy: Proxy, at_server: Connection, site: str, tmp_path: Path) -> None:
    """401 from the third transaction on: it stops at once, and goes on another day."""
    proxy.play(at(range(3, 100), instead(outcome(401, "no longer"))))
    with connect(proxy.url) as connection:
        with pytest.raises(TransferStoppedError, match=r"401 Unauthorized.*repeat the command"):
            export(connection, tmp_path, cohort(site, 94), bundle_size=10)
        assert sum(line == "POST /fhir" for line in proxy.seen) <= 2 + 2  # two at the same time
        proxy.play(pass_through)
        assert export(connection, tmp_path, cohort(site, 94), bundle_size=10).complete
    check_once(at_server, site, 100)
