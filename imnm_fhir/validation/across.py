"""Rules across the sites of a cohort, as SQL in `expectations/across_sites.sql`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from typing import TYPE_CHECKING

from imnm_fhir.errors import Problems
from imnm_fhir.findings import Rule
from imnm_fhir.validation.catalogue import unknown_rule
from imnm_fhir.validation.expectations import RuleError

if TYPE_CHECKING:
    import duckdb

FILE = "across_sites.sql"
MARK = re.compile(r"^-- ([A-Z]\d\d)(?:\.([\w-]+))?$", re.M)
COLUMNS = ["site", "patient", "other_site", "other_patient"]


@dataclass(frozen=True)
class Query:
    """One rule across sites: the query whose rows are the patients that break it."""

    rule: str
    part: str | None
    line: int
    sql: str
    limits: tuple[str, ...]


def read_queries(folder: Traversable, rules: Mapping[str, Rule]) -> tuple[Query, ...]:
    """The queries of the file; raises `Problems` where one has no rule, part or limit."""
    text = (folder / FILE).read_text("utf-8")
    marks = list(MARK.finditer(text))
    ends = [mark.start() for mark in marks[1:]] + [len(text)]
    queries, faults = [], []
    for mark, end in zip(marks, ends, strict=True):
        line = text.count("\n", 0, mark.start()) + 1
        code = re.sub(r"--.*", "", text[mark.end() : end])
        limits = tuple(dict.fromkeys(re.findall(r"\$(\w+)", code)))
        query = Query(mark[1], mark[2], line, code.strip().rstrip(";"), limits)
        faults += [f"{FILE}, line {line}: {each}" for each in _faults(query, rules)]
        queries.append(query)
    seen = [(query.rule, query.part) for query in queries]
    faults += [
        f"{FILE}: {rule} stands twice" for rule, part in seen if seen.count((rule, part)) > 1
    ]
    if faults:
        raise Problems("the rules across sites have faults:", sorted(set(faults)))
    return tuple(queries)


def _faults(query: Query, rules: Mapping[str, Rule]) -> list[str]:
    if query.rule not in rules:
        return [f"{unknown_rule(rules, query.rule)}; declare it in rules.toml"]
    rule = rules[query.rule]
    faults = [
        f"{rule.id} has no limit '{name}'" for name in query.limits if name not in rule.limits
    ]
    if (query.part or "") not in (rule.parts or ("",)):
        faults.append(f"{rule.id} has no part '{query.part}'")
    return faults


def run_query(
    engine: "duckdb.DuckDBPyConnection", query: Query, rule: Rule
) -> dict[tuple[str, str], list[tuple[str, str]]]:
    """The patients that break the rule, each with those of other sites that it resembles.

    Raises `RuleError` where the query cannot run; what DuckDB says is left out, for it may quote values.
    """
    import duckdb

    limits = {name: rule.limits[name] for name in query.limits}
    try:
        result = engine.execute(query.sql, limits)
        names = [column[0] for column in result.description]
        rows = result.fetchall()
    except duckdb.Error as error:
        raise RuleError(
            f"{FILE}, line {query.line}: {query.rule} could not run ({type(error).__name__}); mend the query"
        ) from None
    if names != COLUMNS:
        raise RuleError(f"{FILE}, line {query.line}: {query.rule} must return {', '.join(COLUMNS)}")
    found: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for site, patient, other_site, other in rows:
        found.setdefault((site, patient), []).append((other_site, other))
    return found
