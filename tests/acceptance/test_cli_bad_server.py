"""Servers that are away, no FHIR servers, or say no: one line, exit code 4, what was sent is listed."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.acceptance.canaries import check_refusal, check_silence, harmonise, write_site
from tests.acceptance.command_line import Ran, done, run
from tests.unit.server.stand_in import Answer, Asked, metadata, outcome, stand_in
from tests.unit.transfer.fhir_store import FhirStore


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_site()


@pytest.fixture
def passed(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cohort that may leave, made once; and a clock that does not wait."""
    kept = tmp_path_factory.getbasetemp() / "passed"
    if not kept.exists():
        harmonise()
        done("validate", "cohort")
        shutil.copytree("cohort", kept)
    shutil.copytree(kept, "cohort", dirs_exist_ok=True)
    now = [0.0]
    monkeypatch.setattr("imnm_fhir.server.request.retries.monotonic", lambda: now[0])
    monkeypatch.setattr(
        "imnm_fhir.server.request.retries.sleep",
        lambda seconds: now.__setitem__(0, now[0] + seconds),
    )


def html(_: Asked) -> Answer:
    return Answer(200, b"<html>KANARIE</html>", {"Content-Type": "text/html"})


WRONG: dict[str, tuple[Callable[[Asked], Answer], str]] = {
    "no FHIR": (html, "FHIR"),
    "R5": (lambda _: metadata("5.0.0"), "R5"),
    "STU3": (lambda _: metadata("3.0.2"), "STU3"),
    "401": (lambda _: outcome("who is 'KANARIE' 4513?", 401), "who is"),
    "404": (lambda _: outcome('no "KANARIE" here', 404), "404"),
}


def both_ways(url: str) -> list[Ran]:
    """An export to the address and an import from it; the import must write nothing."""
    ran = [run("export", "cohort", "--to", url, "-q"), run("import", url, "--out", "back", "-q")]
    assert not Path("back").exists()
    return ran


@pytest.mark.parametrize("name", WRONG)
def test_server_that_is_wrong(name: str, passed: None) -> None:
    answer, said = WRONG[name]
    with stand_in() as server:
        server.metadata = answer
        for ran in both_ways(server.base_url):
            check_refusal(ran, 4, server.base_url, said)
        assert server.asked == []  # nothing was sent


def test_server_that_is_not_there(passed: None) -> None:
    for ran in both_ways("http://127.0.0.1:1/fhir"):
        check_refusal(ran, 4, "http://127.0.0.1:1/fhir", "unreachable", "check address")


def test_server_with_a_strange_certificate(passed: None) -> None:
    with stand_in(trustme.CA().issue_cert("127.0.0.1")) as server:
        for ran in both_ways(server.base_url):
            check_refusal(ran, 4, "certificate")


def test_credentials_never_over_plain_http(passed: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMNM_FHIR_TOKEN", "geheim")
    for ran in both_ways("http://192.0.2.1/fhir"):
        check_refusal(ran, 4, "credentials are never sent over plain http")
        assert "geheim" not in ran.err


def test_plain_http_to_another_machine_must_be_allowed(passed: None) -> None:
    for ran in both_ways("http://192.0.2.1/fhir"):
        check_refusal(ran, 2, "plain http", "--insecure-http")


def test_authorities_of_a_file_are_trusted(passed: None, tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path("authority.pem")
    with stand_in(authority.issue_cert("127.0.0.1")) as server:
        server.answer = FhirStore()
        ran = run("export", "cohort", "--to", server.base_url, "--ca-bundle", "authority.pem", "-q")
    assert (ran.code, ran.err) == (0, "")


def test_a_deadline_ends_the_command() -> None:
    with stand_in() as server:
        server.metadata = lambda asked: Answer(body=b"{" * 1000, drip=0.05)
        ran = run("import", server.base_url, "--out", "back", "--deadline", "0.5", "-q")
    check_refusal(ran, 4, "the deadline has passed")


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "inf", "soon"])
def test_seconds_that_are_none(seconds: str) -> None:
    ran = run("import", "https://127.0.0.1:1/fhir", "--out", "back", "--timeout", seconds)
    assert ran.code == 2 and "--timeout" in ran.err and "Traceback" not in ran.err


def test_address_that_is_none(passed: None) -> None:
    for ran in both_ways("ftp://127.0.0.1/fhir"):
        check_refusal(ran, 2, "no http or https address")


def test_refused_resources_are_listed(passed: None) -> None:
    def refuses(resource: dict[str, Any]) -> str | None:
        echoed = resource.get("code", {}).get("text")  # a server may repeat what it was sent
        return f"HAPI-0389 bad {echoed} 4513" if echoed else None

    with stand_in() as server:
        server.answer = FhirStore(refuses=refuses)
        ran = run("export", "cohort", "--to", server.base_url)
    assert ran.code == 5
    check_silence(ran)
    refused = [line for line in ran.messages if line.startswith("not loaded: ")]
    assert len(refused) == 2  # the comorbidities; everything else was loaded
    assert all("Condition/i" in line and "HAPI-0389 bad" in line for line in refused)


def test_server_that_breaks_off_says_what_was_sent(passed: None) -> None:
    store = FhirStore()
    stranger = outcome("no such user", 401)
    store.before = lambda asked: stranger if len(store.writes()) > 2 else None
    with stand_in() as server:
        server.answer = store
        ran = run("export", "cohort", "--to", server.base_url, "--bundle-size", "2")
        check_silence(ran)
        assert ran.code == 4
        assert "no such user" in ran.err and "3 created" in ran.err and "repeat" in ran.err
        store.before = lambda _: None
        ran = run("export", "cohort", "--to", server.base_url, "--json")
    done = json.loads(ran.out)
    assert (ran.code, done["complete"], done["failed"]) == (0, True, 0)
    assert done["totals"]["unchanged"] == 3 and done["plan"] == "transactions of PUT Type/id"
    assert set(store.versions.values()) == {1}


def test_dry_run_and_refused_cells(passed: None) -> None:
    """What is refused is told with the file, the row and the column that it came from."""
    store = FhirStore(refuses=lambda resource: "no" if "valueQuantity" in resource else None)
    with stand_in() as server:
        server.answer = store
        ran = run("export", "cohort", "--to", server.base_url, "--dry-run")
        assert ran.code == 0 and not store.kept and not list(Path().glob("*.journal"))
        assert "plan: transactions of PUT Type/id" in ran.out and "created" in ran.out
        ran = run("export", "cohort", "--to", server.base_url)
    refused = [line for line in ran.messages if line.startswith("not loaded: ")]
    assert ran.code == 5 and refused
    assert all(", row " in line and "(at Observation.status)" in line for line in refused)
    log = next(Path("cohort.journal").glob("*.audit.jsonl")).read_text("utf-8")
    events = [json.loads(line) for line in log.splitlines()]
    assert [events[0]["event"], events[-1]["event"]] == ["begin", "end"]
    assert {"time", "user", "host", "server", "program"} <= events[0].keys()
    check_silence(ran)


def test_another_person_is_noted_in_folders_alone() -> None:
    asked = ("withdraw", ".", "--patient", "site/P1", "--another-person")
    ran = run(*asked, "--at", "https://fhir.example.org/fhir")
    assert ran.code == 2
    assert "leave --at out" in ran.err
