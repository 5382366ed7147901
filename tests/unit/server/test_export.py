import json
import logging
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.server import Connection, ExportStoppedError, Failure, export_resources
from tests.unit.server.conftest import Clock
from tests.unit.server.stand_in import Answer, Asked, StandIn, Store, bundle, fhir, outcome

Resource = dict[str, Any]
Write = Callable[..., dict[str, Path]]


def observation(number: int, patient: int = 0, **members: Any) -> Resource:
    subject = {"reference": f"Patient/p{patient}"}
    return {"resourceType": "Observation", "id": f"o{number}", "subject": subject, **members}


def patient(number: int, **members: object) -> Resource:
    return {"resourceType": "Patient", "id": f"p{number}", **members}


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(**types: Sequence[Resource]) -> dict[str, Path]:
        for name, resources in types.items():
            lines = [json.dumps(resource) + "\n" for resource in resources]
            (tmp_path / f"{name}.ndjson").write_text("".join(lines))
        return {name: tmp_path / f"{name}.ndjson" for name in types}

    return write


def counts(server: StandIn) -> list[int]:
    return [len(asked.entries()) for asked in server.asked]


def bad(number: int) -> Callable[[Mapping[str, Any]], str | None]:
    return lambda resource: 'Bad value "x"' if resource["id"] == f"o{number}" else None


def test_organization_and_patients_go_first(
    server: StandIn, connection: Connection, write: Write
) -> None:
    server.answer = store = Store()
    settled: list[int] = []
    files = write(
        Observation=[observation(n) for n in range(250)],
        Condition=[],
        Patient=[patient(0)],
        Organization=[{"resourceType": "Organization", "id": "madrid"}],
    )
    sent = export_resources(connection, files, progress=settled.append)
    assert sent.created == {"Organization": 1, "Patient": 1, "Observation": 250}
    assert (sent.updated, sent.unchanged, sent.failures) == ({}, {}, ())
    assert counts(server) == [1, 1, 100, 100, 50] == settled
    assert sent.requests == 5
    assert list(store.kept)[:2] == ["Organization/madrid", "Patient/p0"]
    request = server.asked[0]
    assert (request.method, request.path) == ("POST", "/fhir")
    assert request.headers["Content-Type"] == "application/fhir+json"
    entry = request.entries()[0]
    assert entry["fullUrl"] == f"{server.base_url}/Organization/madrid"
    assert entry["request"] == {"method": "PUT", "url": "Organization/madrid"}


def test_the_same_again_changes_nothing_and_a_new_value_one(
    server: StandIn, connection: Connection, write: Write
) -> None:
    server.answer = store = Store()
    resources = [observation(n) for n in range(30)]
    export_resources(connection, write(Observation=resources))
    sent = export_resources(connection, write(Observation=resources), bundle_size=7)
    assert (sent.created, sent.updated, sent.unchanged) == ({}, {}, {"Observation": 30})
    resources[4]["valueInteger"] = 1
    sent = export_resources(connection, write(Observation=resources))
    assert (sent.updated, sent.unchanged) == ({"Observation": 1}, {"Observation": 29})
    assert store.versions["Observation/o4"] == 2


def test_numbers_are_sent_as_they_stand(
    server: StandIn, connection: Connection, tmp_path: Path
) -> None:
    server.answer = Store()
    line = b'{"resourceType":"Observation","id":"o1","v":[1.50,1e2,123456789012345.123456]}'
    (tmp_path / "o").write_bytes(b"\n" + line + b"\r\n\n")
    export_resources(connection, {"Observation": tmp_path / "o"})
    assert b'"resource":' + line + b',"request"' in server.asked[0].body


def test_one_bad_resource_is_found_and_the_rest_stored(
    server: StandIn, connection: Connection, write: Write
) -> None:
    server.answer = store = Store(bad(137))
    sent = export_resources(connection, write(Observation=[observation(n) for n in range(250)]))
    assert sent.failures == (Failure("Observation", "o137", 400, "Bad value …"),)
    assert sent.created == {"Observation": 249}
    assert set(store.kept) == {f"Observation/o{n}" for n in range(250) if n != 137}
    assert sent.requests == len(server.asked) <= 3 + 2 * 8


