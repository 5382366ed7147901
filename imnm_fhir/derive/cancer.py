"""Cancer-associated IMNM, by both windows, and which cancers count."""

from typing import Any

from imnm_fhir.derive.clinic import named
from imnm_fhir.derive.course import Course
from imnm_fhir.derive.facts import Condition, Facts
from imnm_fhir.derive.names import CANCER_DIAGNOSIS, CANCER_GROUP
from imnm_fhir.derive.periods import (
    UNKNOWN,
    Period,
    all_of,
    any_of,
    before,
    first_of,
    inside,
    not_,
    period,
)
from imnm_fhir.dictionary import load_dictionary
from imnm_fhir.study import Study

YES, NO, UNDETERMINED = "yes", "no", "undetermined"


def associated(
    cancers: list[Period], answered: bool | None, start: Period, end: Period, seen: Period
) -> str:
    """Whether a cancer lies in the window from `start` to `end`, both ends inside.

    *yes* where one surely does; *no* only where none can, the site answered, and the patient was
    seen on or after the window's last day (`seen`: last contact, else death, so a death before it
    leaves the window open); else *undetermined*. `answered`: the answer to cancer; yes without a date is no date.
    """
    within = any_of(inside(day, start, end) for day in cancers)
    if within:
        return YES
    listed_all = answered is False or (answered is True and bool(cancers))
    observed = all_of(listed_all, within is False or not cancers, not_(before(seen, end)))
    return NO if observed else UNDETERMINED


def counts(row: Condition, included: bool) -> bool:
    """Whether a cancer counts: skin cancers but melanoma and in situ only where `included`."""
    disease = load_dictionary().value_sets["disease"].codes.get(row.value_code or "")
    return included or disease is None or disease.attributes.get("group") == CANCER_GROUP


def cancer_columns(facts: Facts, study: Study, course: Course) -> dict[str, Any]:
    """The columns of cancer."""
    rows = facts.conditions.get(CANCER_DIAGNOSIS, [])
    included = study.variants["minor_cancers"] == "included"
    counted = [row for row in rows if counts(row, included)]
    excluded = [row for row in rows if row not in counted]
    reported = facts.ever("cancer")
    # A minor cancer answers the question as a no does: the site looked and listed what it found.
    cancer = True if counted else False if excluded else reported
    days = [period(row.date) for row in counted]
    first = first_of(days)
    return {
        "cancer": cancer,
        "cancer_reported": reported,
        "cancers": named(counted),
        "cancers_excluded": named(excluded),
        "cancers_without_date": sum(day == UNKNOWN for day in days),
        "cancer_first_earliest": first.earliest,
        "cancer_first_latest": first.latest,
        **_associations(days, cancer, study, course),
        "cancer_associated_reported": _word(facts.ever("cancer_associated_reported")),
        "cause_of_death": next((row.value_text for row in facts.rows("cause_of_death")), None),
    }


def _associations(
    days: list[Period], answered: bool | None, study: Study, course: Course
) -> dict[str, str]:
    """Both windows: around the onset (default) and after the diagnosis (paper)."""
    limit, onset, diagnosis = study.limits["cancer"], course.onset, course.diagnosis
    seen = course.last_contact if course.last_contact != UNKNOWN else course.death
    start = onset.months_later(-12 * limit["years_before_onset"])
    end = onset.months_later(12 * limit["years_after_onset"])
    paper_end = diagnosis.months_later(12 * limit["years_after_diagnosis"])
    return {
        "cancer_associated": associated(days, answered, start, end, seen),
        "cancer_associated_paper": associated(days, answered, diagnosis, paper_end, seen),
    }


def _word(answer: bool | None) -> str | None:
    return None if answer is None else YES if answer else NO
