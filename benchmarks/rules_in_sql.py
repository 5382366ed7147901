"""The checks of the suites as SQL, as a person would write it: one WHERE over the prepared rows."""

from collections.abc import Callable, Mapping
from typing import Any

from imnm_fhir.validation.checks import Bounds, Check, Condition


def query_of(check: Check) -> str:
    """The query whose rows are the places that break a check, over the table `prepared`."""
    return f"SELECT position FROM ({_source(check)}) WHERE {WRITTEN[check.type](check.kwargs)}"


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
    for key, sign, strict in (("min", "<", "<="), ("max", ">", ">=")):
        end = kwargs.get(f"{key}_value")
        if end is not None:
            day = f"DATE '{end}'" if isinstance(end, str) else str(end)
            tests.append(f"{column} {strict if kwargs.get(f'strict_{key}') else sign} {day}")
    return " OR ".join(tests)


def _later(kwargs: Mapping[str, Any]) -> str:
    sign = "<" if kwargs.get("or_equal") else "<="
    return f"{kwargs['column_A']} {sign} {kwargs['column_B']}"


def _twice(kwargs: Mapping[str, Any]) -> str:
    key = ", ".join(kwargs["column_list"])
    return f"({key}) IN (SELECT ({key}) FROM prepared GROUP BY {key} HAVING count(*) > 1)"


def _in(kwargs: Mapping[str, Any], sign: str) -> str:
    words = kwargs["value_set"]
    column = kwargs["column"]
    if all(isinstance(each, str) for each in words):
        column = f"{column}::VARCHAR"  # a truth value is compared as a word
    return f"{column} {sign} ({_listed(words)})"


WRITTEN: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "expect_column_values_to_be_between": _between,
    "expect_column_values_to_be_in_set": lambda it: _in(it, "NOT IN"),
    "expect_column_values_to_not_be_in_set": lambda it: _in(it, "IN"),
    "expect_column_values_to_not_be_null": lambda it: f"{it['column']} IS NULL",
    "expect_column_values_to_not_match_regex": lambda it: (
        f"regexp_matches({it['column']}, '{it['regex']}')"
    ),
    "expect_column_pair_values_a_to_be_greater_than_b": _later,
    "expect_column_pair_values_to_be_equal": lambda it: f"{it['column_A']} <> {it['column_B']}",
    "expect_compound_columns_to_be_unique": _twice,
}
