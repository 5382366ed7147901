"""Who we are to the server: read from the environment or a file, never from argv."""

import base64
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from imnm_fhir.errors import UsageError

_TOKEN = re.compile(r"[\x21-\x7e]+")  # anything else would break the header, and be quoted by it


@dataclass(frozen=True)
class Credentials:
    """Nobody, a user with a password, or a bearer token; `repr` shows the kind alone."""

    kind: Literal["none", "basic", "bearer"] = "none"
    user: str = field(default="", repr=False)
    secret: str = field(default="", repr=False)

    def authorization(self) -> str | None:
        """Return the value of the Authorization header, None without credentials."""
        if self.kind == "none":
            return None
        if self.kind == "bearer":
            return f"Bearer {self.secret}"
        pair = f"{self.user}:{self.secret}".encode()
        return f"Basic {base64.b64encode(pair).decode('ascii')}"


def read_credentials(environ: Mapping[str, str] = os.environ) -> Credentials:
    """Return the credentials that the environment names; an empty variable counts as unset.

    `IMNM_FHIR_TOKEN`, or `IMNM_FHIR_USER` with `IMNM_FHIR_PASSWORD`; each secret also as the path
    of a file, `IMNM_FHIR_TOKEN_FILE` and `IMNM_FHIR_PASSWORD_FILE`, that its owner alone may read.

    Raises UsageError when the variables contradict each other, one is missing, or a file is
    missing, open to others, or holds no usable secret.
    """
    token = _secret(environ, "IMNM_FHIR_TOKEN")
    password = _secret(environ, "IMNM_FHIR_PASSWORD")
    user = environ.get("IMNM_FHIR_USER", "")
    if token and (user or password):
        raise UsageError("IMNM_FHIR_TOKEN and IMNM_FHIR_USER are both set: unset the one not meant")
    if token:
        if not _TOKEN.fullmatch(token):
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


def _secret(environ: Mapping[str, str], name: str) -> str:
    value, path = environ.get(name, ""), environ.get(f"{name}_FILE", "")
    if value and path:
        raise UsageError(f"{name} and {name}_FILE are both set: unset one")
    return _read_secret_file(Path(path), f"{name}_FILE") if path else value


def _read_secret_file(path: Path, name: str) -> str:
    try:
        with path.open(encoding="utf-8") as file:
            mode = os.fstat(file.fileno()).st_mode
            if os.name == "posix" and mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise UsageError(f"{name}: {path} is open to other users: run chmod 600 on it")
            secret = file.read().rstrip("\r\n")
    except OSError as error:
        raise UsageError(f"{name}: {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{name}: {path} is not UTF-8 text: save the secret as UTF-8") from None
    if not secret:
        raise UsageError(f"{name}: {path} is empty: write the secret into it")
    return secret
