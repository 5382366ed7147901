"""What one cell of a table of results says: a count with its share, a median with its range, else."""

import re
from collections.abc import Collection
from typing import Any

from imnm_fhir.aggregates.numbers import NUMBER, number, percent, whole

EMPTY = (
    "",
    "-",
    "–",
    "—",
    "--",
    "na",
    "n/a",
    "nd",
    "nr",
    "ref",
    "ref.",
    "n.a.",
    "k.a.",
    ".",
    "…",
    "...",
)
SPACES = str.maketrans(dict.fromkeys("\u00a0\u202f\u2009\u2007\u2002\u2003\n\r\t", " "))
FOOTNOTE_SIGNS = re.compile("[*†‡§¶#ªºᵃᵇᶜᵈᵉᶠᵍ¹²³⁰⁴⁵⁶⁷⁸⁹‖]")
LETTERS_AT_END = re.compile(r"(?<=[\d)%\]])\s?\^?[a-h](?:\s?,\s?[a-h])*$")
LETTER_INSIDE = re.compile(r"(?<=\d)\^?[a-h](?=\s*[(\[])")
DIGIT_AT_END = re.compile(r"(?<=[)\]])\^?\d$")  # a raised digit that lost its place
WORDS_IN_BRACKETS = re.compile(r"([(\[])\s*[^\W\d_][^\d(\[<>]*?(?=[<>]?\s*[-−–]?\d)")
UNIT_BEFORE = re.compile(r"(?<=\d)\s+[^\W\d_][^\s\d([]*(?=\s*[(\[])")
UNIT_AFTER = re.compile(r"(?<=[\d)\]])\s+[^\W\d_][^\d([]*$")

OF = r"\s*(?:/|of|out of|de|von|sur|su|di|van)\s*"
DASH = r"\s*(?:-|–|—|−|‐|‑|to|a|bis|à|tot|;|,\s)\s*"
PART = rf"(?P<n>{NUMBER})(?:{OF}(?P<total>{NUMBER}))?"
SHARE = rf"(?P<percent>[<>≤≥]?\s*{NUMBER})"
BETWEEN = r"(?:\s*[(\[;|]\s*|,?\s+)"  # else `86.2%` were 8 with 6.2 %, and `86,2%` were 86 with 2 %
COUNT = re.compile(rf"{PART}(?:{BETWEEN}{SHARE}\s*%\s*[)\]]?)?")
PAIR = re.compile(rf"{PART}\s*[(\[]\s*{SHARE}\s*[)\]]")
SHARE_FIRST = re.compile(rf"{SHARE}\s*%\s*[(\[;,]\s*{PART}\s*[)\]]?")
SHARE_FIRST_PLAIN = re.compile(rf"{SHARE}\s*%?\s*[(\[]\s*{PART}\s*[)\]]")
SHARE_ALONE = re.compile(rf"[(\[]?\s*{SHARE}\s*%\s*[)\]]?")
SPREAD = re.compile(
    rf"(?P<median>{NUMBER})\s*[(\[]\s*(?P<low>{NUMBER}){DASH}(?P<high>{NUMBER})\s*[)\]]"
)
RANGE = re.compile(rf"[(\[]?\s*(?P<low>{NUMBER}){DASH}(?P<high>{NUMBER})\s*[)\]]?")
NO_SHARE = re.compile(rf"(?P<n>{NUMBER})\s*[(\[]\s*[-–—−]\s*%?\s*[)\]]")  # 0 (-)
DEVIATION = re.compile(rf"{NUMBER}\s*(?:±|\+/[-−]|\+-)\s*{NUMBER}")
BARE = re.compile(rf"[<>=≤≥~]?\s*(?:{NUMBER}|[.,]\d+)")
SMALL = re.compile(r"[<>≤≥=~]|0?[.,]")
COUNTED = frozenset(("count", "share"))
MEASURED = frozenset(("median", "mean", "deviation", "quartiles", "range"))

Said = dict[str, Any]  # fields of a row


def clean(text: str) -> str:
    """The text without the signs and letters of footnotes, with plain spaces only."""
    plain = FOOTNOTE_SIGNS.sub("", text.translate(SPACES)).strip()
    plain = LETTER_INSIDE.sub("", DIGIT_AT_END.sub("", LETTERS_AT_END.sub("", plain)))
    return " ".join(plain.split())


