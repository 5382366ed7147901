"""Every rule catches its planted fault and leaves its near miss (rules_cases.toml)."""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from imnm_fhir.study import load_study
from imnm_fhir.validation import load_catalogue
from imnm_fhir.validation.across import read_queries
from imnm_fhir.validation.catalogue import expectations
from imnm_fhir.validation.frames import known_columns
from imnm_fhir.validation.hits import Run
from imnm_fhir.validation.outcomes import NOT_APPLICABLE, REASONS, SATISFIED, VIOLATED
from imnm_fhir.validation.run import run_rules
from imnm_fhir.validation.suites import read_suites
from tests.spec.rule_patients import (
    OTHER_SITE,
    SITE,
    Row,
    changed,
    joined,
    new_cohort,
    patient_rows,
)

HERE = Path(__file__).parent
RAW = tomllib.loads((HERE / "rules_cases.toml").read_text("utf-8"))
BASE, CASES = RAW["base"], RAW["case"]
SITE_CASES = tomllib.loads((HERE / "sites_cases.toml").read_text("utf-8"))["case"]
TWIN_BIRTH = "1901-01-01"  # a twin that says nothing else resembles nobody


def names(number: int) -> dict[str, str]:
    return {outcome: f"{outcome}-{number}" for outcome in ("bad", "good", "open")}


def patients_of(number: int, case: Mapping[str, Any]) -> Iterator[dict[str, list[Row]]]:
    for outcome, name in names(number).items():
        if outcome not in case:
            continue
        changes = case[outcome]
        rows = patient_rows(name, changed(BASE, changes))
        if "+no-patient" in changes:
            rows["patients"] = []
        yield rows
        if "+twin" in changes:
            twin = {"birth_date": TWIN_BIRTH, **changes["+twin"]}
            yield patient_rows(f"twin-{name}", changed(BASE, twin), OTHER_SITE)
        if "+namesake" in changes:
            yield patient_rows(name, changed(BASE, {"birth_date": TWIN_BIRTH}), OTHER_SITE)


@cache
def run_of(study: str) -> Run:
    chosen = [(n, case) for n, case in enumerate(CASES) if case.get("study", "") == study]
    rows = joined(each for number, case in chosen for each in patients_of(number, case))
    healthy = joined(iter([rows, patient_rows("healthy", BASE)]))
    definitions = replace(load_study(), adults_only=study == "adults")
    return run_rules(new_cohort(healthy), definitions, load_catalogue())


def state(case: Mapping[str, Any], patient: str) -> int:
    """The state of a patient in the case's check."""
    run = run_of(case.get("study", ""))
    rule, _, part = case["rule"].partition(".")
    place = run.patients.index((SITE, patient)) if (SITE, patient) in run.patients else None
    states = [
        VIOLATED if place is None else int(each[place])
        for check, each in run.states[rule].items()
        if (check.part or "") == part and case.get("table") in (None, getattr(check, "suite", None))
    ]
    assert len(states) == 1, "name the table of the case"
    return states[0]


def broken(case: Mapping[str, Any], patient: str) -> bool:
    """Whether a row of the patient breaks the case's rule."""
    run = run_of(case.get("study", ""))
    rule, _, part = case["rule"].partition(".")
    hits = [
        (hit.check.rule, hit.check.part or "", hit.patient)
        for hit in run.hits
        if case.get("table") in (None, hit.check.suite)
    ]
    hits += [
        (query.rule, query.part or "", (each.site, str(each.patient)))
        for query, each in run.about_sites
    ]
    return (rule, part, (SITE, patient)) in hits


def title(case: Mapping[str, Any]) -> str:
    parts = [case["rule"], case.get("table"), case.get("title")]
    return ": ".join(part for part in parts if part)


each_case = pytest.mark.parametrize(
    ("number", "case"), list(enumerate(CASES)), ids=[title(case) for case in CASES]
)


OPEN_CASES = [(number, case) for number, case in enumerate(CASES) if "open" in case]


@each_case
def test_planted_fault_is_caught(number: int, case: dict[str, Any]) -> None:
    assert broken(case, names(number)["bad"])
    assert state(case, names(number)["bad"]) == VIOLATED


@each_case
def test_near_miss_is_judged_and_left(number: int, case: dict[str, Any]) -> None:
    assert not broken(case, names(number)["good"])
    assert state(case, names(number)["good"]) in (SATISFIED, NOT_APPLICABLE)


@pytest.mark.parametrize(
    ("number", "case"), OPEN_CASES, ids=[title(case) for _, case in OPEN_CASES]
)
def test_what_cannot_be_judged_is_no_pass(number: int, case: dict[str, Any]) -> None:
    assert not broken(case, names(number)["open"])
    assert state(case, names(number)["open"]) in REASONS


def test_healthy_patient_breaks_no_rule() -> None:
    assert [hit.check.name for hit in run_of("").hits if hit.patient == (SITE, "healthy")] == []


def test_every_check_has_a_planted_fault_and_a_near_miss() -> None:
    rules = load_catalogue()
    checks = read_suites(expectations(), rules, known_columns())
    queries = read_queries(expectations(), rules)
    declared = {(each.name, each.suite) for each in checks} | {
        (f"{each.rule}.{each.part}" if each.part else each.rule, each.suite) for each in queries
    }
    several = {name for name, _ in declared if sum(name == other for other, _ in declared) > 1}
    lacking = [
        (name, suite)
        for name, suite in sorted(declared)
        if not any(
            case["rule"] == name and case["bad"] and case["good"]
            and (name not in several or case.get("table") == suite)
            for case in [*CASES, *SITE_CASES]
        )
    ]  # fmt: skip
    assert lacking == []


def test_every_rule_of_the_cases_is_in_the_catalogue() -> None:
    asked = {rule for rule, each in load_catalogue().items() if each.runs == "validate"}
    assert {case["rule"].partition(".")[0] for case in [*CASES, *SITE_CASES]} == asked
