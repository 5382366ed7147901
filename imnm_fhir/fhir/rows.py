"""What a row of the cohort must hold to the rules of FHIR, each rule a condition in SQL.

Used on every row that is written and on every row that is read. The rules follow from the shapes
(which columns are dates, numbers, codes; what a variant carries) and from the dictionary (what an
element may hold). https://hl7.org/fhir/R4/datatypes.html
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache

from imnm_fhir.dictionary import Element, load_dictionary
from imnm_fhir.fhir.compiled_write import key_expression, sql_text
from imnm_fhir.shapes.fill import carried_columns
from imnm_fhir.shapes.tree import base_column, holes, load_period, load_shapes

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
# Which types of element take a column of observations; `units`: only elements that have units.
TAKEN_BY: dict[str, Callable[[Element], bool]] = {
    "value_number": lambda each: each.type == "number" or bool(each.units),
    "comparator": lambda each: each.type == "number" or bool(each.units),
    "unit": lambda each: each.type == "number" or bool(each.units),
    "reference_high": lambda each: each.type == "number" or bool(each.units),
    "method": lambda each: each.type in ("number", "code"),
    "value_code": lambda each: each.type == "code",
    "value_boolean": lambda each: each.type == "boolean",
    "value_date": lambda each: each.type == "date",
}


@dataclass(frozen=True)
class RowRule:
    """A rule of one table: `broken` is SQL over a row `t`, true where the row breaks it.

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
    hashed = f"concat('i', substr(sha256({key_expression(table)}), 1, 32))"
    yield RowRule("id", "is not the hash of the key", f"t.id is distinct from {hashed}")
    if table != "patients":
        known = _among("t.element", load_dictionary().of_table(table))
        yield RowRule("element", "is no element of this table", f"{known} is not true")


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
            yield _coded_rule(table)
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


def _coded_rule(table: str) -> RowRule:
    pairs = [
        f"{element.name} {key}"
        for element in load_dictionary().of_table(table).values()
        if element.value_set
        for key in load_dictionary().value_sets[element.value_set].codes
    ]
    known = _among("concat(t.element, ' ', t.value_code)", pairs)
    message = "is not in the element's value set"
    return RowRule("value_code", message, f"t.value_code is not null and not ({known})")


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
        pairs = [
            f"{each.name} {unit}"
            for each in load_dictionary().of_table(table).values()
            for unit in [each.unit, *each.units]
            if unit
        ]
        known = _among(f"concat(t.element, ' ', t.{column})", pairs)
        broken = f"t.{column} is not null and not ({known})"
        yield RowRule(column, "is no unit of the element", broken)


def _observation_rules() -> Iterator[RowRule]:
    elements = load_dictionary().of_table("observations").values()
    for column, takes in TAKEN_BY.items():
        others = _among("t.element", [each.name for each in elements if not takes(each)])
        broken = f"t.{column} is not null and {others}"
        yield RowRule(column, "is no column of this type of element", broken)
    values = " or ".join(f"t.{column} is not null" for column in VALUES)
    none = f"t.missing is null and not ({values})"
    yield RowRule("missing", "a value or a missing reason is needed", none)
    alone = " and ".join(f"t.{column} is null" for column in VALUES if column != "value_text")
    spoken = _among("t.element", [e.name for e in elements if e.type in ("number", "text")])
    broken = f"t.value_text is not null and {alone} and not ({spoken})"
    yield RowRule("value_text", "is only a remark: a value is needed beside it", broken)
    yield RowRule(
        "unit", "needs a number", "t.unit is not null and t.value_number is null and t.reference_high is null"
    )  # fmt: skip
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
