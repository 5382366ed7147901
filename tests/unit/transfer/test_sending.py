"""What becomes of each resource when servers refuse, lose, lie or break: nothing lost, nothing doubled."""

import json
import logging
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.server import Connection
from imnm_fhir.transfer import Choices, TransferStoppedError, journal_path, transfer
from tests.unit.server.conftest import Clock
from tests.unit.server.stand_in import Answer, Asked, StandIn, bundle, fhir, outcome
from tests.unit.transfer.conftest import (
    Export,
    Resource,
    cohort_of,
    observation,
    patient,
    write_files,
)
from tests.unit.transfer.fhir_store import FhirStore


def bad(*numbers: int) -> Callable[[Mapping[str, Any]], str | None]:
    ids = {f"o{number}" for number in numbers}
    return lambda resource: 'Bad value "x"' if resource["id"] in ids else None


def sizes(store: FhirStore) -> list[int]:
    return [len(asked.entries()) for asked in store.writes()]


def test_organization_and_patients_go_first(
    server: StandIn, store: FhirStore, export: Export
) -> None:
    done = export(*reversed(cohort_of(2, 125)))
    assert done.counts == {
        "Organization": {"created": 1},
        "Patient": {"created": 2},
        "Observation": {"created": 250},
    }
    assert sizes(store) == [1, 2, 100, 100, 50] and done.requests == 5
    request = store.writes()[0]
    assert (request.method, request.path) == ("POST", "/fhir")
    entry = request.entries()[0]
    assert entry["fullUrl"] == f"{server.base_url}/Organization/madrid"
    assert entry["request"] == {"method": "PUT", "url": "Organization/madrid"}


def test_numbers_are_sent_as_they_stand(
    store: FhirStore, connection: Connection, tmp_path: Path
) -> None:
    line = b'{"resourceType":"Observation","id":"o1","v":[1.50,1e2,123456789012345.123456]}'
    (tmp_path / "o").write_bytes(b"\n" + line + b"\r\n\n")
    transfer(connection, {"Observation": tmp_path / "o"}, tmp_path / "cohort")
    assert b'"resource":' + line + b',"request"' in store.writes()[0].body


def test_one_bad_resource_is_found_and_the_rest_stored(store: FhirStore, export: Export) -> None:
    store.refuses = bad(137)
    done = export(*cohort_of(1, 250))
    (failure,) = done.failures
    assert (failure.id, failure.outcome, failure.status) == ("o137", "refused", 400)
    assert (failure.said, failure.expression) == ("Bad value …", "Observation.status")
    assert done.of("created")["Observation"] == 249 and not done.complete
    assert "Observation/o137" not in store.kept and len(store.kept) == 251
    assert done.requests <= 5 + 2 * 8


def test_references_between_observations_survive_halving(store: FhirStore, export: Export) -> None:
    store.refuses = bad(5)
    chain = [observation(n, hasMember=[{"reference": f"Observation/o{n + 1}"}]) for n in range(4)]
    done = export(*cohort_of(1, 0), *chain, observation(4), observation(5))
    assert done.of("created")["Observation"] == 5
    pointing = observation(8, hasMember=[{"reference": "Observation/o5"}])
    done = export(*cohort_of(1, 0), *chain, observation(4), observation(5), pointing)
    assert {(each.id, each.outcome) for each in done.failures} == {
        ("o5", "refused"),
        ("o8", "held back"),
    }


def test_when_most_are_bad_they_are_sent_one_by_one(store: FhirStore, export: Export) -> None:
    store.refuses = lambda resource: "no" if resource["resourceType"] == "Observation" else None
    done = export(*cohort_of(1, 500), connections=1)
    assert done.of("refused") == {"Observation": 500}
    assert done.requests < 560


def test_all_bad(store: FhirStore, export: Export) -> None:
    store.refuses = lambda resource: "no" if resource["resourceType"] == "Observation" else None
    done = export(*cohort_of(1, 9))
    assert {failure.id for failure in done.failures} == {f"o{n}" for n in range(9)}
    assert done.of("refused") == {"Observation": 9}
    store.refuses = lambda _: None
    assert export(*cohort_of(1, 9)).of("created") == {"Observation": 9}


