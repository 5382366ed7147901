"""Rules about whole sites, as SQL: within each (`within_sites.sql`) and across them (`across_sites.sql`)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from importlib.resources.abc import Traversable
from typing import TYPE_CHECKING, Any

from imnm_fhir.errors import Problems
from imnm_fhir.findings import DemandCount, Rule
from imnm_fhir.languages import number_text
from imnm_fhir.validation.catalogue import unknown_rule
from imnm_fhir.validation.expectations import RuleError

if TYPE_CHECKING:
    import duckdb

WITHIN, ACROSS = "within_sites.sql", "across_sites.sql"
MARK = re.compile(r"^-- ([A-Z]\d\d|[a-z]+(?:-[a-z]+)*)(?:\.([\w-]+))?$", re.M)
VIOLATED, TOO_FEW = "violated", "too-few"  # what the column `verdict` may say


@dataclass(frozen=True)
class Query:
    """One rule about sites: the query whose rows are the sites or patients that break it."""

    rule: str
    part: str | None
    file: str
    line: int
    sql: str
    limits: tuple[str, ...]

    @property
    def suite(self) -> str:
        """What the rule reads: whole sites."""
        return "sites"


@dataclass(frozen=True)
class Found:
    """One row of a query: a site, and where the rule means one, its patient and the other's.

    `numbers` are those that the rule's evidence names.
    """

    site: str
    patient: str | None
    other: tuple[str, str] | None
    element: str | None
    time_point: str | None
    field: str | None
    too_few: bool
    numbers: tuple[tuple[str, str], ...]


def read_queries(folder: Traversable, rules: Mapping[str, Rule]) -> tuple[Query, ...]:
    """The queries of both files; raises `Problems` where one has no rule, part or limit."""
    queries: list[Query] = []
    faults: list[str] = []
    for file in (WITHIN, ACROSS):
        text = (folder / file).read_text("utf-8")
        marks = list(MARK.finditer(text))
        ends = [*(mark.start() for mark in marks[1:]), len(text)]
        for mark, end in zip(marks, ends, strict=False):  # a file may hold no rule
            line = text.count("\n", 0, mark.start()) + 1
            query = _query(mark, file, line, text[mark.end() : end])
            faults += [f"{file}, line {line}: {each}" for each in _faults(query, rules)]
            queries.append(query)
    seen = [(query.rule, query.part) for query in queries]
    faults += [f"{rule} stands twice in SQL" for rule, part in seen if seen.count((rule, part)) > 1]
    if faults:
        raise Problems("the rules about sites have faults:", sorted(set(faults)))
    return tuple(queries)


def _query(mark: re.Match[str], file: str, line: int, text: str) -> Query:
    code = re.sub(r"--.*", "", text).strip().rstrip(";")
    limits = tuple(dict.fromkeys(re.findall(r"\$(\w+)", code)))
    return Query(mark[1], mark[2], file, line, code, limits)


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


def prepare_queries(engine: "duckdb.DuckDBPyConnection", folder: Traversable) -> None:
    """Create the views that stand before the first rule of each file."""
    for file in (WITHIN, ACROSS):
        text = (folder / file).read_text("utf-8")
        first = MARK.search(text)
        before = re.sub(r"--.*", "", text[: first.start()] if first else text)
        for statement in before.split(";"):
            if statement.strip():
                engine.execute(statement)


def run_query(
    engine: "duckdb.DuckDBPyConnection", query: Query, rule: Rule, named: tuple[str, ...]
) -> list[Found]:
    """The sites and patients that break the rule; `named` are the numbers that its evidence names.

    Raises `RuleError` where the query cannot run; what DuckDB says is left out, for it may quote values.
    """
    import duckdb

    place = f"{query.file}, line {query.line}: {query.rule}"
    try:
        result = engine.execute(query.sql, {name: rule.limits[name] for name in query.limits})
        names = [column[0] for column in result.description]
        rows = result.fetchall()
    except duckdb.Error as error:
        raise RuleError(f"{place} could not run ({type(error).__name__}); mend the query") from None
    lacking = [name for name in ("site", *named) if name not in names]
    if lacking:
        raise RuleError(f"{place} must return {', '.join(lacking)}")
    return [_found(dict(zip(names, row, strict=True)), named) for row in rows]


def read_demands(engine: "duckdb.DuckDBPyConnection") -> tuple[DemandCount, ...]:
    """How far each site meets each demand of the study, after `prepare_queries`."""
    names = tuple(each.name for each in fields(DemandCount))
    query = (
        f"SELECT {', '.join(names)} FROM demand_counts ORDER BY site, element, months NULLS FIRST"
    )
    rows = engine.execute(query).fetchall()
    return tuple(
        DemandCount(**{**dict(zip(names, row, strict=True)), "lacking": tuple(row[-1] or ())})
        for row in rows
    )


def _found(row: Mapping[str, Any], named: tuple[str, ...]) -> Found:
    other = (row["other_site"], row["other_patient"]) if row.get("other_patient") else None
    return Found(
        site=row["site"],
        patient=row.get("patient"),
        other=other,
        element=row.get("element"),
        time_point=row.get("time_point"),
        field=row.get("field"),
        too_few=row.get("verdict", VIOLATED) == TOO_FEW,
        numbers=tuple((name, number_text(_plain(row[name]))) for name in named),
    )


def _plain(value: Any) -> Any:
    """A number of DuckDB as Python's own; nothing as a dash."""
    if value is None:
        return "-"
    return value if isinstance(value, int | float | str) else float(value)
