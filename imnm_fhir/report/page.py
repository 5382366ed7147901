"""The page report.html: self-contained, no script, no request, readable on paper."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from imnm_fhir.cohort import Cohort
from imnm_fhir.findings import Finding, Rule, Validation
from imnm_fhir.issues import KINDS, Issue
from imnm_fhir.report.rows import (
    element_label,
    fact_label,
    own_place,
    place_text,
    places,
    rule_rows,
    rules_by_id,
    time_point_label,
    unjudged_rows,
    value_label,
)
from imnm_fhir.report.words import Words

MOST = 100  # rows of one group on the page; all of them stand in findings.csv
COUNTS = ("rows_in", "rows_clean", "rows_with_issue", "rows_refused", "cells_in", "cells_values",
          "cells_missing", "cells_issues")  # fmt: skip


def report_page(validation: Validation, cohort: Cohort, words: Words) -> str:
    """The page as HTML in one language, everything in it escaped."""
    page: str = _template().render(
        words=words,
        kinds=KINDS,
        counts=validation.counts(),
        verdict=validation.verdict,
        failing=len(validation.patients_failing),
        patients=len(validation.patients),
        today=validation.today,
        study=validation.study,
        sites=_sites(cohort),
        manifest=cohort.manifest,
        sources=list(_sources(cohort)),
        count_names=COUNTS,
        groups=_groups(validation, words),
        readings=_readings(validation, words),
        compared=_compared(validation, words),
        unjudged=unjudged_rows(validation, words),
        rules=rule_rows(validation, words),
        waivers=_waivers(validation),
    )
    return page


@cache
def _template() -> Any:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(
        (files("imnm_fhir") / "templates" / "report.html").read_text("utf-8")
    )


def _sites(cohort: Cohort) -> list[dict[str, str | None]]:
    return [
        {"id": site, "name": about.get("name") or site, "cut_off": about.get("cut_off")}
        for site, about in sorted(cohort.manifest["sites"].items())
    ]


def _sources(cohort: Cohort) -> Iterable[dict[str, Any]]:
    for site, about in sorted(cohort.manifest["sites"].items()):
        for source in about.get("sources") or []:
            yield {"site": site, **source}


def _groups(validation: Validation, words: Words) -> list[dict[str, Any]]:
    """The findings by rule and part, the gravest kind first, then in the catalogue's order."""
    rules = rules_by_id(validation)
    by_rule: dict[tuple[str, str | None], list[Finding]] = defaultdict(list)
    for each in validation.findings:
        if isinstance(each, Finding):
            by_rule[each.rule, each.part].append(each)
    order = {rule: place for place, rule in enumerate(rules)}
    keys = sorted(
        by_rule, key=lambda key: (KINDS.index(by_rule[key][0].kind), order[key[0]], key[1] or "")
    )
    return [_group(rules[rule], part, by_rule[rule, part], words) for rule, part in keys]


def _group(rule: Rule, part: str | None, found: list[Finding], words: Words) -> dict[str, Any]:
    return {
        "id": rule.id + (f"-{part}" if part else ""),
        "rule": rule.id,
        "kind": found[0].kind,
        "category": found[0].category,
        "sentence": words.sentence(rule, part),
        "advice": words.advice(rule),
        "source": rule.source,
        "patients": len({(each.site, each.patient) for each in found}),
        "count": len(found),
        "rows": [_row(each, words) for each in found[:MOST]],
        "more": max(0, len(found) - MOST),
    }


def _row(finding: Issue, words: Words) -> dict[str, Any]:
    """One finding for the page: its own place, and the further facts that the rule read."""
    found, own = places(finding), own_place(finding)
    if own is None:
        label = element_label(finding.element, words.language) or finding.table
        visit = time_point_label(finding.time_point, words.language)
        fact, value = ", ".join(each for each in (label, visit) if each), finding.value
    else:
        fact = fact_label(own, words)
        same = finding.value == own.value
        value = value_label(own, words) if same else finding.value
    others = [place_text(each, words) for each in found if each != own]
    word = own.word if own is not None and own.word not in (own.value, value) else None
    return {**finding.record(), "fact": fact, "value": value, "word": word, "facts": others}


def _readings(validation: Validation, words: Words) -> list[dict[str, Any]]:
    """What could not be read, by rule and message."""
    grouped: dict[tuple[str, str, str], list[Issue]] = defaultdict(list)
    for each in validation.findings:
        if not isinstance(each, Finding):
            grouped[each.rule, each.message, each.kind].append(each)
    return [
        {
            "rule": rule,
            "sentence": words.translator(message),
            "kind": kind,
            "count": len(found),
            "rows": [_row(each, words) for each in found[:MOST]],
            "more": max(0, len(found) - MOST),
        }
        for (rule, message, kind), found in sorted(grouped.items())
    ]


def _compared(validation: Validation, words: Words) -> list[dict[str, Any]]:
    rules = rules_by_id(validation)
    return [
        {
            "rule": rule,
            "sentence": words.sentence(rules[rule]),
            "pairs": sorted(pairs.items()),
            "differing": sum(count for (_, _, differs), count in pairs.items() if differs),
        }
        for rule, pairs in validation.compared.items()
        if pairs
    ]


def _waivers(validation: Validation) -> list[Mapping[str, Any]]:
    used = {id(waiver) for _, waiver in validation.waived}
    return [{**vars(each), "used": id(each) in used} for each in validation.waivers]