def is_empty(text: str) -> bool:
    """Whether a cell says nothing: blank, a dash, or a word for not available."""
    return clean(text).lower() in EMPTY


def is_result(text: str) -> bool:
    """Whether a cell says a count with its whole or share, or a median with its range or deviation."""
    plain = _without_words(clean(text))
    count = COUNT.fullmatch(plain)
    return bool(
        (count and (count["total"] or count["percent"]))
        or any(
            each.fullmatch(plain)
            for each in (PAIR, SHARE_FIRST, SHARE_ALONE, SPREAD, DEVIATION)
        )
    )  # fmt: skip


def read_cell(text: str, sign: str, kinds: Collection[str]) -> Said | None:
    """What a cell says, as fields of a row; None where it says a number that cannot be read.

    `kinds` is what label and heading say of it (`words.kinds_of`). `declared` is False where
    `13 (81)` may be n (%), or a mean with its deviation.
    """
    plain = _without_words(clean(text))
    if "share-first" in kinds and (match := SHARE_FIRST_PLAIN.fullmatch(plain)):
        return _count(match)
    for form in (COUNT, SHARE_FIRST):
        match = form.fullmatch(plain)
        if match and (match["percent"] or match["total"]):
            return _count(match)
    if match := SHARE_ALONE.fullmatch(plain):
        return {"percent": found} if (found := percent(match["percent"])) else None
    if match := SPREAD.fullmatch(plain):
        return _spread(match, sign, kinds)
    if match := NO_SHARE.fullmatch(plain):
        return None if whole(match["n"]) is None else {"n": whole(match["n"])}
    if DEVIATION.fullmatch(plain):
        return {}
    if match := PAIR.fullmatch(plain):
        return _pair(match, kinds)
    if BARE.fullmatch(plain):
        return _bare(plain, kinds)
    return _range(plain, sign, kinds)


def _without_words(plain: str) -> str:
    """`n = 13 (IQR 5-8) U/L` as `13 (5-8)`."""
    plain = re.sub(r"^[nN]\s*=\s*", "", plain)
    return UNIT_AFTER.sub("", UNIT_BEFORE.sub("", WORDS_IN_BRACKETS.sub(r"\1", plain))).strip()


def _count(match: re.Match[str]) -> Said | None:
    found: Said = {"n": whole(match["n"])}
    if match["total"]:
        found["total"] = whole(match["total"])
    if match["percent"]:
        found["percent"] = percent(match["percent"])
    return None if None in found.values() else found


def _pair(match: re.Match[str], kinds: Collection[str]) -> Said | None:
    """`13 (81.3)`: n (%), unless it is a mean or median with one number beside it."""
    measured = MEASURED & set(kinds)
    is_count = bool(COUNTED & set(kinds))
    if whole(match["n"]) is None:
        return None if is_count and not measured else {}
    if measured and not is_count:
        return {}
    found = _count(match)
    if not found or match["total"]:
        return found
    return {**found, "declared": is_count and not measured & {"mean", "deviation"}}


def _bare(plain: str, kinds: Collection[str]) -> Said | None:
    """A number alone: a count or share only where label or heading say that it is one."""
    if not COUNTED & set(kinds) or MEASURED & set(kinds):
        return {}
    if "count" not in kinds:
        share = percent(plain)
        return None if share is None else {"percent": share}
    n = whole(plain)
    if n is None:  # a p value, or a small cell that is not shown
        return {} if SMALL.match(plain) else None
    return {"n": n}


def _spread(match: re.Match[str], sign: str, kinds: Collection[str]) -> Said | None:
    """A median in its range. A mean may lie outside its quartiles: then only the range is read."""
    found: Said = {name: number(match[name], sign) for name in ("median", "low", "high")}
    if None in found.values():
        return None
    if "mean" in kinds and "median" not in kinds and "range" not in kinds:
        del found["median"]
    return found


def _range(plain: str, sign: str, kinds: Collection[str]) -> Said | None:
    """A range alone, `36-80`; where nothing says that it is one (a date, a code), it is left."""
    match = RANGE.fullmatch(plain)
    if not match:
        return None
    if not MEASURED & set(kinds):
        return {}
    found: Said = {name: number(match[name], sign) for name in ("low", "high")}
    return None if None in found.values() else found
