"""The paper's figures from a cohort, each through the library's own derive and Table 1.

`paper_figures(cohort)` gives, by the label of madrid16_check.py, what the library says and what the
paper prints. The wanted values are read from the check script itself, which is run unchanged.
"""

import runpy
import sys
import warnings
from collections.abc import Callable
from datetime import date, timedelta
from functools import cache
from importlib.resources import files
from typing import Any
from unittest.mock import patch

from imnm_fhir.cohort import Cohort
from imnm_fhir.derive import derive_cases
from imnm_fhir.derive.facts import each_patient
from imnm_fhir.dictionary import load_dictionary
from imnm_fhir.study import load_study
from imnm_fhir.table1 import Table1, table1

Case = dict[str, Any]
Says = Callable[[Case], Any]


@cache
def wanted_figures() -> dict[str, Any]:
    """What the paper prints, by label, as the check script asserts it."""
    folder = files("imnm_fhir") / "demo_data" / "madrid"
    script, rows = str(folder / "madrid16_check.py"), str(folder / "madrid16.csv")
    with patch.object(sys, "argv", [script, rows]), warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # the script leaves its file open
        ran = runpy.run_path(script)
    assert not ran["FAIL"], "the check script itself fails"
    return {label: want for label, _, want in ran["DONE"]}


def paper_figures(cohort: Cohort) -> dict[str, tuple[Any, Any]]:
    """By the check script's label: the library's figure and the paper's."""
    study = load_study()
    cases = derive_cases(cohort, study)
    patients: list[Case] = cases.to_pylist()
    for case, facts in zip(patients, each_patient(cohort), strict=True):
        case["starts"] = _starts(facts)
        case["plex"] = facts.procedures.get("plasma_exchange", [])
        case["antibodies"] = [facts.rows(each) for each in _antibodies()]
    table = table1(cases, study)
    wanted = wanted_figures()
    got = {
        **_people(patients, table),
        **_presentation(patients, table),
        **_tests(patients, table),
        **_treatment(patients, table),
        **_outcome(patients, table),
        **_named_patients(patients),
    }
    return {label: (got.get(label, "not computed"), want) for label, want in wanted.items()}


def _antibodies() -> tuple[str, ...]:
    dictionary = load_dictionary()
    return (*dictionary.of_group("msa"), *dictionary.of_group("maa"))


def _starts(facts: Any) -> dict[str, date]:
    """The first start of every drug."""
    rows = facts.medications.get("immunosuppressant", [])
    starts: dict[str, date] = {}
    for row in rows:
        day = date.fromisoformat(row.start_date)
        starts[row.value_code] = min(day, starts.get(row.value_code, day))
    return starts


def _names(text: str) -> set[str]:
    return set(filter(None, text.split("; ")))


def _ever(case: Case) -> set[str]:
    return {"mycophenolate" if "myco" in name else name for name in _names(case["treatments"])}


def _induction(case: Case) -> set[str]:
    return _names(case["drugs_induction"])


def _extramuscular(case: Case) -> str:
    return "systemic vasculitis" if "vasculitis" in case["extramuscular_diseases"] else ""


def _disease_words(text: str) -> str:
    """A list of diseases in English words, a key by its label."""
    codes = load_dictionary().value_sets["disease"].codes
    names = text.split("; ")
    return "; ".join(codes[name].labels["en"] if name in codes else name for name in names)


def _number(patients: list[Case], says: Says) -> int:
    return sum(1 for case in patients if says(case))


def _spread(table: Table1, variable: str) -> tuple[float, float, float]:
    numbers = table.cell(variable, "median").numbers
    assert numbers is not None
    return numbers.median, numbers.least, numbers.greatest


def _n(table: Table1, variable: str, value: str | None = None) -> int | None:
    return table.cell(variable, value).n


