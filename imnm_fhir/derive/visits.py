"""Values at visits: by the window around the visit's day, else by the site's label."""

from typing import Any

from imnm_fhir.derive.clinic import is_severe
from imnm_fhir.derive.course import Course
from imnm_fhir.derive.facts import Facts, Observation
from imnm_fhir.derive.names import BASELINE, MRS, RESPONSE, SUBJECTIVE_CHANGE, WORST_MRC
from imnm_fhir.derive.periods import UNKNOWN, any_of, around
from imnm_fhir.study import Study, Visit


def rows_at(
    facts: Facts, element: str, name: str, visit: Visit, course: Course
) -> list[Observation]:
    """The observations of an element that belong to a visit.

    Those that the site labels so, unless their day (or that of their visit) surely lies outside
    the window; without any, the unlabelled ones whose day surely lies in it. At baseline an
    undated unlabelled one belongs to it.
    """
    rows = facts.rows(element)
    if not rows:
        return rows
    target = course.diagnosis.months_later(visit.months)

    def near(row: Observation) -> bool | None:
        return around(facts.day_of(row), target, visit.before_days, visit.after_days)

    labelled = [row for row in rows if row.time_point == name and near(row) is not False]
    if labelled:
        return labelled
    free = [row for row in rows if row.time_point is None]
    undated = [row for row in free if name == BASELINE and facts.day_of(row) == UNKNOWN]
    return [row for row in free if near(row)] or undated


def visit_values(facts: Facts, study: Study, course: Course) -> dict[str, Any]:
    """The columns of every visit of the study but CK."""
    columns: dict[str, Any] = {}
    limit = study.limit("severe_weakness", "mrc")
    for name, visit in study.visits.items():
        day = facts.visit_day(name)
        grades = rows_at(facts, WORST_MRC, name, visit, course)
        columns |= {
            f"visit_{name}_earliest": day.earliest,
            f"visit_{name}_latest": day.latest,
            f"worst_mrc_{name}": min(
                (n for g in grades if (n := g.number) is not None), default=None
            ),
            f"severe_weakness_{name}": any_of(is_severe(row, limit) for row in grades),
            f"mrs_{name}": _one({r.number for r in rows_at(facts, MRS, name, visit, course)}),
        }
        for element in (RESPONSE, SUBJECTIVE_CHANGE):
            codes = {row.value_code for row in rows_at(facts, element, name, visit, course)}
            columns[f"{element}_{name}"] = _one(codes)
    return columns


def _one(values: set[Any]) -> Any:
    """The one value that is not null; None where there is none or several differ."""
    said = values - {None}
    return said.pop() if len(said) == 1 else None
