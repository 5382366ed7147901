"""Addresses of a server: which are accepted, and which belong to the same origin."""

import ipaddress
from urllib.parse import SplitResult, urlsplit

from imnm_fhir.errors import ServerError, UsageError

_PORTS = {"http": 80, "https": 443}


def check_base_url(text: str, *, with_credentials: bool) -> str:
    """Return `text` without spaces around it and slashes at its end, once it may be used.

    Raises UsageError for what is no http or https address, or holds a user, a query or a fragment,
    and ServerError when credentials would cross the network unencrypted. No message repeats a
    password that stands in the address.
    """
    url = text.strip().rstrip("/")
    parts = _split(url)
    if parts is None or parts.scheme not in _PORTS or not parts.hostname:
        shown = "the server's address" if "@" in text else repr(text)
        raise UsageError(f"{shown} is no http or https address: write it as https://host/fhir")
    if parts.username is not None or parts.password is not None:
        raise UsageError(
            f"the address of {parts.hostname} holds a user or password: take it out and set "
            "IMNM_FHIR_USER and IMNM_FHIR_PASSWORD"
        )
    if parts.query or parts.fragment:
        raise UsageError(
            f"the address of {parts.hostname} has a part after ? or #: give the FHIR base alone"
        )
    if with_credentials and parts.scheme == "http" and not is_loopback(url):
        raise ServerError(
            f"{url}: credentials are never sent over plain http: use https, or unset them"
        )
    return url


def is_loopback(url: str) -> bool:
    """Return whether `url` names this machine itself."""
    host = urlsplit(url).hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def origin(url: str) -> tuple[str, str, int | None] | None:
    """Return scheme, host and port of `url`, None for what is no http or https address."""
    parts = _split(url)
    if parts is None or parts.scheme not in _PORTS or not parts.hostname:
        return None
    return parts.scheme, parts.hostname, parts.port or _PORTS[parts.scheme]


def shown_origin(url: str) -> str:
    """Return scheme, host and port of `url` for a message: path and query may hold anything."""
    found = origin(url)
    return f"{found[0]}://{found[1]}:{found[2]}" if found else "an address that cannot be read"


def _split(url: str) -> SplitResult | None:
    if any(character.isspace() or not character.isprintable() for character in url):
        return None
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - reading it is what checks it
    except ValueError:
        return None
    return parts
