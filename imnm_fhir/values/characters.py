"""Characters that differ in width or kind only: written as their plain twin, nothing else changed.

Narrower than NFKC, which would turn 10³ into 103.
"""

import unicodedata
from functools import lru_cache

SAME_CHARACTER = ("<wide>", "<narrow>", "<noBreak>")


def plain(text: str) -> str:
    """The text with plain digits, signs and spaces, without invisible characters, stripped."""
    if text.isascii():
        return text.strip()
    return "".join(map(_plain_character, unicodedata.normalize("NFC", text))).strip()


@lru_cache(maxsize=1024)
def _plain_character(char: str) -> str:
    category = unicodedata.category(char)
    if category == "Zs":
        return " "
    if category == "Cf":
        return ""
    if char == "−":  # the typographic minus
        return "-"
    if unicodedata.decomposition(char).startswith(SAME_CHARACTER):
        return unicodedata.normalize("NFKC", char)
    return char