def test_what_points_to_a_refused_patient_stays_home(store: FhirStore, export: Export) -> None:
    store.integrity = False  # such a server would store it
    store.refuses = lambda resource: "no" if resource["id"] == "p1" else None
    done = export(*cohort_of(3, 2))
    found = [(failure.id, failure.outcome) for failure in done.failures]
    assert found == [("p1", "refused"), ("o1", "held back"), ("o4", "held back")]
    assert "Patient/p1, which is not at the server" in done.failures[1].said
    assert len(store.kept) == 7
    store.refuses = lambda _: None
    assert export(*cohort_of(3, 2)).total("created") == 3
    assert len(store.kept) == 10


def test_references_between_observations_wait_for_each_other(
    store: FhirStore, export: Export
) -> None:
    store.takes = ("single",)
    chain = [observation(n, hasMember=[{"reference": f"Observation/o{n + 1}"}]) for n in range(3)]
    lost = observation(7, hasMember=[{"reference": "Observation/nobody"}])
    done = export(*cohort_of(1, 0), *chain, observation(3), lost)
    assert [(each.id, each.outcome) for each in done.failures] == [("o7", "held back")]
    assert done.of("created")["Observation"] == 4


def test_a_reference_to_what_others_put_there_is_fine(store: FhirStore, export: Export) -> None:
    store.kept["Device/d1"] = {"resourceType": "Device", "id": "d1"}
    done = export(*cohort_of(1, 0), observation(1, device={"reference": "Device/d1"}))
    assert done.complete


def test_too_large_is_halved_and_remembered(store: FhirStore, export: Export) -> None:
    store.most = 30
    done = export(*cohort_of(1, 250), connections=1)
    assert done.of("created")["Observation"] == 250
    assert sizes(store)[2:] == [100, 50, 25, 25, 50, 25, 25] + [25] * 6


def test_one_that_alone_is_too_large(store: FhirStore, export: Export) -> None:
    store.before = lambda asked: Answer(413) if b'"o1"' in asked.body else None
    done = export(*cohort_of(1, 3))
    assert [(failure.id, failure.status) for failure in done.failures] == [("o1", 413)]


def lying(answer: Callable[[list[Any]], Answer]) -> Callable[[Asked], Answer | None]:
    """Answers to what carries observations, without storing anything."""

    def reply(asked: Asked) -> Answer | None:
        if asked.method == "GET" or b'"Observation"' not in asked.body:
            return None
        return answer(asked.entries())

    return reply


LIES: dict[str, Callable[[list[Any]], Answer]] = {
    "fewer": lambda e: bundle("x-response", [{"response": {"status": "201"}}] * (len(e) - 1)),
    "outcome": lambda _: outcome("Something went wrong", 200),
    "no entries": lambda _: fhir({"resourceType": "Bundle"}),
    "odd entries": lambda _: fhir({"resourceType": "Bundle", "entry": [{}, {"response": {}}, 7]}),
    "list": lambda _: fhir([]),
    "refused": lambda e: bundle("batch-response", [{"response": {"status": "422 No"}}] * len(e)),
    "errors inside": lambda e: bundle(
        "batch-response",
        [{"response": {"status": "200", "outcome": json.loads(outcome("no").body)}}] * len(e),
    ),
}


@pytest.mark.parametrize("name", LIES)
def test_what_is_not_confirmed_does_not_count_as_stored(
    store: FhirStore, export: Export, name: str
) -> None:
    store.before = lying(LIES[name])
    done = export(*cohort_of(1, 3))
    assert done.of("created") == {"Organization": 1, "Patient": 1}
    assert {failure.id for failure in done.failures} == {"o0", "o1", "o2"}
    store.before = lambda _: None
    assert export(*cohort_of(1, 3)).of("created") == {"Observation": 3}


