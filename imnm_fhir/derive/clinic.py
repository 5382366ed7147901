"""Presentation and tests: weakness, symptoms, exposure to statins, EMG, MRI, biopsy."""

from collections.abc import Iterable
from typing import Any

from imnm_fhir.derive.columns import CASE_COLUMNS
from imnm_fhir.derive.course import Course
from imnm_fhir.derive.facts import Condition, Facts, Medication, Observation, elements_of
from imnm_fhir.derive.names import (
    ACTIVE,
    BIOPSY,
    BORDERLINE,
    COMORBIDITY,
    EMG,
    EXTRAMUSCULAR_DISEASE,
    MMT8,
    MRI,
    NEGATIVE,
    NOT_PERFORMED,
    POSITIVE,
    STATIN,
    STATIN_GROUP,
    UNTESTED,
)
from imnm_fhir.derive.periods import (
    UNKNOWN,
    Period,
    after,
    any_of,
    exact,
    first_of,
    last_of,
    not_,
    period,
)
from imnm_fhir.dictionary import load_dictionary
from imnm_fhir.study import Study

SEPARATOR = "; "


def listed(names: Iterable[str | None]) -> str:
    """The distinct names, sorted, as the text of a list."""
    return SEPARATOR.join(sorted({name for name in names if name}))


def named(rows: Iterable[Condition | Medication]) -> str:
    """The list of what the rows are, by key, else in the site's words."""
    return listed(row.value_code or row.value_text for row in rows)


def result_of(rows: list[Observation]) -> str | None:
    """The result over all assays: a positive decides, then borderline, then negative, untested."""
    codes = {row.value_code for row in rows}
    for result in (POSITIVE, BORDERLINE, NEGATIVE):
        if result in codes:
            return result
    return UNTESTED if any(row.missing == NOT_PERFORMED for row in rows) else None


def is_severe(row: Observation, limit: int) -> bool | None:
    """Whether an MRC grade is at most `limit`: `3-` is, `4-` is not, `3+` and `3-4` are unjudged."""
    grade = row.number
    if grade is None:
        return None
    if row.comparator:
        return _censored_severe(row.comparator, grade, limit)
    if grade == limit and (row.value_text or "").endswith("+"):
        return None
    return grade <= limit if grade <= limit or grade >= limit + 1 else None


def _censored_severe(comparator: str, grade: float, limit: int) -> bool | None:
    if comparator in ("<", "<=") and grade <= limit:
        return True
    return False if comparator in (">", ">=") and grade >= limit + 1 else None


def weakness_columns(facts: Facts, study: Study, severe_at_baseline: bool | None) -> dict[str, Any]:
    """Severe weakness in its variants, and the symptoms at presentation."""
    limit = study.limits["severe_weakness"]
    proximal = [is_severe(row, limit["mrc"]) for row in facts.at("worst_mrc_proximal_axial")]
    totals = {row.number for row in facts.at(MMT8) if not row.comparator} - {None}
    total = totals.pop() if len(totals) == 1 else None
    variants = {
        "any": severe_at_baseline,
        "proximal-axial": any_of(proximal),
        "mmt8": None if total is None else total <= limit["mmt8"],
    }
    answers = ("proximal_weakness", "weakness_symmetrical", "myalgia", "dysphagia", "neck_weakness")
    diseases = facts.conditions.get(EXTRAMUSCULAR_DISEASE, [])
    return {
        **{name: facts.answer(name) for name in answers},
        "weakness_predominance": facts.code("weakness_predominance"),
        "extramuscular": True if diseases else facts.ever("extramuscular"),
        "extramuscular_diseases": named(diseases),
        "comorbidities": named(facts.conditions.get(COMORBIDITY, [])),
        "family_history": facts.ever("family_history_myopathy"),
        "severe_weakness": variants[study.variants["severe_weakness"]],
        **{f"severe_weakness_{name.replace('-', '_')}": each for name, each in variants.items()},
        "severe_weakness_reported": facts.answer("severe_weakness_reported"),
    }


