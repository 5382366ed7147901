"""Creatine kinase: the baseline value in its variants, and the values at visits."""

from dataclasses import dataclass
from typing import Any

from imnm_fhir.derive.course import Course
from imnm_fhir.derive.facts import Facts, Observation
from imnm_fhir.derive.names import BASELINE, CK, MONTH_6
from imnm_fhir.derive.periods import UNKNOWN, Period, after, around, not_
from imnm_fhir.derive.treatment import Treatment
from imnm_fhir.dictionary import load_dictionary
from imnm_fhir.study import Study, Visit


@dataclass(frozen=True)
class Value:
    """One CK in the dictionary's unit, when it was measured and how it was chosen."""

    row: Observation
    number: float
    day: Period
    choice: str = ""

    @property
    def x_uln(self) -> float | None:
        """The value as a multiple of its own upper limit of normal; None without a limit."""
        limit = self.row.reference_high
        return round(self.number / float(limit), 3) if limit and float(limit) > 0 else None

    @property
    def imputed(self) -> bool:
        """Whether nobody sent its upper limit, so that a population's stands in for it."""
        assays = load_dictionary().value_sets["assay"]
        return self.row.method in assays.members(imputed=True)


def ck_values(facts: Facts) -> list[Value]:
    """All CK values in the dictionary's unit, those with a sure order first by day."""
    unit = load_dictionary().elements[CK].unit
    values = [
        Value(row, row.number, facts.day_of(row))
        for row in facts.rows(CK)
        if row.number is not None and row.unit == unit
    ]
    return sorted(values, key=lambda value: (value.day == UNKNOWN, value.day, value.row.n or ""))


def baseline_ck(
    values: list[Value], diagnosis: Period, treatment: Treatment, limits: dict[str, int]
) -> Value | None:
    """The baseline CK by the default (domain 8); None where none is in its windows.

    The last on or before the first treatment, from 90 d before to 42 d after the diagnosis; else
    the first after the start of treatment within 42 d of the diagnosis (`treated`); never treated:
    the first of -90..+42 d. Without any of these the value that the site calls baseline, where its
    day does not say otherwise (`labelled`). A partial date counts where all its days would.
    """
    low, high = limits["before_diagnosis_days"], limits["after_diagnosis_days"]
    window = [each for each in values if around(each.day, diagnosis, low, high)]
    if treatment.never:
        return _chosen(window[:1], "never-treated") or _labelled(values, diagnosis, low, high)
    untreated = [each for each in window if not_(after(each.day, treatment.first))]
    treated = [
        each
        for each in values
        if around(each.day, diagnosis, high, high) and after(each.day, treatment.first)
    ]
    return (
        _chosen(untreated[-1:], "before-treatment")
        or _chosen(treated[:1], "treated")
        or _labelled(values, diagnosis, low, high)
    )


def _chosen(values: list[Value], choice: str) -> Value | None:
    return Value(values[0].row, values[0].number, values[0].day, choice) if values else None


def _labelled(values: list[Value], diagnosis: Period, low: int, high: int) -> Value | None:
    said = [each for each in values if each.row.time_point == BASELINE]
    fits = [each for each in said if around(each.day, diagnosis, low, high) is not False]
    return _chosen(fits, "labelled") if len({each.number for each in fits}) == 1 else None


def peak(values: list[Value], diagnosis: Period, low: int, high: int) -> Value | None:
    """The highest CK of a window around the diagnosis, the earliest of equals."""
    window = [each for each in values if around(each.day, diagnosis, low, high)]
    highest = max((each.number for each in window), default=None)
    return _chosen([each for each in window if each.number == highest], "peak")


def at_visit(values: list[Value], name: str, visit: Visit, diagnosis: Period) -> Value | None:
    """The CK nearest to a visit's day within its window; else the undated one of that visit."""
    target = diagnosis.months_later(visit.months)
    window = [
        each for each in values if around(each.day, target, visit.before_days, visit.after_days)
    ]
    if window and target.earliest is not None:
        centre = target.earliest
        return min(window, key=lambda each: abs(((each.day.earliest or centre) - centre).days))
    undated = [each for each in values if each.row.time_point == name and each.day == UNKNOWN]
    return undated[0] if len({each.number for each in undated}) == 1 else None


def enzyme_columns(
    facts: Facts, study: Study, course: Course, treatment: Treatment
) -> dict[str, Any]:
    """The columns of creatine kinase."""
    values, limits, diagnosis = ck_values(facts), study.limits["ck_baseline"], course.diagnosis
    days = limits["window_days"]
    variants = {
        "before-treatment": baseline_ck(values, diagnosis, treatment, dict(limits)),
        "window": _chosen([v for v in values if around(v.day, diagnosis, days, days)], "window"),
        "peak": peak(values, diagnosis, limits["peak_before_days"], limits["peak_after_days"]),
    }
    chosen = variants[study.variants["ck_baseline"]]
    labelled = [each for each in values if each.row.time_point == BASELINE]
    later = {name: visit for name, visit in study.visits.items() if name != BASELINE}
    visits = {name: at_visit(values, name, visit, diagnosis) for name, visit in later.items()}
    return {
        **_value_columns("ck_baseline", chosen),
        "ck_baseline_choice": chosen.choice if chosen else None,
        "ck_baseline_x_uln": chosen.x_uln if chosen else None,
        "ck_baseline_imputed": chosen.imputed if chosen else None,
        "ck_baseline_default": _number(variants["before-treatment"]),
        "ck_baseline_window": _number(variants["window"]),
        "ck_baseline_peak": _number(variants["peak"]),
        **_value_columns("ck_labelled_baseline", labelled[0] if labelled else None),
        "ck_max": max((each.number for each in values), default=None),
        **{f"ck_{name}": _number(each) for name, each in visits.items()},
        **{f"ck_{name}_comparator": each and each.row.comparator for name, each in visits.items()},
        "ck_month_6_x_uln": (found := visits[MONTH_6]) and found.x_uln,
        "ck_month_6_imputed": found and found.imputed,
    }


def _number(value: Value | None) -> float | None:
    return value.number if value else None


def _value_columns(name: str, value: Value | None) -> dict[str, Any]:
    return {
        name: _number(value),
        f"{name}_comparator": value.row.comparator if value else None,
        f"{name}_date_earliest": value.day.earliest if value else None,
        f"{name}_date_latest": value.day.latest if value else None,
    }