def test_what_is_not_confirmed_but_stored_is_found_by_reading_back(
    store: FhirStore, export: Export
) -> None:
    store.after = lambda asked, answer: outcome("?", 200) if asked in store.writes() else answer
    done = export(*cohort_of(1, 30))
    assert done.complete and done.total("created") == 32
    assert set(store.versions.values()) == {1} and len(store.writes()) == 3


def test_a_server_that_answers_each_entry_on_its_own(store: FhirStore, export: Export) -> None:
    store.takes = ("batch", "single")
    store.refuses = bad(7)
    done = export(*cohort_of(1, 20))
    assert [(each.id, each.status, each.said) for each in done.failures] == [
        ("o7", 400, "Bad value …")
    ]
    assert len(store.kept) == 21


@pytest.mark.parametrize("loss", ["lost", "504", "cut", "html"])
def test_a_lost_answer_makes_no_second_version(store: FhirStore, export: Export, loss: str) -> None:
    answers = {
        "lost": Answer(lost=True),
        "504": Answer(504),
        "cut": Answer(200, b'{"resourceType":"Bundle"', short=True),
        "html": Answer(200, b"<html>", {"Content-Type": "text/html"}),
    }
    lose = [False, True, True, False, True]

    def after(asked: Asked, answer: Answer) -> Answer:
        return answers[loss] if asked in store.writes() and lose and lose.pop() else answer

    store.after = after
    store.versions.clear()
    done = export(*cohort_of(2, 20), bundle_size=10)
    assert done.complete and done.total("created") == 43
    assert set(store.versions.values()) == {1} and len(store.kept) == 43


def test_an_identical_put_is_never_repeated_where_it_would_make_a_version(
    store: FhirStore, export: Export
) -> None:
    """A server that makes a version of every PUT: lost answers and repeats do not show."""
    original = store._store

    def always(place: str, resource: Resource) -> Resource:
        store.kept.pop(place, None)
        return original(place, resource)

    store._store = always  # type: ignore[method-assign]
    lose = [True, True, True]
    store.after = lambda asked, answer: (
        Answer(lost=True) if asked in store.writes() and lose and lose.pop() else answer
    )
    export(*cohort_of(1, 30), bundle_size=10)
    export(*cohort_of(1, 30))
    assert set(store.versions.values()) == {1}


def test_retry_after_is_waited_for(store: FhirStore, export: Export, clock: Clock) -> None:
    busy = [Answer(503, headers={"Retry-After": "7"}), Answer(429, headers={"Retry-After": "11"})]
    store.before = lambda asked: busy.pop() if busy and asked.method == "POST" else None
    assert export(*cohort_of(1, 3)).complete
    assert clock.waits == [11.0, 7.0]


def test_a_lost_request_shrinks_the_bundles(store: FhirStore, export: Export) -> None:
    store.before = lambda asked: Answer(504) if len(asked.body) > 9000 else None
    done = export(*cohort_of(1, 200))
    assert done.complete and max(sizes(store)[4:]) < 100


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(lost=True), "connection lost"),
        (Answer(200, b'{"resourceType":"Bundle"', short=True), "broke off"),
        (Answer(503), "503 Service Unavailable"),
        (Answer(401), "IMNM_FHIR_TOKEN"),
        (Answer(200, b"<html>Sign in", {"Content-Type": "text/html"}), "no JSON"),
    ],
)
def test_a_stop_says_what_was_sent(
    store: FhirStore, export: Export, tmp_path: Path, answer: Answer, words: str
) -> None:
    store.before = lambda asked: answer if len(store.kept) >= 102 else None
    with pytest.raises(TransferStoppedError) as stopped:
        export(*cohort_of(1, 250))
    message = str(stopped.value)
    assert words in message and "\n" not in message
    assert "until then: 102 created, 150 not sent;" in message
    assert stopped.value.transferred.of("created")["Observation"] == 100
    log = next((tmp_path / "cohort.journal").glob("*.audit.jsonl")).read_text()
    events = [json.loads(line) for line in log.splitlines()]
    assert (events[0]["event"], events[-1]["event"]) == ("begin", "stopped")
    assert events[1]["ids"] == ["madrid"] and events[1]["results"] == {"created": 1}
    store.before = lambda _: None
    done = export(*cohort_of(1, 250))
    assert done.complete and len(store.kept) == 252 and set(store.versions.values()) == {1}


