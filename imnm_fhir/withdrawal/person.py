"""Who is withdrawn: the patient's key, and the words by which traces of the patient are found."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

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

    def pattern(self, ids: Iterable[str] = ()) -> re.Pattern[bytes]:
        """What finds a trace in bytes: the key, the pseudonym as a whole word, ids of resources."""
        words = {self.key, *ids, self.id, *([self.patient] if self.searchable else [])}
        choices = b"|".join(re.escape(word.encode()) for word in sorted(words, reverse=True))
        return re.compile(rb"(?<![\w-])(?:" + choices + rb")(?![\w-])")


def parse_person(text: str) -> Person:
    """The patient that `site/pseudonym` names (a pseudonym's own `/` written as %2F).

    Raises `UsageError` for anything else; the message does not repeat it.
    """
    parts = key_parts(text.strip())
    if len(parts) != 2 or not all(parts):
        raise UsageError("--patient: give the site's id and the pseudonym, such as madrid/MAD-03")
    return Person(check_site_id(parts[0] or ""), parts[1] or "")
