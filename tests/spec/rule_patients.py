"""Patients made from the facts of rules_cases.toml."""

import re
from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any

from imnm_fhir.cohort import Cohort, new_manifest, table_from_rows
from imnm_fhir.dictionary import TABLES, load_dictionary
from imnm_fhir.keys import resource_id, row_key

FACT = re.compile(r"(?P<element>\w+)(\.(?P<field>\w+))?(#(?P<n>\w+))?(@(?P<visit>\w+))?")
SITE, OTHER_SITE = "first", "second"
CUT_OFF = "2023-06-30"
Facts = Mapping[str, Any]
Row = dict[str, Any]


def new_cohort(rows: Mapping[str, list[Row]]) -> Cohort:
    """A cohort of two sites from rows by table."""
    sites = {site: {"name": site, "cut_off": CUT_OFF} for site in (SITE, OTHER_SITE)}
    tables = {name: table_from_rows(name, rows.get(name, [])) for name in TABLES}
    return Cohort(new_manifest("site file", sites), tables)


def patient_rows(name: str, facts: Facts, site: str = SITE) -> dict[str, list[Row]]:
    """The rows of one patient by table."""
    dictionary = load_dictionary()
    person: Row = {"site": site, "patient": name}
    rows: dict[tuple[str, str | None, str | None], Row] = {}
    foreign: list[tuple[str, Row]] = []
    for fact, value in facts.items():
        if fact.startswith("+") or value == "":
            continue
        if fact.startswith("?"):
            table, _, element = fact[1:].partition(".")
            foreign.append((table, {"element": element, "value_text": value}))
            continue
        if fact in dictionary.tables["patients"].columns:
            person[fact] = _typed(fact, value)
            continue
        element, field, n, visit = _read(fact)
        row = rows.setdefault(
            (element, visit, n), {"element": element, "time_point": visit, "n": n}
        )
        row[field or ""] = _typed(field or "", value)
    found: dict[str, list[Row]] = {"patients": [person], **{table: [] for table in TABLES[1:]}}
    for (element, _, _), row in rows.items():
        unit = dictionary.elements[element].unit
        if "value_number" in row and unit:
            row.setdefault("unit", unit)
        if row.get("unit") == "-":
            del row["unit"]
        found[dictionary.elements[element].table].append({"site": site, "patient": name, **row})
    for table, row in foreign:
        found[table].append({"site": site, "patient": name, **row})
    return _numbered(_copied(facts.get("+copy"), found))


def changed(base: Facts, changes: Facts) -> Facts:
    """The base with some facts changed; an empty one is taken out, a row by its name."""
    facts = dict(base)
    for fact, value in changes.items():
        whole = (
            fact[0] not in "+?"
            and "." not in fact
            and fact not in load_dictionary().tables["patients"].columns
        )
        if whole:
            gone = _read(fact)
            facts = {
                key: each
                for key, each in facts.items()
                if "." not in key or _row(key) != _row_of(gone)
            }
        elif fact.split(".")[-1].startswith("unit") and value == "":
            facts[fact] = "-"
        else:
            facts.pop(fact, None)
            facts[fact] = value
    return {fact: value for fact, value in facts.items() if value != ""}


def _row(fact: str) -> tuple[str, str | None, str | None]:
    return _row_of(_read(fact))


def _row_of(
    read: tuple[str, str | None, str | None, str | None],
) -> tuple[str, str | None, str | None]:
    element, _, n, visit = read
    return element, n, visit


def _read(fact: str) -> tuple[str, str | None, str | None, str | None]:
    found = FACT.fullmatch(fact)
    assert found, fact
    assert found["element"] in load_dictionary().elements, fact
    return found["element"], found["field"], found["n"], found["visit"]


def _typed(field: str, value: str) -> object:
    return value == "true" if field.endswith("_boolean") else value


def _copied(name: str | None, rows: dict[str, list[Row]]) -> dict[str, list[Row]]:
    if name == "patient":
        rows["patients"] *= 2
    elif name:
        element, n, visit = _row(name)
        table = load_dictionary().elements[element].table
        wanted = {"element": element, "time_point": visit, "n": n}
        rows[table] += [row for row in rows[table] if wanted.items() <= row.items()]
    return rows


ROWS = count(2)


def _numbered(rows: dict[str, list[Row]]) -> dict[str, list[Row]]:
    return {table: [_placed(table, row) for row in each] for table, each in rows.items()}


def _placed(table: str, row: Row) -> Row:
    parts = [row.get(column) for column in load_dictionary().tables[table].key]
    place = {"file": f"{table}.csv", "row": next(ROWS), "column": row.get("element", "patient")}
    return {**row, "id": resource_id(row_key(parts)), **place}


def joined(parts: Iterator[Mapping[str, list[Row]]]) -> dict[str, list[Row]]:
    """The rows of several patients together."""
    together: dict[str, list[Row]] = {table: [] for table in TABLES}
    for rows in parts:
        for table, each in rows.items():
            together[table] += each
    return together
