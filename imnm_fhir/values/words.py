"""Words of a site: compared without accents, case and spaces, looked up exactly, never nearly."""

import csv
import re
import unicodedata
from collections.abc import Mapping
from functools import cache, lru_cache
from typing import NamedTuple, TypeVar

from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.terminology import mappings
from imnm_fhir.values.unreadable import Unreadable

# Codes of FHIR's data-absent-reason that the cohort keeps apart.
MISSING_REASONS = (
    "unknown",
    "asked-unknown",
    "not-asked",
    "asked-declined",
    "not-performed",
    "not-applicable",
    "temp-unknown",
)
MEANINGS = {
    "yes-no": ("true", "false"),
    "missing": MISSING_REASONS,
    "approximate": ("approximately",),
    "totals": ("totals",),
}
LATIN_ACCENTS = re.compile("([a-zæøœ])[\u0300-\u036f]+")  # a Japanese voicing mark is none of these

T = TypeVar("T")


class Word(NamedTuple):
    """One line of `mappings/synonyms/words.csv`."""

    set: str
    language: str
    word: str
    meaning: str


class FoldedWords(dict[str, T]):
    """Meanings by folded word, made by `fold_words`."""


@lru_cache(maxsize=4096)
def fold(text: str) -> str:
    """The text without case, Latin accents, doubled or outer spaces and invisible characters.

    NFKC and case folding as Unicode defines them; a typographic apostrophe is the plain one that
    keyboards type; Japanese keeps its voicing marks.
    """
    if text.isascii():
        return " ".join(text.lower().split())
    visible = "".join(char for char in text if unicodedata.category(char) != "Cf")
    lower = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", visible).casefold())
    plain = LATIN_ACCENTS.sub(r"\1", unicodedata.normalize("NFKD", lower.casefold()))
    return " ".join(unicodedata.normalize("NFKC", plain).replace("\u2019", "'").split())


def fold_words(words: Mapping[str, T]) -> FoldedWords[T]:
    """The same meanings by folded word, to be made once where a mapping is loaded.

    Raises `ImnmFhirError` where two words fold to one and mean different things.
    """
    folded: FoldedWords[T] = FoldedWords()
    written: dict[str, str] = {}
    for word, meaning in words.items():
        key = fold(word)
        if key in folded and folded[key] != meaning:
            raise ImnmFhirError(
                f"the words '{written[key]}' and '{word}' are read as one word but mean "
                f"'{folded[key]}' and '{meaning}'; keep one of them"
            )
        folded[key] = meaning
        written[key] = word
    return folded


def read_word(text: str, words: Mapping[str, T]) -> T:
    """What the text means in `words`, which `fold_words` makes fast for a whole column.

    Raises `Unreadable` ("unknown-word") where no word of the list is the text.
    """
    folded = words if isinstance(words, FoldedWords) else fold_words(words)
    try:
        return folded[fold(text)]
    except KeyError:
        raise Unreadable("unknown-word", f"expected one of: {_listed(words)}") from None


def _listed(words: Mapping[str, T]) -> str:
    shown = [f"'{word}'" for word in list(words)[:8]]
    return ", ".join(shown + ["…"] * (len(words) > 8)) or "no word: the list is empty"


def load_words(set_name: str) -> dict[str, str]:
    """Meaning by word of one set, such as `yes-no/es` or `missing/de`, as a mapping names it.

    Meanings are `true` and `false` (yes-no) or one of `MISSING_REASONS` (missing). Raises
    `ImnmFhirError` where there is no such set.
    """
    found = {word.word: word.meaning for word in all_words() if _set_name(word) == set_name}
    if not found:
        raise ImnmFhirError(f"no set of words '{set_name}'; choose one of {', '.join(word_sets())}")
    return found


def word_sets() -> tuple[str, ...]:
    """Names that `load_words` takes, in the order of the file."""
    return tuple(dict.fromkeys(_set_name(word) for word in all_words()))


def _set_name(word: Word) -> str:
    return f"{word.set}/{word.language}"


@cache
def all_words() -> tuple[Word, ...]:
    """Every line of `mappings/synonyms/words.csv`.

    Raises `ImnmFhirError` with the line where a meaning is unknown or a set contradicts itself.
    """
    words = []
    for line, row in read_synonyms("words.csv"):
        word = Word(**row)
        if word.meaning not in MEANINGS.get(word.set, ()):
            raise ImnmFhirError(f"{line}: '{word.meaning}' is no meaning of set '{word.set}'")
        words.append(word)
    for name in dict.fromkeys(map(_set_name, words)):
        fold_words({word.word: word.meaning for word in words if _set_name(word) == name})
    return tuple(words)


def is_approximate(words: str) -> bool:
    """Whether the words before a number make it approximate, with or without a full stop."""
    return fold(words).rstrip(".") in _approximate()


@cache
def _approximate() -> frozenset[str]:
    return frozenset(
        fold(word.word).rstrip(".") for word in all_words() if word.set == "approximate"
    )


@cache
def total_words() -> frozenset[str]:
    """The folded words by which a sheet names a line of totals or means, in every language."""
    return frozenset(fold(word.word) for word in all_words() if word.set == "totals")


COUNT_AT_END = re.compile(r"\s*(?:\(\s*(?:n\s*[=:]?\s*)?\d+\s*\)|[,;:]?\s*n\s*[=:]\s*\d+|[.:])$")


def names_totals(text: str) -> bool:
    """Whether the cell is what a sheet calls its line of totals: `Total`, `Media:`, `Gesamt (n = 16)`, `n=16`."""
    folded = fold(text)
    word = COUNT_AT_END.sub("", folded)
    return word in total_words() or (not word and folded.startswith("n"))


def read_synonyms(name: str) -> list[tuple[str, dict[str, str]]]:
    """The lines of `mappings/synonyms/<name>`, each with its place for a message."""
    lines = (mappings() / "synonyms" / name).read_text("utf-8").splitlines()
    reader = csv.DictReader(lines, strict=True)
    return [(f"mappings/synonyms/{name}, line {reader.line_num}", row) for row in reader]
