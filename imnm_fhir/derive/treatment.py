"""Drugs for IMNM: which count, when treatment began, and the strategy in its variants."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

from imnm_fhir.derive.clinic import done, first_day, listed, named
from imnm_fhir.derive.course import Course
from imnm_fhir.derive.facts import Facts, Medication
from imnm_fhir.derive.names import (
    ACTIVE,
    BASELINE,
    COMPLETED,
    FOR_IMNM,
    GLUCOCORTICOID,
    IMMUNOTHERAPY,
    INTRAVENOUS,
    MONTH_6,
    PLASMA_EXCHANGE,
    STATIN,
    WEIGHT,
)
from imnm_fhir.derive.periods import (
    UNKNOWN,
    Period,
    after,
    all_of,
    any_of,
    before,
    first_of,
    not_,
    period,
)
from imnm_fhir.dictionary import load_dictionary
from imnm_fhir.study import Study

_UNDATED = 100_000  # days: a weight of no day comes after all others
CLASSES = ("none", "mono", "bi", "poly")
Judge = Callable[["Drug"], bool | None]


@dataclass(frozen=True)
class Drug:
    """One row of immunotherapy: `substances` count as drugs (glucocorticoids as one)."""

    row: Medication
    name: str
    substances: frozenset[str]
    start: Period
    end: Period
    for_imnm: bool | None


@dataclass(frozen=True)
class Treatment:
    """The drugs of a patient and when the first for IMNM was given.

    `sent` is False where the site sends no immunotherapy at all, of this patient or another: then
    *no drug* cannot be told from *not sent*.
    """

    drugs: tuple[Drug, ...]
    first: Period
    sent: bool

    @property
    def never(self) -> bool | None:
        """Whether the patient surely had no drug for IMNM; None where it cannot be judged."""
        given = any_of(drug.for_imnm for drug in self.drugs)
        return (True if self.sent else None) if not self.drugs else not_(given)


def treatment_of(facts: Facts, study: Study, course: Course, sent: bool) -> Treatment:
    """The treatment of a patient; `sent`: the site sends immunotherapy of some patient."""
    rows = facts.medications.get(IMMUNOTHERAPY, [])
    drugs = tuple(_drug(row, study, course) for row in rows)
    given = facts.ever("immunosuppressant_exposure")
    known = bool(rows) or given is False or (sent and given is None)
    surely = first_of(drug.start for drug in drugs if drug.for_imnm)
    maybe = [drug.start for drug in drugs if drug.for_imnm is None]
    earliest = first_of([surely, *maybe]).earliest if surely != UNKNOWN else None
    return Treatment(drugs, Period(earliest, surely.latest), known)


def _drug(row: Medication, study: Study, course: Course) -> Drug:
    start = period(row.start_date)
    return Drug(
        row=row,
        name=row.value_code or row.value_text or "",
        substances=substances(row),
        start=start,
        end=period(row.end_date),
        for_imnm=for_imnm(row, start, course, study.limit("strategy", "before_diagnosis_days")),
    )


def substances(row: Medication) -> frozenset[str]:
    """What a row counts as: its ingredients; every glucocorticoid of any route is the same one."""
    drug = load_dictionary().value_sets["drug"].codes.get(row.value_code or "")
    if drug is None:
        return frozenset({(row.value_text or "").casefold()})
    if drug.attributes.get("group") == GLUCOCORTICOID:
        return frozenset({GLUCOCORTICOID})
    return frozenset(drug.attributes.get("ingredients", [drug.key]))


def for_imnm(row: Medication, start: Period, course: Course, before_days: int) -> bool | None:
    """Whether a drug is for IMNM: the site says so, or its start lies where such drugs start.

    Not said: yes from `before_days` before the diagnosis on and not before the onset (domain 8).
    An onset that is not known is no later than the diagnosis.
    """
    if row.reason is not None:
        return row.reason == FOR_IMNM
    onset = course.onset if course.onset != UNKNOWN else Period(None, course.diagnosis.latest)
    return all_of(
        not_(before(start, course.diagnosis.shifted(-before_days))), not_(before(start, onset))
    )


def stopped_before(drug: Drug, day: Period) -> bool | None:
    """Whether a drug had been stopped before a day; a blank stop is no stop."""
    if drug.end != UNKNOWN:
        return before(drug.end, day)
    if drug.row.status in COMPLETED or drug.row.end_missing:
        return False if not_(before(drug.start, day)) else None
    return False


def running_on(drug: Drug, day: Period) -> bool | None:
    """Whether start <= day < stop."""
    started = not_(after(drug.start, day))
    if drug.end == UNKNOWN:
        unknown_stop = drug.row.status in COMPLETED or drug.row.end_missing
        return all_of(started, None if unknown_stop else True)
    return all_of(started, before(day, drug.end))


def count_class(least: int, most: int) -> str | None:
    """none, mono, bi or poly (three and more, paper) where both possible numbers give the same."""
    low, high = (CLASSES[min(count, 3)] for count in (least, most))
    return low if low == high else None


@dataclass(frozen=True)
class Counted:
    """The drugs of one strategy: its class (None: cannot be judged) and those surely counted."""

    strategy: str | None
    drugs: str


def strategy(treatment: Treatment, judge: Judge, without: str | None = None) -> Counted:
    """The number of distinct drugs for IMNM that `judge` counts; `without`: a substance left out."""
    sure: set[str] = set()
    possible: set[str] = set()
    names = []
    for drug in treatment.drugs:
        counts = all_of(drug.for_imnm, judge(drug))
        found = drug.substances - {without}
        possible |= found if counts is not False else set()
        if counts and found:
            sure |= found
            names.append(drug.name)
    judged = count_class(len(sure), len(possible)) if treatment.sent else None
    return Counted(judged, listed(names))


def strategies(
    treatment: Treatment, study: Study, course: Course, visit: Period
) -> dict[str, Counted]:
    """Every variant of the strategy by name, and `month_6`; `visit` is the day of that visit."""
    limit = study.limits["strategy"]
    diagnosis = course.diagnosis
    day_42 = diagnosis.shifted(limit["induction_days"])
    of_treatment = treatment.first.shifted(limit["induction_days"])
    at_visit = visit if visit != UNKNOWN else diagnosis.months_later(study.visits[MONTH_6].months)

    def started_by(day: Period) -> Judge:
        return lambda drug: all_of(
            not_(after(drug.start, day)), not_(stopped_before(drug, diagnosis))
        )

    def running(day: Period) -> Judge:
        return lambda drug: running_on(drug, day)

    return {
        "started-by-day": strategy(treatment, started_by(day_42)),
        "concurrent": strategy(treatment, running(day_42)),
        "from-first-treatment": strategy(treatment, started_by(of_treatment)),
        "without-glucocorticoids": strategy(treatment, started_by(day_42), GLUCOCORTICOID),
        "month_6": strategy(treatment, running(at_visit)),
    }


def treatment_columns(
    facts: Facts, study: Study, course: Course, treatment: Treatment
) -> dict[str, Any]:
    """The columns of drugs, strategies and plasma exchange."""
    found = strategies(treatment, study, course, facts.visit_day(MONTH_6))
    chosen = found[study.variants["strategy"]]
    first, counted = treatment.first, [drug for drug in treatment.drugs if drug.for_imnm]
    return {
        "treatments": named(drug.row for drug in counted),
        "treatments_not_counted": named(drug.row for drug in treatment.drugs if not drug.for_imnm),
        "glucocorticoid_ever": _ever(treatment, GLUCOCORTICOID),
        **_start_rate(facts, counted, study),
        "first_treatment_earliest": first.earliest,
        "first_treatment_latest": first.latest,
        "first_treatment_drugs": listed(drug.name for drug in counted if drug.start == first),
        "diagnosis_to_treatment_days": (
            (first.day - course.diagnosis.day).days if first.day and course.diagnosis.day else None
        ),
        "strategy": chosen.strategy,
        "strategy_default": found["started-by-day"].strategy,
        **{f"strategy_{name.replace('-', '_')}": each.strategy for name, each in found.items()},
        "strategy_reported": facts.code("strategy_reported"),
        "drugs_induction": chosen.drugs,
        "drugs_month_6": found["month_6"].drugs,
        **_contradictions(facts, study),
        **_plasma_exchange(facts),
    }


def _ever(treatment: Treatment, substance: str) -> bool | None:
    if not treatment.drugs:
        return False if treatment.sent else None
    return any_of(
        drug.for_imnm if substance in drug.substances else False for drug in treatment.drugs
    )


def _start_rate(facts: Facts, counted: list[Drug], study: Study) -> dict[str, Any]:
    """The dose by weight of the first glucocorticoid, where one alone starts first; no pulses.

    A dose per day is divided by the weight that was measured nearest to its start.
    """
    rows = [
        drug
        for drug in counted
        if GLUCOCORTICOID in drug.substances and drug.start.day and not _is_pulse(drug.row, study)
    ]
    first = min((drug.start.day for drug in rows if drug.start.day), default=None)
    starting = [drug for drug in rows if drug.start.day == first]
    rates = {_rate_by_weight(drug, facts, study) for drug in starting} - {None}
    rate = rates.pop() if len(rates) == 1 else None
    unit = None if rate is None else study.start_rate_unit
    return {"glucocorticoid_start_rate": rate, "glucocorticoid_start_rate_unit": unit}


def _rate_by_weight(drug: Drug, facts: Facts, study: Study) -> float | None:
    row = drug.row
    if row.rate_number is None or row.rate_unit is None:
        return None
    if row.rate_unit == study.start_rate_unit:
        return float(row.rate_number)
    weight = _weight_near(drug.start.day, facts) if row.rate_unit == study.pulse_rate_unit else None
    return round(float(row.rate_number) / weight, 3) if weight else None


def _weight_near(day: date | None, facts: Facts) -> float | None:
    """The weight measured nearest to a day; without days that of the first examination."""
    weights = [
        (abs((at - day).days) if at and day else _UNDATED, row.time_point != BASELINE, row.number)
        for row in facts.rows(WEIGHT)
        if row.number and not row.comparator
        for at in [facts.day_of(row).day]
    ]
    return min(weights)[2] if weights else None


def _contradictions(facts: Facts, study: Study) -> dict[str, str]:
    rows = [*facts.medications.get(IMMUNOTHERAPY, []), *facts.medications.get(STATIN, [])]
    reversed_rows = [row for row in rows if before(period(row.end_date), period(row.start_date))]
    overlapping = [
        one
        for place, one in enumerate(rows)
        for other in rows[place + 1 :]
        if _overlap(one, other, study)
    ]
    return {"drug_stops_before_start": named(reversed_rows), "drug_overlaps": named(overlapping)}


def _overlap(one: Medication, other: Medication, study: Study) -> bool:
    """Whether two rows of one drug surely overlap; other routes and pulses are lines of their own."""
    if one.value_code != other.value_code or one.value_text != other.value_text:
        return False
    if one.route and other.route and one.route != other.route:
        return False
    if _is_pulse(one, study) or _is_pulse(other, study):
        return False
    return bool(all_of(_starts_within(one, other), _starts_within(other, one)))


def _starts_within(one: Medication, other: Medication) -> bool | None:
    """Whether `one` starts before `other` ends; an end that is not known may lie anywhere."""
    if other.end_date:
        return before(period(one.start_date), period(other.end_date))
    return True if other.status == ACTIVE else None


def _is_pulse(row: Medication, study: Study) -> bool:
    """An intravenous dose of a pulse's size, sent as one dose or per day."""
    limit = study.limits["pulse"]
    doses = [
        row.dose_number if row.dose_unit == study.pulse_unit else None,
        row.rate_number if row.rate_unit == study.pulse_rate_unit else None,
    ]
    return row.route == INTRAVENOUS and any(
        dose is not None and limit["least"] <= float(dose) <= limit["most"] for dose in doses
    )


def _plasma_exchange(facts: Facts) -> dict[str, Any]:
    rows: Iterable[Any] = facts.procedures.get(PLASMA_EXCHANGE, [])
    sessions = [int(float(row.sessions)) for row in rows if row.sessions]
    first = first_day(facts, PLASMA_EXCHANGE)
    return {
        "plasma_exchange": done(facts, PLASMA_EXCHANGE),
        "plasma_exchange_sessions": sum(sessions) if sessions else None,
        "plasma_exchange_first_earliest": first.earliest,
        "plasma_exchange_first_latest": first.latest,
    }
