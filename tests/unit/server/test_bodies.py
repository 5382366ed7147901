"""Bodies sent with gzip, and one connection shared by threads."""

import gzip
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from imnm_fhir.server import Connection, ServerOptions, connect
from tests.unit.server.stand_in import Answer, Asked, StandIn, fhir, outcome

LARGE = {"resourceType": "Bundle", "text": "x" * 5000}


@pytest.fixture
def packing(server: StandIn) -> Iterator[Connection]:
    with connect(server.base_url, options=ServerOptions(compress=True)) as connection:
        yield connection


def unpacked(asked: Asked) -> object:
    packed = asked.headers.get("Content-Encoding") == "gzip"
    return json.loads(gzip.decompress(asked.body) if packed else asked.body)


def encodings(server: StandIn) -> list[str | None]:
    return [asked.headers.get("Content-Encoding") for asked in server.asked]


def test_large_bodies_are_packed_and_small_ones_are_not(
    server: StandIn, packing: Connection
) -> None:
    server.answer = lambda asked: fhir({})
    packing.request("PUT", "Patient/1", json=LARGE)
    packing.request("PUT", "Patient/1", json={"a": 1})
    assert encodings(server) == ["gzip", None]
    assert unpacked(server.asked[0]) == LARGE


@pytest.mark.parametrize("status", [400, 415, 501])
def test_a_server_without_gzip_is_remembered(
    server: StandIn, packing: Connection, status: int
) -> None:
    server.answer = lambda asked: (
        Answer(status) if "Content-Encoding" in asked.headers else fhir({}, 201)
    )
    for _ in range(2):
        assert packing.request("POST", "Patient", json=LARGE).status == 201
    assert encodings(server) == ["gzip", None, None]


def test_a_bad_body_is_not_blamed_on_gzip(server: StandIn, packing: Connection) -> None:
    server.answer = lambda asked: outcome("bad", 400)
    assert packing.request("POST", "Patient", json=LARGE).status == 400
    server.answer = lambda asked: fhir({}, 201)
    assert packing.request("POST", "Patient", json=LARGE).status == 201
    server.answer = lambda asked: outcome("bad", 400)
    assert packing.request("POST", "Patient", json=LARGE).status == 400
    assert encodings(server) == ["gzip", None, "gzip", "gzip"]


def test_within_one_machine_nothing_is_packed_unless_wished(server: StandIn) -> None:
    server.answer = lambda asked: fhir({})
    for compress in (None, False):
        with connect(server.base_url, options=ServerOptions(compress=compress)) as connection:
            connection.request("PUT", "Patient/1", json=LARGE)
    assert encodings(server) == [None, None]


def test_packed_answers_are_read(server: StandIn, packing: Connection) -> None:
    plain = fhir(LARGE)
    headers = {**plain.headers, "Content-Encoding": "gzip"}
    server.answer = lambda asked: replace(plain, body=gzip.compress(plain.body), headers=headers)
    assert packing.request("GET", "Bundle/1").json() == LARGE
    assert server.asked[0].headers["Accept-Encoding"] == "gzip"


def test_threads_share_a_connection(server: StandIn, packing: Connection) -> None:
    server.answer = lambda asked: fhir(
        {"id": asked.path.rpartition("/")[2], "sent": unpacked(asked)}
    )

    def send(number: int) -> bool:
        sent = {"number": number, "text": "x" * 5000}
        answer = packing.request("PUT", f"Patient/{number}", json=sent).json()
        return answer == {"id": str(number), "sent": sent}

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(send, range(200)))
    assert len(server.asked) == 200
