"""Three outcomes: violated, satisfied, cannot be judged; and not applicable, which is none of them.

A row that cannot be judged is never a pass. Of a patient the worst counts: violated, then cannot be
judged, then satisfied.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from imnm_fhir.findings import Outcome
from imnm_fhir.validation.checks import Bounds, Check, Condition
from imnm_fhir.validation.expectations import RuleError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from imnm_fhir.validation.across import Query

    Flags = np.ndarray[Any, np.dtype[np.bool_]]
    Numbers = np.ndarray[Any, np.dtype[np.int8]]

# From least to worst. NOTHING: the patient has no such row, or nothing stands in it.
NOT_MEANT, NOT_APPLICABLE, NOTHING, SATISFIED, TOO_FEW, INEXACT, NOT_SENT, VIOLATED = range(8)
REASONS = {
    NOTHING: "not sent",
    NOT_SENT: "not sent",
    INEXACT: "not exact",
    TOO_FEW: "too few",  # of the site, or of the others
}


def row_states(
    check: Check, frame: "pd.DataFrame", violated: frozenset[int], unsure: frozenset[int]
) -> "Numbers":
    """What became of each row; `violated` and `unsure` are the places that failed.

    Raises `RuleError` where a row is violated that the rule does not ask about: then the suite and
    this account of it disagree, and neither is to be trusted.
    """
    import numpy as np

    states = np.full(len(frame), SATISFIED, dtype=np.int8)
    states[list(unsure)] = INEXACT
    empty = _any_empty(frame, check.needs)
    states[empty] = NOT_SENT if check.suite == "cases" else NOTHING
    for name in check.where:
        states[frame[name].isna().to_numpy()] = NOT_SENT
    for name, condition in check.where.items():
        states[frame[name].notna().to_numpy() & ~_met(frame, name, condition)] = NOT_APPLICABLE
    for name, condition in check.unless.items():
        states[_met(frame, name, condition)] = NOT_APPLICABLE
    for name, condition in check.select.items():
        states[~_met(frame, name, condition)] = NOT_MEANT
    places = list(violated)
    if not np.isin(states[places], (SATISFIED, INEXACT)).all():
        raise RuleError(
            f"{check.place}: {check.name} failed for a row that it does not judge; report it"
        )
    states[places] = VIOLATED
    return states


def _any_empty(frame: "pd.DataFrame", columns: Sequence[str]) -> "Flags":
    import numpy as np

    if not columns:
        return np.zeros(len(frame), dtype=bool)
    flags: Flags = frame[list(columns)].isna().any(axis=1).to_numpy()
    return flags


def _met(frame: "pd.DataFrame", name: str, condition: Condition) -> "Flags":
    column = frame[name]
    if isinstance(condition, Bounds):
        low = float("-inf") if condition.low is None else condition.low
        high = float("inf") if condition.high is None else condition.high
        met: Flags = column.between(low, high).to_numpy()
        return met
    words: Flags = column.isin(list(condition)).to_numpy()
    return words


def patient_states(check: Check, states: "Numbers", patient_of_row: Any, count: int) -> "Numbers":
    """The worst state of each of `count` patients; `patient_of_row` is -1 for a row of none."""
    import numpy as np

    worst = np.full(count, NOT_MEANT, dtype=np.int8)
    meant = np.flatnonzero((states != NOT_MEANT) & (patient_of_row >= 0))
    np.maximum.at(worst, patient_of_row[meant], states[meant])
    # A rule that means certain rows finds nothing sent where there is none; one that means every
    # row of a table asks nothing of a patient without any.
    worst[worst == NOT_MEANT] = NOTHING if check.select else NOT_APPLICABLE
    return worst


def outcome(rule: str, states: Mapping["Check | Query", "Numbers"]) -> Outcome:
    """The outcome of a rule from the states of the patients in each of its checks."""
    import numpy as np

    worst = np.maximum.reduce(list(states.values()))
    count = Counter(worst.tolist())
    reasons: Counter[tuple[str, str]] = Counter()
    left_open = np.isin(worst, list(REASONS))
    for check, each in states.items():
        for state, reason in REASONS.items():
            found = int((left_open & (each == state)).sum())
            if found:
                reasons[check.part or "", reason] += found
    return Outcome(
        rule=rule,
        violated=count[VIOLATED],
        satisfied=count[SATISFIED],
        unjudged=sum(count[state] for state in REASONS),
        not_applicable=count[NOT_APPLICABLE],
        reasons=dict(reasons),
    )
