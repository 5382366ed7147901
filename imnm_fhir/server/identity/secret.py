"""Where a secret is read from: the environment, a file of one's own, or the system's keyring."""

import os
from collections.abc import Mapping
from pathlib import Path

from imnm_fhir.errors import UsageError
from imnm_fhir.owner import is_open_to_others

KEYRING = "IMNM_FHIR_KEYRING_SERVICE"


def read_secret(environ: Mapping[str, str], name: str, *, wanted: bool = False) -> str:
    """Return the secret called `name`, empty when there is none.

    It is the variable `name`, or the file that `<name>_FILE` names, which its owner alone may read;
    or, where it is `wanted` and `IMNM_FHIR_KEYRING_SERVICE` is set, the entry `name` of that service
    in the system's keyring.

    Raises UsageError when variable and file are both set, or a file or the keyring cannot be used.
    """
    value, path = environ.get(name, ""), environ.get(f"{name}_FILE", "")
    if value and path:
        raise UsageError(f"{name} and {name}_FILE are both set: unset one")
    if path:
        return read_secret_file(Path(path), f"{name}_FILE")
    service = environ.get(KEYRING, "")
    return value or (_from_keyring(service, name) if service and wanted else "")


def read_secret_file(path: Path, name: str) -> str:
    """Return the text of `path` without line breaks at its end; `name` is the variable behind it.

    Raises UsageError when it cannot be read, is open to others, is no UTF-8 or is empty.
    """
    try:
        with path.open(encoding="utf-8-sig") as file:
            if is_open_to_others(os.fstat(file.fileno())):
                raise UsageError(f"{name}: {path} is open to other users: run chmod 600 on it")
            secret = file.read().rstrip("\r\n")
    except OSError as error:
        raise UsageError(f"{name}: {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{name}: {path} is not UTF-8 text: save the secret as UTF-8") from None
    if not secret:
        raise UsageError(f"{name}: {path} is empty: write the secret into it")
    return secret


def _from_keyring(service: str, name: str) -> str:
    try:
        import keyring  # looks for its settings and its backend at once

        found = keyring.get_password(service, name)
    except Exception as error:  # backends raise what they like, with the line of a secret in it too
        raise UsageError(
            f"{KEYRING}: the keyring cannot be used ({type(error).__name__}): unlock it, see to its settings, or set "
            f"{name}_FILE instead"
        ) from None
    return found or ""
