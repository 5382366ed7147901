"""The rows that the suites judge: the five tables and `cases`, made by SQL.

`expectations/tables.sql` and `facts.sql` say what stands in them. Numbers are float64, dates
datetime64[ns] (Great Expectations is 17 times slower with others), truth values the words `true`
and `false`, so that a suite compares text with text.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from importlib.resources.abc import Traversable
from typing import TYPE_CHECKING, Any

from imnm_fhir.derive.columns import VISITS, case_columns
from imnm_fhir.dictionary import TABLES
from imnm_fhir.engine import open_engine
from imnm_fhir.study import Demand, Visit
from imnm_fhir.validation.catalogue import expectations
from imnm_fhir.validation.dictionary_tables import dictionary_tables
from imnm_fhir.validation.rows import Rows, gather

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

SECTION = re.compile(r"^-- (\w+)$", re.M)
BATCH = 50_000  # rows fetched at once: more take more memory, fewer more time
ARROW_TYPES = {
    "text": "string",
    "integer": "int64",
    "number": "float64",
    "boolean": "bool_",
    "date": "date32",
}


@dataclass(frozen=True)
class Given:
    """What the SQL is given beside the tables.

    `today` and each site's cut-off, what future dates are compared with; `relapse_definitions` by
    site ("" where a site file said none); what the study demands and its visits; the `limits` of the
    rules by rule and name.
    """

    today: date
    cut_offs: Mapping[str, date | None]
    relapse_definitions: Mapping[str, str | None] = field(default_factory=dict)
    demanded: Sequence[Demand] = ()
    visits: Mapping[str, Visit] = field(default_factory=dict)
    limits: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def sections(folder: Traversable, file: str) -> dict[str, str]:
    """The parts of an SQL file by the name on their marker line (`-- observations`)."""
    text = (folder / file).read_text("utf-8")
    marks = list(SECTION.finditer(text))
    ends = [mark.start() for mark in marks[1:]] + [len(text)]
    return {mark[1]: text[mark.end() : end].strip() for mark, end in zip(marks, ends, strict=True)}


@contextmanager
def open_tables(
    tables: Mapping[str, "pa.Table"], given: Given
) -> Iterator["duckdb.DuckDBPyConnection"]:
    """A DuckDB connection with the five tables, the dictionary, the limits and the macros of dates."""
    with open_engine(memory_limit="2GB") as engine:
        for name in TABLES:
            engine.register(name, _placed(tables[name]))
        known = {"sites": _site_table(given), "demanded": _demanded_table(given)}
        for name, table in {**dictionary_tables(), **known}.items():
            engine.register(name, table)
        _set_limits(engine, given.limits)
        for statement in sections(expectations(), "tables.sql")["macros"].split(";"):
            if statement.strip():
                engine.execute(statement)
        yield engine


def table_rows(
    engine: "duckdb.DuckDBPyConnection", table: str, columns: Collection[str] | None = None
) -> Rows:
    """The rows of one of the five tables, placed as in the cohort; `columns`: those alone."""
    return _rows(engine, table, sections(expectations(), "tables.sql")[table], columns)


def case_rows(
    engine: "duckdb.DuckDBPyConnection", cases: "pa.Table", columns: Collection[str] | None = None
) -> Rows:
    """The rows of `cases` with the facts of facts.sql, placed as in `cases`."""
    engine.register("cases", _placed(cases))
    return _rows(engine, "cases", (expectations() / "facts.sql").read_text("utf-8"), columns)


def known_columns(visits: tuple[str, ...] = VISITS) -> dict[str, frozenset[str]]:
    """The columns of each suite's rows, found by running the SQL over tables without rows."""
    import pyarrow as pa

    from imnm_fhir.cohort import table_from_rows

    empty = {name: table_from_rows(name, []) for name in TABLES}
    fields = [
        (name, getattr(pa, ARROW_TYPES[kind])()) for name, (kind, _) in case_columns(visits).items()
    ]
    with open_tables(empty, Given(date(2000, 1, 1), {})) as engine:
        engine.register("cases", _placed(pa.schema(fields).empty_table()))
        queries = {name: sections(expectations(), "tables.sql")[name] for name in TABLES}
        queries["cases"] = (expectations() / "facts.sql").read_text("utf-8")
        return {
            suite: frozenset(engine.sql(query).columns) - {"position"}
            for suite, query in queries.items()
        }


def _placed(table: "pa.Table") -> "pa.Table":
    import numpy as np
    import pyarrow as pa

    return table.append_column("position", pa.array(np.arange(table.num_rows)))


def _site_table(given: Given) -> "pa.Table":
    import pyarrow as pa

    sites = list(given.cut_offs)
    said = [given.relapse_definitions.get(site) for site in sites]
    return pa.table(
        {
            "site": pa.array(sites, pa.string()),
            "data_date": pa.array(list(given.cut_offs.values()), pa.date32()),
            "today": pa.array([given.today] * len(sites), pa.date32()),
            "relapse_definition": pa.array(said, pa.string()),
        }
    )


def _demanded_table(given: Given) -> "pa.Table":
    """What the study demands, and at visits how many months and days around the diagnosis that is."""
    import pyarrow as pa

    rows = [
        {
            "element": each.element,
            "time_point": each.time_point,
            "percent": float(each.percent),
            **(vars(given.visits[each.time_point]) if each.time_point else {}),
        }
        for each in given.demanded
    ]
    number = pa.int32()
    shape = [("element", pa.string()), ("time_point", pa.string()), ("percent", pa.float64()),
             ("months", number), ("before_days", number), ("after_days", number)]  # fmt: skip
    return pa.Table.from_pylist(rows, pa.schema(shape))


def _set_limits(
    engine: "duckdb.DuckDBPyConnection", limits: Mapping[str, Mapping[str, Any]]
) -> None:
    """Every limit as a variable of SQL, such as `T10_gap_days`."""
    for rule, each in limits.items():
        for name, value in each.items():
            variable = f"{rule}_{name}".replace("-", "_")
            engine.execute(f"SET VARIABLE {variable} = $value", {"value": value})


def _rows(
    engine: "duckdb.DuckDBPyConnection", table: str, query: str, columns: Collection[str] | None
) -> Rows:
    wanted = "*" if columns is None else ", ".join(f'"{name}"' for name in sorted(columns))
    chosen = wanted if columns is None else f"position, {wanted}"
    plain = query.rstrip().rstrip(";")
    count = engine.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0]
    found = engine.sql(f"SELECT {chosen} FROM ({plain}\n)")
    return gather(found.to_arrow_reader(BATCH), count)
