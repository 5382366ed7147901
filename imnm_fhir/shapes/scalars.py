"""Reading what stands in a hole that is no list of codings."""

import re
from decimal import Decimal
from functools import cache
from typing import Any

from imnm_fhir.dictionary import load_dictionary
from imnm_fhir.shapes.found import Mismatch
from imnm_fhir.shapes.tree import Hole
from imnm_fhir.values import Unreadable, canonical_number
from imnm_fhir.values.partial import partial_date

DATE = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?", re.ASCII)
# FHIR's string: no control characters but tab and line ends (https://hl7.org/fhir/R4/datatypes.html#string).
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]")
BLANK = " \t\r\n"


def read_scalar(hole: Hole, value: Any, path: str) -> Any:
    """The column's value: text, canonical number, partial date, bool or a key of the value set.

    Raises `Mismatch` where the JSON value is no such thing.
    """
    if hole.kind == "boolean":
        if not isinstance(value, bool):
            raise Mismatch(f"{path}: is neither true nor false")
        return value
    if hole.kind == "number":
        return _number(value, path)
    text = _text(value, path)
    if hole.kind == "date":
        return _date(text, path)
    if hole.kind == "code":
        return _key_of_code(hole.column, text, path)
    if not text.startswith(hole.prefix) or not text.endswith(hole.suffix):
        raise Mismatch(f"{path}: is not of the form {hole.prefix}…{hole.suffix}")
    inside = text[len(hole.prefix) : len(text) - len(hole.suffix)]
    if not inside:
        raise Mismatch(f"{path}: is not of the form {hole.prefix}…{hole.suffix}")
    return inside


def _number(value: Any, path: str) -> str:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise Mismatch(f"{path}: is no number")
    try:
        return canonical_number(str(value))
    except Unreadable as error:
        raise Mismatch(f"{path}: {error}") from None


def _text(value: Any, path: str) -> str:
    text = value.strip(BLANK) if isinstance(value, str) else ""
    if not text:
        raise Mismatch(f"{path}: is no text")
    if CONTROL.search(text):
        raise Mismatch(f"{path}: has control characters")
    return text


def _date(text: str, path: str) -> str:
    found = DATE.fullmatch(text)
    if not found:
        raise Mismatch(f"{path}: is no date")
    try:
        return partial_date(*found.groups())
    except Unreadable as error:
        raise Mismatch(f"{path}: {error}") from None


def _key_of_code(column: str, code: str, path: str) -> str:
    key = keys_by_plain_code(column).get(code)
    if key is None:
        name = load_dictionary().column_value_sets[column]
        raise Mismatch(f"{path}: is not in value set {name}")
    return key


@cache
def keys_by_plain_code(column: str) -> dict[str, str]:
    """Key by code alone, for columns that FHIR writes as `code`, whose system the binding gives."""
    dictionary = load_dictionary()
    value_set = dictionary.value_sets[dictionary.column_value_sets[column]]
    return {code: key for key, each in value_set.codes.items() for code in [each.codings[0].code]}
