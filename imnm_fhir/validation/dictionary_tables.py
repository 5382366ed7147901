"""The dictionary as tables: what the SQL of frames and rules knows of elements and codes."""

from functools import cache
from typing import TYPE_CHECKING

from imnm_fhir.dictionary import load_dictionary
from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.units import factor

if TYPE_CHECKING:
    import pyarrow as pa


@cache
def dictionary_tables() -> "dict[str, pa.Table]":
    """`elements`, `codes` of value sets, `column_codes` by coded column, `dose_units` with factors."""
    return {
        "dose_units": _dose_units(),
        "elements": _elements(),
        "codes": _codes(),
        "column_codes": _column_codes(),
    }


def _elements() -> "pa.Table":
    import pyarrow as pa

    elements = [
        {
            "name": each.name, "table": each.table, "type": each.type,
            "unit": each.unit, "units": list(each.units) or None, "group": each.group, "value_set": each.value_set,
            "answer": each.attributes.get("answer"),
            "takes": list(each.attributes.get("takes", ())) or None,
            "range_low": _number(each.range.low) if each.range else None,
            "range_high": _number(each.range.high) if each.range else None,
            "range_mark": each.range.mark if each.range else None,
        }
        for each in load_dictionary().elements.values()
    ]  # fmt: skip
    texts = pa.string()
    shape = pa.schema(
        [("name", texts), ("table", texts), ("type", texts), ("unit", texts), ("units", pa.list_(texts)),
         ("group", texts), ("value_set", texts), ("answer", texts), ("takes", pa.list_(texts)),
         ("range_low", pa.float64()), ("range_high", pa.float64()), ("range_mark", texts)]
    )  # fmt: skip
    return pa.Table.from_pylist(elements, shape)


def _codes() -> "pa.Table":
    import pyarrow as pa

    codes = [
        {"value_set": name, "key": key, "group": code.attributes.get("group"),
         "withdrawn": code.attributes.get("withdrawn")}
        for name, value_set in load_dictionary().value_sets.items()
        for key, code in value_set.codes.items()
    ]  # fmt: skip
    texts = pa.string()
    shape = [("value_set", texts), ("key", texts), ("group", texts), ("withdrawn", pa.int32())]
    return pa.Table.from_pylist(codes, pa.schema(shape))


def _column_codes() -> "pa.Table":
    import pyarrow as pa

    dictionary = load_dictionary()
    columns = [
        {"column": column, "key": key}
        for column, name in dictionary.column_value_sets.items()
        for key in dictionary.value_sets[name].codes
    ]
    shape = pa.schema([("column", pa.string()), ("key", pa.string())])
    return pa.Table.from_pylist(columns, shape)


def _dose_units() -> "pa.Table":
    """By unit of a dose its factor to every other one that measures the same, else null."""
    import pyarrow as pa

    elements = load_dictionary().elements.values()
    units = sorted(
        {unit for each in elements if each.table == "medications" for unit in each.units}
    )
    columns = {target: [_factor(unit, target) for unit in units] for target in units}
    arrays = {target: pa.array(each, pa.float64()) for target, each in columns.items()}
    return pa.table({"unit": pa.array(units, pa.string()), **arrays})


def _factor(unit: str, target: str) -> float | None:
    try:
        return float(factor(unit, target))
    except ImnmFhirError:  # they do not measure the same
        return None


def _number(text: str | None) -> float | None:
    return None if text is None else float(text)
