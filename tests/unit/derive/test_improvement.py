"""The Total Improvement Score: the published steps, and when it cannot be computed."""

import pytest

from imnm_fhir.derive.facts import Facts, Observation, Patient
from imnm_fhir.derive.improvement import improvement_score, load_measures, points
from imnm_fhir.dictionary import load_dictionary

BEFORE: dict[str, float] = {
    "physician_global_activity": 8, "patient_global_activity": 8, "mmt8": 40, "haq": 2,
    "ck": 3000, "extramuscular_activity": 5,
}  # fmt: skip


def facts_of(before: dict[str, float], later: dict[str, float], limit: str | None = "200") -> Facts:
    rows: dict[str, list[Observation]] = {}
    for when, values in (("baseline", before), ("month_6", later)):
        for element, value in values.items():
            fields = {"element": element, "time_point": when, "value_number": str(value)}
            blank: dict[str, None] = dict.fromkeys(Observation._fields)
            row = Observation(**{**blank, **fields, "reference_high": limit})  # type: ignore[arg-type]
            rows.setdefault(element, []).append(row)
    return Facts("s", "p", Patient(None, None, None, None), rows)


@pytest.mark.parametrize(
    ("measure", "percent", "expected"),
    [
        ("physician_global", 5, 0), ("physician_global", 5.1, 7.5), ("physician_global", 15, 7.5),
        ("physician_global", 25, 15), ("physician_global", 40, 17.5), ("physician_global", 41, 20),
        ("patient_global", 41, 10), ("strength", 2, 0), ("strength", 10, 10), ("strength", 30, 27.5),
        ("strength", 31, 32.5), ("function", 16, 7.5), ("enzyme", 41, 7.5), ("enzyme", -30, 0),
        ("extramuscular", 26, 15),
    ],
)  # fmt: skip
def test_points_of_each_step(measure: str, percent: float, expected: float) -> None:
    assert points(load_measures()[measure], percent) == expected


def test_the_greatest_improvement_is_100_points() -> None:
    best = {name: 0.0 for name in BEFORE} | {"mmt8": 80.0}
    assert improvement_score(facts_of(BEFORE, best), "month_6") == 100
    assert sum(measure["points"][-1] for measure in load_measures().values()) == 100


def test_no_change_is_no_point() -> None:
    assert improvement_score(facts_of(BEFORE, BEFORE), "month_6") == 0


@pytest.mark.parametrize("lacking", BEFORE)
def test_the_score_needs_all_six_measures(lacking: str) -> None:
    later = {name: value for name, value in BEFORE.items() if name != lacking}
    assert improvement_score(facts_of(BEFORE, later), "month_6") is None


def test_an_enzyme_counts_in_multiples_of_its_limit() -> None:
    assert improvement_score(facts_of(BEFORE, BEFORE, limit=None), "month_6") is None
    # 3000 of 200 is 15 times: the whole span; 1600 is 8 times, an improvement of 46.7 %
    assert improvement_score(facts_of(BEFORE, {**BEFORE, "ck": 1600}), "month_6") == 7.5


def test_the_most_abnormal_enzyme_counts() -> None:
    before, later = {**BEFORE, "ck": 600, "ldh": 600}, {**BEFORE, "ck": 200, "ldh": 600}
    assert improvement_score(facts_of(before, later), "month_6") == 0  # LDH, at its whole span


def test_its_elements_are_in_the_dictionary_but_for_one_that_it_may_bring() -> None:
    named = {name for measure in load_measures().values() for name in measure["elements"]}
    assert named - set(load_dictionary().elements) <= {"extramuscular_activity"}
