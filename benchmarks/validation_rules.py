"""The rules of `observations` over many rows: ours, hand-written SQL, Great Expectations as it comes.

Each is measured in a process of its own, and all three must find the same rows:
`python -m benchmarks.validation_rules --rows 1000000`.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from benchmarks.meter import measured
from benchmarks.synthetic import chunks
from imnm_fhir.cohort import Cohort, new_manifest
from imnm_fhir.study import load_study
from imnm_fhir.validation.catalogue import expectations, load_catalogue
from imnm_fhir.validation.checks import Bounds, Check, Condition
from imnm_fhir.validation.expectations import (
    ROWS,
    _batch,
    _new_source,
    _quiet,
    _results,
    build_expectations,
)
from imnm_fhir.validation.frames import Given, known_columns, open_tables, sections, table_frame
from imnm_fhir.validation.run import Run, _judge_table
from imnm_fhir.validation.suites import read_suites

SUITE = "observations"
PER_PATIENT = 45  # rows of observations that a synthetic patient has, about
TODAY = date(2026, 1, 1)


def cohort_of(rows: int) -> Cohort:
    """Synthetic patients with so many observations, one CK in a hundred out of its range."""
    import pyarrow as pa

    parts = list(chunks(max(1, rows // PER_PATIENT)))
    tables = {name: pa.concat_tables([each[name] for each in parts]) for name in parts[0]}
    observations = tables[SUITE]
    faulty = [place % 100 == 0 for place in range(observations.num_rows)]
    import pyarrow.compute as pc

    numbers = pc.if_else(
        pc.and_(pa.array(faulty), pc.is_valid(observations["value_number"])),
        "999999",
        observations["value_number"],
    )
    place = observations.schema.get_field_index("value_number")
    tables[SUITE] = observations.set_column(place, "value_number", numbers)
    sites = tables["patients"]["site"].unique().to_pylist()
    return Cohort(
        new_manifest("site file", {site: {"cut_off": "2025-12-31"} for site in sites}), tables
    )


def checks() -> list[Check]:
    """The checks of the suite."""
    read = read_suites(expectations(), load_catalogue(), known_columns())
    return [each for each in read if each.suite == SUITE]


def given(cohort: Cohort) -> Given:
    """What the SQL is given."""
    limits = {rule: each.limits for rule, each in load_catalogue().items()}
    return Given(TODAY, {site: date(2025, 12, 31) for site in cohort.sites}, limits=limits)


Found = dict[str, int]


def ours(cohort: Cohort) -> Found:
    """The rows that break each check, by our own run: verdicts first, states, hits with their rows."""
    built = build_expectations(checks())
    people = cohort.tables["patients"]
    patients = sorted(
        set(zip(people["site"].to_pylist(), people["patient"].to_pylist(), strict=True))
    )
    run = Run(cohort, patients, load_catalogue())
    with open_tables(cohort.tables, given(cohort)) as engine:
        broken = _judge_table(run, engine, SUITE, cohort.tables, built)
    return {each.name: len(rows) for each, rows in broken.items()}


def sql(cohort: Cohort) -> Found:
    """The same rows by one query for each check over the prepared rows, as a person writes it."""
    found = {}
    with open_tables(cohort.tables, given(cohort)) as engine:
        prepared = sections(expectations(), "tables.sql")[SUITE].rstrip(";")
        engine.execute(f"CREATE TABLE prepared AS {prepared}")
        for check in checks():
            query = f"SELECT position FROM ({_source(check)}) WHERE {_broken(check)}"
            found[check.name] = len(engine.execute(query).fetchall())
    return found


def expectations_alone(cohort: Cohort) -> Found:
    """The same rows by Great Expectations as it comes: every row of every rule, dates as pandas has them."""
    built = build_expectations(checks())
    with open_tables(cohort.tables, given(cohort)) as engine:
        frame = table_frame(engine, SUITE)
    for name in frame.columns:
        if frame[name].dtype.kind == "M":
            frame[name] = frame[name].astype("datetime64[us]")
    asked = [(check, 0, each[0]) for check, each in built.items()]
    with _quiet(), _batch(_new_source(), frame) as batch:
        results = _results(batch, asked, ROWS)
    rows = [result.result.get("unexpected_index_list") or [] for result in results]
    return {check.name: len(each) for (check, _, _), each in zip(asked, rows, strict=True)}


def _source(check: Check) -> str:
    conditions = [_met(name, each) for name, each in {**check.select, **check.where}.items()]
    conditions += [
        f"({name} IS NULL OR NOT {_met(name, words)})" for name, words in check.unless.items()
    ]
    conditions += [f"{name} IS NOT NULL" for name in check.needs]
    return "FROM prepared" + (f" WHERE {' AND '.join(conditions)}" if conditions else "")


def _met(name: str, condition: Condition) -> str:
    if isinstance(condition, Bounds):
        ends = [(">=", condition.low), ("<=", condition.high)]
        return " AND ".join(f"{name} {sign} {end}" for sign, end in ends if end is not None)
    return f"{name}::VARCHAR IN ({_listed(condition)})"


def _listed(words: Any) -> str:
    return ", ".join(f"'{word}'" if isinstance(word, str) else str(word) for word in words)


def _between(kwargs: Mapping[str, Any]) -> str:
    column, tests = kwargs["column"], []
    for key, sign in (("min_value", "<"), ("max_value", ">")):
        if kwargs.get(key) is not None:
            end = kwargs[key]
            tests.append(
                f"{column} {sign} " + (f"DATE '{end}'" if isinstance(end, str) else str(end))
            )
    return " OR ".join(tests)


def _later(kwargs: Mapping[str, Any]) -> str:
    sign = "<" if kwargs.get("or_equal") else "<="
    return f"{kwargs['column_A']} {sign} {kwargs['column_B']}"


def _twice(kwargs: Mapping[str, Any]) -> str:
    key = ", ".join(kwargs["column_list"])
    return f"({key}) IN (SELECT ({key}) FROM prepared GROUP BY {key} HAVING count(*) > 1)"


WRITTEN: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "expect_column_values_to_be_between": _between,
    "expect_column_values_to_be_in_set": lambda it: (
        f"{it['column']}::VARCHAR NOT IN ({_texts(it)})"
    ),
    "expect_column_values_to_not_be_in_set": lambda it: (
        f"{it['column']}::VARCHAR IN ({_texts(it)})"
    ),
    "expect_column_values_to_not_be_null": lambda it: f"{it['column']} IS NULL",
    "expect_column_pair_values_a_to_be_greater_than_b": _later,
    "expect_compound_columns_to_be_unique": _twice,
}


def _texts(kwargs: Mapping[str, Any]) -> str:
    words = kwargs["value_set"]
    numbers = [f"{each:.1f}" if isinstance(each, int) else each for each in words]
    return _listed([str(each) for each in numbers])


def _broken(check: Check) -> str:
    return WRITTEN[check.type](check.kwargs)


WAYS = {"ours": ours, "sql": sql, "expectations": expectations_alone}


def one(way: str, rows: int) -> dict[str, Any]:
    """Seconds, memory and rows found of one way, in this process."""
    cohort = cohort_of(rows)
    load_study()
    found: Found = {}
    import great_expectations  # noqa: F401  # its import is not what is measured

    meter = measured(lambda: found.update(WAYS[way](cohort)))
    size = sum(table.nbytes for table in cohort.tables.values())
    return {**meter, "found": found, "observations": cohort.tables[SUITE].num_rows, "bytes": size}


def main() -> None:
    """Measure every way and print a table; another number of rows found is an error."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--way", choices=WAYS)
    options = parser.parse_args()
    if options.way:
        print(json.dumps(one(options.way, options.rows)))
        return
    results = {}
    for way in WAYS:
        command = [sys.executable, "-m", "benchmarks.validation_rules", "--way", way]
        command += ["--rows", str(options.rows)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        results[way] = json.loads(done.stdout.splitlines()[-1])
        seconds = {
            name: round(value, 2)
            for name, value in results[way].items()
            if isinstance(value, float)
        }
        print(
            way,
            results[way]["observations"],
            "rows",
            sum(results[way]["found"].values()),
            "found",
            seconds,
        )
    for way in WAYS:
        other = {name: (n, results["ours"]["found"][name]) for name, n in results[way]["found"].items()
                 if n != results["ours"]["found"][name]}  # fmt: skip
        if other:
            sys.exit(f"{way} finds other rows than ours: {other}")


if __name__ == "__main__":
    main()
