"""What breaks the rules, and the findings made of it."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from imnm_fhir.cohort import Cohort
from imnm_fhir.findings import DemandCount, Finding, Rule
from imnm_fhir.keys import row_key
from imnm_fhir.validation.across import Found, Query
from imnm_fhir.validation.checks import Check
from imnm_fhir.validation.places import CohortRows, Patient, column_place, first_place, places

MOST = 10  # patients that one is said to resemble; a column copied into all resembles everybody


@dataclass(frozen=True)
class Hit:
    """A row that breaks a check: the numbers that its places are found by, and the cohort's row."""

    check: Check
    patient: Patient
    own: Mapping[str, Any]
    row: dict[str, Any] | None
    shown: str | None
    numbers: tuple[tuple[str, str], ...] = ()


@dataclass
class Run:
    """What the rules found: rows that break them, and the state of every patient by check."""

    cohort: Cohort
    patients: list[Patient]
    rules: Mapping[str, Rule]
    hits: list[Hit] = field(default_factory=list)
    about_sites: list[tuple[Query, Found]] = field(default_factory=list)
    demands: tuple[DemandCount, ...] = ()
    states: dict[str, dict[Check | Query, Any]] = field(default_factory=lambda: defaultdict(dict))
    compared: dict[str, Counter[tuple[str, str, bool]]] = field(
        default_factory=lambda: defaultdict(Counter)
    )


def findings_of(run: Run) -> list[Finding]:
    """The findings in the order of the catalogue, then of the patients."""
    persons = [(each.site, each.patient) for _, each in run.about_sites if each.patient]
    rows = CohortRows(run.cohort, [hit.patient for hit in run.hits] + persons)
    found = [_finding(run, hit, rows) for hit in run.hits]
    found += [_site_finding(run, query, [each], rows) for query, each in _of_sites(run)]
    found += [_site_finding(run, query, each, rows) for query, each in _of_pairs(run)]
    order = {rule: place for place, rule in enumerate(run.rules)}
    return sorted(
        found,
        key=lambda each: (order[each.rule], each.site or "", each.patient or "", each.row or 0),
    )


def _finding(run: Run, hit: Hit, rows: CohortRows) -> Finding:
    check, rule = hit.check, run.rules[hit.check.rule]
    part = rule.part(check.part)
    found = places(check, hit.own, hit.row, hit.patient, rows)
    at = first_place(found, check)
    return Finding(
        rule=check.rule,
        kind=part.kind,
        category=part.category,
        message=rule.said("en", check.part),
        site=hit.patient[0],
        patient=hit.patient[1],
        **{**at, "value": hit.shown or at.get("value")},
        part=check.part,
        places=found,
        numbers=hit.numbers,
    )


def _of_sites(run: Run) -> list[tuple[Query, Found]]:
    return [(query, each) for query, each in run.about_sites if not each.patient]


def _of_pairs(run: Run) -> list[tuple[Query, list[Found]]]:
    """The rows about patients, all of one rule and patient together."""
    together: dict[tuple[int, str, str], tuple[Query, list[Found]]] = {}
    for query, each in run.about_sites:
        if each.patient:
            key = (id(query), each.site, each.patient)
            together.setdefault(key, (query, []))[1].append(each)
    return list(together.values())


def _site_finding(run: Run, query: Query, found: Sequence[Found], rows: CohortRows) -> Finding:
    """One finding about a site or patient; the patients that it resembles are its value."""
    rule, first = run.rules[query.rule], found[0]
    part = rule.part(query.part)
    others = [row_key(each.other) for each in found if each.other]
    if first.patient:
        own = rows.of("patients", (first.site, first.patient))[0]
        at = {
            "table": "patients",
            **{name: own[name] for name in ("file", "sheet", "row", "column")},
        }
    else:
        at = column_place(run.cohort, first.site, first.element, first.field, first.time_point)
    return Finding(
        rule=rule.id,
        kind=part.kind,
        category=part.category,
        message=rule.said("en", query.part),
        site=first.site,
        patient=first.patient,
        element=first.element,
        time_point=first.time_point,
        **at,
        value="; ".join(others[:MOST] + (["…"] if len(others) > MOST else [])) or None,
        part=query.part,
        numbers=first.numbers,
    )
