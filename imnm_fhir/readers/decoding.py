"""Bytes to text: which encoding a file has, said rather than assumed in silence."""

import codecs
import re
from collections import Counter

from imnm_fhir.readers.tables import Source, column_letter

MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
ASCII = re.compile(r"[\x00-\x7f]+")
GUESS = "a guess: look at the accents, and name the encoding if it is wrong"
ADVICE = "save it as 'CSV UTF-8', or name its encoding"
# What western European tables hold beyond ASCII; most other characters tell of another encoding.
WESTERN = frozenset(
    "áéíóúàèìòùâêîôûäëïöüãõñçåæøœßÿýšžÁÉÍÓÚÀÈÌÒÙÂÊÎÔÛÄËÏÖÜÃÕÑÇÅÆØŒÝŠŽ¿¡ºª°µ±×²³½«»€£§·–—…“”‘’„•®\u00a0´"
)
INSIDE_WORD = re.compile(
    r"(?<=[a-z])(?:[^\x00-\x7f\w’‘´·](?=[a-z])|[À-ÖØ-ÞŠŽŸ](?![A-Z]))"
)  # a sign, or a capital, where a small letter should be
TOGETHER = re.compile(r"[^\x00-\x7f]{2}")  # rare in western words, the rule in Japanese ones
FEW = 16  # bytes beyond ASCII; of fewer a statistical guess is mostly wrong (few Japanese signs: half)
CAUTION = "few characters tell; look at the accents"


def decode(source: Source, content: bytes, encoding: str | None) -> tuple[str, str]:
    """The text, and a sentence on its encoding.

    A given encoding is taken as it is. Else: byte order mark, UTF-16 by its zero bytes, strict
    UTF-8, cp1252 if it reads like western European, and last a statistical guess. Raises
    `ImnmFhirError` where nothing fits or a zero byte is in the text.
    """
    if encoding is None:
        found, how = _detected(source, content)
    else:
        found, how = encoding, "as given"
    text = _decoded(source, content, found)
    if "\x00" in text:
        row = text.count("\n", 0, text.index("\x00")) + 1
        raise source.error("a NUL byte: this is no text, or it is damaged; save it again", row)
    lost = text.count("\ufffd")
    said = f"encoding {found} ({how})"
    return text, said + (f", {lost} characters were lost before it was saved" if lost else "")


def _decoded(source: Source, content: bytes, encoding: str) -> str:
    try:
        return content.decode(encoding)
    except LookupError:
        raise source.error(f"'{encoding}' is no encoding; try utf-8 or cp1252") from None
    except UnicodeDecodeError as error:
        row = content.count(b"\n", 0, error.start) + 1
        raise source.error(f"it is not {encoding}; {ADVICE}", row) from None


def _detected(source: Source, content: bytes) -> tuple[str, str]:
    for mark, encoding in MARKS:
        if content.startswith(mark):
            return encoding, "by its byte order mark"
    if utf16 := _utf16_without_mark(content):
        return utf16, "by its zero bytes"
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return _legacy(source, content)
    return "utf-8", "plain ASCII" if text.isascii() else "every byte fits"


def _utf16_without_mark(content: bytes) -> str | None:
    start = content[:4096]
    if len(content) % 2 == 0 and len(start) >= 4:
        even, odd = start[0::2].count(0), start[1::2].count(0)
        if odd > 0.4 * len(start) / 2 and even == 0:
            return "utf-16-le"
        if even > 0.4 * len(start) / 2 and odd == 0:
            return "utf-16-be"
    return None


def _legacy(source: Source, content: bytes) -> tuple[str, str]:
    _check_not_broken_utf8(source, content)
    try:
        text = content.decode("cp1252")
    except UnicodeDecodeError:
        text = ""
    foreign = Counter(ASCII.sub("", text))
    likely = sum(count for char, count in foreign.items() if char in WESTERN)
    odd = INSIDE_WORD.search(text) or (foreign.total() < FEW and TOGETHER.search(text))
    if foreign and likely >= 0.9 * foreign.total() and not odd:
        caution = f"; {CAUTION}" if foreign.total() < FEW else ""
        return "cp1252", f"not UTF-8, reads like western European{caution}"
    if sum(byte > 0x7F for byte in content) < FEW:
        raise source.error(
            f"too few characters beyond ASCII to tell its encoding; {ADVICE} in the mapping (encoding)"
        )
    from charset_normalizer import from_bytes

    guess = from_bytes(content).best()
    if guess is None or guess.encoding == "ascii":
        raise source.error(f"its encoding is not recognised; {ADVICE}")
    return guess.encoding, GUESS


def _check_not_broken_utf8(source: Source, content: bytes) -> None:
    text = content.decode("utf-8", "replace")
    broken = text.count("\ufffd")
    if len(ASCII.sub("", text)) > 2 * broken:
        row = text.count("\n", 0, text.index("\ufffd")) + 1
        raise source.error(
            "most of it is UTF-8 and this row is not: it is damaged, or two files were joined; "
            "save it again",
            row,
        )


def check_header(source: Source, header: list[str], row: int) -> None:
    """Raise `ImnmFhirError` where a header holds characters that come from a wrong decoding."""
    for place, name in enumerate(header):
        if "\ufffd" in name or _decoded_twice(name):
            raise source.error(
                f"the header of column {column_letter(place)} has broken characters, such as 'Ã­' "
                "for 'í': the file was read in a wrong encoding before, or the encoding named is "
                f"wrong; {ADVICE}",
                row,
            )


def _decoded_twice(name: str) -> bool:
    """Whether the text is UTF-8 that was read as cp1252 or Latin-1."""
    if name.isascii():
        return False
    for wrong in ("cp1252", "latin-1"):
        try:
            name.encode(wrong).decode("utf-8")
        except UnicodeError:
            continue
        return True
    return False
