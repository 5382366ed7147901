"""Who we are to the server: read from the environment, files or the keyring, never from argv."""

import base64
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from imnm_fhir.errors import UsageError
from imnm_fhir.owner import is_open_to_others
from imnm_fhir.server.identity.secret import KEYRING, read_secret

TOKEN = re.compile(r"[\x21-\x7e]+")  # anything else would break the header, and be quoted by it
_MANY = (
    "IMNM_FHIR_TOKEN, IMNM_FHIR_USER and IMNM_FHIR_SMART_CLIENT_ID: more than one is set: "
    "unset those not meant"
)


@dataclass(frozen=True)
class SmartClient:
    """A client of SMART Backend Services, as it is registered at the authorization server.

    `key` is the text of a private key, PEM or JWK; `scopes`, `token_url`, `key_id`, `algorithm`
    and `jwks_url` may be empty. `repr` shows the client's id alone.
    """

    client_id: str
    key: str = field(repr=False)
    password: str = field(default="", repr=False)
    key_id: str = field(default="", repr=False)
    algorithm: str = field(default="", repr=False)
    jwks_url: str = field(default="", repr=False)
    token_url: str = field(default="", repr=False)
    scopes: str = field(default="", repr=False)


@dataclass(frozen=True)
class ClientCertificate:
    """The certificate of mutual TLS: PEM files, the key perhaps within the first, encrypted or not."""

    path: str
    key_path: str = ""
    password: str = field(default="", repr=False)


@dataclass(frozen=True)
class Credentials:
    """Nobody, a user with a password, a bearer token, or a SMART client; `repr` shows the kind alone.

    `certificate` may stand beside each of them.
    """

    kind: Literal["none", "basic", "bearer", "smart"] = "none"
    user: str = field(default="", repr=False)
    secret: str = field(default="", repr=False)
    smart: SmartClient | None = field(default=None, repr=False)
    certificate: ClientCertificate | None = field(default=None, repr=False)

    def authorization(self) -> str | None:
        """Return the value of the Authorization header, None where none is known beforehand."""
        if self.kind == "bearer":
            return f"Bearer {self.secret}"
        if self.kind == "basic":
            pair = f"{self.user}:{self.secret}".encode()
            return f"Basic {base64.b64encode(pair).decode('ascii')}"
        return None

    def renew(self, refused: str | None) -> bool:
        """Return whether there is something newer than what the server has `refused`: never."""
        return False


def read_credentials(environ: Mapping[str, str] = os.environ) -> Credentials:
    """Return the credentials that the environment names; an empty variable counts as unset.

    One of `IMNM_FHIR_TOKEN`; `IMNM_FHIR_USER` with `IMNM_FHIR_PASSWORD`; and
    `IMNM_FHIR_SMART_CLIENT_ID` with `IMNM_FHIR_SMART_KEY`. Beside them `IMNM_FHIR_CLIENT_CERT_FILE`
    for mutual TLS. How each secret may be given says `read_secret`.

    Raises UsageError when the variables contradict each other, one is missing, or a secret cannot
    be read or used.
    """
    user, client = environ.get("IMNM_FHIR_USER", ""), environ.get("IMNM_FHIR_SMART_CLIENT_ID", "")
    nobody = not user and not client
    token = read_secret(environ, "IMNM_FHIR_TOKEN", wanted=nobody)
    password = read_secret(environ, "IMNM_FHIR_PASSWORD", wanted=bool(user))
    if sum(map(bool, (token, user or password, client))) > 1:
        raise UsageError(_MANY)
    who = _smart(environ, client) if client else _simple(token, user, password)
    if who.kind == "none" and environ.get(KEYRING):
        raise UsageError(
            f"{KEYRING}: the keyring has no entry IMNM_FHIR_TOKEN of the service "
            f"{environ[KEYRING]!r}: make it, or set IMNM_FHIR_USER or IMNM_FHIR_SMART_CLIENT_ID"
        )
    return replace(who, certificate=_certificate(environ))


def _simple(token: str, user: str, password: str) -> Credentials:
    if token:
        if not TOKEN.fullmatch(token):
            raise UsageError("IMNM_FHIR_TOKEN holds a space or another character no token may have")
        return Credentials("bearer", secret=token)
    if bool(user) != bool(password):
        missing = "IMNM_FHIR_PASSWORD (or IMNM_FHIR_PASSWORD_FILE)" if user else "IMNM_FHIR_USER"
        raise UsageError(f"{missing} is not set: basic authentication needs user and password")
    if not user:
        return Credentials()
    if ":" in user or not (user + password).isprintable():
        raise UsageError("IMNM_FHIR_USER holds a colon, or it or the password a control character")
    return Credentials("basic", user=user, secret=password)


def _smart(environ: Mapping[str, str], client: str) -> Credentials:
    key = read_secret(environ, "IMNM_FHIR_SMART_KEY", wanted=True)
    if not key:
        raise UsageError(
            "IMNM_FHIR_SMART_KEY_FILE is not set: a SMART client signs with its private key; "
            "`imnm-fhir smart-key` makes one"
        )
    return Credentials(
        "smart",
        smart=SmartClient(
            client,
            key,
            read_secret(environ, "IMNM_FHIR_SMART_KEY_PASSWORD", wanted="ENCRYPTED" in key),
            environ.get("IMNM_FHIR_SMART_KEY_ID", ""),
            environ.get("IMNM_FHIR_SMART_ALGORITHM", ""),
            environ.get("IMNM_FHIR_SMART_JWKS_URL", ""),
            environ.get("IMNM_FHIR_SMART_TOKEN_URL", ""),
            environ.get("IMNM_FHIR_SMART_SCOPES", ""),
        ),
    )


def _certificate(environ: Mapping[str, str]) -> ClientCertificate | None:
    path = environ.get("IMNM_FHIR_CLIENT_CERT_FILE", "")
    key_path = environ.get("IMNM_FHIR_CLIENT_CERT_KEY_FILE", "")
    if not path:
        if key_path:
            raise UsageError("IMNM_FHIR_CLIENT_CERT_FILE is not set: a key needs its certificate")
        return None
    name = "IMNM_FHIR_CLIENT_CERT_KEY_FILE" if key_path else "IMNM_FHIR_CLIENT_CERT_FILE"
    secret_path = Path(key_path or path)
    try:
        if is_open_to_others(secret_path.stat()):
            raise UsageError(f"{name}: {secret_path} is open to other users: run chmod 600 on it")
    except OSError as error:
        raise UsageError(f"{name}: {secret_path} cannot be read: {error.strerror}") from None
    password = read_secret(environ, "IMNM_FHIR_CLIENT_CERT_PASSWORD", wanted=True)
    return ClientCertificate(path, key_path, password)
