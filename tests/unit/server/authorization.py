"""A stand-in for a FHIR server with its authorization server: SMART Backend Services, checked."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from typing import Any
from urllib.parse import parse_qs

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from tests.unit.server.stand_in import Answer, Asked, StandIn, fhir, metadata, outcome, stand_in

CLIENT = "imnm-cohort"


@dataclass
class Authorization:
    """Gives tokens to who signs with a registered key, and lets these in for `lifetime` seconds."""

    server: StandIn
    registered: dict[str, Any]
    lifetime: float = 300
    ahead: float = 0  # seconds by which its clock is ahead
    refuses: set[str] = field(default_factory=set)
    tokens: dict[str, float] = field(default_factory=dict)  # until when each is good
    assertions: list[Any] = field(default_factory=list)
    forms: list[dict[str, str]] = field(default_factory=list)
    used: set[str] = field(default_factory=set)
    failures: list[Answer] = field(default_factory=list)  # given first, one each
    offered: dict[str, object] = field(default_factory=dict)

    @property
    def token_url(self) -> str:
        return self.server.base_url.partition("/fhir")[0] + "/token"

    def now(self) -> float:
        return time.time() + self.ahead

    def answer(self, asked: Asked) -> Answer:
        told = self.told(asked)
        return replace(told, headers={**told.headers, "Date": formatdate(self.now())})

    def told(self, asked: Asked) -> Answer:
        if "/metadata" in asked.path:
            return metadata()
        if asked.path.endswith("/.well-known/smart-configuration"):
            return fhir({"token_endpoint": self.token_url, **self.offered})
        if asked.path == "/token":
            return self.failures.pop(0) if self.failures else self.give(asked)
        token = asked.headers.get("Authorization", "").removeprefix("Bearer ")
        if self.tokens.get(token, 0) < time.monotonic() or token in self.refuses:
            return outcome("token unknown or expired", 401)
        return fhir({"resourceType": "Patient", "id": asked.path.rpartition("/")[2]})

    def give(self, asked: Asked) -> Answer:
        form = {name: values[0] for name, values in parse_qs(asked.body.decode()).items()}
        self.forms.append(form)
        if trouble := self.wrong(form):
            return fhir({"error": trouble, "error_description": f"no: {form}"}, 400)
        token = f"token-{len(self.tokens)}"
        self.tokens[token] = time.monotonic() + self.lifetime
        given = {"access_token": token, "token_type": "Bearer", "expires_in": self.lifetime}
        return Answer(200, json.dumps(given).encode())

    def wrong(self, form: dict[str, str]) -> str:
        """What is wrong with an assertion, as the specification of SMART asks it to be checked."""
        try:
            keys = KeySet.import_key_set(self.registered)  # type: ignore[arg-type]
            read = jwt.decode(form["client_assertion"], keys, algorithms=["RS384", "ES384"])
        except (JoseError, ValueError):
            return "invalid_client"
        self.assertions.append(read)
        claims = read.claims
        good = (
            claims["iss"] == claims["sub"] == CLIENT
            and claims["aud"] == self.token_url
            and claims["iat"] <= self.now() < claims["exp"] <= self.now() + 300
            and claims["jti"] not in self.used
            and form["grant_type"] == "client_credentials"
        )
        self.used.add(claims["jti"])
        return "" if good else "invalid_grant"


@contextmanager
def authorized(registered: dict[str, Any]) -> Iterator[Authorization]:
    """A FHIR server whose every answer but that of its metadata needs a token."""
    with stand_in() as server:
        authorization = Authorization(server, registered)
        server.answer = authorization.answer
        server.metadata = lambda asked: metadata()
        yield authorization
