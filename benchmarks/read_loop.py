"""What a competent user writes by hand instead of the import: orjson line by line into columns.

It takes what it expects and looks at nothing else: another status, unit, comparator or modifier goes
by unseen, and numbers become floats (which is why it is quick; the import keeps every digit). Keys,
codes and references are turned into the same columns as ours.
"""

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imnm_fhir.dictionary import load_dictionary
from imnm_fhir.terminology import load_project

if TYPE_CHECKING:
    import pyarrow as pa

Resource = dict[str, Any]
BATCH = 50_000
NUMBERS = ("value_number", "reference_high", "dose_number", "rate_number", "sessions")


def read_loop(folder: Path) -> dict[str, "pa.Table"]:
    """The tables that the NDJSON files of a folder hold, by name."""
    return {
        table: _table(table, folder / f"{kind}.ndjson", read)
        for table, (kind, read) in READERS.items()
    }


def _table(
    table: str, path: Path, read: Callable[[Resource], tuple[Any, ...] | None]
) -> "pa.Table":
    import pyarrow as pa

    columns = load_dictionary().tables[table].data_columns
    schema = pa.schema([(name, _kind(table, name)) for name in columns])
    batches = []
    for rows in _batches(path, read):
        values = zip(*rows, strict=True)
        arrays = [pa.array(each, field.type) for each, field in zip(values, schema, strict=True)]
        batches.append(pa.record_batch(arrays, schema=schema))
    return pa.Table.from_batches(batches, schema)


def _kind(table: str, column: str) -> "pa.DataType":
    import pyarrow as pa

    if column in NUMBERS:
        return pa.float64()
    boolean = load_dictionary().tables[table].types[column] == "boolean"
    return pa.bool_() if boolean else pa.string()


def _batches(
    path: Path, read: Callable[[Resource], tuple[Any, ...] | None]
) -> Iterator[list[tuple[Any, ...]]]:
    import orjson

    rows = []
    with path.open("rb") as lines:
        for line in lines:
            row = read(orjson.loads(line))
            if row:
                rows.append(row)
            if len(rows) == BATCH:
                yield rows
                rows = []
    if rows:
        yield rows


@cache
def _system() -> str:
    return load_project().base + "/key"


def _key(resource: Resource) -> list[str | None]:
    for identifier in resource["identifier"]:
        if identifier["system"] == _system():
            parts = identifier["value"].split("/")
            if "%" in identifier["value"]:
                parts = [part.replace("%2F", "/").replace("%25", "%") for part in parts]
            return [part or None for part in parts]
    raise ValueError("no key")


@cache
def _values(element: str, column: str) -> dict[tuple[str, str], str]:
    value_set = load_dictionary().value_set_of(element, column)
    assert value_set
    return value_set.keys_by_code


def _coded(element: str, column: str, concept: Resource | None) -> str | None:
    for coding in (concept or {}).get("coding", ()):
        found = _values(element, column).get((coding["system"], coding["code"]))
        if found:
            return found
    return None


@cache
def _code(column: str, code: str) -> str:
    dictionary = load_dictionary()
    value_set = dictionary.value_sets[dictionary.column_value_sets[column]]
    return next(key for key, each in value_set.codes.items() if each.codings[0].code == code)


def _absent(resource: Resource, key: str) -> str | None:
    if key not in resource:
        return None
    return _code("missing", resource[key]["extension"][0]["valueCode"])


def _note(resource: Resource) -> str | None:
    return resource["note"][0]["text"] if "note" in resource else None


def _patient(resource: Resource) -> tuple[Any, ...]:
    site, patient = _key(resource)
    return (
        site,
        patient,
        resource.get("birthDate"),
        _absent(resource, "_birthDate"),
        resource.get("gender"),
        _absent(resource, "_gender"),
        resource.get("deceasedBoolean"),
        resource.get("deceasedDateTime"),
        _absent(resource, "_deceasedBoolean"),
        resource["id"],
    )


