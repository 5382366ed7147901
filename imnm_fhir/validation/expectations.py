"""Great Expectations for real: checks become expectations, run on pandas, verdicts before rows.

It is imported inside functions only (4 s). The context is ephemeral and quiet: it writes no file
and shows no bar. What it says of an error may hold a patient's value, so only the error's name is
passed on.
"""

import logging
import os
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from imnm_fhir.errors import ImnmFhirError, Problems
from imnm_fhir.validation.checks import Bounds, Check, Condition, named_columns, used_columns

if TYPE_CHECKING:
    import pandas as pd

DAY = re.compile(r"\d{4}-\d\d-\d\d")
VERDICT = {"result_format": "BOOLEAN_ONLY"}
ROWS = {"result_format": "COMPLETE", "return_unexpected_index_query": False}


class RuleError(ImnmFhirError):
    """A rule could not run, so nothing is known of what it asks. Never taken for a pass."""


@contextmanager
def _quiet() -> Iterator[None]:
    """No telemetry of older versions, and no warnings of libraries about each other."""
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.getLogger("great_expectations").setLevel(logging.ERROR)
        yield


def build_expectations(checks: Sequence[Check]) -> dict[Check, tuple[Any, Any]]:
    """By check, its expectation and the one of `sure` (None where it has none).

    Raises `Problems` where Great Expectations knows no such type or argument, each with file and line.
    """
    with _quiet():
        from great_expectations.exceptions.exceptions import ExpectationNotFoundError

        built: dict[Check, tuple[Any, Any]] = {}
        faults: list[str] = []
        for check in checks:
            try:
                sure = None if check.sure is None else _expectation(check, check.sure)
                built[check] = (_expectation(check, check.kwargs), sure)
            except ExpectationNotFoundError:
                faults.append(f"{check.place}: no expectation is called '{check.type}'")
            except (ValueError, TypeError) as error:
                said = " ".join(str(error).split())
                faults.append(f"{check.place}: {check.name}: {said}")
    if faults:
        raise Problems("the suites of rules have faults:", faults)
    return built


def build_faults(checks: Sequence[Check]) -> list[str]:
    """What Great Expectations does not know of the checks, each with file and line."""
    try:
        build_expectations(checks)
    except Problems as error:
        return list(error.problems)
    return []


def _expectation(check: Check, kwargs: Mapping[str, Any]) -> Any:
    from great_expectations.expectations.expectation import (
        ColumnMapExpectation,
        ColumnPairMapExpectation,
        MulticolumnMapExpectation,
    )
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    arguments = {name: _day(value) for name, value in kwargs.items()}
    if "column_A" in kwargs:
        arguments["ignore_row_if"] = "either_value_is_missing"
    if "column_list" in kwargs:
        arguments["ignore_row_if"] = "never"
    condition = _row_condition(check)
    if condition is not None:
        arguments["row_condition"] = condition
    made = ExpectationConfiguration(
        type=check.type, kwargs=arguments, meta={"rule_id": check.rule, "part": check.part}
    ).to_domain_obj()
    by_row = (ColumnMapExpectation, ColumnPairMapExpectation, MulticolumnMapExpectation)
    if not isinstance(made, by_row):
        raise ValueError("judges a column as a whole; a rule needs the rows that break it")
    return made


def _day(value: Any) -> Any:
    """A day in full: GX compares datetime64 with `2010-01-01T00:00:00`, not with `2010-01-01`."""
    is_day = isinstance(value, str) and DAY.fullmatch(value)
    return f"{value}T00:00:00" if is_day else value


def _row_condition(check: Check) -> Any:
    from great_expectations.expectations.row_conditions import Column

    parts = [_met(Column(name), value) for name, value in {**check.select, **check.where}.items()]
    parts += [Column(name).is_not_in(list(words)) for name, words in check.unless.items()]
    # GX ignores empty cells of the columns it judges itself; other needs are said to it here.
    others = [name for name in check.needs if name not in named_columns(check.kwargs)]
    parts += [Column(name).is_not_null() for name in others]
    if not parts:
        return None
    condition = parts[0]
    for each in parts[1:]:
        condition = condition & each
    return condition


