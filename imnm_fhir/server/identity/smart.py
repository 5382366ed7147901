"""Tokens of SMART Backend Services: found, asked for with a signed assertion, and renewed in time.

Source: SMART App Launch 2.2, backend-services.html.
"""

import logging
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from threading import Lock
from time import monotonic
from urllib.parse import urlencode

from imnm_fhir.errors import ServerError
from imnm_fhir.server.identity.credentials import TOKEN, SmartClient
from imnm_fhir.server.identity.signing import SigningKey
from imnm_fhir.server.request.address import is_loopback, shown_origin, web_address
from imnm_fhir.server.request.options import MEGABYTE
from imnm_fhir.server.request.retries import Patience, date_of
from imnm_fhir.server.request.transport import Response, Transport, status_text
from imnm_fhir.server.request.words import cut_values

logger = logging.getLogger(__name__)

_USUAL_LIFETIME = 300.0  # seconds, where the answer says none
_LONGEST_LIFETIME = 86_400.0
_EARLY = 30.0  # seconds before its end at which a token is renewed, or a fifth of its life
_DIFFERENT = 5.0  # seconds between two clocks that make a second attempt worth while
_V1 = "system/*.read system/*.write"
_V2 = "system/*.cruds"
_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_ADVICE = {
    "invalid_client": "check IMNM_FHIR_SMART_CLIENT_ID and that the public key is registered "
    "(`imnm-fhir smart-key` prints it)",
    "invalid_grant": "check that the public key is registered, and this machine's clock",
    "unauthorized_client": "have client_credentials allowed for this client",
    "invalid_scope": "set IMNM_FHIR_SMART_SCOPES to what the client was registered with",
}


@dataclass(frozen=True)
class _Endpoint:
    """Where tokens are given, and the scopes to ask for."""

    url: str
    scopes: str


