"""The FHIR server of the tests is a real one: it starts, keeps what it is sent, and obeys its settings."""

from collections.abc import Callable
from typing import Any

import pytest
import requests

from servers.fhir_server import FhirServer

PATIENT = {
    "resourceType": "Patient",
    "id": "i-starts-1",
    "gender": "female",
    "birthDate": "1960-02",
}


def put(base: str, resource: dict[str, Any], **options: Any) -> requests.Response:
    address = f"{base}/{resource['resourceType']}/{resource['id']}"
    return requests.put(address, json=resource, timeout=30, **options)


def test_server_speaks_fhir_r4(fhir_server: str) -> None:
    answer = requests.get(f"{fhir_server}/metadata?_elements=fhirVersion,software", timeout=30)
    assert answer.json()["fhirVersion"] == "4.0.1"
    assert fhir_server.startswith("http://127.0.0.1:")


def test_server_keeps_what_it_is_sent_and_makes_no_version_of_the_same(fhir_server: str) -> None:
    first, second = put(fhir_server, PATIENT), put(fhir_server, PATIENT)
    assert (first.status_code, second.status_code) == (201, 200)
    back = requests.get(f"{fhir_server}/Patient/{PATIENT['id']}", timeout=30).json()
    assert (back["birthDate"], back["meta"]["versionId"]) == ("1960-02", "1")


def test_further_server_has_its_own_settings_and_its_own_data(
    fhir_server: str, start_hapi: Callable[..., FhirServer]
) -> None:
    other = start_hapi(client_ids="ALPHANUMERIC", basic="nurse:secret")
    assert other.url != fhir_server
    assert put(other.url, PATIENT).status_code == 401
    assert put(other.url, PATIENT, auth=("nurse", "wrong")).status_code == 401
    assert put(other.url, {**PATIENT, "id": "7"}, auth=("nurse", "secret")).status_code == 400
    assert put(other.url, PATIENT, auth=("nurse", "secret")).status_code == 201
    check_that_it_ends(other)


def check_that_it_ends(server: FhirServer) -> None:
    server.stop()
    assert server.process.returncode == 0
    with pytest.raises(requests.ConnectionError):
        requests.get(server.url, timeout=5)
