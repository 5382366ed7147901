"""The definitions of domain section 8 at their boundaries: what goes in, what comes out."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests.spec.one_patient import case, had, saw, study_with, took, underwent

# --- Diagnostic interval (onset class): 28 days and 6 calendar months, boundaries subacute


@pytest.mark.parametrize(
    ("onset", "diagnosis", "expected"),
    [
        ("2019-03-04", "2019-03-04", "acute"),  # the same day
        ("2019-03-04", "2019-03-31", "acute"),  # 27 days
        ("2019-03-04", "2019-04-01", "subacute"),  # 28 days
        ("2019-03-04", "2019-09-04", "subacute"),  # 6 calendar months to the day
        ("2019-03-04", "2019-09-05", "chronic"),
        ("2019-08-31", "2020-02-29", "subacute"),  # 31 Aug + 6 months = 29 Feb, a leap year
        ("2019-08-31", "2020-03-01", "chronic"),
        ("2018-08-31", "2019-02-28", "subacute"),  # and 28 Feb in another
        ("2018-08-31", "2019-03-01", "chronic"),
        ("2018-08-29", "2019-02-28", "subacute"),  # 29, 30 and 31 Aug all end on 28 Feb
        ("2019-02-28", "2019-08-28", "subacute"),  # counted forward: not clamped backwards
        ("2019-02-28", "2019-08-29", "chronic"),
    ],
)
def test_onset_class(onset: str, diagnosis: str, expected: str) -> None:
    assert case(onset=onset, diagnosis=diagnosis)["onset_class"] == expected


@pytest.mark.parametrize(
    ("onset", "diagnosis", "expected", "why"),
    [
        ("2019-01", "2019-05-10", "subacute", None),  # every January day gives the same
        ("2019-01", "2019-07-10", None, "too-coarse"),  # 1 January is chronic, 31 is not
        ("2019-01", "2019-02-10", None, "too-coarse"),  # 1 January is subacute, 31 acute
        ("2019-03", "2019-03-15", "acute", None),  # onsets after the 15th are left out
        ("2019-02", "2019-02", "acute", None),  # only pairs in order count: at most 27 days
        ("2019-03", "2019-03", None, "too-coarse"),  # 1 to 31 March are 30 days
        ("2019", "2019-01-20", "acute", None),
        ("2018", "2019-08-01", "chronic", None),
        ("2018", "2019-03-01", None, "too-coarse"),
        ("2017", "2018", None, "too-coarse"),
        ("2016", "2018", "chronic", None),
        ("2019-05-06", "2019-03-04", None, "reversed"),
        ("2019-05", "2019-04", None, "reversed"),
        (None, "2019-03-04", None, "no-date"),
        ("2019-03-04", None, None, "no-date"),
    ],
)
def test_onset_class_of_partial_dates(
    onset: str | None, diagnosis: str | None, expected: str | None, why: str | None
) -> None:
    derived = case(onset=onset, diagnosis=diagnosis)
    assert (derived["onset_class"], derived["onset_class_unjudged"]) == (expected, why)


def test_the_reported_tempo_is_kept_beside_the_derived_one() -> None:
    derived = case(saw("onset_class_reported", "acute"), onset="2019-01-01", diagnosis="2019-12-01")
    assert (derived["onset_class"], derived["onset_class_reported"]) == ("chronic", "acute")


# --- Age: completed years; of a year alone an interval whose lower bound is shown, marked


@pytest.mark.parametrize(
    ("born", "onset", "low", "high"),
    [
        ("1948-03-04", "2019-03-03", 70, 70),
        ("1948-03-04", "2019-03-04", 71, 71),
        ("1948-02-29", "2019-02-27", 70, 70),
        ("1948-02-29", "2019-02-28", 71, 71),  # 29 Feb + n years is 28 Feb
        ("1948-02-29", "2020-02-28", 71, 71),  # but 29 Feb in a leap year
        ("1948-02-29", "2020-02-29", 72, 72),
        ("1948", "2019-06-01", 70, 71),
        ("1948", "2019", 70, 71),
        ("1948-03", "2019-03-15", 70, 71),
    ],
)
def test_age_at_onset(born: str, onset: str, low: int, high: int) -> None:
    derived = case(born=born, onset=onset)
    assert (derived["age_at_onset_low"], derived["age_at_onset_high"]) == (low, high)
    assert derived["age_at_onset"] == low
    assert derived["age_at_onset_marked"] is (low != high)


def test_the_reported_age_stands_in_where_there_are_no_dates() -> None:
    derived = case(saw("age_at_onset_reported", 67))
    assert (derived["age_at_onset"], derived["age_at_onset_low"]) == (67, None)
    both = case(saw("age_at_onset_reported", 67), born="1948-03-04", onset="2019-03-04")
    assert (both["age_at_onset"], both["age_at_onset_reported"]) == (71, 67)


# --- Severe weakness: any MRC grade of 3 or less


@pytest.mark.parametrize(
    ("grade", "text", "comparator", "severe"),
    [
        ("3", None, None, True),
        ("3", "3-", None, True),
        ("3", "3+", None, None),  # more than 3, less than 4: cannot be judged
        ("4", "4-", None, False),
        ("4", "4+", None, False),
        ("4", None, None, False),
        ("3.5", None, None, None),
        ("2", "2+", None, True),
        (None, "3-4", None, None),
        ("4", None, ">=", False),
        ("3", None, "<=", True),
        ("4", None, "<", None),
        ("3", None, ">", None),
    ],
)
def test_severe_weakness(
    grade: str | None, text: str | None, comparator: str | None, severe: bool | None
) -> None:
    fact = saw("worst_mrc", grade, value_text=text, comparator=comparator)
    assert case(fact)["severe_weakness"] is severe


def test_severe_weakness_by_the_mmt8_total(tmp_path: Path) -> None:
    study = study_with(tmp_path, '[variants]\nsevere_weakness = "mmt8"')
    assert case(saw("mmt8", 40), saw("worst_mrc", 4), study=study)["severe_weakness"] is True
    assert case(saw("mmt8", 41), saw("worst_mrc", 3), study=study)["severe_weakness"] is False
    assert case(saw("worst_mrc", 3), study=study)["severe_weakness"] is None


# --- Serogroup: a positive decides


@pytest.mark.parametrize(
    ("hmgcr", "srp", "group", "other_untested"),
    [
        ("positive", "negative", "hmgcr", False),
        ("positive", None, "hmgcr", True),
        ("positive", "not done", "hmgcr", True),
        ("positive", "borderline", "hmgcr", False),
        ("negative", "positive", "srp", False),
        ("positive", "positive", "dual", False),
        ("negative", "negative", "seronegative", False),
        ("negative", "not done", "unknown", False),
        ("negative", None, "unknown", False),
        ("borderline", "negative", "unknown", False),  # borderline is not positive
        (None, None, "unknown", False),
    ],
)
def test_serogroup(hmgcr: str | None, srp: str | None, group: str, other_untested: bool) -> None:
    facts = [
        saw(name, missing="not-performed") if result == "not done" else saw(name, result)
        for name, result in (("anti_hmgcr", hmgcr), ("anti_srp", srp))
        if result
    ]
    derived = case(*facts)
    assert derived["serogroup"] == group
    assert derived["serogroup_other_untested"] is other_untested


def test_a_positive_assay_outweighs_a_negative_one() -> None:
    elisa = saw("anti_srp", "negative", n="1", method="elisa")
    precipitation = saw("anti_srp", "positive", n="2", method="rna_immunoprecipitation")
    derived = case(elisa, precipitation, saw("anti_hmgcr", "negative"))
    assert derived["serogroup"] == "srp"
    assert derived["anti_srp_methods"] == "elisa; rna_immunoprecipitation"


@pytest.mark.parametrize(
    ("methods", "group"),
    [
        (["dot_blot"], "srp-unconfirmed"),
        (["line_blot", "dot_blot"], "srp-unconfirmed"),
        (["dot_blot", "elisa"], "srp"),
        ([None], "srp"),  # the assay is not sent: it may be any
    ],
)
def test_srp_by_blot_alone_is_a_group_of_its_own_where_the_study_says_so(
    methods: list[str | None], group: str, tmp_path: Path
) -> None:
    study = study_with(tmp_path, '[variants]\nserogroup = ["srp-unconfirmed"]')
    facts = [saw("anti_srp", "positive", n=str(n), method=m) for n, m in enumerate(methods)]
    derived = case(*facts, saw("anti_hmgcr", "negative"), study=study)
    assert (derived["serogroup"], derived["serogroup_default"]) == (group, "srp")


def test_another_msa_is_a_group_of_its_own_where_the_study_says_so(tmp_path: Path) -> None:
    study = study_with(tmp_path, '[variants]\nserogroup = ["other-msa"]')
    negative = [saw("anti_hmgcr", "negative"), saw("anti_srp", "negative")]
    assert case(*negative, saw("anti_jo1", "positive"), study=study)["serogroup"] == "other-msa"
    assert case(*negative, saw("anti_ro52", "positive"), study=study)["serogroup"] == "seronegative"
    assert case(*negative, saw("anti_jo1", "positive"))["serogroup"] == "seronegative"


# --- Strategy: distinct drugs started by day 42 after the diagnosis and for IMNM

DATES: dict[str, Any] = {"onset": "2019-03-04", "diagnosis": "2019-05-06"}  # day 42: 2019-06-17


@pytest.mark.parametrize(
    ("drugs", "strategy"),
    [
        ([], None),  # the site sends no drug of any patient: not sent is not none
        ([took("prednisone", "2019-06-17")], "mono"),  # day 42
        ([took("prednisone", "2019-06-18")], "none"),  # day 43
        ([took("prednisone", "2019-06")], None),  # may be either
        ([took("prednisone", "2019-05")], "mono"),
        ([took("prednisone", "2019-05-07"), took("methotrexate", "2019-06-17")], "bi"),
        (
            [took("prednisone", "2019-05-07"), took("methylprednisolone", "2019-05-10")],
            "mono",  # glucocorticoids of any route count once
        ),
        (
            [took("prednisone", "2019-05-07", "2019-05-20"), took("prednisone", "2019-05-20")],
            "mono",  # dose steps of one drug
        ),
        (
            [took("prednisone", "2019-05-07"), took("ivig", "2019-05-08"),
             took("methotrexate", "2019-05-09"), took("rituximab", "2019-05-10")],
            "poly",
        ),
        # Stopped before the diagnosis: does not count; on the day of the diagnosis: does
        ([took("prednisone", "2019-04-01", "2019-05-05")], "none"),
        ([took("prednisone", "2019-04-01", "2019-05-06")], "mono"),
        # For IMNM: from 365 days before the diagnosis on and not before the onset
        ([took("methotrexate", "2019-03-04")], "mono"),
        ([took("methotrexate", "2019-03-03")], "none"),  # before the onset: for another disease
        ([took("methotrexate", "2015-01-01", reason="imnm")], "mono"),  # but the site says so
        ([took("methotrexate", "2019-05-07", reason="other")], "none"),
        ([took("methotrexate", None)], None),  # no start at all
        ([took("methotrexate", None, reason="imnm")], None),
    ],
)  # fmt: skip
def test_strategy(drugs: list[dict[str, Any]], strategy: str | None) -> None:
    assert case(*drugs, **DATES)["strategy"] == strategy


@pytest.mark.parametrize(
    ("start", "strategy"),
    [("2018-05-06", "mono"), ("2018-05-05", "none")],  # 365 and 366 days before the diagnosis
)
def test_a_drug_counts_from_365_days_before_the_diagnosis(start: str, strategy: str) -> None:
    drug = took("azathioprine", start)
    derived = case(drug, onset="2016-01-01", diagnosis="2019-05-06")
    assert derived["strategy"] == strategy
    listed = "treatments" if strategy == "mono" else "treatments_not_counted"
    assert derived[listed] == "azathioprine"


def test_no_drug_is_no_treatment_where_the_site_sends_drugs_of_others() -> None:
    others = [took("prednisone", "2019-05-07")]
    assert case(**DATES, others=others)["strategy"] == "none"


def test_plasma_exchange_stands_apart() -> None:
    derived = case(
        took("prednisone", "2019-05-07"),
        underwent("plasma_exchange", "2019-05-10", sessions="8"),
        **DATES,
    )
    assert (derived["strategy"], derived["plasma_exchange_sessions"]) == ("mono", 8)


SWITCH = [
    took("prednisone", "2019-05-07"),
    took("azathioprine", "2019-05-10", "2019-06-01"),
    took("methotrexate", "2019-06-01"),
]


@pytest.mark.parametrize(
    ("variant", "strategy"),
    [
        ("started-by-day", "poly"),
        ("concurrent", "bi"),  # a switch is one drug at a time
        ("from-first-treatment", "poly"),
        ("without-glucocorticoids", "bi"),
    ],
)
def test_strategy_in_its_variants(variant: str, strategy: str, tmp_path: Path) -> None:
    study = study_with(tmp_path, f'[variants]\nstrategy = "{variant}"')
    assert case(*SWITCH, **DATES, study=study)["strategy"] == strategy


def test_glucocorticoids_alone_are_no_treatment_without_glucocorticoids() -> None:
    derived = case(took("prednisone", "2019-05-07"), **DATES)
    assert derived["strategy_without_glucocorticoids"] == "none"


@pytest.mark.parametrize(
    ("stop", "expected"),
    [
        ("2019-06-17", "none"),  # running means start <= day < stop
        ("2019-06-18", "mono"),
        (None, "mono"),
    ],
)
def test_running_on_day_42(stop: str | None, expected: str) -> None:
    drug = took("azathioprine", "2019-05-07", stop)
    assert case(drug, **DATES)["strategy_concurrent"] == expected


def test_a_stop_that_is_known_to_have_been_but_not_when_cannot_be_judged() -> None:
    drug = took("azathioprine", "2019-05-07", status="completed")
    assert case(drug, **DATES)["strategy_concurrent"] is None
    assert case(drug, **DATES)["strategy"] == "mono"


def test_at_6_months_is_the_day_of_the_visit_else_6_calendar_months() -> None:
    drugs = [took("prednisone", "2019-05-07"), took("rituximab", "2019-11-10")]
    assert case(*drugs, **DATES)["strategy_month_6"] == "mono"  # 2019-11-06
    visit = saw("visit_date", "2019-11-20", "month_6")
    assert case(*drugs, visit, **DATES)["strategy_month_6"] == "bi"


# --- Baseline CK: the last on or before the first treatment, -90 to +42 days of the diagnosis


def ck(value: int, day: str | None, when: str | None = None, **fields: Any) -> dict[str, Any]:
    return saw("ck", value, when, date=day, n=f"{value}", **fields)


TREATED = took("prednisone", "2019-05-20")


@pytest.mark.parametrize(
    ("values", "chosen", "choice"),
    [
        ([ck(100, "2019-02-05"), ck(200, "2019-06-20")], 100, "before-treatment"),  # day -90
        ([ck(100, "2019-02-04")], None, None),  # day -91
        ([ck(100, "2019-05-01"), ck(200, "2019-05-20")], 200, "before-treatment"),  # same day
        ([ck(100, "2019-05-21"), ck(200, "2019-06-10")], 100, "treated"),
        ([ck(100, "2019-06-17")], 100, "treated"),  # day 42
        ([ck(100, "2019-06-18")], None, None),  # day 43
        ([ck(100, None, "baseline")], 100, "labelled"),
        ([ck(100, None, "baseline"), ck(200, "2019-05-01")], 200, "before-treatment"),
        ([ck(100, "2019-08-01", "baseline")], None, None),  # its own date says otherwise
        ([ck(100, "2019-05", "baseline")], 100, "labelled"),  # before or under treatment
        ([ck(100, "2019-05")], None, None),
        ([], None, None),
    ],
)
def test_baseline_ck(values: list[dict[str, Any]], chosen: int | None, choice: str | None) -> None:
    derived = case(TREATED, *values, **DATES)
    assert (derived["ck_baseline"], derived["ck_baseline_choice"]) == (chosen, choice)


def test_baseline_ck_of_the_never_treated_is_the_first_of_the_window() -> None:
    others = [took("prednisone", "2019-05-07")]
    values = [ck(100, "2019-02-05"), ck(200, "2019-05-06")]
    derived = case(*values, **DATES, others=others)
    assert (derived["ck_baseline"], derived["ck_baseline_choice"]) == (100, "never-treated")


def test_baseline_ck_in_its_variants(tmp_path: Path) -> None:
    values = [
        ck(100, "2019-03-25"),
        ck(200, "2019-05-19"),
        ck(900, "2019-11-02"),
        ck(950, "2019-11-03"),
    ]
    derived = case(TREATED, *values, **DATES)
    assert derived["ck_baseline_default"] == 200
    assert derived["ck_baseline_window"] == 100  # day -42
    assert derived["ck_baseline_peak"] == 900  # day 180; 950 is day 181
    study = study_with(tmp_path, '[variants]\nck_baseline = "peak"')
    assert case(TREATED, *values, **DATES, study=study)["ck_baseline"] == 900


def test_a_censored_baseline_ck_keeps_its_comparator_and_multiple() -> None:
    derived = case(ck(10000, "2019-05-01", comparator=">", reference_high="200"), TREATED, **DATES)
    assert derived["ck_baseline_comparator"] == ">"
    assert derived["ck_baseline_x_uln"] == 50


@pytest.mark.parametrize(
    ("values", "chosen"),
    [
        ([ck(1, "2019-09-07"), ck(2, "2019-11-01"), ck(3, "2019-12-01")], 2),  # nearest to 11-06
        ([ck(1, "2019-09-07")], 1),  # 60 days before
        ([ck(1, "2019-09-06")], None),
        ([ck(1, "2020-01-05")], 1),  # 60 days after
        ([ck(1, "2020-01-06")], None),
        ([ck(1, None, "month_6")], 1),
        ([ck(1, "2020-03-01", "month_6")], None),
    ],
)
def test_ck_at_6_months(values: list[dict[str, Any]], chosen: int | None) -> None:
    assert case(*values, **DATES)["ck_month_6"] == chosen


# --- Cancer-associated: -3..+3 years of onset; 0..+3 years after the diagnosis (paper)

NO_CANCER = saw("cancer", False, None)


def seen(day: str) -> dict[str, Any]:
    return saw("last_contact", day, None)


@pytest.mark.parametrize(
    ("cancer", "near_onset", "after_diagnosis"),
    [
        ("2016-03-04", "yes", "no"),  # 3 years before the onset to the day
        ("2016-03-03", "no", "no"),
        ("2019-05-05", "yes", "no"),  # the day before the diagnosis
        ("2019-05-06", "yes", "yes"),
        ("2022-03-04", "yes", "yes"),  # 3 years after the onset to the day
        ("2022-03-05", "no", "yes"),
        ("2022-05-06", "no", "yes"),  # 3 years after the diagnosis to the day
        ("2022-05-07", "no", "no"),
        ("2016-03", "undetermined", "no"),
        ("2022", "undetermined", "undetermined"),
        (None, "undetermined", "undetermined"),  # no date
    ],
)
def test_cancer_windows(cancer: str | None, near_onset: str, after_diagnosis: str) -> None:
    derived = case(had("cancer_diagnosis", "lung_cancer", cancer), seen("2023-01-01"), **DATES)
    found = (derived["cancer_associated"], derived["cancer_associated_paper"])
    assert found == (near_onset, after_diagnosis)


@pytest.mark.parametrize(
    ("cancer", "expected"),
    [("2019-02-28", "yes"), ("2019-03-01", "no")],  # 29 Feb 2016 + 3 years = 28 Feb 2019
)
def test_cancer_window_of_29_february(cancer: str, expected: str) -> None:
    facts = [had("cancer_diagnosis", "lung_cancer", cancer), seen("2023-01-01")]
    derived = case(*facts, onset="2016-01-01", diagnosis="2016-02-29")
    assert derived["cancer_associated_paper"] == expected


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ([NO_CANCER, seen("2022-03-04")], "no"),  # observed to the last day of the window
        ([NO_CANCER, seen("2022-03-03")], "undetermined"),  # follow-up too short
        ([NO_CANCER], "undetermined"),
        ([seen("2023-01-01")], "undetermined"),  # blank is no answer
        ([saw("cancer", True, None), seen("2023-01-01")], "undetermined"),  # yes without a date
    ],
)
def test_no_cancer_needs_an_answer_and_the_window_observed(
    facts: list[dict[str, Any]], expected: str
) -> None:
    assert case(*facts, **DATES)["cancer_associated"] == expected


def test_death_before_the_end_of_the_window_leaves_it_open() -> None:
    derived = case(NO_CANCER, seen("2020-01-01"), died="2020-01-01", **DATES)
    assert derived["cancer_associated"] == "undetermined"


def test_minor_cancers_count_only_where_the_study_says_so(tmp_path: Path) -> None:
    facts = [had("cancer_diagnosis", "basal_cell_carcinoma", "2019-06-01"), seen("2023-01-01")]
    derived = case(*facts, saw("cancer", True, None), **DATES)
    assert (derived["cancer"], derived["cancer_associated"]) == (False, "no")
    assert derived["cancers_excluded"] == "basal_cell_carcinoma"
    study = study_with(tmp_path, '[variants]\nminor_cancers = "included"')
    assert case(*facts, **DATES, study=study)["cancer_associated"] == "yes"


# --- Good response


@pytest.mark.parametrize(
    ("response", "good"),
    [("complete", True), ("significant", True), ("unchanged", False), ("still_severe", False)],
)
def test_good_response(response: str, good: bool) -> None:
    derived = case(saw("response", response, "month_6"), **DATES)
    assert derived["good_response"] is good


@pytest.mark.parametrize(
    ("value", "limit", "good"), [(400, "200", True), (401, "200", False), (300, None, None)]
)
def test_good_response_by_ck(
    value: int, limit: str | None, good: bool | None, tmp_path: Path
) -> None:
    study = study_with(tmp_path, '[variants]\ngood_response = "ck"')
    derived = case(ck(value, "2019-11-06", reference_high=limit), **DATES, study=study)
    assert derived["good_response"] is good


def test_a_response_dated_outside_the_window_of_its_visit_is_not_of_that_visit() -> None:
    late = saw("visit_date", "2020-03-01", "month_6")
    response = saw("response", "complete", "month_6")
    assert case(late, response, **DATES)["response_month_6"] is None
    assert case(response, **DATES)["response_month_6"] == "complete"


# --- Relapse: the site's yes, and apart from it the derived one


def x_uln(multiple: int, day: str) -> dict[str, Any]:
    return ck(multiple * 100, day, reference_high="100")


def strength(grade: int, day: str) -> dict[str, Any]:
    return saw("worst_mrc", grade, None, date=day, n=day)


REMISSION = [
    TREATED,
    x_uln(40, "2019-05-01"), x_uln(2, "2019-11-06"), x_uln(2, "2020-02-06"),
    strength(5, "2019-11-06"), strength(5, "2020-02-06"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("later", "relapse"),
    [
        ([], False),
        ([x_uln(9, "2020-06-01"), took("rituximab", "2020-08-30")], True),  # day 90 of the loss
        ([x_uln(9, "2020-06-01"), took("rituximab", "2020-08-31")], False),
        ([strength(4, "2020-06-01"), took("rituximab", "2020-06-02")], True),
        ([x_uln(9, "2020-06-01")], False),  # no escalation
        ([x_uln(9, "2020-06-01"), took("prednisone", "2020-06-02")], False),  # already running
    ],
)
def test_derived_relapse(later: list[dict[str, Any]], relapse: bool) -> None:
    assert case(*REMISSION, *later, **DATES)["relapse_derived"] is relapse


def test_relapse_cannot_be_derived_without_limits_of_normal() -> None:
    derived = case(saw("relapse", True, None, date="2020-06-01"), ck(100, "2020-01-01"), **DATES)
    assert (derived["relapse"], derived["relapse_derived"]) == (True, None)
    assert derived["relapse_first_earliest"] == date(2020, 6, 1)


# --- Statins


@pytest.mark.parametrize(
    ("facts", "exposure", "before"),
    [
        ([saw("statin_exposure", True)], True, None),
        ([saw("statin_exposure", False)], False, None),
        ([took("atorvastatin", "2019-03-03")], True, True),
        ([took("atorvastatin", "2019-03-04")], True, True),  # on the day of the onset
        ([took("atorvastatin", "2019-03-05")], None, False),
        ([took("atorvastatin", "2019-03")], None, None),
        ([took("atorvastatin")], None, None),
        ([saw("statin_exposure", True), took("atorvastatin", "2020-01-01")], True, False),
    ],
)
def test_statin_exposure(
    facts: list[dict[str, Any]], exposure: bool | None, before: bool | None
) -> None:
    derived = case(*facts, **DATES)
    assert derived["statin_exposure"] is exposure
    assert derived["statin_started_before_onset"] is before


def test_a_combination_is_an_exposure_to_its_statin() -> None:
    drugs = [took("simvastatin_ezetimibe", "2012-01-01"), took("statin_unspecified", "2010")]
    derived = case(*drugs, **DATES)
    assert (derived["statin_agents"], derived["statin_rows"]) == ("simvastatin", 2)


# --- Consent, judged on a day


@pytest.mark.parametrize(
    ("facts", "state"),
    [
        ([saw("consent_reuse", "yes", None)], "valid"),
        ([saw("consent_reuse", "no", None)], "no"),
        ([saw("consent_reuse", "withdrawn", None)], "withdrawn"),
        ([saw("consent_reuse", "unknown", None)], "unknown"),
        ([], "none"),
        ([saw("legal_basis", "ethics waiver", None)], "legal-basis"),
        (
            [saw("consent_reuse", "unknown", None), saw("legal_basis", "ethics waiver", None)],
            "legal-basis",
        ),
        # A legal basis never stands in for a no, a withdrawal or an expired consent
        ([saw("consent_reuse", "no", None), saw("legal_basis", "ethics waiver", None)], "no"),
        (
            [
                saw("consent_reuse", "yes", None, n="1"),
                saw("consent_reuse", "withdrawn", None, n="2"),
            ],
            "withdrawn",
        ),
        ([saw("consent_reuse", None, None, missing="asked-declined")], "no"),
    ],
)
def test_consent(facts: list[dict[str, Any]], state: str, tmp_path: Path) -> None:
    study = study_with(tmp_path, "[study]\ntoday = 2024-06-30")
    assert case(*facts, study=study)["consent"] == state


@pytest.mark.parametrize(
    ("first", "last", "state"),
    [
        (None, "2024-06-30", "valid"),  # the last day is inside
        (None, "2024-06-29", "expired"),
        (None, "2024", "unclear"),
        ("2024-06-30", None, "valid"),
        ("2024-07-01", None, "not-yet"),
    ],
)
def test_consent_holds_from_its_first_to_its_last_day(
    first: str | None, last: str | None, state: str, tmp_path: Path
) -> None:
    study = study_with(tmp_path, "[study]\ntoday = 2024-06-30")
    facts = [saw("consent_reuse", "yes", None), saw("legal_basis", "ethics waiver", None)]
    facts += [saw("consent_valid_from", first, None)] if first else []
    facts += [saw("consent_valid_to", last, None)] if last else []
    assert case(*facts, study=study)["consent"] == state
