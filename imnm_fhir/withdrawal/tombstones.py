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
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from imnm_fhir.errors import ImnmFhirError, UsageError
from imnm_fhir.keys import row_key
from imnm_fhir.owner import is_open_to_others, make_private_file
from imnm_fhir.values.spelling import spelling_key, spellings
from imnm_fhir.written import replace_atomically

FILE = "imnm-fhir.withdrawn"
KEY_FILE = "imnm-fhir.withdrawn.key"
KEY = "IMNM_FHIR_WITHDRAWAL_KEY"
FORMAT = "imnm-fhir withdrawn 1"
MARKS = ("withdrawn", "spellings", "others")
SHORTEST = 32  # characters of a key


@dataclass(frozen=True)
class Tombstones:
    """The tombstones of one place with the key that they were made with.

    `alike` are the marks of what all spellings of a withdrawn patient share (older files have none),
    `others` those of people who are somebody else than the withdrawn patient whose name looks alike.
    """

    path: Path
    key: bytes
    marks: frozenset[str] = frozenset()
    alike: frozenset[str] = frozenset()
    others: frozenset[str] = frozenset()

    def is_like(self, site: str, patient: str, also: Iterable[str] = ()) -> bool:
        """Whether somebody's identifier differs from that of a withdrawn patient in spelling only.

        `also` are identifiers that another spelling of this one would make, where they are keyed.
        """
        if not self.marks or self.has(site, patient) or self.mark(site, patient) in self.others:
            return False
        likely = {*spellings(patient), *also}
        return self.mark_of_spelling(site, patient) in self.alike or any(
            self.has(site, each) for each in likely
        )

    def mark_of_spelling(self, site: str, patient: str) -> str:
        """What all spellings of a patient's identifier share: 64 hex digits."""
        text = row_key(("spelling", site, spelling_key(patient)))
        return hmac.new(self.key, text.encode(), hashlib.sha256).hexdigest()

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
    return Tombstones(path, key, *(frozenset(content.get(name, ())) for name in MARKS))


def bury(path: Path, site: str, patient: str, environ: Mapping[str, str] = os.environ) -> bool:
    """Add a patient's tombstone; False where it was there already."""
    known = _known(path, environ)
    spelling = known.mark_of_spelling(site, patient)
    is_new = not known.has(site, patient)
    if is_new or spelling not in known.alike:
        mark = known.mark(site, patient)
        _write(
            replace(
                known,
                marks=known.marks | {mark},
                alike=known.alike | {spelling},
                others=known.others - {mark},
            )
        )
    return is_new


def tell_apart(
    path: Path, site: str, patient: str, environ: Mapping[str, str] = os.environ
) -> bool:
    """Note that somebody is another person than the withdrawn one; False where nobody was withdrawn.

    Raises `UsageError` for the withdrawn patient.
    """
    known = read_tombstones(path, environ)
    if known is None:
        return False
    if known.has(site, patient):
        raise UsageError(
            "--another-person: this is the withdrawn patient; name the other one, as the delivery spells it"
        )
    _write(replace(known, others=known.others | {known.mark(site, patient)}))
    return True


def _known(path: Path, environ: Mapping[str, str]) -> Tombstones:
    known = read_tombstones(path, environ)
    if known is not None:
        return known
    return Tombstones(path, _key(path, environ) or _make_key(path.with_name(KEY_FILE)))


def _write(tombstones: Tombstones) -> None:
    marks = (tombstones.marks, tombstones.alike, tombstones.others)
    content: dict[str, object] = {"format": FORMAT, "key": _fingerprint(tombstones.key)}
    content |= {name: sorted(each) for name, each in zip(MARKS, marks, strict=True)}
    with replace_atomically(tombstones.path) as unfinished:
        unfinished.write_text(json.dumps(content, indent=1) + "\n", "utf-8")


def like_withdrawn(people: Iterable[tuple[str, str]], path: Path) -> set[tuple[str, str]]:
    """Those of `people` whose identifier differs from a withdrawn one in spelling only."""
    tombstones = read_tombstones(path)
    if tombstones is None:
        return set()
    return {pair for pair in people if tombstones.is_like(*pair)}


def withdrawn_among(people: Iterable[tuple[str, str]], path: Path) -> set[tuple[str, str]]:
    """Those of `people` (site and patient) who were withdrawn."""
    tombstones = read_tombstones(path)
    if tombstones is None:
        return set()
    return {pair for pair in people if tombstones.has(*pair)}


HELD_BACK = (
    "held back: spelt like a withdrawn patient but for case, dashes, spaces or zeros; withdraw them too, or "
    "say that they are others with imnm-fhir withdraw --another-person"
)


def said_of(withdrawn: Iterable[tuple[str, str]], said: str = "withdrawn, left out") -> list[str]:
    """One line per site that lost patients, without saying whom."""
    counts = Counter(site for site, _ in withdrawn)
    return [f"{site}: {count} {said}" for site, count in sorted(counts.items())]


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no JSON in UTF-8"
        raise ImnmFhirError(f"{path}: cannot be read: {reason}; take it from a backup") from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ImnmFhirError(f"{path}: is no file of withdrawn patients; take it from a backup")
    marks = [content.get("withdrawn"), *(content.get(name, []) for name in MARKS[1:])]
    if not all(isinstance(m, list) and all(isinstance(each, str) for each in m) for m in marks):
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
