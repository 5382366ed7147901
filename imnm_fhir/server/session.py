"""Opening a connection: the address, who we are, the certificates, and what the server is."""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from math import inf
from time import monotonic

from imnm_fhir.errors import ServerError
from imnm_fhir.server.identity.credentials import Credentials
from imnm_fhir.server.identity.signing import read_signing_key
from imnm_fhir.server.identity.smart import TokenSource
from imnm_fhir.server.identity.tls import make_context, trusted_bundle
from imnm_fhir.server.request.address import check_base_url, is_loopback, web_address
from imnm_fhir.server.request.connection import Connection, Signer
from imnm_fhir.server.request.options import ServerOptions
from imnm_fhir.server.request.transport import Transport, open_transport

logger = logging.getLogger(__name__)

_PATIENCE = 5.0  # seconds for the first question: a wrong address is better said soon
_RELEASES = {"1.0": "DSTU2", "3.0": "STU3", "4.0": "R4", "4.3": "R4B", "5.0": "R5", "6.0": "R6"}
_READ = frozenset({"R4", "R4B"})  # equal for the resources used here


@contextmanager
def connect(
    base_url: str,
    credentials: Credentials | None = None,
    options: ServerOptions | None = None,
) -> Iterator[Connection]:
    """Yield a connection to the FHIR R4 server at `base_url`, once it has said what it is.

    `credentials` None means none (`read_credentials` reads them). Without `options.ca_bundle` the
    file that REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE names is trusted, else the usual authorities.
    Proxies come from the usual environment variables, never for this machine itself. One connection
    may be used by several threads at once.

    Raises UsageError for an address that cannot be used, and ServerError, one line, for a server
    that is unreachable, untrusted, no FHIR server, of another FHIR release, or says no.
    """
    who, chosen = credentials or Credentials(), options or ServerOptions()
    known = who.kind != "none" or who.certificate is not None
    url = check_base_url(base_url, with_credentials=known, insecure_http=chosen.insecure_http)
    if url.startswith("http:") and not is_loopback(url):
        logger.warning("%s: plain http: everybody on the way can read what is sent", url)
    ends = inf if chosen.deadline is None else monotonic() + chosen.deadline
    bundle = trusted_bundle(chosen.ca_bundle)
    anonymous = make_context(bundle, None)
    named = make_context(bundle, who.certificate) if who.certificate else anonymous
    with (
        open_transport(url, chosen, named) as transport,
        open_transport(url, chosen, anonymous) as elsewhere,
    ):
        connection = Connection(transport, _signer(who, transport, ends), elsewhere, ends)
        _read_metadata(connection)
        yield connection


def _signer(who: Credentials, transport: Transport, ends: float) -> Signer:
    if who.smart is None:
        return who
    client = who.smart
    key = read_signing_key(client.key, client.password, client.algorithm, client.key_id)
    return TokenSource(client, key, transport, ends)


def _read_metadata(connection: Connection) -> None:
    """Let the connection know what the server is; some elements are asked for alone first.

    A whole statement has megabytes on some servers, and others do not know `_elements`.
    """
    for path in ("metadata?_elements=fhirVersion,software,implementation", "metadata"):
        response = connection.request("GET", path, patience=_PATIENCE)
        statement = response.json()
        if response.status == 200 and isinstance(statement, dict) and "fhirVersion" in statement:
            connection.fhir_version = _check_release(connection, statement["fhirVersion"])
            connection.software = _software(statement)
            connection.inner_base = _inner_base(statement)
            return
    if response.status != 200:
        raise connection.refusal(response, "reading its metadata")
    raise ServerError(
        f"{connection.base_url}: is no FHIR server (its metadata say no FHIR version): check that "
        "the address is the FHIR base (it often ends in /fhir)"
    )


def _inner_base(statement: dict[str, object]) -> str:
    implementation = statement.get("implementation")
    url = implementation.get("url") if isinstance(implementation, dict) else None
    return url.rstrip("/") if isinstance(url, str) and web_address(url) else ""


def _check_release(connection: Connection, version: object) -> str:
    text = str(version)
    if not re.fullmatch(r"[0-9A-Za-z.-]{1,30}", text):
        text = "an unreadable version"
    release = _RELEASES.get(".".join(text.split(".")[:2]), "")
    if release not in _READ:
        spoken = f"{release} ({text})" if release else text
        raise ServerError(
            f"{connection.base_url}: speaks FHIR {spoken}: give the address of its R4 endpoint"
        )
    return text


def _software(statement: dict[str, object]) -> str:
    software = statement.get("software")
    if not isinstance(software, dict):
        return ""
    text = " ".join(str(software[key]) for key in ("name", "version") if software.get(key))
    return "".join(character for character in text if character.isprintable())[:100]
