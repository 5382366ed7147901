"""Response, relapse, and what the visits of a patient say against each other."""

from collections.abc import Callable, Iterator
from typing import Any

from imnm_fhir.derive.clinic import is_severe
from imnm_fhir.derive.course import Course
from imnm_fhir.derive.facts import Facts, Observation
from imnm_fhir.derive.improvement import improvement_score
from imnm_fhir.derive.names import (
    BASELINE,
    COMPLETE,
    IMPROVED,
    MONTH_6,
    MRS,
    RELAPSE,
    RESPONSE,
    SUBJECTIVE_CHANGE,
    WORST_MRC,
)
from imnm_fhir.derive.periods import (
    UNKNOWN,
    after,
    any_of,
    before,
    first_of,
    not_,
    period,
)
from imnm_fhir.derive.relapse import derived_relapse
from imnm_fhir.derive.treatment import Treatment
from imnm_fhir.dictionary import load_dictionary
from imnm_fhir.study import Study

DEAD, HIGHEST_MILD, FULL_STRENGTH = 6, 1, 5  # mRS, mRS, MRC


def is_good(response: str | None) -> bool | None:
    """Whether a response is good (complete or significant, paper), as the dictionary says."""
    if response is None:
        return None
    codes = load_dictionary().value_sets["response"].codes
    return bool(codes[response].attributes.get("good", False)) if response in codes else None


def outcome_columns(
    facts: Facts, study: Study, course: Course, treatment: Treatment, so_far: dict[str, Any]
) -> dict[str, Any]:
    """The columns of response, relapse and contradictions; `so_far` holds those of the visits."""
    limit = study.limits["good_response"]
    x_uln, score = so_far["ck_month_6_x_uln"], improvement_score(facts, MONTH_6)
    variants = {
        "response": is_good(so_far[f"{RESPONSE}_{MONTH_6}"]),
        "tis": None if score is None else score >= limit["tis"],
        "ck": None if x_uln is None else x_uln <= limit["ck_x_uln"],
    }
    good = [row for row in facts.rows(RESPONSE) if is_good(row.value_code)]
    first_good = first_of(facts.day_of(row) for row in good)
    relapses = first_of(period(row.date) for row in facts.rows(RELAPSE) if row.value_boolean)
    return {
        "good_response": variants[study.variants["good_response"]],
        "good_response_default": variants["response"],
        "good_response_tis": variants["tis"],
        "good_response_ck": variants["ck"],
        "ever_good_response": any_of(is_good(row.value_code) for row in facts.rows(RESPONSE)),
        "first_good_response_earliest": first_good.earliest,
        "first_good_response_latest": first_good.latest,
        "relapse": facts.ever(RELAPSE),
        "relapse_derived": derived_relapse(facts, treatment, study),
        "relapse_first_earliest": relapses.earliest,
        "relapse_first_latest": relapses.latest,
        **_contradictions(facts, study, course),
    }


def _contradictions(facts: Facts, study: Study, course: Course) -> dict[str, bool | None]:
    limit = study.limit("severe_weakness", "mrc")

    def severe(row: Observation) -> bool | None:
        return is_severe(row, limit)

    return {
        "mild_mrs_while_severe": any_of(_pairs(facts, MRS, _is_mild, WORST_MRC, severe)),
        "complete_while_weak": any_of(_pairs(facts, RESPONSE, _is_complete, WORST_MRC, _is_weak)),
        "improved_while_not_better": any_of(
            _pairs(facts, SUBJECTIVE_CHANGE, _is_improved, RESPONSE, _is_not_better)
        ),
        "mrs_6_without_death": any_of(
            _dead_too_early(facts, row, course) for row in facts.rows(MRS) if row.number == DEAD
        ),
        "mrs_below_6_after_death": any_of(
            before(course.death, facts.day_of(row))
            for row in facts.rows(MRS)
            if row.number is not None and row.number < DEAD and course.death != UNKNOWN
        ),
    }


Says = Callable[[Observation], bool | None]


def _pairs(facts: Facts, one: str, says: Says, other: str, holds: Says) -> Iterator[bool | None]:
    """For every visit that has both elements, whether both statements hold."""
    for row in facts.rows(one):
        for match in facts.rows(other):
            if (row.time_point or BASELINE) == (match.time_point or BASELINE):
                first, second = says(row), holds(match)
                yield False if False in (first, second) else (first and second)


def _is_mild(row: Observation) -> bool | None:
    return None if row.number is None else row.number <= HIGHEST_MILD


def _is_complete(row: Observation) -> bool | None:
    return None if row.value_code is None else row.value_code == COMPLETE


def _is_weak(row: Observation) -> bool | None:
    """Whether strength is less than full; `5-` is."""
    if row.number is None or row.comparator:
        return None
    return row.number < FULL_STRENGTH or (row.value_text or "").endswith("-")


def _is_improved(row: Observation) -> bool | None:
    return None if row.value_code is None else row.value_code == IMPROVED


def _is_not_better(row: Observation) -> bool | None:
    return not_(is_good(row.value_code))


def _dead_too_early(facts: Facts, row: Observation, course: Course) -> bool | None:
    """Whether mRS says dead on a day on which the patient was not known to be."""
    if course.death == UNKNOWN:
        return None if course.deceased else True
    return after(course.death, facts.day_of(row))
