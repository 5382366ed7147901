"""The figures of the report: what is drawn where, and what is counted beside it."""

import re
from datetime import date
from itertools import pairwise

import pytest

from imnm_fhir.cohort import Cohort
from imnm_fhir.report.completeness_plot import MOST_PATIENTS, completeness_plot, element_states
from imnm_fhir.report.dates_plot import APART, apart, dates_plot
from imnm_fhir.report.numbers_plot import BOTTOM, MOST_DOTS, numbers_plot
from imnm_fhir.report.scales import day_scale, log_scale, power_text
from imnm_fhir.report.suspicion import suspicious
from imnm_fhir.report.words import load_words
from imnm_fhir.validation import validate
from tests.unit.small_cohort import cohort, observation, person

WORDS = load_words("en")


def ck(
    patient: str, value: str, visit: str | None = "month_3", **more: str
) -> dict[str, list[object]]:
    return observation(  # type: ignore[return-value]
        patient, "ck", time_point=visit, value_number=value, unit="U/L", **more
    )


GIVEN: Cohort = cohort(
    person("P1"),
    person("P2", birth_date=None, birth_date_missing="unknown"),
    person("P3", deceased_date="2019-01"),
    ck("P1", "100"),  # type: ignore[arg-type]
    ck("P2", "-5"),  # type: ignore[arg-type]
    ck("P3", "900000"),  # type: ignore[arg-type]
    observation("P1", "worst_mrc", missing="not-performed"),
)
FACTS = suspicious(validate(GIVEN), WORDS)


def test_a_log_scale_runs_over_whole_powers_of_ten() -> None:
    place, ticks = log_scale([20, 5000], 300, 0)
    assert [label for _, label in ticks] == ["10", "100", "1\u202f000", "10\u202f000"]
    assert place(100) == pytest.approx(200)
    one, _ = log_scale([10], 100, 0)
    assert one(10) == 100
    assert power_text(-2) == "0.01"


def test_a_scale_of_days_names_years() -> None:
    place, ticks = day_scale([date(2016, 5, 1), date(2019, 2, 1)], 0, 100)
    assert [label for _, label in ticks] == ["2016", "2017", "2018", "2019", "2020"]
    assert place(date(2016, 1, 1).toordinal()) == 0
    _, long = day_scale([date(1950, 1, 1), date(2020, 1, 1)], 0, 100)
    assert len(long) <= 13


def test_numbers_stand_by_site_and_visit_with_suspicious_ones_marked() -> None:
    plot = numbers_plot(GIVEN, "ck", FACTS, WORDS)
    assert plot is not None
    assert [each.label for each in plot.columns] == [("madrid", "baseline"), ("madrid", "month 3")]
    later = plot.columns[1]
    assert (later.count, later.suspicious, later.not_positive) == (3, 2, 1)
    titles = sorted(mark.title for mark in later.marks)
    assert titles[0].startswith("P2, month 3: -5 (K01: ")
    assert titles[1].startswith("P3, month 3: 900000 (K02: ")
    assert max(mark.y for mark in later.marks) == BOTTOM
    assert later.dots.count("M") == 1
    assert (later.low, later.middle, later.high) == (-5, 100, 900000)


def test_of_many_numbers_some_are_drawn_and_the_rest_counted() -> None:
    many = cohort(*(person(f"P{n}") for n in range(3 * MOST_DOTS)))
    plot = numbers_plot(many, "ck", {}, WORDS)
    assert plot is not None
    assert plot.columns[0].dots.count("M") == MOST_DOTS
    assert plot.left_out == 2 * MOST_DOTS


def test_no_figure_where_no_number_is_positive() -> None:
    assert numbers_plot(GIVEN, "worst_mrc", FACTS, WORDS) is None


def test_what_was_sent_is_told_from_a_reason_and_from_nothing() -> None:
    states = element_states(GIVEN)
    assert states["birth_date"] == {("madrid", "P1"): 2, ("madrid", "P2"): 1, ("madrid", "P3"): 2}
    assert states["worst_mrc"] == {("madrid", "P1"): 1}
    assert states["deceased"] == {("madrid", "P3"): 2}
    plot = completeness_plot(GIVEN, WORDS)
    counts = {each.name: (each.sent, each.with_reason, each.not_sent) for each in plot.elements}
    assert counts["birth_date"] == (2, 1, 0)
    assert counts["worst_mrc"] == (0, 1, 2)
    assert plot.sent.count("M") == sum(sent for sent, _, _ in counts.values())
    assert plot.with_reason.count("M") == 2
    assert "Statin" in plot.never


def test_of_many_patients_those_with_the_most_gaps_are_drawn() -> None:
    people = [person(f"P{n:03}") for n in range(MOST_PATIENTS)]
    given = cohort(*people, person("Z9", birth_date=None, sex=None))
    plot = completeness_plot(given, WORDS)
    assert len(plot.patients) == MOST_PATIENTS
    assert "Z9" in [name for name, _ in plot.patients]
    assert plot.all_patients == MOST_PATIENTS + 1


def test_dates_stand_on_a_line_per_patient_suspicious_first() -> None:
    given = cohort(
        person("P1"),
        person("P2", deceased_date="2019"),
        observation("P2", "last_contact", value_date="2020-05-05"),
    )
    plot = dates_plot(given, suspicious(validate(given), WORDS), WORDS)
    assert plot is not None
    assert [line.patient for line in plot.lines] == ["P2", "P1"]
    marks = {each.letter: each for each in plot.lines[0].events}
    assert marks["†"].suspicious and marks["L"].suspicious
    assert not marks["O"].suspicious
    assert marks["†"].title.startswith("death: 2019 (D06: ")
    assert marks["†"].right - marks["†"].left > 50
    assert re.search("onset", dict(plot.legend)["O"])


def test_no_figure_without_a_date() -> None:
    given = cohort({"patients": [{"patient": "P1", "sex": "female"}]})
    assert dates_plot(given, {}, WORDS) is None


def test_letters_keep_their_order_and_do_not_overlap() -> None:
    places = apart([100, 101, 101, 300, 99])
    order = sorted(range(5), key=lambda place: [100, 101, 101, 300, 99][place])
    drawn = [places[place] for place in order]
    assert all(b - a >= APART - 1e-9 for a, b in pairwise(drawn))
    assert places[3] == 300
    assert sum(drawn[:4]) / 4 == pytest.approx(100.25)
