"""The rules of `observations` over many rows: ours, plain SQL, Great Expectations as it comes.

Each is measured in a process of its own, and all three must find the same rows:
`python -m benchmarks.validation_rules --rows 1000000`.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Collection, Mapping
from datetime import date
from pathlib import Path
from typing import Any
from zlib import crc32

from benchmarks.meter import MB, measured
from benchmarks.synthetic import chunks
from imnm_fhir.cohort import Cohort, new_manifest
from imnm_fhir.dictionary import TABLES
from imnm_fhir.study import load_study
from imnm_fhir.validation.catalogue import expectations, load_catalogue
from imnm_fhir.validation.checks import Bounds, Check, Condition
from imnm_fhir.validation.expectations import (
    ROWS,
    _batch,
    _quiet,
    _results,
    build_expectations,
    new_source,
)
from imnm_fhir.validation.frames import Given, known_columns, open_tables, sections, table_rows
from imnm_fhir.validation.run import Run, _judge_table
from imnm_fhir.validation.suites import read_suites

SUITE = "observations"
PER_PATIENT = 16.12  # rows of observations that a synthetic patient has, about
TODAY = date(2026, 1, 1)


def cohort_of(rows: int) -> Cohort:
    """Synthetic patients with so many observations, one CK in a hundred out of its range."""
    import pyarrow as pa

    parts = list(chunks(max(1, round(rows / PER_PATIENT))))
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
    return _as_cohort(tables)


def _as_cohort(tables: Mapping[str, Any]) -> Cohort:
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


Found = dict[str, Collection[int]]


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
    return {each.name: rows for each, rows in broken.items()}


def sql(cohort: Cohort) -> Found:
    """The same rows by one query for each check over the prepared rows; its WHERE is compiled from the check."""
    found: Found = {}
    with open_tables(cohort.tables, given(cohort)) as engine:
        prepared = sections(expectations(), "tables.sql")[SUITE].rstrip(";")
        engine.execute(f"CREATE TABLE prepared AS {prepared}")
        for check in checks():
            query = f"SELECT position FROM ({_source(check)}) WHERE {_broken(check)}"
            found[check.name] = [place for (place,) in engine.execute(query).fetchall()]
    return found


def expectations_alone(cohort: Cohort) -> Found:
    """The same rows by Great Expectations as it comes: every row of every rule, dates as pandas has them."""
    built = build_expectations(checks())
    with open_tables(cohort.tables, given(cohort)) as engine:
        rows = table_rows(engine, SUITE)
        frame = rows.frame(rows.columns)
    for name in frame.columns:
        if frame[name].dtype.kind == "M":
            frame[name] = frame[name].astype("datetime64[us]")
    asked = [(check, 0, each[0]) for check, each in built.items()]
    with _quiet(), _batch(new_source(), frame) as batch:
        results = _results(batch, asked, ROWS)
    rows = [result.result.get("unexpected_index_list") or [] for result in results]
    return {check.name: each for (check, _, _), each in zip(asked, rows, strict=True)}


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


def one(way: str, folder: Path) -> dict[str, Any]:
    """Seconds, memory and the rows found of one way, in this process."""
    import numpy as np
    import pyarrow.feather as feather

    tables = {name: feather.read_table(folder / name, memory_map=False) for name in TABLES}
    cohort = _as_cohort(tables)
    load_study()
    found: Found = {}
    import great_expectations  # noqa: F401  # its import is not what is measured

    meter = measured(lambda: found.update(WAYS[way](cohort)))
    rows = {name: np.array(sorted(each), dtype=np.int64) for name, each in found.items()}
    return {
        **meter,
        "found": {name: [len(each), crc32(each.tobytes())] for name, each in rows.items()},
        "observations": tables[SUITE].num_rows,
        "data": sum(table.nbytes for table in tables.values()) / MB,
    }


def main() -> None:
    """Measure every way and print a line of each; other rows found than ours are an error."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.folder:
        print(json.dumps(one(options.ways[0], options.folder)))
        return
    with tempfile.TemporaryDirectory() as folder:
        _write(cohort_of(options.rows), Path(folder))
        results = {way: _measured_apart(way, folder) for way in options.ways}
    first = results[options.ways[0]]["found"]
    for way in options.ways:
        found = results[way]["found"]
        other = {name: (each, first[name]) for name, each in found.items() if each != first[name]}
        if other:
            sys.exit(f"{way} finds other rows than {options.ways[0]}: {other}")


def _write(cohort: Cohort, folder: Path) -> None:
    import pyarrow.feather as feather

    for name in TABLES:
        feather.write_feather(cohort.tables[name], folder / name)


def _measured_apart(way: str, folder: str) -> dict[str, Any]:
    """What one way takes in a process of its own; printed, too."""
    command = [sys.executable, "-m", "benchmarks.validation_rules"]
    command += ["--ways", way, "--folder", folder]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    count = sum(each[0] for each in result["found"].values())
    print(f"{way}: {result['observations']} rows, {count} found, {result['processor']:.1f} processor s,"
          f" {result['seconds']:.1f} s, {result['memory']:.0f} MB beside {result['data']:.0f} MB of data,"
          f" load {os.getloadavg()[0]:.1f}", flush=True)  # fmt: skip
    return result


if __name__ == "__main__":
    main()
