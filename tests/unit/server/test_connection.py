import logging
import re
import traceback
from pathlib import Path
from threading import Event

import pytest
import trustme

from imnm_fhir.errors import ServerError, UsageError
from imnm_fhir.server import Connection, Credentials, DeadlineError, ServerOptions, connect
from tests.unit.server.conftest import Clock
from tests.unit.server.stand_in import Answer, Asked, StandIn, fhir, metadata, outcome, stand_in

HTML = Answer(200, b"<html>Please sign in</html>", {"Content-Type": "text/html"})
BUSY = Answer(503)
OK = fhir({"resourceType": "Patient"})


def refused(url: str, credentials: Credentials | None = None) -> str:
    with pytest.raises(ServerError) as error, connect(url, credentials, ServerOptions(timeout=2)):
        pass
    message = str(error.value)
    assert "\n" not in message and message.startswith(url)
    return message


def test_a_server_says_what_it_is(server: StandIn) -> None:
    with connect(f"{server.base_url}/") as connection:
        assert connection.base_url == server.base_url
        assert (connection.fhir_version, connection.software) == ("4.0.1", "Stand-in 1")


def test_the_whole_statement_is_read_where_elements_are_not_known(server: StandIn) -> None:
    server.metadata = lambda asked: outcome("no _elements") if "?" in asked.path else metadata()
    with connect(server.base_url) as connection:
        assert connection.fhir_version == "4.0.1"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (metadata("5.0.0"), r"speaks FHIR R5 \(5.0.0\).*R4 endpoint"),
        (metadata("3.0.2"), r"speaks FHIR STU3 \(3.0.2\)"),
        (metadata("4.0.1<script>"), "unreadable version"),
        (HTML, "no FHIR server"),
        (fhir({"resourceType": "CapabilityStatement"}), "no FHIR server"),
        (fhir([]), "no FHIR server"),
        (outcome("Unknown token", 401), "401 Unauthorized.*Unknown token.*IMNM_FHIR_TOKEN"),
        (Answer(403), "403 Forbidden.*ask for an account"),
        (Answer(404, b"<html>", {}), "404 Not Found.*FHIR base"),
        (Answer(500), "500 Internal Server Error"),
        (BUSY, "503 Service Unavailable.*attempts.*try again later"),
        (Answer(503, headers={"Retry-After": "60"}), "asks to wait 60 seconds"),
        (Answer(lost=True), "connection lost"),
        (Answer(short=True, body=b"{}"), "broke off"),
        (Answer(302, headers={"Location": "http://127.0.0.2:1/fhir"}), "another origin"),
        (Answer(302, headers={"Location": "/fhir/metadata"}), "redirects without end"),
    ],
)
def test_what_is_no_r4_server_is_said_in_one_line(
    server: StandIn, clock: Clock, answer: Answer, words: str
) -> None:
    server.metadata = lambda asked: answer
    assert re.search(words, refused(server.base_url))


def test_an_unreachable_server(clock: Clock) -> None:
    with stand_in() as gone:
        url = gone.base_url
    assert "unreachable (Connection refused)" in refused(url)


def test_tls_where_there_is_none(server: StandIn) -> None:
    url = server.base_url.replace("http:", "https:")
    assert "plain http address" in refused(url)


