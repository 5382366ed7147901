import pytest

from imnm_fhir.errors import ServerError, UsageError
from imnm_fhir.server.address import check_base_url, is_loopback, origin


@pytest.mark.parametrize(
    ("text", "url"),
    [
        (" https://host/fhir/ ", "https://host/fhir"),
        ("http://[::1]:8080/fhir/tenant", "http://[::1]:8080/fhir/tenant"),
        ("http://host", "http://host"),
    ],
)
def test_what_is_an_address(text: str, url: str) -> None:
    assert check_base_url(text, with_credentials=False) == url


@pytest.mark.parametrize(
    "text",
    [
        "host/fhir",
        "ftp://host/fhir",
        "file:///etc/passwd",
        "https://",
        "https://host:port/fhir",
        "https://ho st/fhir",
        "https://host/fhir?x=1",
        "https://host/fhir#x",
        "https://ana:canary@host/fhir",
        "https://ana:canary@ho st/fhir",
        "https://canary@host/fhir",
    ],
)
def test_what_is_none_is_refused_without_repeating_a_password(text: str) -> None:
    with pytest.raises(UsageError) as refused:
        check_base_url(text, with_credentials=False)
    assert "canary" not in str(refused.value)


@pytest.mark.parametrize("host", ["10.0.0.1", "host", "localhost.evil.org", "127.0.0.1.nip.io"])
def test_credentials_do_not_travel_over_plain_http(host: str) -> None:
    with pytest.raises(ServerError, match="plain http"):
        check_base_url(f"http://{host}/fhir", with_credentials=True)
    assert check_base_url(f"https://{host}/fhir", with_credentials=True)


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost", "[::1]", "127.9.9.9"])
def test_but_they_do_within_this_machine(host: str) -> None:
    assert is_loopback(f"http://{host}/fhir")
    assert check_base_url(f"http://{host}/fhir", with_credentials=True)


def test_an_origin_is_scheme_host_and_port() -> None:
    assert origin("https://Host/fhir") == origin("https://host:443/other?x")
    different = ["http://host", "https://host:8443", "https://host.evil.org", "https://a@evil.org"]
    assert all(origin(url) != origin("https://host/fhir") for url in different)
    assert origin("javascript:alert(1)") is None