class TokenSource:
    """The access token of one client at one server; threads may share it."""

    def __init__(
        self, client: SmartClient, key: SigningKey, transport: Transport, ends: float
    ) -> None:
        """Ask nothing yet; `transport.place` is the FHIR base, `ends` the moment of the deadline."""
        self._client = client
        self._key = key
        self._base_url = transport.place
        small = replace(transport.options, largest_answer=MEGABYTE)
        self._transport = replace(transport, options=small)
        self._ends = ends
        self._lock = Lock()
        self._endpoint: _Endpoint | None = None
        self._token = ""
        self._renew_at = 0.0
        self._ahead = 0.0  # seconds by which the server's clock is ahead of ours

    def authorization(self) -> str | None:
        """Return the value of the Authorization header, with a token that is still good.

        Raises ServerError, one line, when the authorization server gives none.
        """
        with self._lock:
            if not self._token or monotonic() >= self._renew_at:
                self._fetch()
            return f"Bearer {self._token}"

    def renew(self, refused: str | None) -> bool:
        """Return True after getting a newer token than the one that the server has `refused`."""
        with self._lock:
            if refused == f"Bearer {self._token}":
                self._fetch()
            return True

    def _fetch(self) -> None:
        if self._endpoint is None:
            self._endpoint = self._find()
        start, ahead = monotonic(), self._ahead
        response = self._ask(self._endpoint)
        if response.status in (400, 401) and abs(self._ahead - ahead) > _DIFFERENT:
            logger.info("%s: its clock differs from ours by %.0f s", self._place(), self._ahead)
            start, response = monotonic(), self._ask(self._endpoint)
        self._token, lifetime = self._read(response)
        self._renew_at = start + lifetime - min(_EARLY, lifetime / 5)

    def _find(self) -> _Endpoint:
        """Return what the server's SMART configuration says, or what the user has set."""
        client = self._client
        if client.token_url:
            url = _checked(client.token_url, self._base_url, "IMNM_FHIR_SMART_TOKEN_URL")
            return _Endpoint(url, client.scopes or _V1)
        address = f"{self._base_url}/.well-known/smart-configuration"
        response = self._persist(
            self._transport,
            lambda seconds: self._transport.send(
                "GET", address, None, {"Accept": "application/json"}, seconds
            ),
        )
        found = response.json()
        given = found.get("token_endpoint") if isinstance(found, dict) else None
        if response.status != 200 or not isinstance(found, dict) or not isinstance(given, str):
            raise ServerError(
                f"{self._base_url}: has no SMART configuration (answered "
                f"{status_text(response.status)}): check the address, or set "
                "IMNM_FHIR_SMART_TOKEN_URL"
            )
        self._check_methods(found)
        checked = _checked(given, self._base_url, f"{self._base_url}: its token endpoint")
        return _Endpoint(checked, client.scopes or _usual_scopes(found))

    def _check_methods(self, found: Mapping[str, object]) -> None:
        wanted = {
            "token_endpoint_auth_methods_supported": "private_key_jwt",
            "token_endpoint_auth_signing_alg_values_supported": self._key.algorithm,
        }
        for name, value in wanted.items():
            offered = found.get(name)
            if isinstance(offered, list) and offered and value not in offered:
                raise ServerError(
                    f"{self._base_url}: its authorization server does not take {value} "
                    f"({name}): use another key or kind of credentials"
                )

    def _ask(self, endpoint: _Endpoint) -> Response:
        """Return the answer to a request for a token; every attempt has an assertion of its own."""
        transport = replace(self._transport, place=self._place())
        headers = {
            "Accept": "application/json",
            "Content-Type": "application/x-www-form-urlencoded",
        }
        return self._persist(
            transport,
            lambda seconds: transport.send(
                "POST", endpoint.url, self._form(endpoint), headers, seconds
            ),
        )

    def _form(self, endpoint: _Endpoint) -> bytes:
        now = int(time.time() + self._ahead)
        client = self._client
        assertion = self._key.assertion(client.client_id, endpoint.url, now, client.jwks_url)
        fields = {
            "grant_type": "client_credentials",
            "scope": endpoint.scopes,
            "client_assertion_type": _ASSERTION,
            "client_assertion": assertion,
        }
        return urlencode(fields).encode("ascii")

    def _persist(self, transport: Transport, attempt: Callable[[float], Response]) -> Response:
        options = transport.options
        patience = Patience(transport.place, options.patience, options.timeout, self._ends)
        response = patience.persist(attempt)
        self._measure(response)
        return response

    def _measure(self, response: Response) -> None:
        """Learn the server's clock from its Date (and the Age of an answer from a cache)."""
        moment = date_of(response.headers.get("Date", ""))
        if moment is not None:
            age = response.headers.get("Age", "")
            aged = float(age) if age.isascii() and age.isdigit() and len(age) < 9 else 0.0
            self._ahead = (moment - datetime.now(UTC)).total_seconds() + aged

    def _read(self, response: Response) -> tuple[str, float]:
        found = response.json()
        if response.status != 200 or not isinstance(found, dict):
            raise self._refusal(response, found)
        token, kind = found.get("access_token"), str(found.get("token_type", "bearer"))
        if not isinstance(token, str) or not TOKEN.fullmatch(token) or kind.lower() != "bearer":
            raise ServerError(f"{self._place()}: its answer holds no bearer token: ask who runs it")
        try:
            lifetime = float(found.get("expires_in", _USUAL_LIFETIME))
        except (TypeError, ValueError):
            lifetime = _USUAL_LIFETIME
        return token, min(max(lifetime, 0.0), _LONGEST_LIFETIME)

    def _refusal(self, response: Response, found: object) -> ServerError:
        answer = found if isinstance(found, dict) else {}
        code, words = answer.get("error"), answer.get("error_description")
        known = code if isinstance(code, str) and re.fullmatch(r"[a-z_]{1,40}", code) else ""
        parts = [
            f"{self._place()}: gives no token (answered {status_text(response.status)})",
            known,
            cut_values(words, [self._client.client_id]) if isinstance(words, str) else "",
            _ADVICE.get(known, "ask who runs it"),
        ]
        return ServerError(": ".join(part for part in parts if part))

    def _place(self) -> str:
        return shown_origin(self._endpoint.url) if self._endpoint else self._base_url


def _checked(url: str, base_url: str, named: str) -> str:
    """Return the token endpoint `url`, once an assertion may be sent there.

    Only this machine itself may be asked without TLS, and only by a server that is on it.
    """
    parts = web_address(url)
    local = is_loopback(url) and is_loopback(base_url)
    if parts is None or parts.username is not None or (parts.scheme != "https" and not local):
        raise ServerError(f"{named}: is no https address: ask who runs the server")
    return url


def _usual_scopes(found: Mapping[str, object]) -> str:
    """Return the scopes for reading and writing, in the syntax that the server knows."""
    offered: list[object] = []
    for name in ("capabilities", "scopes_supported"):
        value = found.get(name)
        offered += value if isinstance(value, list) else []
    second = any(
        each == "permission-v2" or (isinstance(each, str) and re.search(r"\.c?r?u?d?s$", each))
        for each in offered
    )
    return _V2 if second else _V1
