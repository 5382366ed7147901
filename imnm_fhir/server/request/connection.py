"""A connection to one FHIR server: requests with patience, and plain words when it ends.

What is not on the server's own origin is never asked with credentials, so that neither these nor
patients can be led elsewhere by a redirect or a link.
"""

import gzip
import json as standard_json
import logging
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from http import HTTPStatus
from math import inf
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Protocol

from imnm_fhir.errors import ServerError
from imnm_fhir.server.request.address import (
    is_loopback,
    is_safe_elsewhere,
    join,
    own_address,
    shown_origin,
)
from imnm_fhir.server.request.downloads import Download, Wanted, download_file
from imnm_fhir.server.request.options import ServerOptions
from imnm_fhir.server.request.retries import DeadlineError, Patience, UnansweredError
from imnm_fhir.server.request.transport import Response, Transport, status_text
from imnm_fhir.server.request.words import words_of

if TYPE_CHECKING:
    from imnm_fhir.server.request.transport import Taker

__all__ = [
    "Ask",
    "Connection",
    "DeadlineError",
    "Download",
    "Response",
    "Signer",
    "UnansweredError",
    "status_text",
]

logger = logging.getLogger(__name__)

FHIR_JSON = "application/fhir+json"
REDIRECTS = 5  # followed within the same origin
_IDEMPOTENT = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS"})
_SMALLEST_PACKED = 2048  # bytes; smaller bodies are not worth packing
_NOT_UNPACKED = frozenset({400, 415, 501})  # what a server may say that does not know gzip
_ADVICE = {
    400: "",
    401: "set IMNM_FHIR_TOKEN, IMNM_FHIR_USER and IMNM_FHIR_PASSWORD, or IMNM_FHIR_SMART_CLIENT_ID, "
    "to an account it knows",
    403: "ask for an account that may do this",
    404: "check that the address is the FHIR base (it often ends in /fhir)",
    405: "ask for this interaction to be switched on",
    410: "repeat the command",
}


class Signer(Protocol):
    """Who we are: what `Credentials` know beforehand, or a `TokenSource` fetches."""

    def authorization(self) -> str | None:
        """Return the value of the Authorization header."""

    def renew(self, refused: str | None) -> bool:
        """Return whether there is a newer one than what the server has `refused`."""


