"""The words of headings and labels of tables of results (mappings/aggregates.toml)."""

import re
import tomllib
from functools import cache, lru_cache

from imnm_fhir.terminology import mappings
from imnm_fhir.values import fold

INTERVAL = re.compile(
    r"\d+\s*%\s*-?\s*(?:ci|ic|ki|bi)\b|\b(?:ci|ic|ki|bi)\s*\d+\s*%", re.IGNORECASE
)
N_ALONE = re.compile(r"(?<![\w.])(?:n|n[.º°]|no\.)(?![\w=]|\s*=)")
SHARE_FIRST = re.compile(r"%\s*[(\[,]?\s*n(?!\w)")


@cache
def _raw() -> dict[str, dict[str, list[str]]]:
    return tomllib.loads((mappings() / "aggregates.toml").read_text("utf-8"))


@cache
def words(section: str) -> dict[str, str]:
    """What each word of a section means. `n` and `N` are kept apart; all others are folded."""
    return {
        word if word in ("n", "N") else fold(word): name
        for name, known in _raw()[section].items()
        for word in known
    }


def column_name(heading: str) -> str | None:
    """What a heading is the name of: label, group, n, N, percent, ...; None where it is none."""
    plain = heading.strip()
    return words("columns").get(plain if plain in ("n", "N") else fold(plain))


def meaning(section: str, text: str) -> str | None:
    """What a text means in a section of words, whatever its case and accents."""
    return words(section).get(fold(text))


def is_ignored(heading: str) -> bool:
    """Whether a heading is of a column beside the groups: p value, unit, comment."""
    plain = fold(heading)
    return any(
        plain == word or plain.startswith((f"{word} ", f"{word}(")) for word in words("not_groups")
    )


@cache
def _kinds() -> tuple[tuple[re.Pattern[str], str, bool], ...]:
    """Each word as a pattern, its kind, and whether it is read in capitals only."""
    return tuple(
        (re.compile(rf"(?<!\w){re.escape(word if word.isupper() else fold(word))}(?!\w)"), kind, word.isupper())
        for kind, known in _raw()["kinds"].items()
        for word in known
    )  # fmt: skip


@lru_cache(maxsize=4096)
def kinds_of(text: str) -> frozenset[str]:
    """What a text says of the numbers beside it: count, share, share-first, median, mean, ..."""
    plain = INTERVAL.sub("", text)
    folded = fold(plain)
    found = {
        kind for word, kind, capitals in _kinds() if word.search(plain if capitals else folded)
    }
    if "quartiles" in found:
        found.discard("range")  # an interquartile range is none
    if "%" in plain:
        found.add("share")
    if N_ALONE.search(plain):
        found.add("count")
    if SHARE_FIRST.search(plain):
        found.add("share-first")
    return frozenset(found)
