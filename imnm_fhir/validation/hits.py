"""What breaks the rules, and the findings made of it."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from imnm_fhir.cohort import Cohort
from imnm_fhir.findings import Finding, Rule
from imnm_fhir.keys import row_key
from imnm_fhir.validation.across import Query
from imnm_fhir.validation.checks import Check
from imnm_fhir.validation.places import CohortRows, Patient, first_place, places


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
    pairs: list[tuple[Query, Patient, list[Patient]]] = field(default_factory=list)
    states: dict[str, dict[Check | Query, Any]] = field(default_factory=lambda: defaultdict(dict))
    compared: dict[str, Counter[tuple[str, str, bool]]] = field(
        default_factory=lambda: defaultdict(Counter)
    )


def findings_of(run: Run) -> list[Finding]:
    """The findings in the order of the catalogue, then of the patients."""
    rows = CohortRows(
        run.cohort, [hit.patient for hit in run.hits] + [each for _, each, _ in run.pairs]
    )
    found = [_finding(run, hit, rows) for hit in run.hits]
    found += [_pair_finding(run, *pair, rows) for pair in run.pairs]
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


def _pair_finding(
    run: Run, query: Query, patient: Patient, others: Sequence[Patient], rows: CohortRows
) -> Finding:
    rule = run.rules[query.rule]
    part = rule.part(query.part)
    own = rows.of("patients", patient)[0]
    return Finding(
        rule=rule.id,
        kind=part.kind,
        category=part.category,
        message=rule.said("en", query.part),
        site=patient[0],
        table="patients",
        patient=patient[1],
        **{name: own[name] for name in ("file", "sheet", "row", "column")},
        value="; ".join(row_key(other) for other in others),
        part=query.part,
    )