class Connection:
    """An open connection; made by `connect` in session.py, which also closes it.

    Threads may share it: requests go through one pool of sockets, and one token serves all.
    """

    def __init__(
        self,
        transport: Transport,
        signer: Signer,
        elsewhere: Transport,
        ends: float = inf,
    ) -> None:
        """Keep what it is made of; `elsewhere` is a transport that shows nobody who we are."""
        self.base_url = transport.place
        self.options: ServerOptions = transport.options
        self.fhir_version = ""
        self.software = ""
        self.inner_base = ""  # what the server itself calls its base, where it says so
        self._transport = transport
        self._signer = signer
        self._elsewhere = elsewhere
        self._ends = ends
        wished = self.options.compress
        self._packs = not is_loopback(self.base_url) if wished is None else wished
        self._packed_taken = False

    def request(
        self,
        method: str,
        path_or_url: str,
        *,
        json: object = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        idempotent: bool | None = None,
        patience: float | None = None,
    ) -> Response:
        """Return the server's answer, whatever its status but 401.

        A lost connection and 429, 502, 503, 504 are tried again, as long as the server asks for or
        with growing waits, while less than `patience` seconds have passed (that of the options
        where it is None). Only what is safe to repeat is: GET, HEAD, PUT, DELETE, and what the
        caller calls `idempotent`.

        Raises ServerError, one line, for 401, an untrusted certificate, an address or redirect
        outside of the server's origin, and an answer that is too large; UnansweredError when
        patience ends, DeadlineError when the deadline of the options has passed, both ServerErrors.
        """
        url = self.resolve(path_or_url)
        if json is not None:
            body = standard_json.dumps(json).encode()
        repeatable = method in _IDEMPOTENT if idempotent is None else idempotent
        return self.patience(patience, repeatable).persist(
            partial(self.fetch, Ask(method, url, body, headers or {}))
        )

    def download(
        self,
        url: str,
        path: Path,
        *,
        headers: Mapping[str, str] | None = None,
        elsewhere: bool = False,
        limit: int | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> Download:
        """Write what `url` holds to `path`, and return the answer and how many bytes came.

        The file takes its name once it is whole; until then `path` with `.part` at its end holds
        what came, and a download that breaks off is resumed there, in this call and in the next one
        of the same `url`, where the server offers it. Answers with gzip are unpacked; `limit` is
        the most bytes that the file may have. `progress` is called with the bytes of each piece
        that comes over the network. While bytes come it lasts as long as it must.

        An answer other than 200 leaves no file: `response` holds it, with the server's words, and
        the caller decides (`refusal` makes the error).

        `elsewhere` allows an address of another origin over https, to which no credentials go.

        Raises ServerError as `request` does, and ImnmFhirError when the disk refuses.
        """
        ask = Ask("GET", self.resolve(url, elsewhere), headers=headers or {}, elsewhere=elsewhere)
        wanted = Wanted(ask.url, path, limit, progress or (lambda size: None))

        def fetch(named: Mapping[str, str], take: "Taker", seconds: float) -> Response:
            return self.fetch(replace(ask, headers={**ask.headers, **named}, take=take), seconds)

        return download_file(wanted, fetch, self.patience(), self._transport)

    def refusal(self, response: Response, doing: str, sent: Iterable[object] = ()) -> ServerError:
        """Return the error that tells what the server answered to `doing`, and what to do.

        `sent` are the resources that were sent, whose values its words must not repeat.
        """
        said = words_of(response.json(), sent)
        parts = [f"{self.base_url}: {doing}: answered {status_text(response.status)}", said]
        parts.append(_ADVICE.get(response.status, "ask who runs the server"))
        return ServerError(": ".join(part for part in parts if part))

    def patience(self, lasting: float | None = None, repeatable: bool = True) -> Patience:
        """Return how long one request is tried."""
        seconds = self.options.patience if lasting is None else lasting
        return Patience(self.base_url, seconds, self.options.timeout, self._ends, repeatable)

    def resolve(self, path_or_url: str, elsewhere: bool = False) -> str:
        """Return the address to ask: a path below the base, or a link of the server.

        Raises ServerError for a link to another origin, unless it is rewritten to ours (the
        option), or may lead `elsewhere`.
        """
        if not re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", path_or_url):
            return f"{self.base_url}/{path_or_url.lstrip('/')}".rstrip("/")
        inner = self.inner_base if self.options.rewrite_links else None
        own = own_address(path_or_url, self.base_url, inner)
        if own is not None:
            return own
        if elsewhere and is_safe_elsewhere(path_or_url, self.base_url):
            return path_or_url
        raise ServerError(
            f"{self.base_url}: the server points to {shown_origin(path_or_url)}, another origin, "
            "which is not followed: use the address that the server itself uses, or, if it stands "
            "behind a reverse proxy, --rewrite-links"
        )

    def fetch(self, ask: "Ask", seconds: float) -> Response:
        """Return the answer to one attempt; when it is 401 that to a renewed token, if there is one.

        Raises LostError when no whole answer came within `seconds`, else as `request` does.
        """
        own = own_address(ask.url, self.base_url) is not None
        for again in (True, False):
            who = self._signer.authorization() if own else None
            named = {**ask.headers, "Authorization": who} if who else ask.headers
            response = self._packed(replace(ask, headers=named), monotonic() + seconds)
            if not own or response.status != HTTPStatus.UNAUTHORIZED:
                return response
            if not (again and self._signer.renew(who)):
                break
        raise self.refusal(response, "signing in")

    def _packed(self, ask: "Ask", ends: float) -> Response:
        """Return the answer to a body sent with gzip, or as it is where the server knows no gzip.

        An error may as well be the body's fault: only one that the bare body does not get proves it.
        """
        if not self._packs or ask.body is None or len(ask.body) < _SMALLEST_PACKED:
            return self._follow(ask, ends)
        headers = {**ask.headers, "Content-Encoding": "gzip"}
        packed = replace(ask, body=gzip.compress(ask.body, 1, mtime=0), headers=headers)
        response = self._follow(packed, ends)
        self._packed_taken = self._packed_taken or response.status < 300
        unknown = response.status in _NOT_UNPACKED and not self._packed_taken
        if not unknown and response.status != HTTPStatus.UNSUPPORTED_MEDIA_TYPE:
            return response
        bare = self._follow(ask, ends)
        if bare.status != response.status:
            logger.info("%s: takes no bodies with gzip", self.base_url)
            self._packs = False
        return bare

    def _follow(self, ask: "Ask", ends: float) -> Response:
        """Return the answer at the end of redirects; who we are goes to our own origin alone."""
        for _ in range(REDIRECTS + 1):
            response = self._send(ask, max(0.0, ends - monotonic()))
            location = response.headers.get("Location")
            kept_method = response.status in (307, 308)
            moved = kept_method or (300 < response.status < 304 and ask.body is None)
            if not location or not moved:
                return response
            ask = replace(ask, url=self.resolve(join(ask.url, location), ask.elsewhere))
        raise ServerError(f"{self.base_url}: redirects without end: check the address")

    def _send(self, ask: "Ask", seconds: float) -> Response:
        own = own_address(ask.url, self.base_url) is not None
        transport = self._transport if own else self._elsewhere
        headers = {"Accept": FHIR_JSON, **ask.headers}
        if ask.body is not None:
            headers = {"Content-Type": FHIR_JSON, **headers}
        if not own:
            headers.pop("Authorization", None)
        return transport.send(ask.method, ask.url, ask.body, headers, seconds, ask.take)


@dataclass(frozen=True)
class Ask:
    """One request: what is asked of which address; `take` reads the answer's body in place of us."""

    method: str
    url: str
    body: bytes | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    take: "Taker | None" = None
    elsewhere: bool = False