def test_a_certificate_counts_when_its_authority_is_known(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = trustme.CA()
    bundle = str(tmp_path / "authority.pem")
    authority.cert_pem.write_to_path(bundle)
    with stand_in(authority.issue_cert("127.0.0.1")) as server:
        assert re.search(r"certificate is not trusted \(.+\)", refused(server.base_url))
        with connect(server.base_url, options=ServerOptions(ca_bundle=Path(bundle))) as connection:
            assert connection.fhir_version == "4.0.1"
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", bundle)
        with connect(server.base_url, Credentials("bearer", secret="t")) as connection:
            assert connection.fhir_version == "4.0.1"
    with stand_in(authority.issue_cert("other.example")) as server:
        assert "certificate is not trusted" in refused(server.base_url)


def test_a_missing_file_of_authorities_is_said(server: StandIn, tmp_path: Path) -> None:
    missing = ServerOptions(ca_bundle=tmp_path / "missing.pem")
    with pytest.raises(UsageError, match="no such file"), connect(server.base_url, options=missing):
        pass


def test_credentials_are_sent_to_the_server_alone(server: StandIn, clock: Clock) -> None:
    server.answer = lambda asked: OK
    with stand_in() as other, connect(server.base_url, Credentials("bearer", secret="t")) as found:
        found.request("GET", "Patient/1")
        assert server.asked[0].headers["Authorization"] == "Bearer t"
        server.answer = lambda asked: Answer(307, headers={"Location": f"{other.base_url}/Patient"})
        with pytest.raises(ServerError, match="another origin"):
            found.request("PUT", "Patient/1", json={})
        with pytest.raises(ServerError, match="another origin"):
            found.request("GET", f"{other.base_url}/Patient")
        assert not other.asked


@pytest.mark.parametrize("loopback", [True, False])
def test_nobody_takes_no_password_from_netrc(
    server: StandIn, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, loopback: bool
) -> None:
    monkeypatch.setattr("imnm_fhir.server.request.transport.is_loopback", lambda url: loopback)
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login ana password canary\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")  # nothing of this machine goes there
    monkeypatch.setenv("NO_PROXY", "" if loopback else "127.0.0.1")
    server.answer = lambda asked: OK
    with connect(server.base_url) as connection:
        assert connection.request("GET", "Patient/1").status == 200
    assert "Authorization" not in server.asked[0].headers


def test_a_redirect_within_the_server_is_followed(server: StandIn, connection: Connection) -> None:
    def answer(asked: Asked) -> Answer:
        moved = asked.path == "/fhir/Patient/1"
        return Answer(308, headers={"Location": "/fhir/Patient/2"}) if moved else OK

    server.answer = answer
    assert connection.request("PUT", "Patient/1", json={"a": 1}).url.endswith("/Patient/2")
    assert [asked.body for asked in server.asked] == [b'{"a": 1}'] * 2


def test_retry_after_is_honoured(server: StandIn, connection: Connection, clock: Clock) -> None:
    later = {
        "Date": "Sun, 01 Mar 2026 12:00:00 GMT",
        "Retry-After": "Sun, 01 Mar 2026 12:00:40 GMT",
    }
    server.script = [
        Answer(429, headers={"Retry-After": "7"}),
        Answer(429, headers=later),
        OK,
    ]
    assert connection.request("GET", "Patient/1").status == 200
    assert clock.waits == [7.0, 40.0]


def test_a_burst_of_troubles_is_sat_out(
    server: StandIn, connection: Connection, clock: Clock
) -> None:
    troubles = [Answer(502), Answer(503), Answer(504), Answer(lost=True), Answer(short=True)]
    server.script = [*troubles, OK]
    assert connection.request("GET", "Patient/1").json() == {"resourceType": "Patient"}
    assert len(clock.waits) == 5 and clock.waits == sorted(clock.waits)


def test_patience_ends(server: StandIn, connection: Connection, clock: Clock) -> None:
    server.answer = lambda asked: BUSY
    with pytest.raises(ServerError, match=r"503 Service Unavailable .*try again later"):
        connection.request("GET", "Patient/1", patience=60)
    assert 30 < clock.now <= 60
    server.answer = lambda asked: Answer(429, headers={"Retry-After": "3600"})
    asked = len(server.asked)
    with pytest.raises(ServerError, match="asks to wait 3600 seconds"):
        connection.request("GET", "Patient/1")
    assert len(server.asked) == asked + 1


def test_what_is_not_safe_to_repeat_is_not(server: StandIn, connection: Connection) -> None:
    server.script = [Answer(lost=True), OK]
    with pytest.raises(ServerError, match="connection lost"):
        connection.request("POST", "Patient", json={})
    assert len(server.asked) == 1
    server.script = [Answer(lost=True), OK]
    assert connection.request("POST", "", json={}, idempotent=True).status == 200
    assert server.asked[-1].path == "/fhir"


def test_silence_ends_with_the_timeout(server: StandIn) -> None:
    stop = Event()

    def silent(asked: Asked) -> Answer:
        stop.wait(5)
        return OK

    with connect(server.base_url, options=ServerOptions(timeout=0.2)) as connection:
        server.answer = silent
        with pytest.raises(ServerError, match=r"no (whole )?answer within 0\.2 seconds"):
            connection.request("GET", "Patient/1", patience=0)
        stop.set()


@pytest.mark.parametrize(
    "answer",
    [outcome('Token "canary-5ecret" unknown', 401), Answer(lost=True), BUSY, Answer(418), HTML],
)
def test_no_secret_in_errors_or_logs(
    server: StandIn, clock: Clock, caplog: pytest.LogCaptureFixture, answer: Answer
) -> None:
    caplog.set_level(logging.DEBUG)
    server.metadata = lambda asked: answer
    who = Credentials("basic", "ana", "canary-5ecret")
    assert who.authorization() is not None
    with pytest.raises(ServerError) as error, connect(server.base_url, who):
        pass
    seen = "".join(traceback.format_exception(error.value)) + caplog.text + all_of(error.value)
    assert "canary" not in seen and str(who.authorization())[6:] not in seen


def all_of(error: BaseException | None) -> str:
    """The texts of an error and of every error behind it, suppressed ones included."""
    if error is None:
        return ""
    return f"{error!r} {error.args} {all_of(error.__cause__)} {all_of(error.__context__)}"


def test_links_of_an_inner_host_are_asked_under_our_address_when_allowed(server: StandIn) -> None:
    inner = "http://10.0.0.5:8080/r4"
    statement = {"resourceType": "CapabilityStatement", "fhirVersion": "4.0.1"}
    server.metadata = lambda asked: fhir({**statement, "implementation": {"url": inner}})
    server.answer = lambda asked: OK
    with connect(server.base_url) as connection:
        with pytest.raises(ServerError, match=r"10\.0\.0\.5:8080, another origin.*--rewrite-links"):
            connection.request("GET", f"{inner}/Patient?page=2")
        assert not server.asked
    with connect(server.base_url, options=ServerOptions(rewrite_links=True)) as connection:
        for link in (f"{inner}/Patient?page=2", "http://10.0.0.6/fhir/Patient?page=2"):
            connection.request("GET", link)
            assert server.asked[-1].path == "/fhir/Patient?page=2"
        with pytest.raises(ServerError, match="another origin"):
            connection.request("GET", "http://10.0.0.5:8080/other?page=2")


def test_a_deadline_is_not_waited_beyond(server: StandIn, clock: Clock) -> None:
    server.answer = lambda asked: Answer(503, headers={"Retry-After": "60"})
    with (
        connect(server.base_url, options=ServerOptions(deadline=30)) as connection,
        pytest.raises(DeadlineError, match="503 Service Unavailable"),
    ):
        connection._ends = 30.0  # of the clock that does not wait
        connection.request("GET", "Patient/1")
    assert clock.waits == []
