"""One attempt at one request: over verified TLS, bounded in time and in size."""

import re
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http import HTTPStatus
from json import loads
from typing import TYPE_CHECKING, Any

from imnm_fhir.errors import ServerError, UsageError
from imnm_fhir.server.request.address import is_loopback, web_address
from imnm_fhir.server.request.limits import Limit, limited, watch
from imnm_fhir.server.request.options import MEGABYTE, ServerOptions

if TYPE_CHECKING:
    import requests

    Taker = Callable[[requests.Response, Limit], bytes]

CONNECTIONS = 32  # kept open at most; more threads than these open and close their own
PIECE = 65_536  # bytes read at once
_CONNECT_TIMEOUT = 10.0  # seconds; a host that is there accepts quickly


@dataclass(frozen=True)
class Response:
    """What a server answered: status, headers (any case), the whole body, the address asked.

    `repr` shows the status alone: headers and body may hold secrets and patients.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    url: str = field(repr=False)

    def json(self) -> object:
        """Return the body as JSON, None where it is none; numbers may lose digits here."""
        try:
            found: object = loads(self.body)
        except (ValueError, RecursionError):
            return None
        return found


class LostError(Exception):
    """No whole answer came: whether the server has acted is unknown."""


@dataclass(frozen=True)
class Transport:
    """A pool of connections that threads may share; `place` names the server in errors."""

    session: "requests.Session" = field(repr=False)
    options: ServerOptions
    place: str

    def send(
        self,
        method: str,
        url: str,
        body: bytes | None,
        headers: Mapping[str, str],
        seconds: float,
        take: "Taker | None" = None,
    ) -> Response:
        """Return the answer, which must be whole within `seconds`.

        `take` reads the body instead, and returns what of it is to be kept in memory.

        Raises LostError when none came whole, and ServerError for what another attempt cannot mend.
        """
        with limited(seconds) as limit, self.open(method, url, body, headers, limit) as answer:
            whole = take(answer, limit) if take else self.read(answer)
        return Response(answer.status_code, answer.headers, whole, url)

    @contextmanager
    def open(
        self,
        method: str,
        url: str,
        body: bytes | None,
        headers: Mapping[str, str],
        limit: Limit,
    ) -> Iterator["requests.Response"]:
        """Yield the answer as soon as its headers are there; its body is still to be read."""
        import requests
        import urllib3

        silence = min(self.options.timeout, max(limit.seconds, 0.001))
        try:
            answer = self.session.request(
                method,
                url,
                data=body,
                headers=headers,
                timeout=(min(_CONNECT_TIMEOUT, silence), silence),
                allow_redirects=False,  # followed by the caller, within the origin
                proxies=proxies_for(url),
                stream=True,
            )
            try:
                yield answer
            finally:
                answer.close()
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise self._trouble(error, silence, limit) from None

    def read(self, answer: "requests.Response") -> bytes:
        """Return the body, unpacked; raises ServerError when it is larger than the options allow."""
        pieces, size = [], 0
        for piece in answer.iter_content(PIECE):
            size += len(piece)
            if size > self.options.largest_answer:
                raise ServerError(
                    f"{self.place}: its answer, unpacked, is larger than "
                    f"{self.options.largest_answer / MEGABYTE:g} MB: ask for smaller pages"
                )
            pieces.append(piece)
        return b"".join(pieces)

    def _trouble(self, error: Exception, silence: float, limit: Limit) -> Exception:
        """Return what a failed attempt means, in words that hold nothing that was sent."""
        import requests
        import urllib3

        text = str(error)
        if limit.passed:
            return LostError(f"no whole answer within {limit.seconds:.3g} seconds")
        if isinstance(error, requests.exceptions.ProxyError):
            return LostError("the proxy gives no way to it")
        if "SSL" in text and (told := _tls_trouble(text)):
            return ServerError(f"{self.place}: {told}")
        if isinstance(error, requests.Timeout) or "Read timed out" in text:
            connecting = isinstance(error, requests.ConnectTimeout)
            seconds = min(_CONNECT_TIMEOUT, silence) if connecting else silence
            return LostError(f"no answer within {seconds:.3g} seconds")
        broken = requests.exceptions.ChunkedEncodingError, requests.exceptions.ContentDecodingError
        if isinstance(error, (*broken, urllib3.exceptions.HTTPError)):
            return LostError("its answer broke off")
        if isinstance(error, requests.ConnectionError):
            found = re.search(r"\[Errno -?\d+\] ([A-Za-z ]+)", text)
            return LostError(f"unreachable ({found[1]})" if found else "connection lost")
        return ServerError(f"{self.place}: cannot be asked ({type(error).__name__})")


def status_text(status: int) -> str:
    """Return an HTTP status as number and name, such as `404 Not Found`."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


