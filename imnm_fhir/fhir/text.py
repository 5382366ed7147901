"""FHIR JSON as text, both ways, with every number kept digit by digit."""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from imnm_fhir.errors import ImnmFhirError


def read_json(text: str | bytes) -> dict[str, Any]:
    """One JSON object; decimals are `Decimal`, whole numbers `int`, never float.

    Raises `ImnmFhirError` for what is no JSON object, a key given twice, NaN or Infinity.
    """
    try:
        value = json.loads(
            text, parse_float=Decimal, parse_constant=_no_constant, object_pairs_hook=_no_duplicate
        )
    except UnicodeDecodeError:
        raise ImnmFhirError("is not UTF-8") from None
    except RecursionError:
        raise ImnmFhirError("is nested too deeply") from None
    except ValueError as error:
        raise ImnmFhirError(f"is no JSON ({getattr(error, 'msg', error)})") from None
    if not isinstance(value, dict):
        raise ImnmFhirError("is no JSON object")
    return value


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


def _no_duplicate(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def write_json(resource: Mapping[str, Any]) -> bytes:
    """The resource as one line of JSON without spaces, decimals without exponent."""
    import orjson

    def verbatim(value: Any) -> Any:
        if isinstance(value, Decimal):
            return orjson.Fragment(format(value, "f"))
        raise TypeError(f"{type(value).__name__} is no JSON")

    return orjson.dumps(resource, default=verbatim)
