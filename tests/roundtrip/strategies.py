"""Hypothesis strategies for rows of every element, in every null pattern that the cohort allows."""

from datetime import date
from typing import Any

from hypothesis import strategies as st

from imnm_fhir.cohort import Cohort, new_manifest, table_from_rows
from imnm_fhir.dictionary import TABLES, Element, load_dictionary
from tests.roundtrip.sample_rows import Row, keyed

SITE = "madrid_es"
CHARACTERS = "aZ09 \"'\\/%{}[]:,;<&=\t\n\ré\u00a0ñ\u2028ß漢\U0001f9ec\ufffd\u0301+-"
texts = (
    st.text(CHARACTERS, min_size=1, max_size=12)
    .map(lambda text: text.strip(" \t\r\n"))
    .filter(bool)
)
days = st.dates(date(1850, 1, 1), date(2199, 12, 31)).map(str)
dates = st.builds(lambda day, length: day[:length], days, st.sampled_from([4, 7, 10]))


@st.composite
def numbers(draw: st.DrawFn) -> str:
    """Canonical numbers up to 15 significant digits and 6 decimals."""
    decimals = draw(st.integers(0, 6))
    digits = draw(st.integers(1, 15))
    number = draw(st.integers(0, 10**digits - 1))
    sign = draw(st.sampled_from(["", "-"])) if number else ""
    whole, part = divmod(number, 10**decimals)
    fraction = f"{part:0{decimals}}".rstrip("0") if decimals else ""
    return f"{sign}{whole}.{fraction}" if fraction else f"{sign}{whole}"


def maybe(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | values


def keys(value_set: str | None) -> st.SearchStrategy[str]:
    return st.sampled_from(list(load_dictionary().value_sets[value_set or ""].codes))


@st.composite
def either(draw: st.DrawFn, date: str, missing: str) -> Row:
    """A date, a reason why it is missing, or neither."""
    return draw(
        st.just({})
        | dates.map(lambda value: {date: value})
        | keys("missing_reason").map(lambda value: {missing: value})
    )  # fmt: skip


@st.composite
def observations(draw: st.DrawFn, element: Element) -> Row:
    row: Row = {"date": draw(maybe(dates))}
    if element.type in ("number", "code"):
        row["method"] = draw(maybe(keys("assay")))
    units = [unit for unit in (element.unit, *element.units) if unit]
    limited: bool = draw(st.booleans())
    if units and limited:
        row |= {"reference_high": draw(numbers()), "unit": draw(st.sampled_from(units))}
    if draw(st.integers(0, 4)) == 0:
        return row | {"missing": draw(keys("missing_reason"))}
    return row | draw(_values(element, row.get("unit"), units))


@st.composite
def _values(draw: st.DrawFn, element: Element, unit: str | None, units: list[str]) -> Row:
    remark = {"value_text": draw(maybe(texts))}
    number = {
        "value_number": draw(numbers()),
        "comparator": draw(maybe(keys("comparator"))),
        "unit": unit or (draw(st.sampled_from(units)) if units else None),
    }
    match element.type:
        case "number":
            return draw(st.sampled_from([number | remark, {"value_text": draw(texts)}]))
        case "code":
            coded = {"value_code": draw(keys(element.value_set))}
            ways = [coded, coded | number, number] if units else [coded]
            chosen: Row = draw(st.sampled_from(ways))
            return chosen | remark
        case "boolean":
            return {"value_boolean": draw(st.booleans())} | remark
        case "date":
            return {"value_date": draw(dates)} | remark
    return {"value_text": draw(texts)}


@st.composite
def medications(draw: st.DrawFn, element: Element) -> Row:
    coded = {"value_code": draw(keys(element.value_set)), "value_text": draw(maybe(texts))}
    row: Row = draw(st.sampled_from([coded, {"value_text": draw(texts)}]))
    row = (
        row | draw(either("start_date", "start_missing")) | draw(either("end_date", "end_missing"))
    )
    for kind in ("dose", "rate"):
        if draw(st.booleans()):
            row |= {f"{kind}_number": draw(numbers())}
            row |= {f"{kind}_unit": draw(st.sampled_from(element.units))}
    row["status"] = draw(keys("medication_status"))
    row["route"], row["reason"] = draw(maybe(keys("route"))), draw(maybe(keys("indication")))
    row["phase"] = draw(maybe(keys("treatment_phase")))
    return _in_order(row, "start_date")


@st.composite
def conditions(draw: st.DrawFn, element: Element) -> Row:
    coded = {"value_code": draw(keys(element.value_set)), "value_text": draw(maybe(texts))}
    row: Row = draw(st.sampled_from([coded, {"value_text": draw(texts)}]))
    row = row | draw(either("onset_date", "onset_missing")) | draw(either("date", "date_missing"))
    return row | {"recorded_date": draw(maybe(dates))}


@st.composite
def procedures(draw: st.DrawFn, element: Element) -> Row:
    row = draw(either("date", "date_missing")) | {"end_date": draw(maybe(dates))}
    row["sessions"] = draw(maybe(st.integers(1, 999_999_999).map(str)))
    return _in_order(row | {"value_text": draw(maybe(texts))}, "date")


def _in_order(row: Row, start: str) -> Row:
    """The row without its end where that is before its start."""
    first, last = row.get(start) or "", row.get("end_date") or ""
    common = min(len(first), len(last))
    return row | {"end_date": None} if common and first[:common] > last[:common] else row


@st.composite
def patients(draw: st.DrawFn, name: str) -> Row:
    sexes: st.SearchStrategy[Row] = st.just({}) | keys("sex").map(lambda key: {"sex": key})
    sexes |= keys("missing_reason").map(lambda key: {"sex_missing": key})
    deaths: st.SearchStrategy[Row] = st.just({}) | st.booleans().map(
        lambda value: {"deceased_boolean": value}
    )
    deaths |= dates.map(lambda value: {"deceased_date": value})
    deaths |= keys("missing_reason").map(lambda key: {"deceased_missing": key})
    row = draw(either("birth_date", "birth_date_missing")) | draw(sexes) | draw(deaths)
    return keyed("patients", {"site": SITE, "patient": name, **row})


FACTS = {
    "observations": observations,
    "medications": medications,
    "conditions": conditions,
    "procedures": procedures,
}


@st.composite
def facts(draw: st.DrawFn, table: str, patient: str, n: str) -> Row:
    element = draw(st.sampled_from(list(load_dictionary().of_table(table).values())))
    row = draw(FACTS[table](element))
    time_point = draw(maybe(keys("time_point")))
    place = {"site": SITE, "patient": patient, "element": element.name, "time_point": time_point}
    return keyed(table, {**row, **place, "n": n})


@st.composite
def cohorts(draw: st.DrawFn, most: int = 30) -> Cohort:
    """A cohort of one site with up to `most` facts in each table."""
    names = draw(st.lists(texts, min_size=1, max_size=3, unique=True))
    rows: dict[str, list[Row]] = {"patients": [draw(patients(name)) for name in names]}
    for table in TABLES[1:]:
        count = draw(st.integers(0, most))
        rows[table] = [
            draw(facts(table, draw(st.sampled_from(names)), f"{number} {draw(texts)}"))
            for number in range(count)
        ]
    about = {"name": draw(maybe(texts)), "country": "ES", "language": draw(maybe(st.just("es")))}
    tables = {name: table_from_rows(name, listed) for name, listed in rows.items()}
    return Cohort(new_manifest("site file", {SITE: about}), tables)