@contextmanager
def open_transport(
    place: str, options: ServerOptions, context: ssl.SSLContext
) -> Iterator[Transport]:
    """Yield the transport to the server called `place`; `context` says whom TLS trusts.

    Nothing of the environment is read by the session itself: neither ~/.netrc nor a variable that
    would turn verification off.
    """
    import requests

    with requests.Session() as session:
        session.trust_env = False
        # Redirects are ours: requests would read each target, even one that nobody can read.
        session.get_redirect_target = lambda resp: None  # type: ignore[method-assign]
        session.headers.update({"User-Agent": "imnm-fhir", "Accept-Encoding": "gzip"})
        adapter = _adapter_class()(context)
        session.mount("https://", adapter)
        session.mount("http://", adapter)
        yield Transport(session, options, place)


def proxies_for(url: str) -> dict[str, str]:
    """Return the proxies that the environment names for `url`, none for this machine itself.

    Raises UsageError, which does not repeat it, for a proxy that is no http or https address.
    """
    from requests.utils import get_environ_proxies, select_proxy

    proxies = {} if is_loopback(url) else dict(get_environ_proxies(url))
    chosen = select_proxy(url, proxies)
    if chosen and web_address(chosen if "://" in chosen else f"http://{chosen}") is None:
        raise UsageError(
            "the proxy that HTTPS_PROXY, HTTP_PROXY or ALL_PROXY names cannot be used: write it as "
            "http://proxy.example:3128 (SOCKS is not supported)"
        )
    return proxies


@cache
def _adapter_class() -> Callable[[ssl.SSLContext], Any]:
    """Return the class of the adapters: they have one TLS context, and their sockets are watched."""
    from requests.adapters import HTTPAdapter

    class Adapter(HTTPAdapter):
        def __init__(self, context: ssl.SSLContext) -> None:
            self.context = context
            super().__init__(pool_maxsize=CONNECTIONS)

        def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
            super().init_poolmanager(*arguments, ssl_context=self.context, **options)
            self.poolmanager.pool_classes_by_scheme = _watched_pools()

        def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
            manager = super().proxy_manager_for(proxy, ssl_context=self.context, **options)
            manager.pool_classes_by_scheme = _watched_pools()
            return manager

        def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
            """Leave it to the context: the usual method would add the authorities of certifi."""
            conn.cert_reqs = "CERT_REQUIRED"

    return Adapter


@cache
def _watched_pools() -> dict[str, Any]:
    from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
    from urllib3.connection import HTTPConnection, HTTPSConnection

    def watched(kind: Any) -> Any:
        class Watched(kind):  # type: ignore[misc]
            def _new_conn(self) -> Any:
                made = super()._new_conn()
                watch(made)
                return made

            def connect(self) -> None:
                super().connect()
                watch(self.sock)  # which TLS has wrapped

            def putrequest(self, *arguments: Any, **options: Any) -> Any:
                watch(self.sock)  # of an earlier request
                return super().putrequest(*arguments, **options)

        return Watched

    class Plain(HTTPConnectionPool):
        ConnectionCls = watched(HTTPConnection)

    class Secure(HTTPSConnectionPool):
        ConnectionCls = watched(HTTPSConnection)

    return {"http": Plain, "https": Secure}


def _tls_trouble(text: str) -> str | None:
    """Return what is wrong with TLS and what to do, None when the connection was merely lost."""
    if found := re.search(r"certificate verify failed: ([^(\]]+)", text):
        return (
            f"its certificate is not trusted ({found[1].strip()}): give the file of your "
            "certification authority as --ca-bundle, or set REQUESTS_CA_BUNDLE to it"
        )
    if re.search(r"alert|ALERT", text):
        return (
            "it refuses our TLS: if it wants a client certificate, set IMNM_FHIR_CLIENT_CERT_FILE"
        )
    if "EOF" in text or "bad record" in text:
        return None
    return "no TLS there: is it a plain http address?"
