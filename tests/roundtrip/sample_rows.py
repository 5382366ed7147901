"""Rows of every element and in every null pattern that the cohort allows, as Hypothesis strategies."""

from collections.abc import Iterator
from typing import Any

from imnm_fhir.dictionary import Element, load_dictionary
from imnm_fhir.keys import resource_id, row_key

Row = dict[str, Any]


def keyed(table: str, row: Row) -> Row:
    """The row with every column of its table and the id of its key."""
    about = load_dictionary().tables[table]
    full = {column: row.get(column) for column in about.data_columns}
    return full | {"id": resource_id(row_key(full[column] for column in about.key))}


def value_columns(element: Element) -> Iterator[Row]:
    """The ways in which an observation of the element may say something, smallest ones."""
    value_sets = load_dictionary().value_sets
    if element.type == "number":
        yield {"value_number": "1.5", "unit": element.unit}
        yield {"value_number": "20", "comparator": "<", "unit": element.unit, "value_text": "ca."}
        yield {"value_number": "7", "unit": element.unit, "reference_high": "190.5"}
        yield {"value_text": "3-4"}
    if element.type == "code":
        for key in value_sets[element.value_set or ""].codes:
            yield {"value_code": key}
        if element.units:
            first = next(iter(value_sets[element.value_set or ""].codes))
            for unit in element.units:
                yield {"value_number": "80", "unit": unit, "comparator": ">="}
                yield {
                    "value_code": first, "value_number": "0.000001", "unit": unit,
                    "reference_high": "20", "method": "elisa", "value_text": "++",
                }  # fmt: skip
            yield {"value_code": first, "reference_high": "20", "unit": element.units[0]}
    if element.type == "boolean":
        yield {"value_boolean": True}
        yield {"value_boolean": False, "value_text": "said so"}
    if element.type == "date":
        yield {"value_date": "2019-03-04"}
        yield {"value_date": "2019-03", "value_text": "said so"}
    if element.type == "text":
        yield {"value_text": "deltoid"}
    for reason in value_sets["missing_reason"].codes:
        yield {"missing": reason}
