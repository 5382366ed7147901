"""Every rule about whole sites finds its site and leaves its near miss (sites_cases.toml)."""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from imnm_fhir.cohort import Cohort
from imnm_fhir.study import demands_of, load_study
from imnm_fhir.validation import load_catalogue
from imnm_fhir.validation.hits import Run
from imnm_fhir.validation.outcomes import REASONS, TOO_FEW, VIOLATED
from imnm_fhir.validation.run import run_rules
from tests.spec.rule_patients import SITE, joined, new_cohort, patient_rows

RAW = tomllib.loads((Path(__file__).parent / "sites_cases.toml").read_text("utf-8"))
BASE, CASES = RAW["base"], RAW["case"]
ABOUT_THE_SITE = ("patients", "relapse_definition")
NOTHING = "-"


def values(text: str, count: int) -> list[str]:
    """One value for each patient: `a*2 b` is a, a, b; `5000+37` counts on; one word goes to all."""
    spread = []
    for word in (
        text.split(" ") if (text.count(" ") and "*" in text) or text[:1].isdigit() else [text]
    ):
        value, _, times = word.partition("*")
        spread += [value] * int(times or 1)
    if len(spread) == 1:
        start, _, step = spread[0].partition("+")
        return [counted(start, int(step or 0) * place) for place in range(count)]
    assert len(spread) == count, text
    return spread


def counted(start: str, more: int) -> str:
    if not more:
        return start
    if "-" in start:
        return (date.fromisoformat(start) + timedelta(days=more)).isoformat()
    return str(int(start) + more)


def flat(facts: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    for name, value in facts.items():
        if isinstance(value, dict):
            yield from flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value


def site_rows(site: str, about: Mapping[str, Any]) -> Iterator[Mapping[str, list[dict[str, Any]]]]:
    said = dict(flat({key: each for key, each in about.items() if key not in ABOUT_THE_SITE}))
    spread = {fact: values(text, about["patients"]) for fact, text in {**BASE, **said}.items()}
    for place in range(about["patients"]):
        facts = {fact: each[place] for fact, each in spread.items() if each[place] != NOTHING}
        yield patient_rows(f"{site}-{place}", facts, site)


def cohort_of(sites: Mapping[str, Any]) -> Cohort:
    cohort = new_cohort(
        joined(each for site, about in sites.items() for each in site_rows(site, about))
    )
    known = {site: cohort.manifest["sites"][site] for site in sites}
    for site, about in sites.items():
        if "relapse_definition" in about:
            known[site]["relapse_definition"] = about["relapse_definition"]
    return Cohort({**cohort.manifest, "sites": known}, cohort.tables)


def run_of(case: Mapping[str, Any], which: str) -> Run:
    rule = case["rule"].partition(".")[0]
    study = load_study()
    if "demanded" in case:
        study = replace(study, demanded=tuple(demands_of(case["demanded"])))
    return run_rules(cohort_of(case[which]), study, {rule: load_catalogue()[rule]})


def worst_state(run: Run, case: Mapping[str, Any]) -> int:
    """The worst state of the first site's patients in the case's check."""
    rule, _, part = case["rule"].partition(".")
    mine = [place for place, (site, _) in enumerate(run.patients) if site == SITE]
    states = [each for check, each in run.states[rule].items() if (check.part or "") == part]
    assert len(states) == 1
    return max(int(states[0][place]) for place in mine)


def title(case: Mapping[str, Any]) -> str:
    return ": ".join(each for each in (case["rule"], case.get("title")) if each)


each_case = pytest.mark.parametrize("case", CASES, ids=[title(case) for case in CASES])
FEW = [case for case in CASES if "few" in case]


@each_case
def test_planted_fault_of_a_site_is_found(case: dict[str, Any]) -> None:
    run = run_of(case, "bad")
    assert worst_state(run, case) == VIOLATED
    found = {(query.rule, each.site) for query, each in run.about_sites}
    found |= {(hit.check.rule, hit.patient[0]) for hit in run.hits}
    assert (case["rule"].partition(".")[0], SITE) in found


@each_case
def test_near_miss_of_a_site_is_left(case: dict[str, Any]) -> None:
    assert worst_state(run_of(case, "good"), case) not in (VIOLATED, TOO_FEW)


@pytest.mark.parametrize("case", FEW, ids=[title(case) for case in FEW])
def test_too_few_are_no_pass(case: dict[str, Any]) -> None:
    run = run_of(case, "few")
    assert worst_state(run, case) == TOO_FEW
    assert TOO_FEW in REASONS
    assert run.about_sites == []