def test_all_bad(server: StandIn, connection: Connection, write: Write) -> None:
    server.answer = Store(lambda resource: "no")
    sent = export_resources(connection, write(Observation=[observation(n) for n in range(9)]))
    assert [failure.id for failure in sent.failures] == [f"o{n}" for n in range(9)]
    assert sent.created == {}


def test_what_points_to_a_refused_patient_stays_home(
    server: StandIn, connection: Connection, write: Write
) -> None:
    server.answer = store = Store(lambda resource: "no" if resource["id"] == "p1" else None)
    files = write(
        Patient=[patient(n) for n in range(3)],
        Observation=[observation(n, patient=n % 3) for n in range(6)],
    )
    sent = export_resources(connection, files)
    assert [(failure.id, failure.status) for failure in sent.failures] == [
        ("p1", 400),
        ("o1", None),
        ("o4", None),
    ]
    assert "Patient/p1, which was refused" in sent.failures[1].said
    assert len(store.kept) == 6


def test_what_points_to_a_refused_resource_of_the_same_bundle_stays_home(
    server: StandIn, connection: Connection, write: Write
) -> None:
    server.answer = store = Store(bad(0))
    second = observation(1, hasMember=[{"reference": "Observation/o0"}])
    sent = export_resources(connection, write(Observation=[observation(0), second]))
    assert [(failure.id, failure.status) for failure in sent.failures] == [
        ("o0", 400),
        ("o1", None),
    ]
    assert not store.kept


def test_one_answer_that_is_no_json_is_asked_for_again(
    server: StandIn, connection: Connection, write: Write
) -> None:
    server.answer = Store()
    server.script = [Answer(200, b'{"resourceType":"Bundle","entry"')]
    sent = export_resources(connection, write(Observation=[observation(0)]))
    assert (sent.created, sent.requests) == ({"Observation": 1}, 2)


def test_too_large_is_halved_and_remembered(
    server: StandIn, connection: Connection, write: Write
) -> None:
    store = Store()
    server.answer = lambda asked: Answer(413) if len(asked.entries()) > 30 else store(asked)
    sent = export_resources(connection, write(Observation=[observation(n) for n in range(250)]))
    assert sent.created == {"Observation": 250}
    assert counts(server) == [100, 50, 25, 25, 50, 25, 25] + [25] * 6


def test_one_that_alone_is_too_large(server: StandIn, connection: Connection, write: Write) -> None:
    server.answer = lambda asked: Answer(413)
    sent = export_resources(connection, write(Observation=[observation(1)]))
    assert [(failure.status, failure.said[:3]) for failure in sent.failures] == [(413, "413")]


def fewer(asked: Asked) -> Answer:
    return bundle("transaction-response", [{"response": {"status": "201 Created"}}])


@pytest.mark.parametrize(
    "answer",
    [
        fewer,
        lambda asked: outcome("Something went wrong", 200),
        lambda asked: fhir({"resourceType": "Bundle"}),
        lambda asked: fhir({"resourceType": "Bundle", "entry": [{}, {"response": {}}, 7]}),
        lambda asked: fhir([]),
        lambda asked: bundle("batch-response", [{"response": {"status": "422 No"}}] * 3),
    ],
)
def test_what_is_not_confirmed_does_not_count_as_stored(
    server: StandIn, connection: Connection, write: Write, answer: Callable[[Asked], Answer]
) -> None:
    def first_whole_then_single(asked: Asked) -> Answer:
        single = bundle("transaction-response", [{"response": {"status": "500"}}])
        return answer(asked) if len(asked.entries()) == 3 else single

    server.answer = first_whole_then_single
    sent = export_resources(connection, write(Observation=[observation(n) for n in range(3)]))
    assert (sent.created, sent.updated, sent.unchanged) == ({}, {}, {})
    assert [failure.id for failure in sent.failures] == ["o0", "o1", "o2"]


def test_a_single_resource_that_is_not_confirmed(
    server: StandIn, connection: Connection, write: Write
) -> None:
    server.answer = lambda asked: outcome("Stored it elsewhere", 200)
    sent = export_resources(connection, write(Observation=[observation(1)]))
    said = "the server did not confirm it: Stored it elsewhere"
    assert sent.failures == (Failure("Observation", "o1", 200, said),)


