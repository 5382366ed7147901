"""The ACR/EULAR Total Improvement Score, as `mappings/improvement_score.toml` declares it."""

import tomllib
from bisect import bisect_left
from collections.abc import Mapping
from functools import cache
from typing import Any

from imnm_fhir.derive.facts import Facts, Observation
from imnm_fhir.derive.names import BASELINE
from imnm_fhir.terminology import mappings


@cache
def load_measures() -> dict[str, Any]:
    """The six measures: elements with their spans, direction, cuts and points."""
    return tomllib.loads((mappings() / "improvement_score.toml").read_text("utf-8"))


def points(measure: Mapping[str, Any], percent: float) -> float:
    """The points of an improvement in percent of the measure's span; a worsening gives none."""
    return float(measure["points"][bisect_left(measure["cuts"], percent)])


def improvement_score(facts: Facts, visit: str) -> float | None:
    """The score from baseline to `visit`, 0 to 100; None where any measure lacks a value."""
    total = 0.0
    for measure in load_measures().values():
        change = _change(measure, facts, visit)
        if change is None:
            return None
        total += points(measure, change)
    return total


def _change(measure: Mapping[str, Any], facts: Facts, visit: str) -> float | None:
    """The improvement in percent of the span, of the element most abnormal at baseline."""
    multiple = measure.get("multiple_of_limit", False)
    found = []
    for element, span in measure["elements"].items():
        first, later = (_value(facts.at(element, when), multiple) for when in (BASELINE, visit))
        if first is not None and later is not None:
            found.append((first / span, (first - later) / span * 100))
    if not found:
        return None
    change = max(found)[1]
    return float(round(-change if measure["better"] == "higher" else change, 9))


def _value(rows: list[Observation], multiple: bool) -> float | None:
    scaled = (_scaled(row, multiple) for row in rows if not row.comparator)
    found = {value for value in scaled if value is not None}
    return found.pop() if len(found) == 1 else None


def _scaled(row: Observation, multiple: bool) -> float | None:
    if row.number is None or not multiple:
        return row.number
    limit = float(row.reference_high or 0)
    return row.number / limit if limit > 0 else None