def _people(patients: list[Case], table: Table1) -> dict[str, Any]:
    median_age, youngest, oldest = _spread(table, "age_at_onset")
    statins = {
        row.value: row.cells[0].n
        for row in table.rows
        if row.variable == "statin_agents" and row.cells
    }
    classes = tuple(_n(table, "onset_class", each) for each in ("acute", "subacute", "chronic"))
    years = [sum(case["diagnosis_year"] == year for case in patients) for year in range(2013, 2022)]
    return {
        "patients": _n(table, "patient"),
        "one row per patient": len({case["patient"] for case in patients}),
        "ages written = ages from dates": [
            case["age_at_onset"] for case in patients if case["age_at_onset_low"] is not None
        ],
        "age median": median_age,
        "age range": (youngest, oldest),
        "women": _n(table, "sex", "female"),
        "statin before onset": _n(table, "statin_exposure"),
        "statin kinds 9/2/2": statins,
        "every statin starts before onset": all(
            case["statin_first_start_latest"] < case["onset_earliest"]
            for case in patients
            if case["statin_agents"]
        ),
        "course acute/subacute/chronic": classes,
        "onset to diagnosis <=6 months": (classes[0] or 0) + (classes[1] or 0),
        "diagnoses 2013-2021 never fall": years == sorted(years)
        and sum(years) == 16
        and years[0] > 0,
        "order birth<onset<diagnosis<6-month visit": all(
            case["birth_latest"] < case["onset_earliest"]
            and case["onset_latest"] < case["diagnosis_earliest"]
            and case["diagnosis_latest"] < case["visit_month_6_earliest"]
            for case in patients
        ),
        "no date after last contact": all(
            case["newest_date"] <= case["last_contact_earliest"] for case in patients
        ),
        "one death, one cancer": (_n(table, "deceased"), _n(table, "cancer")),
    }


def _presentation(patients: list[Case], table: Table1) -> dict[str, Any]:
    seronegative = [case for case in patients if case["serogroup"] == "seronegative"]
    positive_ana = [case for case in patients if case["ana"] == "positive"]
    by_group = {
        group: table.cell("statin_exposure", None, group).n for group in ("hmgcr", "seronegative")
    }
    return {
        "proximal weakness": _n(table, "proximal_weakness"),
        "severe weakness (MRC<=3)": _n(table, "severe_weakness"),
        "symmetrical": _n(table, "weakness_symmetrical"),
        "lower limbs predominate (text)": _n(table, "weakness_predominance", "lower_limbs"),
        "upper = lower (text)": _n(table, "weakness_predominance", "equal"),
        "Myalgia": _n(table, "myalgia"),
        "Dysphagia": _n(table, "dysphagia"),
        "Neck weakness": _n(table, "neck_weakness"),
        "extra-muscular (Table 1)": _n(table, "extramuscular"),
        "extra-muscular only in seronegatives": all(
            case["serogroup"] == "seronegative" for case in patients if case["extramuscular"]
        ),
        "CK baseline median, range": _spread(table, "ck_baseline"),
        "CK 6 months median, range": _spread(table, "ck_month_6"),
        "12 antibodies reported": {case["antibodies_tested_count"] for case in patients},
        "anti-HMGCR+": _n(table, "anti_hmgcr", "positive"),
        "anti-SRP+": _n(table, "anti_srp", "positive"),
        "no other antibody": _number(
            patients, lambda case: bool(_names(case["antibodies_positive"]) - {"anti_hmgcr"})
        ),
        "seronegative (all 12 negative)": _number(
            seronegative, lambda case: case["antibodies_positive"] == ""
        ),
        "statin in HMGCR+": by_group["hmgcr"],
        "statin in seronegative": by_group["seronegative"],
        "ANA+": _n(table, "ana", "positive"),
        "ANA+: one vasculitis, one HMGCR+": sorted(
            (_extramuscular(case), case["serogroup"] == "hmgcr") for case in positive_ana
        ),
    }


