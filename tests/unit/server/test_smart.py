import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from imnm_fhir.errors import ServerError
from imnm_fhir.server import Credentials, ServerOptions, connect
from imnm_fhir.server.identity.credentials import SmartClient
from imnm_fhir.server.identity.signing import make_signing_key
from tests.unit.server.authorization import CLIENT, Authorization, authorized
from tests.unit.server.conftest import Clock
from tests.unit.server.stand_in import Answer, fhir


@cache
def made(algorithm: str) -> tuple[str, dict[str, Any]]:
    pem, key = make_signing_key(algorithm)
    return pem, key.public_jwks()


def client(algorithm: str = "ES384", **settings: str) -> Credentials:
    return Credentials("smart", smart=SmartClient(CLIENT, made(algorithm)[0], **settings))


@pytest.fixture
def server() -> Iterator[Authorization]:
    with authorized(made("ES384")[1]) as server:
        yield server


def asked(server: Authorization, path: str) -> int:
    return sum(one.path.startswith(path) for one in server.server.asked)


@pytest.mark.parametrize("algorithm", ["RS384", "ES384"])
def test_a_signed_assertion_gives_a_token(algorithm: str) -> None:
    with authorized(made(algorithm)[1]) as server:
        jwks_url = "https://clinic.example/jwks.json"
        with connect(server.server.base_url, client(algorithm, jwks_url=jwks_url)) as connection:
            for _ in range(3):
                assert connection.request("GET", "Patient/1").status == 200
        [assertion] = server.assertions
        kid = made(algorithm)[1]["keys"][0]["kid"]
        wanted = {"typ": "JWT", "alg": algorithm, "kid": kid, "jku": jwks_url}
        assert assertion.header == wanted
        assert asked(server, "/fhir/.well-known") == asked(server, "/token") == 1


def test_a_key_that_is_not_registered_gets_nothing(server: Authorization) -> None:
    with pytest.raises(ServerError) as refused, connect(server.server.base_url, client("RS384")):
        pass
    said = str(refused.value)
    assert re.search("gives no token.*400 Bad Request.*invalid_client.*public key", said)
    assert "eyJ" not in said and "\n" not in said


