import pytest

from imnm_fhir.errors import ServerError, UsageError
from imnm_fhir.server.request.address import (
    check_base_url,
    is_loopback,
    is_safe_elsewhere,
    join,
    origin,
    own_address,
)


@pytest.mark.parametrize(
    ("text", "url"),
    [
        (" https://host/fhir/ ", "https://host/fhir"),
        ("http://[::1]:8080/fhir/tenant", "http://[::1]:8080/fhir/tenant"),
        ("https://host/fhir/TENANT-A/", "https://host/fhir/TENANT-A"),
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


@pytest.mark.parametrize("host", ["10.0.0.1", "host"])
def test_plain_http_to_another_machine_is_refused_unless_allowed(host: str) -> None:
    with pytest.raises(UsageError, match="--insecure-http"):
        check_base_url(f"http://{host}/fhir", with_credentials=False)
    allowed = check_base_url(f"http://{host}/fhir", with_credentials=False, insecure_http=True)
    assert allowed == f"http://{host}/fhir"
    with pytest.raises(ServerError, match="never sent over plain http"):
        check_base_url(f"http://{host}/fhir", with_credentials=True, insecure_http=True)


BASE = "https://host/fhir/TENANT-A"


@pytest.mark.parametrize(
    ("url", "own"),
    [
        ("https://host/fhir/TENANT-A?page=2", "https://host/fhir/TENANT-A?page=2"),
        ("https://HOST:443/files/1", "https://host/files/1"),
        ("https://host:8443/fhir", None),
        ("http://host/fhir", None),
        ("https://evil.example/fhir/TENANT-A", None),
        ("https://ana@host/fhir", None),
        ("https://host\\@evil.example/fhir", None),
        ("https://evil.example\\.host/fhir", None),
        ("https://host/fhir\n", None),
    ],
)
def test_a_link_is_ours_by_its_origin(url: str, own: str | None) -> None:
    assert own_address(url, BASE) == own


@pytest.mark.parametrize(
    ("url", "inner", "own"),
    [
        ("http://10.0.0.5:8080/r4?page=2", "http://10.0.0.5:8080/r4", f"{BASE}?page=2"),
        ("http://10.0.0.5:8080/r4/Patient", "http://10.0.0.5:8080/r4/", f"{BASE}/Patient"),
        ("http://10.0.0.5:8080/r44/Patient", "http://10.0.0.5:8080/r4", None),
        ("http://10.0.0.5/fhir/TENANT-A/Patient", "", f"{BASE}/Patient"),
        ("http://10.0.0.5/fhir/TENANT-B/Patient", "", None),
        ("http://ana@10.0.0.5/fhir/TENANT-A", "", None),
        ("file:///fhir/TENANT-A", "", None),
    ],
)
def test_a_link_of_an_inner_host_is_rewritten(url: str, inner: str, own: str | None) -> None:
    assert own_address(url, BASE, inner) == own
    assert own_address(url, BASE) is None


def test_a_file_elsewhere_is_fetched_over_https_alone() -> None:
    assert is_safe_elsewhere("https://files.example/1?key=2", BASE)
    for url in ("http://files.example/1", "http://127.0.0.1/1", "https://a@files.example/1"):
        assert not is_safe_elsewhere(url, BASE)
    assert is_safe_elsewhere("http://127.0.0.1:1/1", "http://localhost:8080/fhir")


def test_an_origin_is_scheme_host_and_port() -> None:
    assert origin("https://Host/fhir") == origin("https://host:443/other?x")
    different = ["http://host", "https://host:8443", "https://host.evil.org", "https://a@evil.org"]
    assert all(origin(url) != origin("https://host/fhir") for url in different)
    assert origin("javascript:alert(1)") is None


def test_a_link_that_nobody_can_read_is_of_nobody() -> None:
    assert join("https://host/fhir/Patient", "?page=2") == "https://host/fhir/Patient?page=2"
    assert join("https://host/fhir", "https://other/x") == "https://other/x"
    unreadable = join("https://host/fhir", "http://[::")
    assert own_address(unreadable, BASE, "") is None and not is_safe_elsewhere(unreadable, BASE)