def _tests(patients: list[Case], table: Table1) -> dict[str, Any]:
    myotonia = [case for case in patients if case["emg_myotonic_discharges"]]
    hla = table.cell("biopsy_hla1", "positive")
    return {
        "EMG myopathic": _n(table, "emg_myopathic"),
        "EMG spontaneous activity": _n(table, "emg_spontaneous_activity"),
        "EMG spontaneous activity only with myopathic pattern": _number(
            patients, lambda case: case["emg_spontaneous_activity"] and not case["emg_myopathic"]
        ),
        "EMG myotonic discharges": _n(table, "emg_myotonic_discharges"),
        "myotonia: all HMGCR+ and statin-exposed": all(
            case["serogroup"] == "hmgcr" and case["statin_exposure"] for case in myotonia
        ),
        "myotonia: 2 vastus lateralis only, 1 diffuse (4 muscles)": sorted(
            len(_names(case["emg_myotonia_muscles"])) for case in myotonia
        ),
        "MRI": _n(table, "mri_done"),
        "biopsy with necrotic/regenerating fibres": _n(table, "biopsy_necrosis_regeneration"),
        "infiltrate any": _n(table, "biopsy_infiltrate"),
        "infiltrate lymphocytic": _n(table, "biopsy_lymphocytic_infiltrate"),
        "infiltrate macrophagic": _n(table, "biopsy_macrophagic_infiltrate"),
        "infiltrate both (6+3-8)": _number(
            patients,
            lambda case: (
                case["biopsy_lymphocytic_infiltrate"] and case["biopsy_macrophagic_infiltrate"]
            ),
        ),
        "HLA-I tested / positive": (hla.tested, hla.n),
    }


def _treatment(patients: list[Case], table: Table1) -> dict[str, Any]:
    induction = {each: _n(table, "strategy", each) or 0 for each in ("mono", "bi", "poly")}
    month_6 = {each: _n(table, "strategy_month_6", each) or 0 for each in ("bi", "poly")}
    return {
        "prednisone first, 1 mg/kg": _number(
            patients,
            lambda case: (
                case["first_treatment_drugs"] == "prednisone"
                and case["glucocorticoid_start_rate"] == 1
                and case["glucocorticoid_start_rate_unit"] == "mg/kg/d"
            ),
        ),
        "treatment starts after diagnosis": all(
            case["first_treatment_earliest"] >= case["diagnosis_latest"] for case in patients
        ),
        "induction (<=42 d) mono/bi/poly, ADOPTED 8/5/3": tuple(induction.values()),
        "combination at induction (abstract, 50%)": induction["bi"] + induction["poly"],
        "polytherapy at 6 months": month_6["poly"],
        "combination at 6 months (Discussion)": month_6["bi"] + month_6["poly"],
        "IVIG ever": _n(table, "treatments", "ivig"),
        "methotrexate at induction": _number(patients, lambda c: "methotrexate" in _induction(c)),
        "IVIG + methotrexate": _number(patients, lambda c: {"ivig", "methotrexate"} <= _ever(c)),
        "azathioprine ever": _n(table, "treatments", "azathioprine"),
        "azathioprine alone": _number(patients, lambda case: _ever(case) == {"azathioprine"}),
        "mycophenolate ever, switched to methotrexate": _number(
            patients,
            lambda case: (
                {"mycophenolate", "methotrexate"} <= _ever(case)
                and not any("mycophenolate" in name for name in _names(case["drugs_month_6"]))
            ),
        ),
        "IVIG never alone": _number(patients, lambda case: _induction(case) == {"ivig"}),
        "plasma exchange, 8 sessions": [
            str(case["plasma_exchange_sessions"]) for case in patients if case["plasma_exchange"]
        ],
    }


def _good_by(table: Table1, place: int) -> tuple[int | None, int | None]:
    """Good response within a finding; the first row of that name is the one of all patients."""
    cell = table.cell("good_response", None, place=place)
    return cell.n, cell.tested