def _met(column: Any, value: Condition) -> Any:
    if not isinstance(value, Bounds):
        return column.is_in(list(value))
    ends = []
    if value.low is not None:
        ends.append(column >= value.low)
    if value.high is not None:
        ends.append(column <= value.high)
    return ends[0] & ends[1] if len(ends) == 2 else ends[0]


def failing_rows(
    frame: "pd.DataFrame", checks: Mapping[Check, tuple[Any, Any]], source: Any
) -> dict[Check, tuple[frozenset[int], frozenset[int]]]:
    """By check, the places of the rows that break it, and of those that break `sure`.

    `frame` has one row per place, counted from 0; `source` is of `new_source`. Verdicts first; rows
    only for what failed. Raises `RuleError` where a rule could not run.
    """
    if frame.empty:  # GX passes everything of an empty table, and there is nothing to judge
        return {check: (frozenset(), frozenset()) for check in checks}
    asked = [(check, sure, each[sure]) for check, each in checks.items() for sure in (0, 1)]
    asked = [(check, sure, each) for check, sure, each in asked if each is not None]
    with _quiet():
        rows = _failing(source, frame, asked)
    return {
        check: (rows.get((check, 0), frozenset()), rows.get((check, 1), frozenset()))
        for check in checks
    }


Asked = Sequence[tuple[Check, int, Any]]


def _failing(
    source: Any, frame: "pd.DataFrame", asked: Asked
) -> dict[tuple[Check, int], frozenset[int]]:
    # pandas looks at every column for every row condition: only those that are asked are given.
    used = {name for check, _, _ in asked for name in used_columns(check)}
    batch = source.get_batch({"dataframe": frame[[each for each in frame.columns if each in used]]})
    verdicts = _verdicts(batch, asked)
    failed = [each for each, passed in zip(asked, verdicts, strict=True) if not passed]
    rows = _rows(batch, failed)
    return {(check, sure): each for (check, sure, _), each in zip(failed, rows, strict=True)}


def new_source() -> Any:
    """Where frames are handed to Great Expectations; one serves for a whole run, as making it takes long."""
    with _quiet():
        import great_expectations as gx
        from great_expectations.data_context.types.base import ProgressBarsConfig

        bars = ProgressBarsConfig(globally=False, metric_calculations=False)
        context = gx.get_context(mode="ephemeral")
        context.variables.progress_bars = bars
        asset = context.data_sources.add_pandas("cohort").add_dataframe_asset("rows")
        return asset.add_batch_definition_whole_dataframe("all")


def _verdicts(batch: Any, asked: Asked) -> list[bool]:
    return [bool(result.success) for result in _results(batch, asked, VERDICT)]


def _rows(batch: Any, asked: Asked) -> list[frozenset[int]]:
    found = []
    for (check, _, _), result in zip(asked, _results(batch, asked, ROWS), strict=True):
        places = result.result.get("unexpected_index_list")
        if not places:
            raise RuleError(f"{check.place}: {check.name} failed and names no row; report it")
        found.append(frozenset(int(place) for place in places))
    return found


def _results(batch: Any, asked: Asked, result_format: Mapping[str, Any]) -> list[Any]:
    """One result per expectation, in their order: GX returns them in another."""
    import great_expectations as gx

    if not asked:
        return []
    for number, (_, _, each) in enumerate(asked):
        each.meta = {**(each.meta or {}), "number": number}
    suite = gx.ExpectationSuite(name="checks", expectations=[each for _, _, each in asked])
    results = batch.validate(suite, result_format=dict(result_format)).results
    by_number = {result.expectation_config.meta["number"]: result for result in results}
    if len(by_number) != len(asked):
        raise RuleError(f"{len(asked)} rules were given and {len(by_number)} answered; report it")
    for number, (check, _, _) in enumerate(asked):
        raised = _raised(by_number[number].exception_info)
        if raised:
            raise RuleError(
                f"{check.place}: {check.name} could not run ({raised}); nothing was judged: mend the rule"
            )
    return [by_number[number] for number in range(len(asked))]


def _raised(info: Any) -> str | None:
    """The name of the error that a result holds; its two shapes are flat and by metric."""
    entries = [info] if "raised_exception" in (info or {}) else list((info or {}).values())
    for entry in entries:
        if isinstance(entry, dict) and entry.get("raised_exception"):
            last = (entry.get("exception_traceback") or "error").strip().splitlines()[-1]
            return last.split(":")[0].split(".")[-1]
    return None
