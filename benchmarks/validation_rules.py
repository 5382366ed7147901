"""The rules of all tables and of `cases` over many rows: ours, plain SQL, Great Expectations as it comes.

Each is measured in a process of its own, and all three must find the same rows; `whole` is the whole
of `validate`, from the tables to findings: `python -m benchmarks.validation_rules --rows 1000000`.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any
from zlib import crc32

from benchmarks.meter import MB, measured
from benchmarks.rules_in_sql import query_of
from benchmarks.synthetic import chunks
from imnm_fhir.cohort import Cohort, new_manifest
from imnm_fhir.derive import derive_cases
from imnm_fhir.dictionary import TABLES
from imnm_fhir.study import load_study
from imnm_fhir.validation import validate
from imnm_fhir.validation.catalogue import expectations, load_catalogue
from imnm_fhir.validation.checks import Check
from imnm_fhir.validation.expectations import (
    ROWS,
    _quiet,
    _results,
    build_expectations,
    new_source,
)
from imnm_fhir.validation.frames import (
    Given,
    _placed,
    case_rows,
    known_columns,
    open_tables,
    sections,
    table_rows,
)
from imnm_fhir.validation.run import Run, _columns_of, _judge, _judge_table
from imnm_fhir.validation.suites import SUITES, read_suites

OBSERVATIONS, CASES = "observations", "cases"
PER_PATIENT = 16.12  # rows of observations that a synthetic patient has, about
TODAY = date(2026, 1, 1)
STUDY = replace(load_study(), today=TODAY)


def cohort_of(rows: int) -> Cohort:
    """Synthetic patients with so many observations, one CK in a hundred out of its range."""
    import pyarrow as pa

    parts = list(chunks(max(1, round(rows / PER_PATIENT))))
    tables = {name: pa.concat_tables([each[name] for each in parts]) for name in parts[0]}
    observations = tables[OBSERVATIONS]
    faulty = [place % 100 == 0 for place in range(observations.num_rows)]
    import pyarrow.compute as pc

    numbers = pc.if_else(
        pc.and_(pa.array(faulty), pc.is_valid(observations["value_number"])),
        "999999",
        observations["value_number"],
    )
    place = observations.schema.get_field_index("value_number")
    tables[OBSERVATIONS] = observations.set_column(place, "value_number", numbers)
    return _as_cohort(tables)


def _as_cohort(tables: Mapping[str, Any]) -> Cohort:
    sites = tables["patients"]["site"].unique().to_pylist()
    return Cohort(
        new_manifest("site file", {site: {"cut_off": "2025-12-31"} for site in sites}), tables
    )


def checks() -> tuple[Check, ...]:
    """The checks of every suite."""
    return read_suites(expectations(), load_catalogue(), known_columns())


def given(cohort: Cohort) -> Given:
    """What the SQL is given."""
    limits = {rule: each.limits for rule, each in load_catalogue().items()}
    return Given(TODAY, {site: date(2025, 12, 31) for site in cohort.sites}, limits=limits)


Found = dict[str, Collection[int]]


def ours(cohort: Cohort, cases: Any) -> Found:
    """The rows that break each check, by our own run: verdicts first, states, hits with their rows."""
    built = build_expectations(checks())
    people = cohort.tables["patients"]
    patients = sorted(
        set(zip(people["site"].to_pylist(), people["patient"].to_pylist(), strict=True))
    )
    run, found = Run(cohort, patients, load_catalogue(), new_source()), {}
    with open_tables(cohort.tables, given(cohort)) as engine:
        for suite in SUITES:
            mine = {check: each for check, each in built.items() if check.suite == suite}
            if suite == CASES:
                broken = _judge(run, None, case_rows(engine, cases, _columns_of(run, mine)), mine)
            else:
                broken = _judge_table(run, engine, suite, cohort.tables, mine)
            found |= {_name(check): rows for check, rows in broken.items()}
    return found


def sql(cohort: Cohort, cases: Any) -> Found:
    """The same rows by one query for each check over the prepared rows; its WHERE is compiled from the check."""
    found: Found = {}
    with open_tables(cohort.tables, given(cohort)) as engine:
        queries = sections(expectations(), "tables.sql")
        queries[CASES] = (expectations() / "facts.sql").read_text("utf-8")
        engine.register(CASES, _placed(cases))
        for suite in SUITES:
            engine.execute(
                f"CREATE OR REPLACE TABLE prepared AS {queries[suite].rstrip().rstrip(';')}"
            )
            for check in checks():
                if check.suite == suite:
                    rows = engine.execute(query_of(check)).fetchall()
                    found[_name(check)] = [place for (place,) in rows]
    return found


def expectations_alone(cohort: Cohort, cases: Any) -> Found:
    """The same rows by Great Expectations as it comes: every row of every rule, dates as pandas has them."""
    built = build_expectations(checks())
    found: Found = {}
    with open_tables(cohort.tables, given(cohort)) as engine:
        for suite in SUITES:
            rows = case_rows(engine, cases) if suite == CASES else table_rows(engine, suite)
            frame = rows.frame(rows.columns)
            for name in frame.columns:
                if frame[name].dtype.kind == "M":
                    frame[name] = frame[name].astype("datetime64[us]")
            asked = [(each, 0, made) for each, (made, _) in built.items() if each.suite == suite]
            with _quiet():
                batch = new_source().get_batch({"dataframe": frame})
                results = _results(batch, asked, ROWS)
            for (check, _, _), result in zip(asked, results, strict=True):
                found[_name(check)] = result.result.get("unexpected_index_list") or []
    return found


def whole(cohort: Cohort, cases: Any) -> Found:
    """What `validate` does: cases derived, rules about sites too, every finding with its places."""
    del cases
    return {"findings": range(len(validate(cohort, STUDY).findings))}


def _name(check: Check) -> str:
    return f"{check.suite}: {check.name}"


WAYS = {"ours": ours, "sql": sql, "expectations": expectations_alone, "whole": whole}


def one(way: str, folder: Path) -> dict[str, Any]:
    """Seconds, memory and the rows found of one way, in this process."""
    import numpy as np
    import pyarrow.feather as feather

    tables = {name: feather.read_table(folder / name, memory_map=False) for name in TABLES}
    cohort, cases = _as_cohort(tables), feather.read_table(folder / CASES, memory_map=False)
    found: Found = {}
    import great_expectations  # noqa: F401  # its import is not what is measured

    meter = measured(lambda: found.update(WAYS[way](cohort, cases)))
    rows = {name: np.array(sorted(each), dtype=np.int64) for name, each in found.items()}
    return {
        **meter,
        "found": {name: [len(each), crc32(each.tobytes())] for name, each in rows.items()},
        "observations": tables[OBSERVATIONS].num_rows,
        "cases": cases.nbytes / MB,
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
    compared = [way for way in options.ways if way != "whole"]
    first = results[options.ways[0]]["found"]
    for way in compared:
        found = results[way]["found"]
        other = {name: (each, first[name]) for name, each in found.items() if each != first[name]}
        if other:
            sys.exit(f"{way} finds other rows than {options.ways[0]}: {other}")


def _write(cohort: Cohort, folder: Path) -> None:
    import pyarrow.feather as feather

    for name in TABLES:
        feather.write_feather(cohort.tables[name], folder / name)
    start = time.process_time()
    cases = derive_cases(cohort, STUDY)
    print(f"cases derived in {time.process_time() - start:.1f} processor s", flush=True)
    feather.write_feather(cases, folder / CASES)


def _measured_apart(way: str, folder: str) -> dict[str, Any]:
    """What one way takes in a process of its own; printed, too."""
    command = [sys.executable, "-m", "benchmarks.validation_rules"]
    command += ["--ways", way, "--folder", folder]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    count = sum(each[0] for each in result["found"].values())
    print(f"{way}: {result['observations']} rows, {count} found, {result['processor']:.1f} processor s,"
          f" {result['seconds']:.1f} s, {result['memory']:.0f} MB beside {result['data']:.0f} MB of data"
          f" and {result['cases']:.0f} of cases,"
          f" load {os.getloadavg()[0]:.1f}", flush=True)  # fmt: skip
    return result


if __name__ == "__main__":
    main()