def _outcome(patients: list[Case], table: Table1) -> dict[str, Any]:
    seronegative = [case for case in patients if case["serogroup"] == "seronegative"]
    untested = [case for case in patients if case["biopsy_hla1"] == "untested"]
    changes = ("improved", "unchanged", "worse")
    responses = ("complete", "significant", "unchanged", "still_severe")
    return {
        "mRS 6 months median, range": _spread(table, "mrs_month_6"),
        "subjective improved/unchanged/worse": tuple(
            _n(table, "subjective_change_month_6", each) for each in changes
        ),
        "response 7/4/2/3": tuple(_n(table, "response_month_6", each) for each in responses),
        "complete = MRC 5; still severe = MRC<=3": all(
            (case["response_month_6"] == "complete") == (case["worst_mrc_month_6"] == 5)
            and (case["response_month_6"] == "still_severe") == case["severe_weakness_month_6"]
            for case in patients
        ),
        "good | spontaneous activity": _good_by(table, 1),
        "good | no spontaneous activity": _good_by(table, 2),
        "good | HLA-I+": _good_by(table, 3),
        "good | HLA-I-": _good_by(table, 4),
        "good | HLA-I not done (forced: 11-8-3)": (
            _number(untested, lambda case: case["good_response"]),
            len(untested),
        ),
        "good | infiltrate": _good_by(table, 5),
        "good | no infiltrate": _good_by(table, 6),
        "seronegatives all good at 6 months": all(case["good_response"] for case in seronegative),
        "seronegatives: 2 extra-muscular, severe, monotherapy; 1 not severe, +methotrexate": sorted(
            (
                bool(case["extramuscular"]),
                case["severe_weakness"],
                len(_induction(case)),
                "methotrexate" in _induction(case),
            )
            for case in seronegative
        ),
        "relapses": _n(table, "relapse"),
    }


def _named_patients(patients: list[Case]) -> dict[str, Any]:
    woman_36 = [c for c in patients if c["sex"] == "female" and c["age_at_onset"] == 36]
    man_73 = [case for case in patients if case["age_at_onset"] == 73]
    man_71 = [case for case in patients if case["age_at_onset"] == 71]
    azathioprine = [case for case in patients if _ever(case) == {"azathioprine"}]
    return {
        "36-y woman: HMGCR+, no statin, chronic, pred+MTX then rituximab, not good": [
            (
                case["serogroup"] == "hmgcr",
                case["statin_agents"],
                case["onset_class"],
                sorted(_ever(case)),
                case["good_response"],
            )
            for case in woman_36
        ],
        "73-y man: HMGCR+, liposarcoma + tongue SCC, pred+MTX+IVIG, not good, dead": [
            (
                {"male": "M", "female": "F"}[case["sex"]],
                case["serogroup"] == "hmgcr",
                _disease_words(case["cancers"]),
                sorted(_induction(case)),
                case["good_response"],
                "yes" if case["deceased"] else "no",
            )
            for case in man_73
        ],
        "73-y man: death 9 months after onset, after the 6-month visit, cancer within 3 y of "
        "diagnosis": [
            (
                round((case["death_earliest"] - case["onset_latest"]).days / 30.44),
                case["death_earliest"] > case["visit_month_6_latest"],
                case["cancer_associated_paper"] == "yes",
            )
            for case in man_73
        ],
        "71-y man: HMGCR+, PLEX then IVIG after pred+MTX, lympho+macrophagic, HLA-I neg": [
            (
                {"male": "M", "female": "F"}[case["sex"]],
                case["serogroup"] == "hmgcr",
                case["biopsy_lymphocytic_infiltrate"] and case["biopsy_macrophagic_infiltrate"],
                case["biopsy_hla1"],
                case["starts"]["prednisone"]
                < case["starts"]["methotrexate"]
                < case["plasma_exchange_first_earliest"]
                < case["starts"]["ivig"],
            )
            for case in man_71
        ],
        "71-y man: IVIG >= 10 days after the 8th alternate-day session": [
            (
                case["starts"]["ivig"]
                - case["plasma_exchange_first_latest"]
                - timedelta(days=2 * (case["plasma_exchange_sessions"] - 1))
            ).days
            >= 10
            for case in man_71
        ],
        "azathioprine-only: elderly woman with diabetes": [
            (
                {"male": "M", "female": "F"}[case["sex"]],
                case["age_at_onset"] >= 65,
                "diabetes" in case["comorbidities"],
            )
            for case in azathioprine
        ],
    }