def _observation(resource: Resource) -> tuple[Any, ...]:
    site, patient, element, time_point, n = _key(resource)
    assert element
    quantity = resource.get("valueQuantity", {})
    comparator = quantity.get("comparator")
    answer = resource.get("valueCodeableConcept")
    if answer is None and "interpretation" in resource:
        answer = resource["interpretation"][0]
    ranges = resource.get("referenceRange")
    return (
        site,
        patient,
        element,
        time_point,
        n,
        quantity.get("value"),
        _code("comparator", comparator) if comparator else None,
        _coded(element, "value_code", answer) if answer else None,
        resource.get("valueBoolean"),
        resource.get("valueDateTime"),
        resource.get("valueString") or (answer or {}).get("text") or _note(resource),
        quantity.get("code"),
        _coded(element, "missing", resource.get("dataAbsentReason")),
        resource.get("effectiveDateTime"),
        _coded(element, "method", resource.get("method")),
        ranges[0]["high"]["value"] if ranges else None,
        resource["id"],
    )


def _medication(resource: Resource) -> tuple[Any, ...]:
    site, patient, element, time_point, n = _key(resource)
    assert element
    drug = resource["medicationCodeableConcept"]
    period = resource.get("effectivePeriod", {})
    dosage = resource["dosage"][0] if "dosage" in resource else {}
    given = dosage["doseAndRate"][0] if "doseAndRate" in dosage else {}
    dose, rate = given.get("doseQuantity", {}), given.get("rateQuantity", {})
    reasons = resource.get("reasonCode")
    return (
        site,
        patient,
        element,
        time_point,
        n,
        _coded(element, "value_code", drug),
        drug.get("text"),
        _code("status", resource["status"]),
        period.get("start"),
        _absent(period, "_start"),
        period.get("end"),
        _absent(period, "_end"),
        dose.get("value"),
        dose.get("code"),
        rate.get("value"),
        rate.get("code"),
        _coded(element, "route", dosage.get("route")),
        _coded(element, "reason", reasons[0]) if reasons else None,
        None,  # phase, which the benchmark's cohort has not
        resource["id"],
    )


def _asserted(resource: Resource) -> tuple[str | None, str | None]:
    """Date of the diagnosis, or why there is none."""
    for extension in resource.get("extension", ()):
        if extension["url"].endswith("/condition-assertedDate"):
            return extension["valueDateTime"], None
        if extension["url"].endswith("/asserted-date-missing"):
            return None, _code("missing", extension["valueCode"])
    return None, None


def _condition(resource: Resource) -> tuple[Any, ...]:
    site, patient, element, time_point, n = _key(resource)
    assert element
    return (
        site,
        patient,
        element,
        time_point,
        n,
        _coded(element, "value_code", resource["code"]),
        resource["code"].get("text"),
        resource.get("onsetDateTime"),
        _absent(resource, "_onsetDateTime"),
        *_asserted(resource),
        resource.get("recordedDate"),
        resource["id"],
    )


def _procedure(resource: Resource) -> tuple[Any, ...]:
    site, patient, element, time_point, n = _key(resource)
    period = resource.get("performedPeriod", {})
    sessions = None
    for extension in resource.get("extension", ()):
        if extension["url"].endswith("/procedure-sessions"):
            sessions = extension["valuePositiveInt"]
    return (
        site,
        patient,
        element,
        time_point,
        n,
        _note(resource),
        period.get("start"),
        _absent(period, "_start"),
        period.get("end"),
        sessions,
        resource["id"],
    )


READERS: dict[str, tuple[str, Callable[[Resource], tuple[Any, ...]]]] = {
    "patients": ("Patient", _patient),
    "observations": ("Observation", _observation),
    "medications": ("MedicationStatement", _medication),
    "conditions": ("Condition", _condition),
    "procedures": ("Procedure", _procedure),
}
