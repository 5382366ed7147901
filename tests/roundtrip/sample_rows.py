"""Rows of every element and in every null pattern that the cohort allows, as Hypothesis strategies."""

from collections.abc import Iterator
from typing import Any

from imnm_fhir.cohort import Cohort, new_manifest, table_from_rows
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


def patient_columns() -> Iterator[Row]:
    """The ways in which a patient may be described."""
    reasons = list(load_dictionary().value_sets["missing_reason"].codes)
    births = [{}, *({"birth_date": date} for date in ("1950", "1950-05", "1950-05-31"))]
    births += [{"birth_date_missing": reason} for reason in reasons]
    sexes = [{}, *({"sex": key} for key in load_dictionary().value_sets["sex"].codes)]
    sexes += [{"sex_missing": reason} for reason in reasons]
    deaths: list[Row] = [{}, {"deceased_boolean": True}, {"deceased_boolean": False}]
    deaths += [{"deceased_date": "2021-03-04"}, {"deceased_date": "2021"}]
    deaths += [{"deceased_missing": reason} for reason in reasons]
    for index in range(max(len(births), len(sexes), len(deaths))):
        yield (
            births[index % len(births)] | sexes[index % len(sexes)] | deaths[index % len(deaths)]
        )


def medication_columns(element: Element) -> Iterator[Row]:
    """Every drug, dose, route and way of dating."""
    value_sets = load_dictionary().value_sets
    drugs = list(value_sets[element.value_set or ""].codes)
    statuses = list(value_sets["medication_status"].codes)
    for index, drug in enumerate(drugs):
        yield {"value_code": drug, "status": statuses[index % len(statuses)]}
    first: Row = {"value_code": drugs[0], "status": "unknown"}
    yield {"value_text": "a drug without a code", "status": "unknown"}
    yield first | {"value_text": "brand", "start_date": "2019", "end_date": "2019-03-04"}
    yield first | {"start_date": "2019-03-04", "end_date": "2019"}
    yield first | {"start_date": "2019-03", "end_date": "2019-03"}
    yield first | {"end_date": "2020-01-01"}
    for reason in value_sets["missing_reason"].codes:
        yield first | {"start_missing": reason, "end_date": "2020"}
        yield first | {"start_date": "2020-02-29", "end_missing": reason}
    for unit in element.units:
        kind = "rate" if unit.endswith(("/d", "/wk")) else "dose"
        yield first | {f"{kind}_number": "0.5", f"{kind}_unit": unit}
    for route in value_sets["route"].codes:
        yield first | {"route": route, "dose_number": "40", "dose_unit": element.units[0]}
    for reason in value_sets["indication"].codes:
        yield first | {"reason": reason}
    for phase in value_sets["treatment_phase"].codes:
        yield first | {"phase": phase}
    yield first | {"phase": "induction", "time_point": "baseline"}


def condition_columns(element: Element) -> Iterator[Row]:
    """Every disease and way of dating."""
    value_sets = load_dictionary().value_sets
    for disease in value_sets[element.value_set or ""].codes:
        yield {"value_code": disease}
    yield {"value_text": "a disease without a code"}
    first: Row = {"value_code": next(iter(value_sets[element.value_set or ""].codes))}
    yield first | {"value_text": "as written", "onset_date": "2018-12", "date": "2019"}
    yield first | {"onset_date": "2019-01-01", "date": "2019-02-28", "recorded_date": "2020"}
    for reason in value_sets["missing_reason"].codes:
        yield first | {"onset_missing": reason, "date": "2019-02"}
        yield first | {"onset_date": "2019", "date_missing": reason}


def procedure_columns(element: Element) -> Iterator[Row]:
    """Every way of dating, and sessions."""
    yield {}
    yield {"date": "2019-03-04", "value_text": "left deltoid"}
    yield {"date": "2019-03", "end_date": "2019-04-01", "sessions": "5"}
    yield {"date": "2019-03-31", "end_date": "2019-03"}
    yield {"end_date": "2019", "sessions": "1"}
    for reason in load_dictionary().value_sets["missing_reason"].codes:
        yield {"date_missing": reason, "end_date": "2020-01"}


SHOWN = {
    "observations": value_columns,
    "medications": medication_columns,
    "conditions": condition_columns,
    "procedures": procedure_columns,
}
TIME_POINTS = ("baseline", "month_3", None)


def every_row(site: str = "madrid_es", patient: str = "MAD 01/ä%") -> dict[str, list[Row]]:
    """Rows of every element in every way, of several patients of one site."""
    patients = [
        {"site": site, "patient": patient if index == 0 else f"P{index}", **columns}
        for index, columns in enumerate(patient_columns())
    ]
    rows = {"patients": [keyed("patients", row) for row in patients]}
    for table, columns in SHOWN.items():
        rows[table] = []
        for element in load_dictionary().of_table(table).values():
            for n, values in enumerate(columns(element)):
                base = {"site": site, "patient": patient, "element": element.name, "n": str(n)}
                place = {"time_point": TIME_POINTS[n % 3]}
                date = {"date": "2020-05"} if table == "observations" and n % 2 else {}
                rows[table].append(keyed(table, base | place | date | values))
    return rows


def every_cohort(site: str = "madrid_es") -> Cohort:
    """A cohort of `every_row`."""
    about = {site: {"name": "Madrid (synthetic)", "country": "ES", "language": "es"}}
    tables = {name: table_from_rows(name, rows) for name, rows in every_row(site).items()}
    return Cohort(new_manifest("site file", about), tables)