def statin_columns(facts: Facts, course: Course) -> dict[str, Any]:
    """Exposure to statins: the site's answer, and what the statin rows say by their dates."""
    rows = facts.medications.get(STATIN, [])
    starts = [period(row.start_date) for row in rows]
    early = any_of(not_(after(start, course.onset)) for start in starts)
    reported = facts.answer("statin_exposure")
    first, last = first_of(starts), last_of(_last_day(row, course) for row in rows)
    return {
        "statin_exposure": reported if reported is not None else early or None,
        "statin_exposure_reported": reported,
        "statin_agents": listed(agent for row in rows for agent in _agents(row)),
        "statin_rows": len(rows),
        "statin_started_before_onset": early,
        "statin_first_start_earliest": first.earliest,
        "statin_first_start_latest": first.latest,
        "statin_last_day_earliest": last.earliest,
        "statin_last_day_latest": last.latest,
    }


def _last_day(row: Medication, course: Course) -> Period:
    """The last day on a drug: its end; when ongoing the last contact; else surely its start."""
    if row.end_date:
        return period(row.end_date)
    if row.status == ACTIVE:
        known = course.last_contact.earliest
        return course.last_contact if known else exact(course.data_date)
    return Period(period(row.start_date).earliest, None)


def _agents(row: Medication) -> list[str]:
    """The statins in a product; none where the site does not say which."""
    drugs = load_dictionary().value_sets["drug"].codes
    drug = drugs.get(row.value_code or "")
    if drug is None:
        return [row.value_text] if row.value_text else []
    if drug.attributes.get("unspecified"):
        return []
    parts = drug.attributes.get("ingredients", [drug.key])
    return [part for part in parts if part in drugs and _is_statin(part)]


def _is_statin(key: str) -> bool:
    drug = load_dictionary().value_sets["drug"].codes[key]
    return drug.attributes.get("group") == STATIN_GROUP


def done(facts: Facts, procedure: str) -> bool | None:
    """Whether an examination was done: its procedure says yes, else the site's answer."""
    if facts.procedures.get(procedure):
        return True
    answer = load_dictionary().elements[procedure].attributes["answer"]
    said = facts.ever(answer)
    if said is None and any(row.missing == NOT_PERFORMED for row in facts.rows(answer)):
        return False
    return said


def first_day(facts: Facts, procedure: str) -> Period:
    """When an examination was first done; unknown where some day is not given."""
    rows = facts.procedures.get(procedure, [])
    return first_of(period(row.date) for row in rows) if rows else UNKNOWN


def examination_columns(facts: Facts) -> dict[str, Any]:
    """EMG, MRI and biopsy: done, day, every finding, and the list of findings with a result."""
    columns: dict[str, Any] = {}
    for test in (EMG, MRI, BIOPSY):
        day = first_day(facts, test)
        columns[f"{test}_done"] = done(facts, test)
        if test != MRI:
            columns |= {f"{test}_date_earliest": day.earliest, f"{test}_date_latest": day.latest}
        findings = elements_of(test)
        columns[f"{test}_findings"] = listed(
            name for name in findings if any(not row.missing for row in facts.rows(name))
        )
        columns |= {name: _finding(facts, name) for name in findings if name in CASE_COLUMNS}
    columns["emg_myotonia_muscles"] = listed(
        row.value_text for row in facts.rows("emg_myotonia_muscle")
    )
    columns["biopsy_infiltrate"] = any_of(
        columns[f"biopsy_{kind}_infiltrate"] for kind in ("lymphocytic", "macrophagic")
    )
    return columns


def _finding(facts: Facts, element: str) -> bool | str | None:
    if load_dictionary().elements[element].type == "code":
        return result_of(facts.rows(element))
    return facts.ever(element)
