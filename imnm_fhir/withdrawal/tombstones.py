"""Tombstones: who was withdrawn, so that no later delivery brings a patient back.

`imnm-fhir.withdrawn` stands beside the cohorts' folders and holds an HMAC-SHA-256 (RFC 2104) of each
withdrawn patient's key: without the secret key nobody can read from it, or try, who it was. The key
comes from the environment, or is made at first use in `imnm-fhir.withdrawn.key`.
"""

import hashlib
import hmac
import json
import os
import secrets
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.keys import row_key
from imnm_fhir.owner import is_open_to_others, make_private_file
from imnm_fhir.written import replace_atomically

FILE = "imnm-fhir.withdrawn"
KEY_FILE = "imnm-fhir.withdrawn.key"
KEY = "IMNM_FHIR_WITHDRAWAL_KEY"
FORMAT = "imnm-fhir withdrawn 1"
SHORTEST = 32  # characters of a key


@dataclass(frozen=True)
class Tombstones:
    """The tombstones of one place with the key that they were made with."""

    path: Path
    key: bytes
    marks: frozenset[str] = frozenset()

    def has(self, site: str, patient: str) -> bool:
        """Whether a patient was withdrawn."""
        return bool(self.marks) and self.mark(site, patient) in self.marks

    def mark(self, site: str, patient: str) -> str:
        """The tombstone of a patient: 64 hex digits."""
        return hmac.new(self.key, row_key((site, patient)).encode(), hashlib.sha256).hexdigest()


def tombstones_beside(place: Path) -> Path:
    """The file of tombstones that counts for a cohort's folder, or for the first of site files."""
    return Path(os.path.abspath(place)).parent / FILE


def read_tombstones(path: Path, environ: Mapping[str, str] = os.environ) -> Tombstones | None:
    """The tombstones in `path`; None where nobody was withdrawn.

    Raises `ImnmFhirError` where the file is damaged or its key is not there: a patient could come
    back unseen.
    """
    if not path.exists():
        return None
    content = _read(path)
    key = _key(path, environ)
    if key is None:
        raise ImnmFhirError(
            f"{path}: its key is missing, so nobody can say who was withdrawn: put {KEY_FILE} back "
            f"beside it, or set {KEY}"
        )
    if content.get("key") != _fingerprint(key):
        raise ImnmFhirError(
            f"{path}: was made with another key (fingerprint {content.get('key')}): give that key"
        )
    return Tombstones(path, key, frozenset(content["withdrawn"]))


def bury(path: Path, site: str, patient: str, environ: Mapping[str, str] = os.environ) -> bool:
    """Add a patient's tombstone; False where it was there already."""
    known = read_tombstones(path, environ)
    key = known.key if known else _key(path, environ) or _make_key(path.with_name(KEY_FILE))
    known = known or Tombstones(path, key)
    if known.has(site, patient):
        return False
    marks = sorted({*known.marks, known.mark(site, patient)})
    content = {"format": FORMAT, "key": _fingerprint(key), "withdrawn": marks}
    with replace_atomically(path) as unfinished:
        unfinished.write_text(json.dumps(content, indent=1) + "\n", "utf-8")
    return True


def withdrawn_among(people: Iterable[tuple[str, str]], path: Path) -> set[tuple[str, str]]:
    """Those of `people` (site and patient) who were withdrawn."""
    tombstones = read_tombstones(path)
    if tombstones is None:
        return set()
    return {pair for pair in people if tombstones.has(*pair)}


def said_of(withdrawn: Iterable[tuple[str, str]]) -> list[str]:
    """One line per site that lost patients, without saying whom."""
    counts = Counter(site for site, _ in withdrawn)
    return [f"{site}: {count} withdrawn, left out" for site, count in sorted(counts.items())]


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no JSON in UTF-8"
        raise ImnmFhirError(f"{path}: cannot be read: {reason}; take it from a backup") from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ImnmFhirError(f"{path}: is no file of withdrawn patients; take it from a backup")
    marks = content.get("withdrawn")
    if not isinstance(marks, list) or not all(isinstance(each, str) for each in marks):
        raise ImnmFhirError(f"{path}: is damaged; take it from a backup")
    return content


def _key(path: Path, environ: Mapping[str, str]) -> bytes | None:
    text = environ.get(KEY)
    place = path.with_name(KEY_FILE)
    if text is None and place.exists():
        if is_open_to_others(place.stat()):
            raise ImnmFhirError(f"{place}: others may read it; run chmod 600 on it")
        text = place.read_text("utf-8")
    if text is None:
        return None
    if len(text.strip()) < SHORTEST:
        raise ImnmFhirError(f"{KEY}: the key is too short: give at least {SHORTEST} characters")
    return text.strip().encode()


def _make_key(path: Path) -> bytes:
    """A new key, in a file that only its owner can read."""
    text = secrets.token_hex(32)
    try:
        make_private_file(path)
        path.write_text(text + "\n", "utf-8")
    except OSError as error:
        raise ImnmFhirError(f"{path}: cannot be written ({error.strerror})") from None
    return text.encode()


def _fingerprint(key: bytes) -> str:
    return hmac.new(key, b"imnm-fhir withdrawal key", hashlib.sha256).hexdigest()[:16]