def test_a_server_that_answers_each_entry_on_its_own(
    server: StandIn, connection: Connection, write: Write
) -> None:
    refused = {"status": "422 Unprocessable", "outcome": json.loads(outcome("no 7").body)}
    entries = [{"response": {"status": "201"}}, {"response": refused}]
    server.answer = lambda asked: bundle("batch-response", entries)
    sent = export_resources(connection, write(Observation=[observation(0), observation(1)]))
    assert sent.created == {"Observation": 1}
    assert sent.failures == (Failure("Observation", "o1", 422, "no …"),)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(lost=True), "connection lost"),
        (Answer(200, b'{"resourceType":"Bundle"', short=True), "broke off"),
        (Answer(503), "503 Service Unavailable"),
        (Answer(401), "IMNM_FHIR_TOKEN"),
        (outcome("Not for you", 403), "storing Observation: answered 403 Forbidden: Not for you"),
        (Answer(405), "405 Method Not Allowed"),
        (Answer(200, b"<html>Sign in", {"Content-Type": "text/html"}), "no JSON"),
        (Answer(200, b'{"resourceType":"Bundle"'), "no JSON"),
    ],
)
def test_a_stop_says_what_was_sent(
    server: StandIn, connection: Connection, write: Write, answer: Answer, words: str
) -> None:
    store = Store()
    server.answer = lambda asked: store(asked) if len(store.kept) < 101 else answer
    files = write(Observation=[observation(n) for n in range(250)], Patient=[patient(0)])
    with pytest.raises(ExportStoppedError) as stopped:
        export_resources(connection, files)
    message = str(stopped.value)
    assert words in message and "\n" not in message
    assert "until then: 1 Patient, 100 Observation stored;" in message
    assert stopped.value.sent.created == {"Patient": 1, "Observation": 100}


def test_a_lost_answer_makes_no_second_version(
    server: StandIn, connection: Connection, clock: Clock, write: Write
) -> None:
    store = Store()
    lose = [True]

    def answer(asked: Asked) -> Answer:
        stored = store(asked)
        return Answer(lost=True) if lose and lose.pop() else stored

    server.answer = answer
    sent = export_resources(connection, write(Observation=[observation(n) for n in range(5)]))
    assert sent.unchanged == {"Observation": 5}
    assert set(store.versions.values()) == {1}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "line 2: no JSON"),
        ('{"resourceType":"Patient","id":"1"}', "line 2: is no Observation"),
        ("[]", "line 2: is no Observation"),
        ('{"resourceType":"Observation"}', "line 2: has no valid FHIR id"),
        ('{"resourceType":"Observation","id":"../x"}', "line 2: has no valid FHIR id"),
        ('{"resourceType":"Observation","id":"o0"}', "1 ids stand on several lines"),
    ],
)
def test_a_line_that_cannot_be_sent_stops_before_anything_is(
    server: StandIn, connection: Connection, write: Write, line: str, words: str
) -> None:
    files = write(Observation=[observation(0)], Patient=[patient(0)])
    with files["Observation"].open("a") as file:
        file.write(f"{line}\n")
    with pytest.raises(ImnmFhirError, match=words):
        export_resources(connection, files)
    assert not server.asked


def test_a_missing_file(connection: Connection, tmp_path: Path) -> None:
    with pytest.raises(ImnmFhirError, match="cannot be read"):
        export_resources(connection, {"Patient": tmp_path / "none"})


@pytest.mark.parametrize("status", [400, 403, 503])
def test_no_value_of_a_patient_in_errors_failures_or_logs(
    server: StandIn,
    connection: Connection,
    write: Write,
    caplog: pytest.LogCaptureFixture,
    status: int,
) -> None:
    caplog.set_level(logging.DEBUG)
    echo = 'Canario Zeta has canario-zeta "Canario Zeta", born 1931-07-09, in Observation.note'
    server.answer = lambda asked: outcome(echo, status)
    resource = observation(1, note=[{"text": "Canario Zeta"}], valueString="canario-zeta")
    try:
        seen = repr(export_resources(connection, write(Observation=[resource])))
        assert "in Observation.note" in seen
    except ExportStoppedError as stopped:
        seen = "".join(traceback.format_exception(stopped))
    assert caplog.text
    for canary in ("canario", "zeta", "1931"):
        assert canary not in (seen + caplog.text).lower()