def test_a_server_that_breaks_on_everything_is_left_alone(store: FhirStore, export: Export) -> None:
    store.before = lambda asked: Answer(500) if b'"Observation"' in asked.body else None
    with pytest.raises(
        TransferStoppedError, match=r"2[5-9] resources in a row without a proper answer"
    ):
        export(*cohort_of(1, 250))
    assert len(store.writes()) < 120


@pytest.mark.parametrize("takes", [("transaction",), ("batch",), ("single",)])
def test_a_type_that_may_not_be_written_is_reported_and_the_rest_stored(
    store: FhirStore, export: Export, takes: tuple[str, ...]
) -> None:
    store.takes = takes

    def forbid(asked: Asked) -> Answer | None:
        sent = b'"resourceType":"Observation"' in asked.body.replace(b": ", b":")
        return outcome("not yours", 403) if sent and asked in store.asked else None

    store.before = forbid
    conditions = [{**observation(n), "resourceType": "Procedure", "id": f"c{n}"} for n in range(3)]
    done = export(*cohort_of(1, 120), *conditions)
    assert done.of("refused") == {"Observation": 120} and done.of("created")["Procedure"] == 3
    assert {(each.status, each.said) for each in done.failures} == {(403, "not yours")}
    assert len(store.writes()) < 12


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "line 2: no JSON"),
        ('{"resourceType":"Patient","id":"1"}', "line 2: is no Observation"),
        ("[]", "line 2: is no Observation"),
        ('{"resourceType":"Observation"}', "line 2: has no valid FHIR id"),
        ('{"resourceType":"Observation","id":"../x"}', "line 2: has no valid FHIR id"),
        ('{"resourceType":"Observation","id":"o0"}', "1 ids of Observation stand on several lines"),
    ],
)
def test_a_line_that_cannot_be_sent_stops_before_anything_is(
    store: FhirStore, connection: Connection, tmp_path: Path, line: str, words: str
) -> None:
    files = write_files(tmp_path / "ndjson", [observation(0), patient(0)])
    with files["Observation"].open("a") as file:
        file.write(f"{line}\n")
    with pytest.raises(ImnmFhirError, match=words):
        transfer(connection, files, tmp_path / "cohort")
    assert not store.asked


def test_a_missing_file(connection: Connection, tmp_path: Path) -> None:
    with pytest.raises(ImnmFhirError, match="cannot be read"):
        transfer(connection, {"Patient": tmp_path / "none"}, tmp_path / "cohort", Choices())


@pytest.mark.parametrize("status", [400, 403, 503])
def test_no_value_of_a_patient_in_errors_failures_journal_or_logs(
    store: FhirStore,
    export: Export,
    server: StandIn,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    status: int,
) -> None:
    caplog.set_level(logging.DEBUG)
    echo = 'Canario Zeta has canario-zeta "Canario Zeta", born 1931-07-09, in Observation.note'
    store.before = lambda asked: outcome(echo, status) if b"canario" in asked.body else None
    resource = observation(1, note=[{"text": "Canario Zeta"}], valueString="canario-zeta")
    try:
        seen = repr(export(*cohort_of(1, 0), resource).record())
        assert "in Observation.note" in seen
    except TransferStoppedError as stopped:
        seen = "".join(traceback.format_exception(stopped)) + repr(stopped.transferred.record())
    path = journal_path(tmp_path / "cohort", server.base_url)
    kept = b"".join(each.read_bytes() for each in path.parent.iterdir()).decode("latin-1")
    for canary in ("canario", "zeta", "1931"):
        assert canary not in (seen + caplog.text + kept).lower()
    assert "madrid/o1" not in kept  # the key of a patient or record
