"""What a row of the cohort must hold to the rules of FHIR, each rule a condition in SQL.

Used on every row that is written and on every row that is read. The rules follow from the shapes
(which columns are dates, numbers, codes; what a variant carries) and from the dictionary (what an
element may hold). https://hl7.org/fhir/R4/datatypes.html
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from imnm_fhir.dictionary import Element, load_dictionary
from imnm_fhir.fhir.writing.lines import id_expression, register_lookup, sql_text
from imnm_fhir.shapes.fill import carried_columns
from imnm_fhir.shapes.tree import base_column, holes, load_period, load_shapes

if TYPE_CHECKING:
    import duckdb

VALUES = ("value_number", "value_code", "value_boolean", "value_date", "value_text")
# Columns of which at most one may have a value, and columns that need another one.
ALTERNATIVES: dict[str, list[tuple[str, ...]]] = {
    "patients": [
        ("birth_date", "birth_date_missing"),
        ("sex", "sex_missing"),
        ("deceased_boolean", "deceased_date", "deceased_missing"),
    ],
    "medications": [("start_date", "start_missing"), ("end_date", "end_missing")],
    "conditions": [("onset_date", "onset_missing"), ("date", "date_missing")],
    "procedures": [("date", "date_missing")],
}
NEEDS: dict[str, list[tuple[str, str]]] = {
    "observations": [("comparator", "value_number"), ("value_number", "unit"), ("reference_high", "unit")],
    "medications": [
        ("dose_number", "dose_unit"), ("dose_unit", "dose_number"),
        ("rate_number", "rate_unit"), ("rate_unit", "rate_number"),
    ],
}  # fmt: skip
UNITS: dict[str, tuple[str, ...]] = {
    "observations": ("unit",),
    "medications": ("dose_unit", "rate_unit"),
}
# Which kinds of element (`element_kind`) take a column of observations.
COUNTED = ("number", "code with units")
TAKEN_BY = {
    "value_number": COUNTED,
    "comparator": COUNTED,
    "unit": COUNTED,
    "reference_high": COUNTED,
    "method": ("number", "code", "code with units"),
    "value_code": ("code", "code with units"),
    "value_boolean": ("boolean",),
    "value_date": ("date",),
}


@dataclass(frozen=True)
class RowRule:
    """A rule of one table: `broken` is SQL over a row `t` of `rule_source`, true where it is broken.

    `column` is where the fault stands; `message` says what is expected, without a value.
    """

    column: str
    message: str
    broken: str


@cache
def row_rules(table: str) -> tuple[RowRule, ...]:
    """Every rule of a table. SQL of unknown truth (null) counts as kept."""
    rules = [*_key_rules(table), *_column_rules(table), *_together_rules(table)]
    if table == "observations":
        rules += _observation_rules()
    if table in ("medications", "conditions"):
        message = "a code or a text is needed"
        rules.append(
            RowRule("value_code", message, "t.value_code is null and t.value_text is null")
        )
    return tuple(rules)


def _key_rules(table: str) -> Iterator[RowRule]:
    site = "t.site is null or not regexp_full_match(t.site, '[a-z0-9_-]{1,40}')"
    yield RowRule("site", "is no site id", site)
    yield RowRule("patient", "is needed", "t.patient is null")
    yield RowRule(
        "id", "is not the hash of the key", f"t.id is distinct from {id_expression(table)}"
    )
    if table != "patients":
        yield RowRule("element", "is no element of this table", "t.element_kind is null")


def _among(sql: str, words: Iterable[str]) -> str:
    return f"{sql} in ({', '.join(sql_text(word) for word in words) or 'null'})"


def _column_rules(table: str) -> Iterator[RowRule]:
    """What the kind of hole says of each column; a column in no hole of a kind is text."""
    kinds = {
        base_column(hole.column): hole.kind
        for variant in (None, *load_shapes()[table].variants)
        for each in load_shapes()[table].fields(variant)
        for hole in holes(each.node)
    }
    for column in load_dictionary().tables[table].data_columns:
        kind = kinds.get(column, "text")
        if column == "value_code":
            broken = "t.value_code is not null and not t.value_code_known"
            yield RowRule(column, "is not in the element's value set", broken)
        elif kind in ("code", "coding") and column in load_dictionary().column_value_sets:
            name = load_dictionary().column_value_sets[column]
            keys = load_dictionary().value_sets[name].codes
            yield RowRule(
                column, f"is not in value set {name}", f"not ({_among(f't.{column}', keys)})"
            )
        elif kind == "date":
            yield RowRule(column, "is no date of the calendar", f"not ({_date(f't.{column}')})")
        elif kind == "number":
            yield RowRule(column, "is no canonical number", f"not ({_number(f't.{column}')})")
        elif kind == "text" and column not in ("site", "id", "element"):
            yield RowRule(column, "is blank or has characters that FHIR forbids", _no_text(column))
    if table == "medications":
        yield RowRule("status", "is needed", "t.status is null")
    if table == "procedures":
        broken = "contains(t.sessions, '.') or contains(t.sessions, '-') or t.sessions = '0' or strlen(t.sessions) > 9"
        yield RowRule("sessions", "is no count from 1", broken)


def _date(column: str) -> str:
    """A year, month or day that the calendar has; the cast alone would take more forms."""
    form = "'[0-9]{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12][0-9]|3[01]))?)?'"
    real = f"try_cast(concat({column}, substr('-01-01', strlen({column}) - 3)) as date) is not null"
    late_day = f"(substr({column}, 9) <= '28' or {real})"
    return f"regexp_full_match({column}, {form}) and {column} >= '0001' and {late_day}"


def _number(column: str) -> str:
    form = r"'-?(0|[1-9][0-9]{0,14})(\.[0-9]{0,5}[1-9])?'"
    short = f"(strlen({column}) <= 15 or strlen(ltrim(replace(ltrim({column}, '-'), '.', ''), '0')) <= 15)"
    return f"regexp_full_match({column}, {form}) and {column} <> '-0' and {short}"


def _no_text(column: str) -> str:
    wrong = r"'^[ \t\r\n]|[ \t\r\n]$|^$|[\x00-\x08\x0b\x0c\x0e-\x1f]'"
    return f"regexp_matches(t.{column}, {wrong})"


def _together_rules(table: str) -> Iterator[RowRule]:
    for columns in ALTERNATIVES.get(table, []):
        count = " + ".join(f"(t.{column} is not null)::int" for column in columns)
        yield RowRule(columns[0], f"stands beside {' or '.join(columns[1:])}", f"{count} > 1")
    for column, other in NEEDS.get(table, []):
        broken = f"t.{column} is not null and t.{other} is null"
        yield RowRule(column, f"needs {other}", broken)
    period = load_period(table)
    if period:
        start, end = period
        # Only what is common to both is compared: 2019-03 is not after 2019.
        common = f"least(strlen(t.{start}), strlen(t.{end}))"
        broken = f"left(t.{start}, {common}) > left(t.{end}, {common})"
        yield RowRule(end, f"is before {start}", broken)
    for column in UNITS.get(table, ()):
        broken = f"t.{column} is not null and not t.{column}_known"
        yield RowRule(column, "is no unit of the element", broken)


def _observation_rules() -> Iterator[RowRule]:
    for column, kinds in TAKEN_BY.items():
        broken = f"t.{column} is not null and not ({_among('t.element_kind', kinds)})"
        yield RowRule(column, "is no column of this type of element", broken)
    values = " or ".join(f"t.{column} is not null" for column in VALUES)
    none = f"t.missing is null and not ({values})"
    yield RowRule("missing", "a value or a missing reason is needed", none)
    alone = " and ".join(f"t.{column} is null" for column in VALUES if column != "value_text")
    broken = f"t.value_text is not null and {alone} and t.element_kind not in ('number', 'text')"
    yield RowRule("value_text", "is only a remark: a value is needed beside it", broken)
    broken = "t.unit is not null and t.value_number is null and t.reference_high is null"
    yield RowRule("unit", "needs a number", broken)
    yield from _variant_rules()


def _variant_rules() -> Iterator[RowRule]:
    """No column that the resource could not carry beside the value that it has."""
    variants = load_shapes()["observations"].variants
    data = load_dictionary().tables["observations"].data_columns
    for column in data:
        barring = [v.when for v in variants if column not in carried_columns("observations", v)]
        clauses = []
        for when in barring:
            earlier = [v.when for v in variants[: [v.when for v in variants].index(when)]]
            chosen = [f"t.{when} is not null", *(f"t.{each} is null" for each in earlier)]
            clauses.append(f"({' and '.join(chosen)})")
        if clauses:
            broken = f"t.{column} is not null and ({' or '.join(clauses)})"
            yield RowRule(column, "has no place beside the row's value", broken)


def prepare_rules(engine: "duckdb.DuckDBPyConnection") -> None:
    """Make the tables that `rule_source` joins: kinds, units and values of the elements."""
    elements = load_dictionary().elements.values()
    units = [(e.name, unit) for e in elements for unit in [e.unit, *e.units] if unit]
    values = [
        (e.name, key)
        for e in elements
        if e.value_set
        for key in load_dictionary().value_sets[e.value_set].codes
    ]
    kinds = [(e.name, e.table, element_kind(e)) for e in elements]
    register_lookup(engine, "rule_kinds", ("element", "element_table", "kind"), kinds)
    register_lookup(engine, "rule_units", ("element", "unit"), units)
    register_lookup(engine, "rule_values", ("element", "key"), values)


def element_kind(element: Element) -> str:
    """The type of an element for its rules: antibodies take a code and a number with a unit."""
    return "code with units" if element.type == "code" and element.units else element.type


def rule_source(table: str, source: str | None = None) -> str:
    """The SELECT of rows with what their rules need: their element's kind, which codes it knows.

    The rows are those of the view of the table's name, or of another `source`.
    """
    if table == "patients":
        return f"select * from {source or table}"
    columns = ["t.*", "k.kind as element_kind"]
    joins = [f"left join rule_kinds k on k.element = t.element and k.element_table = '{table}'"]
    for column in UNITS.get(table, ()):
        columns.append(f"{column}_of.unit is not null as {column}_known")
        joins.append(
            f"left join rule_units {column}_of on {column}_of.element = t.element"
            f" and {column}_of.unit = t.{column}"
        )
    if "value_code" in load_dictionary().tables[table].columns:
        columns.append("c.key is not null as value_code_known")
        joins.append("left join rule_values c on c.element = t.element and c.key = t.value_code")
    return f"select {', '.join(columns)} from {source or table} t {' '.join(joins)}"
