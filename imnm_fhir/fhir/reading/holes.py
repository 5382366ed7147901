"""Values that stand in holes, read by whole columns: each different one once, as `match` reads it.

What is plainly written (as nearly all is) goes through a pattern of Arrow's; the rest through the very
functions of the reference. What these refuse is null, and its line is read one by one.
"""

import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, cast

from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.fhir.reading.foreign import DATE_TIME, day, relative
from imnm_fhir.fhir.reading.settle import NUMBERS, settle
from imnm_fhir.shapes.found import Mismatch
from imnm_fhir.shapes.scalars import read_scalar
from imnm_fhir.shapes.tree import Hole
from imnm_fhir.values import Unreadable
from imnm_fhir.values.numbers import CANONICAL

if TYPE_CHECKING:
    from typing import Any as Texts  # arrays of Arrow, whose stubs know no text

    import pyarrow as pa

Resolve = Callable[[str], str | None]
How = tuple[str, ...]
# Text that JSON does not escape, without blank ends; a part of a key is the same without a slash.
PLAIN = r'^[^\x00-\x20"\\]([^\x00-\x1f"\\]*[^\x00-\x20"\\])?$'
PART = r'[^\x00-\x1f"\\/]'
LAST = r'[^\x00-\x20"\\/]'
NAME = r"[A-Za-z0-9\-.]{1,64}"  # a FHIR id
# Years, months and days of which nothing is to be asked: every month has 28 days.
COMMON = r"^[12][0-9]{3}(-(0[1-9]|1[0-2])(-(0[1-9]|1[0-9]|2[0-8]))?)?$"
DAYS = 1 << 14  # other dates that are remembered
WHOLE = r"^-?[0-9]+$"


def read_holes(how: How, tokens: "Texts", resolve: Resolve) -> "Texts":
    """The column's value for each token; null where it must be looked at one by one.

    `how` is that of `FromHole`, `resolve` as in `normalise`.
    """
    match how[0]:
        case "id":
            return _if_fits(tokens, f"^{NAME}$", tokens)
        case "text":
            return _rest(tokens, _if_fits(tokens, PLAIN, tokens), _text)
        case "date":
            return _rest(tokens, _if_fits(tokens, COMMON, tokens), _date)
        case "day":
            days = _days(tokens)
            return _rest(days, _if_fits(days, COMMON, days), _day)
        case "reference":
            return _references(tokens, how[1], resolve)
    return _numbers(how, tokens)


def _if_fits(tokens: "Texts", form: str, values: "Texts") -> "Texts":
    """The values whose tokens have a form, the others null."""
    import pyarrow as pa
    import pyarrow.compute as pc

    fits = pc.match_substring_regex(tokens, form)
    if pc.all(fits).as_py():
        return values
    return cast("pa.StringArray", pc.if_else(fits, values, pa.scalar(None, pa.string())))


def _rest(tokens: "Texts", known: "Texts | None", read: Callable[[str], Any]) -> "Texts":
    """The values that are known, and where they are not what the reference reads."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if known is not None and not known.null_count:
        return known
    unknown = tokens if known is None else tokens.filter(known.is_null())
    encoded = unknown.dictionary_encode()
    values = [_or_none(read, each) for each in encoded.dictionary.to_pylist()]
    found = pa.array(values, pa.string()).take(encoded.indices)
    return found if known is None else pc.replace_with_mask(known, known.is_null(), found)


def _or_none(read: Callable[[str], Any], token: str) -> str | None:
    try:
        return cast("str | None", read(token))
    except (Mismatch, ImnmFhirError, Unreadable, ValueError):
        return None


def _unescaped(token: str) -> str:
    return cast(str, json.loads(f'"{token}"')) if "\\" in token else token


def _text(token: str) -> Any:
    return read_scalar(Hole("", "text"), _unescaped(token), "")


@lru_cache(maxsize=DAYS)
def _date(token: str) -> Any:
    return read_scalar(Hole("", "date"), _unescaped(token), "")


@lru_cache(maxsize=DAYS)
def _day(token: str) -> Any:
    return read_scalar(Hole("", "date"), day(_unescaped(token)), "")


def _days(tokens: "Texts") -> "Texts":
    """Dates with a time cut to the day, so that few different ones are left."""
    import pyarrow.compute as pc

    timed = pc.match_substring_regex(tokens, f"^(?:{DATE_TIME.pattern})$")
    return pc.if_else(timed, pc.utf8_slice_codeunits(tokens, 0, 10), tokens)


def _references(tokens: "Texts", kind: str, resolve: Resolve) -> "Texts":
    import pyarrow.compute as pc

    def read(token: str) -> Any:
        reference = relative(_unescaped(token), kind, resolve)
        return read_scalar(Hole("", "text", f"{kind}/"), reference, "")

    short = pc.utf8_slice_codeunits(tokens, len(kind) + 1)
    return _rest(tokens, _if_fits(tokens, f"^{kind}/{NAME}$", short), read)


def key_columns(tokens: "Texts", count: int) -> list["Texts"]:
    """The parts of keys of `count` parts, each a column, empty where there is none."""
    import pyarrow as pa
    import pyarrow.compute as pc

    rest = f"(/{PART}*){{{count - 3}}}/({PART}*{LAST})?" if count > 2 else ""
    patient = f"{PART}+" if count > 2 else f"{PART}*{LAST}"
    plain = _if_fits(tokens, f"^[a-z0-9_-]+/{patient}{rest}$", tokens)
    written = pc.split_pattern(plain.drop_null(), "/").flatten()
    found = []
    for place in range(count):
        part = written.take(pa.array(range(place, len(written), count), pa.int32()))
        part = pc.replace_substring(pc.replace_substring(part, "%2F", "/"), "%25", "%")
        spread = plain.null_count > 0
        found.append(pc.replace_with_mask(plain, plain.is_valid(), part) if spread else part)
    return found


def _numbers(how: How, tokens: "Texts") -> "Texts":
    import pyarrow as pa

    if how[0] == "integer":
        tokens = _if_fits(tokens, WHOLE, tokens)
    about = how[1:]

    def read(token: str) -> Any:
        number = Decimal(token) if set(token) & set(".eE") else int(token)
        value = read_scalar(Hole("", "number"), number, "")
        return _in_unit(about, value) if about else value

    plain = _if_fits(tokens, f"^(?:{CANONICAL.pattern})$", tokens)
    known = plain if not about or is_kept(about) else pa.nulls(len(tokens), pa.string())
    return _rest(tokens, known, read)


def _in_unit(about: How, value: str) -> Any:
    table, column = about[0], about[2]
    return settle(table, _row(about, value))[0][column]


def _row(about: How, value: str) -> Mapping[str, Any]:
    table, element, column, *unit = about
    return {"element": element, column: value, **{_unit_of(table, column): each for each in unit}}


@cache
def is_kept(about: How) -> bool:
    """Whether numbers in this unit stay as they are."""
    try:
        return all(_in_unit(about, each) == each for each in ("1", "0.000001"))
    except (ImnmFhirError, Unreadable):
        return False


def _unit_of(table: str, column: str) -> str:
    return next((u for u, columns in NUMBERS.get(table, {}).items() if column in columns), "")
