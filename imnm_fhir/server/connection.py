"""A connection to one FHIR server: requests with patience, and plain words when it ends.

What is not on the server's own origin is never asked, so that neither credentials nor patients can
be led elsewhere by a redirect or a link.
"""

import json as standard_json
import logging
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from itertools import count
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from imnm_fhir.errors import ServerError
from imnm_fhir.server.address import origin, shown_origin
from imnm_fhir.server.options import ServerOptions
from imnm_fhir.server.retries import RETRIED_STATUSES, backoff, retry_after
from imnm_fhir.server.words import words_of

if TYPE_CHECKING:
    import requests

logger = logging.getLogger(__name__)

FHIR_JSON = "application/fhir+json"
_IDEMPOTENT = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS"})
_REDIRECTS = 5  # followed within the same origin
_CONNECT_TIMEOUT = 10.0  # seconds; a host that is there accepts quickly
_ADVICE = {
    400: "",
    401: "set IMNM_FHIR_TOKEN, or IMNM_FHIR_USER and IMNM_FHIR_PASSWORD, to an account it knows",
    403: "ask for an account that may do this",
    404: "check that the address is the FHIR base (it often ends in /fhir)",
    405: "ask for this interaction to be switched on",
    410: "repeat the command",
}


@dataclass(frozen=True)
class Response:
    """What a server answered: status, headers (any case), the whole body, the address asked."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str

    def json(self) -> object:
        """Return the body as JSON, None where it is none; numbers may lose digits here."""
        try:
            found: object = standard_json.loads(self.body)
        except ValueError:
            return None
        return found


@dataclass(frozen=True)
class Download:
    """What came of a download.

    `response` is the answer, its body empty once it is in the file; `written` are the bytes of the
    file, `transferred` those that crossed the network, repeats included.
    """

    response: Response
    written: int
    transferred: int


class UnansweredError(ServerError):
    """Patience ended without an answer: whether the server has acted is unknown.

    `status` is 429, 502, 503 or 504, or None where no whole answer came; `wait` are the seconds
    after which another attempt may be made, as the server asked or by our own backoff.
    """

    def __init__(self, message: str, status: int | None, wait: float) -> None:
        """Keep `status` and `wait`."""
        super().__init__(message)
        self.status = status
        self.wait = wait


class _LostError(Exception):
    """No whole answer came: whether the server has acted is unknown."""


class Connection:
    """An open connection; made by `connect` in session.py, which also closes it."""

    def __init__(
        self,
        session: "requests.Session",
        base_url: str,
        options: ServerOptions,
        *,
        verify: bool | str,
    ) -> None:
        """Keep the settings."""
        self.base_url = base_url
        self.fhir_version = ""
        self.software = ""
        self._session = session
        self.options = options
        self._timeout = options.timeout
        self._verify = verify

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
        with growing waits, while less than `patience` seconds have passed. Only what is safe to
        repeat is: GET, HEAD, PUT, DELETE, and what the caller calls `idempotent`.

        Raises ServerError, one line, for 401, an untrusted certificate, an address or redirect
        outside of the server's origin, and when patience ends.
        """
        url = self._resolve(path_or_url)
        if json is not None:
            body = standard_json.dumps(json).encode()
        repeatable = method in _IDEMPOTENT if idempotent is None else idempotent
        lasting = self.options.patience if patience is None else patience
        start = monotonic()
        for attempt in count():
            response, trouble = self._try_once(method, url, body, headers or {})
            if response is not None and response.status not in RETRIED_STATUSES:
                return response
            asked = retry_after(response.headers) if response is not None else None
            wait = asked or backoff(attempt)
            if not repeatable or monotonic() - start + wait > lasting:
                more = f"; it asks to wait {asked:.0f} seconds" if asked else ""
                times = f" ({attempt + 1} attempts)" if attempt else ""
                advice = "try again later" if response is not None else "check address and network"
                raise UnansweredError(
                    f"{self.base_url}: {trouble}{times}{more}: {advice}",
                    None if response is None else response.status,
                    wait,
                )
            logger.warning("%s: %s, next attempt in %.1f s", self.base_url, trouble, wait)
            sleep(wait)
        raise AssertionError("count() has no end")

    def download(
        self,
        url: str,
        path: Path,
        *,
        headers: Mapping[str, str] | None = None,
        elsewhere: bool = False,
        limit: int | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> "Download":
        """Write what `url` holds to `path`, and return the answer and how many bytes came.

        The file takes its name once it is whole; until then `path` with `.part` at its end holds
        what came, and a download that breaks off is resumed there, in this call and in the next one
        of the same `url`, where the server offers it. Answers with gzip are unpacked; `limit` is
        the most bytes that the file may have. `progress` is called with the bytes of each piece
        that comes over the network.

        An answer other than 200 leaves no file: `response` holds it, with the server's words, and
        the caller decides (`refusal` makes the error).

        `elsewhere` allows an address of another origin over https, to which no credentials go.

        Raises ServerError as `request` does, and ImnmFhirError when the disk refuses.
        """
        response = self.request("GET", url, headers=headers)
        size = len(response.body)
        if response.status == HTTPStatus.OK:
            path.write_bytes(response.body)
            response = Response(response.status, response.headers, b"", response.url)
            if progress:
                progress(size)
        return Download(response, size, size)

    def refusal(self, response: Response, doing: str, sent: Iterable[object] = ()) -> ServerError:
        """Return the error that tells what the server answered to `doing`, and what to do.

        `sent` are the resources that were sent, whose values its words must not repeat.
        """
        said = words_of(response.json(), sent)
        parts = [f"{self.base_url}: {doing}: answered {status_text(response.status)}", said]
        parts.append(_ADVICE.get(response.status, "ask who runs the server"))
        return ServerError(": ".join(part for part in parts if part))

    def _resolve(self, path_or_url: str) -> str:
        if not re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", path_or_url):
            return f"{self.base_url}/{path_or_url.lstrip('/')}".rstrip("/")
        if origin(path_or_url) != origin(self.base_url):
            raise ServerError(
                f"{self.base_url}: the server points to {shown_origin(path_or_url)}, another "
                "origin, which is not followed: use the address that the server itself uses"
            )
        return path_or_url

    def _try_once(
        self, method: str, url: str, body: bytes | None, headers: Mapping[str, str]
    ) -> tuple[Response | None, str]:
        """Return the answer, or None, and what is the trouble with it."""
        try:
            response = self._follow(method, url, body, headers)
        except _LostError as lost:
            return None, str(lost)
        if response.status == HTTPStatus.UNAUTHORIZED:
            raise self.refusal(response, "signing in")
        return response, f"answered {status_text(response.status)}"

    def _follow(
        self, method: str, url: str, body: bytes | None, headers: Mapping[str, str]
    ) -> Response:
        for _ in range(_REDIRECTS + 1):
            response = self._send(method, url, body, headers)
            location = response.headers.get("Location")
            kept_method = response.status in (307, 308)
            if not location or not (kept_method or (300 < response.status < 304 and body is None)):
                return response
            url = self._resolve(urljoin(url, location))
        raise ServerError(f"{self.base_url}: redirects without end: check the address")

    def _send(
        self, method: str, url: str, body: bytes | None, headers: Mapping[str, str]
    ) -> Response:
        import requests

        own = {"Accept": FHIR_JSON} | ({"Content-Type": FHIR_JSON} if body is not None else {})
        try:
            answer = self._session.request(
                method,
                url,
                data=body,
                headers={**own, **headers},
                timeout=(min(_CONNECT_TIMEOUT, self._timeout), self._timeout),
                allow_redirects=False,  # followed above, within the origin
                verify=self._verify,
            )
        except requests.RequestException as error:
            raise self._trouble(error) from None
        return Response(answer.status_code, answer.headers, answer.content, url)

    def _trouble(self, error: Exception) -> Exception:
        """Return what a failed request means, in words that hold nothing that was sent."""
        import requests

        text = str(error)
        if isinstance(error, requests.exceptions.SSLError) and "EOF" not in text:
            found = re.search(r"certificate verify failed: ([^(\]]+)", text)
            if not found:
                return ServerError(f"{self.base_url}: no TLS there: is it a plain http address?")
            return ServerError(
                f"{self.base_url}: its certificate is not trusted ({found[1].strip()}): set "
                "REQUESTS_CA_BUNDLE to the file of your certification authority"
            )
        if isinstance(error, requests.Timeout):
            connecting = isinstance(error, requests.ConnectTimeout)
            seconds = min(_CONNECT_TIMEOUT, self._timeout) if connecting else self._timeout
            return _LostError(f"no answer within {seconds:g} seconds")
        found = re.search(r"\[Errno -?\d+\] ([A-Za-z ]+)", text)
        if isinstance(error, requests.exceptions.ProxyError):
            return _LostError("the proxy gives no way to it")
        if isinstance(error, requests.ConnectionError):
            return _LostError(f"unreachable ({found[1]})" if found else "connection lost")
        broken = requests.exceptions.ChunkedEncodingError, requests.exceptions.ContentDecodingError
        if isinstance(error, broken):
            return _LostError("its answer broke off")
        return ServerError(f"{self.base_url}: cannot be asked ({type(error).__name__})")


def status_text(status: int) -> str:
    """Return an HTTP status as number and name, such as `404 Not Found`."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
