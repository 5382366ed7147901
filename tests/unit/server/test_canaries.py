"""Planted secrets are searched for in everything that a command says, keeps or raises."""

import base64
import gc
import logging
import traceback
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.server import ServerOptions, connect, read_credentials
from imnm_fhir.server.identity.signing import make_signing_key
from tests.acceptance.command_line import run
from tests.unit.server.authorization import Authorization, authorized
from tests.unit.server.conftest import Clock
from tests.unit.server.stand_in import Answer, Asked, fhir, outcome

CANARY = "canary-5ecret"
USER = "anna-canary"
PROXY = "http://proxyuser:canary-proxy@127.0.0.1:1"


@cache
def key() -> str:
    return make_signing_key("ES384", CANARY)[0]


def environments(folder: Path) -> dict[str, dict[str, str]]:
    """One of each kind of credentials, in the environment and in files."""
    path = folder / "secret"
    path.write_text(CANARY)
    path.chmod(0o600)
    return {
        "token": {"IMNM_FHIR_TOKEN": CANARY},
        "token in a file": {"IMNM_FHIR_TOKEN_FILE": str(path)},
        "password": {"IMNM_FHIR_USER": USER, "IMNM_FHIR_PASSWORD": CANARY},
        "SMART": {
            "IMNM_FHIR_SMART_CLIENT_ID": "imnm-cohort",
            "IMNM_FHIR_SMART_KEY": key(),
            "IMNM_FHIR_SMART_KEY_PASSWORD": CANARY,
        },
    }


KINDS = ("token", "token in a file", "password", "SMART")
SECRETS = (
    "canary",
    base64.b64encode(f"{USER}:{CANARY}".encode()).decode(),
    "eyJ",  # how each assertion begins
    "token-0",  # the access token
    "PRIVATE KEY",
)


def told(asked: Asked) -> str:
    """All that a server knows of us, as one that echoes it would say."""
    return f"who is {asked.headers.get('Authorization')}, of {asked.body!r}?"


def dump(asked: Asked, status: int) -> Answer:
    return outcome(told(asked), status)


TROUBLES: dict[str, Callable[[Asked], Answer]] = {
    "401": lambda asked: dump(asked, 401),
    "403": lambda asked: dump(asked, 403),
    "500": lambda asked: dump(asked, 500),
    "503": lambda asked: dump(asked, 503),
    "lost": lambda asked: Answer(lost=True),
    "short": lambda asked: Answer(body=told(asked).encode(), short=True),
    "no gzip": lambda asked: Answer(200, told(asked).encode(), {"Content-Encoding": "gzip"}),
    "elsewhere": lambda asked: Answer(302, headers={"Location": "http://canary:x@127.0.0.2/"}),
    "no FHIR": lambda asked: Answer(200, told(asked).encode()),
    "another release": lambda asked: fhir({"fhirVersion": told(asked)}),
    "no header": lambda asked: Answer(200, b"{}", {"X-Who": told(asked).replace("\n", "")}),
}


def texts(error: BaseException | None) -> Iterator[str]:
    """What an error and every error behind it says, suppressed ones included."""
    while error is not None:
        yield f"{error!r} {error.args!r} {vars(error)!r}"
        if error.__cause__ is not None:
            yield from texts(error.__cause__)
        error = error.__context__


def objects() -> str:
    """`repr` of every object of ours that lives."""
    found = []
    for each in gc.get_objects():
        if str(type(each).__module__).startswith("imnm_fhir."):
            found.append(repr(each))
    assert found
    return "\n".join(found)


def check(text: str) -> None:
    assert [secret for secret in SECRETS if secret in text] == []


@pytest.fixture
def server() -> Iterator[Authorization]:
    from imnm_fhir.server.identity.signing import read_signing_key

    with authorized(read_signing_key(key(), CANARY).public_jwks()) as server:
        yield server


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, PROXY)


def set_environment(monkeypatch: pytest.MonkeyPatch, environ: Mapping[str, str]) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("trouble", TROUBLES)
def test_no_secret_is_said_whatever_the_server_answers(
    server: Authorization, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture, proxy: None, kind: str, trouble: str,
) -> None:  # fmt: skip
    caplog.set_level(logging.DEBUG, "imnm_fhir")
    environ = environments(tmp_path)[kind]
    server.server.metadata = TROUBLES[trouble]
    with (
        pytest.raises(ImnmFhirError) as error,
        connect(server.server.base_url, read_credentials(environ), ServerOptions(patience=1)),
    ):
        pass
    check("".join(traceback.format_exception(error.value)))
    check("\n".join(texts(error.value)))
    check(caplog.text)
    set_environment(monkeypatch, environ)
    ran = run("import", server.server.base_url, "--out", tmp_path / "back", "--verbose")
    assert ran.code == 4
    check(ran.out + ran.err)


@pytest.mark.parametrize("kind", KINDS)
def test_no_object_shows_a_secret(
    server: Authorization, tmp_path: Path, kind: str, proxy: None
) -> None:
    server.server.answer = lambda asked: (
        server.answer(asked)
        if asked.method == "POST" or "well" in asked.path
        else fhir({"a": told(asked)})
    )
    who = read_credentials(environments(tmp_path)[kind])
    with connect(server.server.base_url, who) as connection:
        response = connection.request("GET", "Patient/1")
        assert response.status == 200
        check(objects())
        check("".join(map(repr, vars(connection).values())))


@pytest.mark.parametrize("trouble", TROUBLES)
def test_no_assertion_is_said_when_there_is_no_token(
    server: Authorization, clock: Clock, tmp_path: Path, caplog: pytest.LogCaptureFixture,
    trouble: str,
) -> None:  # fmt: skip
    caplog.set_level(logging.DEBUG, "imnm_fhir")
    tell = server.server.answer

    def answer(asked: Asked) -> Answer:
        if asked.path != "/token":
            return tell(asked)
        words = f"{told(asked)} {asked.body.decode()}"
        return (
            fhir({"error": words, "error_description": words}, 400)
            if trouble == "403"
            else TROUBLES[trouble](asked)
        )

    server.server.answer = answer
    who = read_credentials(environments(tmp_path)["SMART"])
    with (
        pytest.raises(ImnmFhirError) as error,
        connect(server.server.base_url, who, ServerOptions(patience=1)),
    ):
        pass
    check("".join(traceback.format_exception(error.value)))
    check("\n".join(texts(error.value)))
    check(caplog.text)


def test_no_proxy_password_is_said(clock: Clock, proxy: None) -> None:
    with (
        pytest.raises(ImnmFhirError, match=r"the proxy gives no way to it|unreachable") as error,
        connect("https://fhir.example.invalid/fhir", None, ServerOptions(patience=1)),
    ):
        pass
    check("\n".join(texts(error.value)))
