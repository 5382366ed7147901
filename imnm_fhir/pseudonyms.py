"""Pseudonyms: a record number made unreadable with the site's secret key (HMAC-SHA-256, RFC 2104).

The key never leaves the site. Its fingerprint stands in the manifest, so that another key, which
would make other patients of the same ones, is refused.
"""

import hashlib
import hmac
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.owner import is_open_to_others

KEY = "IMNM_FHIR_PSEUDONYM_KEY"
KEY_FILE = "IMNM_FHIR_PSEUDONYM_KEY_FILE"
SHORTEST = 32  # characters; guessing a shorter key from known record numbers becomes thinkable
DIFFERENT = 8  # different characters that a key must have at least
MAKE_ONE = 'make one with: python -c "import secrets; print(secrets.token_hex(32))"'


def read_pseudonym_key(environ: Mapping[str, str] = os.environ) -> bytes | None:
    """The key from IMNM_FHIR_PSEUDONYM_KEY, or from the file that IMNM_FHIR_PSEUDONYM_KEY_FILE names.

    None where neither is set. Raises `ImnmFhirError` where both are, where the file cannot be read
    or is open to other users, and where the key is too short or too plain.
    """
    text, name = environ.get(KEY), environ.get(KEY_FILE)
    if text and name:
        raise ImnmFhirError(f"{KEY} and {KEY_FILE} are both set; keep one of them")
    if name:
        return _checked(_read_file(Path(name)), str(name))
    return _checked(text, KEY) if text else None


def _read_file(path: Path) -> str:
    try:
        status = path.stat()
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise ImnmFhirError(f"{KEY_FILE}: {path}: cannot be read: {reason}; check it") from None
    if is_open_to_others(status):
        raise ImnmFhirError(f"{KEY_FILE}: {path}: others may read it; run chmod 600 on it")
    return text


def _checked(text: str, place: str) -> bytes:
    key = text.strip()
    if len(key) < SHORTEST or len(set(key)) < DIFFERENT:
        raise ImnmFhirError(
            f"{place}: the key is too short or too plain: give at least {SHORTEST} characters; {MAKE_ONE}"
        )
    return key.encode()


def pseudonym(text: str, key: bytes) -> str:
    """The pseudonym of a record number: `p` and 24 hex digits of its HMAC, the same at every run."""
    return "p" + hmac.new(key, text.strip().encode(), hashlib.sha256).hexdigest()[:24]


def fingerprint(key: bytes) -> str:
    """16 hex digits that tell two keys apart and from which no key can be made."""
    return hmac.new(key, b"imnm-fhir pseudonym key", hashlib.sha256).hexdigest()[:16]


def check_fingerprint(old_manifest: Mapping[str, Any] | None, new: Mapping[str, Any]) -> None:
    """Nothing where each site of the new manifest has the key that it had in the old one.

    Raises `ImnmFhirError` where a site changed its key, or whether it has one: every patient would
    get another pseudonym.
    """
    for site, about in new["sites"].items():
        before = ((old_manifest or {}).get("sites") or {}).get(site)
        if before is None or "pseudonym" not in before:
            continue
        was, now = (entry["pseudonym"].get("fingerprint") for entry in (before, about))
        if was != now:
            raise ImnmFhirError(
                f"{site}: the pseudonyms here were made with another key (fingerprint {was or 'none'}, "
                f"now {now or 'none'}); use the key of the earlier delivery, or another --out"
            )
