"""Who is withdrawn: the patient's key, and the words by which traces of the patient are found."""

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from html import escape
from unicodedata import normalize
from urllib.parse import quote

from imnm_fhir.errors import UsageError
from imnm_fhir.keys import check_site_id, key_parts, resource_id, row_key

SHORTEST = 4  # characters of a pseudonym that can be searched for on its own


@dataclass(frozen=True)
class Person:
    """One patient of one site."""

    site: str
    patient: str

    @property
    def key(self) -> str:
        """The key of the patient's row, with which the keys of all the patient's rows begin."""
        return row_key((self.site, self.patient))

    @property
    def id(self) -> str:
        """The id of the Patient resource."""
        return resource_id(self.key)

    @property
    def searchable(self) -> bool:
        """Whether the pseudonym is long enough to be searched for on its own."""
        return len(self.patient) >= SHORTEST

    def owns(self, key: str) -> bool:
        """Whether a row's key is this patient's, or one of the patient's rows."""
        return key == self.key or key.startswith(f"{self.key}/")

    def pattern(self, ids: Iterable[str] = (), *, by_itself: bool = False) -> re.Pattern[bytes]:
        """What finds a trace in bytes: the key, ids of resources, the pseudonym as a whole word.

        A pseudonym behind another site's id is another patient's. A short one is looked for only where
        it is asked for `by_itself`.
        """
        words = {self.key, *ids, self.id}
        found = [rb"(?<![\w-])(?:" + _choices(words) + rb")"]
        if self.searchable or by_itself:
            found.append(rb"(?:(?<![\w/-])|(?<=Patient/))(?:" + _choices({self.patient}) + rb")")
        return re.compile(rb"(?:" + rb"|".join(found) + rb")(?![\w-]|%2[5F])")


def _choices(words: Iterable[str]) -> bytes:
    forms = {form for word in words for form in _forms(word)}
    return b"|".join(re.escape(form) for form in sorted(forms, reverse=True))


def _forms(word: str) -> Iterator[bytes]:
    """How files write a word: in UTF-8 or an older encoding, and escaped as JSON, HTML and addresses do."""
    for text in {word, normalize("NFD", word), normalize("NFC", word)}:
        escaped = (text, json.dumps(text)[1:-1], escape(text), quote(text), quote(text, safe=""))
        yield from (each.encode() for each in escaped)
        with suppress(UnicodeEncodeError):
            yield text.encode("cp1252")


def parse_person(text: str) -> Person:
    """The patient that `site/pseudonym` names (a pseudonym's own `/` written as %2F).

    Raises `UsageError` for anything else; the message does not repeat it.
    """
    parts = key_parts(text.strip())
    if len(parts) != 2 or not all(parts):
        raise UsageError("--patient: give the site's id and the pseudonym, such as madrid/MAD-03")
    return Person(check_site_id(parts[0] or ""), parts[1] or "")
