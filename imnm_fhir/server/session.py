"""Opening a connection: the address, who we are, the certificates, and what the server is."""

import logging
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from imnm_fhir.errors import ServerError, UsageError
from imnm_fhir.server.address import check_base_url, is_loopback
from imnm_fhir.server.connection import Connection
from imnm_fhir.server.credentials import Credentials
from imnm_fhir.server.options import ServerOptions

if TYPE_CHECKING:
    import requests

    Authorize = Callable[[requests.PreparedRequest], requests.PreparedRequest]

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
    import requests

    who = credentials or Credentials()
    url = check_base_url(base_url, with_credentials=who.kind != "none")
    chosen = options or ServerOptions()
    bundle = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
    trusted = str(chosen.ca_bundle) if chosen.ca_bundle else bundle
    if trusted and not os.path.exists(trusted):
        raise UsageError(f"{trusted}: no such file of certification authorities")
    if url.startswith("http:") and not is_loopback(url):
        logger.warning("%s: plain http: everybody on the way can read what is sent", url)
    with requests.Session() as session:
        session.trust_env = not is_loopback(url)
        session.auth = _authorize(who)  # set even for nobody, or requests would ask ~/.netrc
        session.headers["User-Agent"] = "imnm-fhir"
        connection = Connection(session, url, chosen, verify=trusted or True)
        connection.fhir_version, connection.software = _read_metadata(connection)
        yield connection


def _authorize(who: Credentials) -> "Authorize":
    authorization = who.authorization()

    def authorize(request: "requests.PreparedRequest") -> "requests.PreparedRequest":
        if authorization:
            request.headers["Authorization"] = authorization
        return request

    return authorize


def _read_metadata(connection: Connection) -> tuple[str, str]:
    """Return FHIR version and software of the server; the two elements are asked for alone first.

    A whole statement has megabytes on some servers, and others do not know `_elements`.
    """
    for path in ("metadata?_elements=fhirVersion,software", "metadata"):
        response = connection.request("GET", path, patience=_PATIENCE)
        statement = response.json()
        if response.status == 200 and isinstance(statement, dict) and "fhirVersion" in statement:
            return _check_release(connection, statement["fhirVersion"]), _software(statement)
    if response.status != 200:
        raise connection.refusal(response, "reading its metadata")
    raise ServerError(
        f"{connection.base_url}: is no FHIR server (its metadata say no FHIR version): check that "
        "the address is the FHIR base (it often ends in /fhir)"
    )


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
