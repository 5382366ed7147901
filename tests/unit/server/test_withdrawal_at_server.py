"""What is found at a server is told before it is removed: the server may go away in the middle."""

import pytest

from imnm_fhir.errors import ServerError
from imnm_fhir.server import Connection
from imnm_fhir.terminology import load_project
from imnm_fhir.withdrawal import parse_person, withdraw_at
from tests.unit.server.stand_in import Answer, Asked, StandIn, bundle, fhir, outcome

WHO = parse_person("madrid/MAD-03")
TAG = {"tag": [{"system": f"{load_project().base}/project", "code": "imnm-fhir"}]}


def answer(asked: Asked) -> Answer:
    """A server that holds a patient under its own id with one observation, and cannot expunge."""
    subject = {"reference": "Patient/17"}
    if asked.method == "DELETE":
        return fhir({"resourceType": "OperationOutcome", "issue": []})
    if "$expunge" in asked.path:
        return Answer(lost=True)
    if "Patient?" in asked.path:
        return found({"resourceType": "Patient", "id": "17"})
    if "Observation?" in asked.path:
        return found({"resourceType": "Observation", "id": "71", "meta": TAG, "subject": subject})
    if "?subject=" in asked.path:
        return found()
    return outcome("not there", 404)


def found(*resources: dict[str, object]) -> Answer:
    return bundle("searchset", [{"resource": each} for each in resources])


def test_places_that_only_a_search_finds_are_told_before_anything_is_removed(
    server: StandIn, connection: Connection
) -> None:
    server.answer = answer
    told: set[tuple[str, str]] = set()
    with pytest.raises(ServerError):
        withdraw_at(connection, WHO, note=told.update)
    assert told == {("Patient", "17"), ("Observation", "71")}
    deleted = [asked.path for asked in server.asked if asked.method == "DELETE"]
    assert deleted == ["/fhir/Observation/71", "/fhir/Patient/17"]  # the patient last
