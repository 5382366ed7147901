"""Conformance in two tiers: every row by rules in SQL, every distinct shape by `fhir.resources`.

Validating each resource as an object costs a hundred times as much and misses what the rules of
`imnm_fhir.fhir.conformance.row_rules` find: required bindings, invariants, units, ids, references between lines.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from imnm_fhir.cohort import Cohort
from imnm_fhir.dictionary import TABLES, load_dictionary
from imnm_fhir.errors import ImnmFhirError, Problems
from imnm_fhir.fhir.conformance.row_rules import prepare_rules, row_rules, rule_source
from imnm_fhir.fhir.writing.lines import sql_text
from imnm_fhir.issues import Issue
from imnm_fhir.shapes import fill
from imnm_fhir.shapes.tree import holes, load_shapes

if TYPE_CHECKING:
    import duckdb

TEXTS = ("patient", "n", "value_text")  # columns that hold what a site wrote


def check_conformance(cohort: Cohort) -> list[Issue]:
    """What keeps the cohort from being written as FHIR: one issue per table, element and rule.

    Each says how many rows break the rule; empty where the cohort can be written.
    """
    from imnm_fhir.engine import open_engine

    with open_engine(memory_limit="1GB") as engine:
        for name in TABLES:
            engine.register(name, cohort.tables[name])
        return check_rows(engine, cohort.sites) or check_shapes(engine)


def refuse_faults(issues: Sequence[Issue]) -> None:
    """Raises `Problems` with every issue where there is one."""
    if issues:
        lines = [f"{issue.table}: {issue.message}" for issue in issues]
        raise Problems("cannot be written as FHIR; correct the mapping or the data:", lines)


def check_rows(engine: "duckdb.DuckDBPyConnection", sites: Sequence[str]) -> list[Issue]:
    """The row rules broken in views that are named as the tables, counted by element."""
    found: list[Issue] = []
    prepare_rules(engine)
    for table in TABLES:
        found += _broken_rules(engine, table)
        found += _broken_across(engine, table, sites)
    return found


def _broken_rules(engine: "duckdb.DuckDBPyConnection", table: str) -> Iterator[Issue]:
    rules = row_rules(table)
    counts = ", ".join(f"coalesce(count_if({rule.broken}), 0)" for rule in rules)
    source = f"({rule_source(table)}) t"
    totals = engine.execute(f"select {counts} from {source}").fetchone() or ()
    for rule, total in zip(rules, totals, strict=True):
        if total:
            element = "null" if table == "patients" else "t.element"
            query = f"select {element}, count(*) from {source} where {rule.broken} group by 1 order by 1"
            for name, count in engine.execute(query).fetchall():
                yield _issue(table, name, rule.column, rule.message, count)


def _broken_across(
    engine: "duckdb.DuckDBPyConnection", table: str, sites: Sequence[str]
) -> Iterator[Issue]:
    """What no row shows alone: keys given twice, sites and patients that are not there."""
    twice = f"select count(*) from (select 1 from {table} group by hash(id) having count(*) > 1)"
    yield from _counted(engine, twice, table, "id", "stands in more than one row")
    known = ", ".join(map(sql_text, sites)) or "null"
    strange = f"select count(*) from {table} where (site in ({known})) is not true"
    yield from _counted(engine, strange, table, "site", "is not among the cohort's sites")
    if table != "patients":
        lost = f"select count(*) from {table} t anti join patients p on p.site = t.site and p.patient = t.patient"
        yield from _counted(engine, lost, table, "patient", "is not in table patients")


def _counted(
    engine: "duckdb.DuckDBPyConnection", query: str, table: str, column: str, message: str
) -> Iterator[Issue]:
    count = (engine.execute(query).fetchone() or (0,))[0]
    if count:
        yield _issue(table, None, column, message, count)


def _issue(table: str, element: str | None, column: str, message: str, count: int) -> Issue:
    known = element if element in load_dictionary().elements else None  # else it is a cell's text
    place = f"element {known}, column {column}" if known else f"column {column}"
    said = f"{place}: {message} ({count} row{'s' * (count > 1)})"
    return Issue(
        "conformance", "impossible", "conformance", said, table=table, element=known, column=column
    )


def check_shapes(engine: "duckdb.DuckDBPyConnection") -> list[Issue]:
    """One row of every distinct shape (element, codes, which columns are null), as an object.

    Views named as the tables must be there, their rows without faults. A shape that
    `fhir.resources` has accepted once is not looked at again in this process.
    """
    found: list[Issue] = []
    for table in TABLES:
        for row, count in _exemplars(engine, table):
            said = _judge(table, row)
            if said:
                found.append(_issue(table, row.get("element"), said[0], said[1], count))
    return found


@cache
def _told_apart(table: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Columns whose value makes a shape, and columns of which only counts whether they are null."""
    coded = {
        hole.column
        for variant in (None, *load_shapes()[table].variants)
        for each in load_shapes()[table].fields(variant)
        for hole in holes(each.node)
        if hole.kind in ("code", "coding") and hole.column != "category"
    }
    data = load_dictionary().tables[table].data_columns
    return tuple(c for c in data if c in coded), tuple(c for c in data if c not in coded)


def _exemplars(
    engine: "duckdb.DuckDBPyConnection", table: str
) -> Iterator[tuple[dict[str, Any], int]]:
    valued, free = _told_apart(table)
    groups = [*valued, *(f"{column} is null" for column in free)]
    chosen = [*valued, *(_exemplar(column) for column in free)]
    query = f"select {', '.join(chosen)}, count(*) from {table} group by {', '.join(groups)}"
    for *values, count in engine.execute(query).fetchall():
        yield dict(zip((*valued, *free), values, strict=True)), count


def _exemplar(column: str) -> str:
    """Any value of a column; of free text any text, since the row rules look at the text itself.

    (Of blanks `fhir.resources` knows the plain one alone, while FHIR takes others too.)
    """
    value = f"if({column} is not null, 'x', null)" if column in TEXTS else column
    return f"any_value({value})"


_accepted: set[tuple[str, tuple[object, ...]]] = set()


def _judge(table: str, row: Mapping[str, Any]) -> tuple[str, str] | None:
    """Column (or path) and message of what is wrong with the shape, or None."""
    from pydantic import ValidationError

    from imnm_fhir.fhir.models import as_model

    valued, free = _told_apart(table)
    key = (table, (*(row[c] for c in valued), *(row[c] is None for c in free)))
    if key in _accepted:
        return None
    try:
        as_model(fill(table, row))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        return ".".join(map(str, first["loc"])), f"fhir.resources refuses it ({first['type']})"
    except ImnmFhirError as error:
        return "shape", str(error)
    _accepted.add(key)
    return None
