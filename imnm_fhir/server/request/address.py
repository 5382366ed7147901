"""Addresses of a server: which are accepted, and which belong to the same origin."""

import ipaddress
from urllib.parse import SplitResult, urljoin, urlsplit, urlunsplit

from imnm_fhir.errors import ServerError, UsageError

_PORTS = {"http": 80, "https": 443}


def check_base_url(text: str, *, with_credentials: bool, insecure_http: bool = False) -> str:
    """Return `text` without spaces around it and slashes at its end, once it may be used.

    Raises UsageError for what is no http or https address, or holds a user, a query or a fragment,
    and for plain http to another machine unless that is allowed (`insecure_http`); ServerError when
    credentials would cross the network unencrypted, allowed or not. No message repeats a password
    that stands in the address.
    """
    url = text.strip().rstrip("/")
    parts = web_address(url)
    if parts is None:
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
    if parts.scheme == "http" and not is_loopback(url):
        if with_credentials:
            raise ServerError(
                f"{url}: credentials are never sent over plain http: use https, or unset them"
            )
        if not insecure_http:
            raise UsageError(
                f"{url}: plain http: everybody on the way can read and change what is sent: use "
                "https, or allow it with --insecure-http"
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


def web_address(url: str) -> SplitResult | None:
    """Return the parts of an http or https address, None for anything else."""
    if any(character.isspace() or not character.isprintable() for character in url):
        return None
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - reading it is what checks it
    except ValueError:
        return None
    return parts if parts.scheme in _PORTS and parts.hostname else None


def origin(url: str) -> tuple[str, str, int] | None:
    """Return scheme, host and port of `url`, None for what is no http or https address."""
    parts = web_address(url)
    if parts is None or not parts.hostname:
        return None
    return parts.scheme, parts.hostname, parts.port or _PORTS[parts.scheme]


def shown_origin(url: str) -> str:
    """Return scheme, host and port of `url` for a message: path and query may hold anything."""
    found = origin(url)
    return f"{found[0]}://{found[1]}:{found[2]}" if found else "an address that cannot be read"


def own_address(url: str, base_url: str, inner_base: str | None = None) -> str | None:
    """Return the link `url` as an address of the origin of `base_url`, None when it is another's.

    `inner_base` not None says that links may be rewritten: it is what the server calls its own base
    (empty: unknown). What follows it there follows `base_url` here; another host's address with the
    path of `base_url` keeps its path. A link that names a user is never ours.
    """
    parts, base = web_address(url), web_address(base_url)
    if parts is None or base is None or "@" in parts.netloc:
        return None
    path = parts.path
    if origin(url) != origin(base_url):
        inner = web_address(inner_base or "")
        if inner_base is None:
            return None
        if inner and origin(url) == origin(inner_base) and _is_below(path, inner.path):
            path = base.path.rstrip("/") + path[len(inner.path.rstrip("/")) :]
        elif not _is_below(path, base.path):
            return None
    # Put together from our own host: two readers of one address may see two hosts in it.
    return urlunsplit((base.scheme, base.netloc, path, parts.query, ""))


def join(base: str, link: str) -> str:
    """Return the address that `link` names in an answer from `base`.

    One that nobody can read, such as `http://[::`, becomes `http:`, which is no address of anybody.
    """
    try:
        return urljoin(base, link)
    except ValueError:
        return "http:"


def is_safe_elsewhere(url: str, base_url: str) -> bool:
    """Return whether a file may be fetched from another origin: over https, without a user.

    A server on this machine may also point to another one on it.
    """
    parts = web_address(url)
    local = is_loopback(url) and is_loopback(base_url)
    return parts is not None and "@" not in parts.netloc and (parts.scheme == "https" or local)


def _is_below(path: str, base_path: str) -> bool:
    base = base_path.rstrip("/")
    return path == base or path.startswith(f"{base}/")
