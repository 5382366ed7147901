"""The doctor of servers: what is said and tried, counts by site, and words that shall not reach a terminal."""

import json
from typing import Any

import pytest

from tests.acceptance.command_line import Ran, run
from tests.unit.server.conftest import server
from tests.unit.server.fhir_source import PROJECT, FhirSource
from tests.unit.server.stand_in import Answer, Asked, StandIn, fhir, outcome

__all__ = ["server"]

TYPES = ("Organization", "Patient", "Observation", "MedicationStatement", "Condition", "Procedure")
SITE = "https://imnm-fhir.github.io/fhir/site"


def statement(**more: Any) -> dict[str, Any]:
    interactions = [{"code": code} for code in ("read", "update", "search-type", "history-type")]
    resources = [
        {"type": kind, "interaction": interactions, "updateCreate": True, "versioning": "versioned"}
        for kind in TYPES
    ]
    rest = {"mode": "server", "interaction": [{"code": "transaction"}], "resource": resources}
    return {"resourceType": "CapabilityStatement", "fhirVersion": "4.0.1", "rest": [rest], **more}


@pytest.fixture
def store(server: StandIn) -> FhirSource:
    store = FhirSource(server.base_url)
    for site in ("madrid", "freiburg"):
        tags = [PROJECT, {"system": SITE, "code": site}]
        store.put({"resourceType": "Organization", "id": site, "meta": {"tag": tags}})
        store.put({"resourceType": "Patient", "id": f"p-{site}", "meta": {"tag": tags}})
    server.metadata = lambda asked: fhir(statement())
    server.answer = store
    return store


def line_of(ran: Ran, start: str) -> str:
    return next(line for line in ran.out.splitlines() if line.strip().startswith(start))


def test_what_is_there_and_what_can_be_done(server: StandIn, store: FhirSource) -> None:
    ran = run("doctor", server.base_url)
    assert ran.code == 0, ran
    assert line_of(ran, "there of this project").split()[-3:] == ["all", "freiburg", "madrid"]
    assert line_of(ran, "Patient").split() == ["Patient", "2", "1", "1"]
    assert line_of(ran, "export").split()[1:5] == ["transactions", "of", "PUT", "Type/id;"]
    assert line_of(ran, "batch").split() == ["batch", "no", "no"]
    assert line_of(ran, "search by tag").split()[-1] == "yes"
    assert "seconds behind ours" in line_of(ran, "clock")  # the stand-in lives in January 2026
    assert "note: the clocks differ by" in ran.out
    written = [asked for asked in server.asked if asked.method != "GET" and asked.path != "/fhir"]
    assert written == []  # but a batch of questions, nothing that could write


def test_json_is_whole_and_finite(server: StandIn, store: FhirSource) -> None:
    ran = run("doctor", server.base_url, "--json")
    found = json.loads(ran.out, parse_constant=lambda name: pytest.fail(name))
    assert found["present"]["Organization"] == 2
    assert found["sites"]["madrid"]["Patient"] == 1
    assert found["latency"] > 0 and found["problems"] == []


def test_problems_are_named_and_the_exit_code_says_so(server: StandIn, store: FhirSource) -> None:
    said = statement()
    said["rest"][0]["resource"].pop()
    for resource in said["rest"][0]["resource"]:
        resource["interaction"] = [{"code": "read"}]
    server.metadata = lambda asked: fhir(said)
    ran = run("doctor", server.base_url)
    assert ran.code == 1
    assert "problem: Procedure: not among the server's types" in ran.out
    assert "problem: neither update nor create of Organization" in ran.out
    assert "problem: no search of Organization" in ran.out


HOSTILE = "\x1b[2J\x1b]0;owned\x07 Server\r\n\u202e" + "x" * 500


@pytest.mark.parametrize(
    "total", ['"NaN"', "NaN", "-5", "1e400", "9" * 5000, "[1]", '"\\u001b[2J"']
)
def test_hostile_words_and_numbers(server: StandIn, store: FhirSource, total: str) -> None:
    server.metadata = lambda asked: fhir(statement(software={"name": HOSTILE, "version": HOSTILE}))
    bad = f'{{"resourceType":"Bundle","type":"searchset","total":{total}}}'.encode()

    def fault(asked: Asked) -> Answer | None:
        return Answer(200, bad, {"Date": HOSTILE[:3]}) if "_summary" in asked.path else None

    store.fault = fault
    for arguments in ([], ["--json"]):
        ran = run("doctor", server.base_url, *arguments)
        assert ran.code in (1, 4), ran  # nothing can be counted
        assert "Traceback" not in ran.err
        shown = ran.out + ran.err
        assert [c for c in shown if not c.isprintable() and c != "\n"] == []
        assert max(map(len, shown.splitlines())) < 600


def test_a_server_that_is_not_there_or_says_nothing(server: StandIn) -> None:
    assert run("doctor", "http://127.0.0.1:1/fhir").code == 4
    server.metadata = lambda asked: outcome("closed", 403)
    ran = run("doctor", server.base_url)
    assert (ran.code, len(ran.messages)) == (4, 1)


def test_a_clock_that_is_as_ours_or_hidden(server: StandIn, store: FhirSource) -> None:
    from datetime import UTC, datetime

    store.now = datetime.now(UTC)
    assert "as ours" in line_of(run("doctor", server.base_url), "clock")
    server.answer = store._answer
    assert "not shown" in line_of(run("doctor", server.base_url), "clock")