def test_a_token_is_renewed_before_its_end(
    server: Authorization, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = 0.0
    now = time.monotonic
    monkeypatch.setattr("imnm_fhir.server.identity.smart.monotonic", lambda: now() + later)
    with connect(server.server.base_url, client()) as connection:
        connection.request("GET", "Patient/1")
        for passed, tokens in [(200, 1), (271, 2), (280, 2), (600, 3)]:
            later = passed
            assert connection.request("GET", "Patient/1").status == 200
            assert len(server.tokens) == tokens
    assert len(server.used) == 3, "every assertion has an id of its own"


def test_short_tokens_are_renewed_too(server: Authorization) -> None:
    server.lifetime = 0.5
    with connect(server.server.base_url, client()) as connection:
        for _ in range(3):
            assert connection.request("PUT", "Patient/1", json={}).status == 200
            time.sleep(0.5)
    assert len(server.tokens) >= 3


def test_a_refused_token_is_renewed_once(server: Authorization) -> None:
    server.refuses = {"token-0"}
    with connect(server.server.base_url, client()) as connection:
        assert connection.request("POST", "Patient", json={}).status == 200
        assert len(server.tokens) == 2
        server.refuses = {f"token-{number}" for number in range(99)}
        with pytest.raises(ServerError, match=r"signing in.*401 Unauthorized"):
            connection.request("GET", "Patient/1")
        assert len(server.tokens) == 3


def test_threads_share_one_token(server: Authorization) -> None:
    server.refuses = {"token-0"}
    with (
        connect(server.server.base_url, client()) as connection,
        ThreadPoolExecutor(8) as pool,
    ):
        answers = pool.map(lambda n: connection.request("GET", f"Patient/{n}").json(), range(64))
        assert [answer["id"] for answer in answers] == [str(n) for n in range(64)]  # type: ignore[index]
    assert len(server.tokens) == 2


@pytest.mark.parametrize("ahead", [-3600, 3600])
def test_a_clock_that_differs_is_reckoned_with(server: Authorization, ahead: float) -> None:
    server.ahead = ahead
    with connect(server.server.base_url, client()) as connection:
        assert connection.request("GET", "Patient/1").status == 200
    assert len(server.forms) == 1
    direct = client(token_url=server.token_url)  # no discovery, so nothing to learn the clock from
    with connect(server.server.base_url, direct) as connection:
        assert connection.request("GET", "Patient/1").status == 200
    assert len(server.forms) == 3


def test_troubles_are_sat_out_with_a_new_assertion(server: Authorization, clock: Clock) -> None:
    server.failures = [Answer(503, headers={"Retry-After": "3"}), Answer(lost=True)]
    with connect(server.server.base_url, client()) as connection:
        assert connection.request("GET", "Patient/1").status == 200
    assert clock.waits[0] == 3.0 and len(server.forms) == 1


@pytest.mark.parametrize(
    ("offered", "scopes"),
    [
        ({}, "system/*.read system/*.write"),
        ({"capabilities": ["permission-v1", "permission-v2"]}, "system/*.cruds"),
        ({"scopes_supported": ["system/Patient.rs"]}, "system/*.cruds"),
        ({"scopes_supported": ["system/*.read"]}, "system/*.read system/*.write"),
    ],
)
def test_scopes_follow_the_server_unless_chosen(
    server: Authorization, offered: dict[str, object], scopes: str
) -> None:
    server.offered = offered
    for chosen in ("", "system/Patient.rs"):
        with connect(server.server.base_url, client(scopes=chosen)):
            assert server.forms[-1]["scope"] == (chosen or scopes)


@pytest.mark.parametrize(
    ("offered", "words"),
    [
        ({"token_endpoint": None}, "has no SMART configuration"),
        ({"token_endpoint": "http://evil.example/token"}, "no https address"),
        ({"token_endpoint": "https://ana@evil.example/token"}, "no https address"),
        ({"token_endpoint_auth_methods_supported": ["client_secret_basic"]}, "private_key_jwt"),
        ({"token_endpoint_auth_signing_alg_values_supported": ["RS384"]}, "not take ES384"),
    ],
)
def test_a_configuration_that_cannot_be_used(
    server: Authorization, offered: dict[str, object], words: str
) -> None:
    server.offered = offered
    with (
        pytest.raises(ServerError, match=words) as refused,
        connect(server.server.base_url, client()),
    ):
        pass
    assert not server.forms and "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (fhir({"access_token": "a b", "token_type": "bearer"}), "no bearer token"),
        (fhir({"access_token": "ab", "token_type": "mac"}), "no bearer token"),
        (fhir([]), "gives no token"),
        (Answer(200, b"<html>"), "gives no token"),
        (Answer(302, headers={"Location": "/elsewhere"}), "gives no token.*302"),
        (fhir({"error": "invalid_scope", "error_description": "x"}, 400), "IMNM_FHIR_SMART_SCOPES"),
        (fhir({"error": "<script>", "error_description": {}}, 400), "ask who runs it"),
        (Answer(200, bytes(1_100_000)), "larger than 1 MB"),
    ],
)
def test_an_answer_without_a_token(server: Authorization, answer: Answer, words: str) -> None:
    server.failures = [answer]
    with (
        pytest.raises(ServerError, match=words) as refused,
        connect(server.server.base_url, client()),
    ):
        pass
    assert "\n" not in str(refused.value) and "script" not in str(refused.value)


def test_a_tenant_has_a_configuration_of_its_own(server: Authorization) -> None:
    server.server.base_url += "/TENANT-A"
    with connect(server.server.base_url, client()) as connection:
        connection.request("GET", "Patient/1")
    assert server.server.asked[-1].path == "/fhir/TENANT-A/Patient/1"
    assert asked(server, "/fhir/TENANT-A/.well-known/smart-configuration") == 1


def test_an_unreachable_authorization_server_is_named(server: Authorization, clock: Clock) -> None:
    nowhere = client(token_url="http://127.0.0.1:1/token")
    with (
        pytest.raises(ServerError, match=r"^http://127.0.0.1:1: unreachable"),
        connect(server.server.base_url, nowhere, ServerOptions(patience=5)),
    ):
        pass


def test_the_representation_holds_no_key() -> None:
    who = client()
    assert who.smart is not None
    assert repr(who) == "Credentials(kind='smart')"
    assert repr(replace(who.smart)) == f"SmartClient(client_id='{CLIENT}')"
