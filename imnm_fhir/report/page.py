"""The page report.html: self-contained, no request, readable without scripts and on paper."""

from base64 import b64encode
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Any

from imnm_fhir.cohort import Cohort
from imnm_fhir.dictionary.labels import element_label, time_point_label
from imnm_fhir.findings import Finding, Outcome, Rule, Validation
from imnm_fhir.issues import KINDS, Issue
from imnm_fhir.keys import row_key
from imnm_fhir.queries.asking import Asked
from imnm_fhir.report.changes import Changes
from imnm_fhir.report.completeness_plot import completeness_plot
from imnm_fhir.report.dates_plot import dates_plot
from imnm_fhir.report.demands import demand_rows
from imnm_fhir.report.numbers_plot import numbers_plot
from imnm_fhir.report.rows import (
    fact_label,
    own_place,
    place_text,
    places,
    rule_rows,
    rules_by_id,
    unjudged_rows,
    value_label,
)
from imnm_fhir.report.suspicion import suspicious
from imnm_fhir.report.words import Words

MOST = 100  # rows of one group on the page; all of them stand in findings.csv
MOST_ROWS = 4000  # rows of the page in all, so that a browser shows it at once
MOST_PATIENTS = 500  # of the choice of patients and of the list of those held back
FEWEST = 10  # rows of one group, however many groups there are
COUNTS = ("rows_in", "rows_clean", "rows_with_issue", "rows_refused", "cells_in", "cells_values",
          "cells_missing", "cells_issues")  # fmt: skip


def report_page(
    validation: Validation,
    cohort: Cohort,
    words: Words,
    changes: Changes | None = None,
    asked: Asked | None = None,
) -> str:
    """The page as HTML in one language, everything in it escaped.

    `changes` are those since the last delivery, `asked` what the site is asked now.
    """
    groups = _groups(validation, words, changes)
    readings = _readings(validation, words, changes)
    script = _source("report.js")
    page: str = _template().render(
        words=words,
        kinds=KINDS,
        counts=validation.counts(),
        verdict=validation.verdict,
        failing=validation.patients_failing,
        most_patients=MOST_PATIENTS,
        causes=sum(each["kind"] == "impossible" for each in groups),
        patients=len(validation.patients),
        today=validation.today,
        study=validation.study,
        sites=_sites(cohort),
        manifest=cohort.manifest,
        sources=list(_sources(cohort)),
        count_names=COUNTS,
        changes=changes,
        questions=_questions(asked, words) if asked else None,
        sentences={each.rule.id: words.sentence(each.rule) for each in validation.rules},
        groups=groups,
        readings=readings,
        concerned=_concerned(validation),
        plots=_plots(validation, cohort, words),
        compared=_compared(validation, words),
        demands=demand_rows(validation, words),
        unjudged=unjudged_rows(validation, words),
        rules=rule_rows(validation, words),
        waivers=_waivers(validation),
        script=script,
        script_hash=_hash(script),
    )
    return page


def _questions(asked: Asked, words: Words) -> dict[str, Any]:
    """What the site is asked, one row per cause, and how many queries are closed or held back."""
    states = [state for state, _ in asked.states.values()]
    return {
        "rows": [
            {
                "id": each.query.id,
                "state": words.translator(each.state),
                "patient": each.query.patient,
                "where": ", ".join(
                    part
                    for part in (
                        each.query.target.file,
                        each.query.target.sheet,
                        each.query.target.column,
                    )
                    if part
                ),
                "row": each.query.target.row,
                "cells": each.query.cells,
                "kind": each.query.kind,
                "question": each.query.question,
                "rules": each.query.rules,
            }
            for each in asked.listed
        ],
        "held": asked.held_back,
        "closed": states.count("closed"),
    }


def _plots(validation: Validation, cohort: Cohort, words: Words) -> dict[str, Any]:
    facts = suspicious(validation, words)
    numbers = (numbers_plot(cohort, element, facts, words) for element in words.numbers)
    return {
        "numbers": [each for each in numbers if each],
        "completeness": completeness_plot(cohort, words),
        "dates": dates_plot(cohort, facts, words),
    }


def _concerned(validation: Validation) -> list[str]:
    """The keys of the patients that a finding speaks of; where they are many, the first."""
    keys = {row_key((each.site, each.patient)) for each in validation.findings if each.patient}
    return sorted(keys)[:MOST_PATIENTS]


def _source(name: str) -> str:
    return (files("imnm_fhir") / "templates" / name).read_text("utf-8")


def _hash(script: str) -> str:
    """The hash by which the page's own policy lets this script run, and no other."""
    return "sha256-" + b64encode(sha256(script.encode()).digest()).decode()


@cache
def _template() -> Any:
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    environment = Environment(
        loader=FunctionLoader(_source),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html")


def _sites(cohort: Cohort) -> list[dict[str, str | None]]:
    return [
        {"id": site, "name": about.get("name") or site, "cut_off": about.get("cut_off")}
        for site, about in sorted(cohort.manifest["sites"].items())
    ]


def _sources(cohort: Cohort) -> Iterable[dict[str, Any]]:
    for site, about in sorted(cohort.manifest["sites"].items()):
        for source in about.get("sources") or []:
            yield {"site": site, **source}


def _groups(validation: Validation, words: Words, changes: Changes | None) -> list[dict[str, Any]]:
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
    most = _most(len(keys))
    outcomes = {each.rule: each for each in validation.outcomes}
    return [
        {
            **_group(rules[rule], part, by_rule[rule, part], words),
            **_judged(outcomes[rule]),
            **_rows(by_rule[rule, part], most, words, changes),
        }
        for rule, part in keys
    ]


def _most(groups: int) -> int:
    """How many rows of each group the page shows."""
    return max(FEWEST, min(MOST, MOST_ROWS // max(groups, 1)))


def _judged(outcome: Outcome) -> dict[str, int]:
    return {"judged": outcome.violated + outcome.satisfied, "unjudged": outcome.unjudged}


def _rows(
    found: Sequence[Issue], most: int, words: Words, changes: Changes | None
) -> dict[str, Any]:
    """The rows of a group that the page shows, and how many more there are."""
    return {
        "count": len(found),
        "rows": [_row(each, words, changes) for each in found[:most]],
        "more": max(0, len(found) - most),
    }


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
    }


def _row(finding: Issue, words: Words, changes: Changes | None) -> dict[str, Any]:
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
    return {
        **finding.record(),
        "key": row_key((finding.site, finding.patient)),
        "fresh": changes is not None and changes.is_new(finding),
        "fact": fact,
        "value": value,
        "word": word,
        "facts": others,
    }


def _readings(
    validation: Validation, words: Words, changes: Changes | None
) -> list[dict[str, Any]]:
    """What could not be read, by rule and message."""
    grouped: dict[tuple[str, str, str], list[Issue]] = defaultdict(list)
    for each in validation.findings:
        if not isinstance(each, Finding):
            grouped[each.rule, each.message, each.kind].append(each)
    most = _most(len(grouped))
    return [
        {
            "rule": rule,
            "sentence": words.translator(message),
            "kind": kind,
            **_rows(found, most, words, changes),
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
