"""The page report.html: self-contained, no request, readable without scripts and on paper."""

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from hashlib import sha256
from importlib.resources import files
from itertools import groupby
from typing import Any

from imnm_fhir.cohort import Cohort
from imnm_fhir.findings import Validation
from imnm_fhir.issues import KINDS
from imnm_fhir.keys import row_key
from imnm_fhir.queries.asking import Asked
from imnm_fhir.queries.questions.causes import Cause
from imnm_fhir.report.causes import Block, blocks_of, page_causes
from imnm_fhir.report.changes import Changes
from imnm_fhir.report.completeness_plot import completeness_plot
from imnm_fhir.report.dates_plot import dates_plot
from imnm_fhir.report.demands import demand_rows
from imnm_fhir.report.numbers_plot import numbers_plot
from imnm_fhir.report.query_states import turns_of
from imnm_fhir.report.rows import compared_label, rule_rows, rules_by_id, unjudged_rows
from imnm_fhir.report.suspicion import suspicious
from imnm_fhir.report.words import Words

MOST_PATIENTS = 500  # of the choice of patients and of the list of those held back
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
    causes = page_causes(validation, cohort, words.language, asked)
    blocks = blocks_of(validation, cohort, causes, words, changes, asked)
    rules = rules_by_id(validation)
    keeping_back = _keeping_back(validation, causes, asked)
    script = _source("report.js")
    page: str = _template().render(
        words=words,
        kinds=KINDS,
        counts=validation.counts(),
        verdict=validation.verdict,
        holding_nobody=validation.holding_nobody,
        failing=validation.patients_failing,
        most_patients=MOST_PATIENTS,
        keeping_back=keeping_back,
        settling=_settling(keeping_back),
        patients=len(validation.patients),
        today=validation.today,
        study=validation.study,
        sites=_sites(cohort),
        manifest=cohort.manifest,
        sources=list(_sources(cohort)),
        count_names=COUNTS,
        changes=changes,
        asked=asked,
        turns=turns_of(asked, rules, words) if asked else None,
        sentences={each.rule.id: words.sentence(each.rule) for each in validation.rules},
        topics=_topics(blocks, words),
        shown_queries=_shown_queries(blocks),
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


def _shown_queries(blocks: Iterable[Block]) -> set[str | None]:
    """The queries that a link of the page can lead to."""
    return {one for block in blocks for one in (block.query, *(unit.query for unit in block.units))}


def _topics(blocks: Iterable[Block], words: Words) -> list[dict[str, Any]]:
    """The blocks under the headings of what they are about, in their order."""
    return [
        {"name": topic, "label": words(f"topic_{topic}"), "blocks": list(group)}
        for topic, group in groupby(blocks, key=lambda each: each.topic)
    ]


def _keeping_back(
    validation: Validation, causes: Iterable[Cause], asked: Asked | None
) -> dict[str, list[str]]:
    """By key of a patient who is held back, the queries that may still let the patient through."""
    found: dict[str, list[str]] = {key: [] for key in validation.patients_failing}
    states = asked.states if asked else {}
    for cause in causes:
        if states.get(cause.query.id, ("closed", ""))[0] != "closed":
            graver = [each for each in cause.findings if each.kind == "impossible"]
            for key in {row_key((each.site, each.patient)) for each in graver} & found.keys():
                found[key].append(cause.query.id)
    return found


def _settling(keeping_back: Mapping[str, Sequence[str]]) -> int | None:
    """After how many queries all patients may go on; None where queries alone will not do."""
    if not all(keeping_back.values()):
        return None
    return len({query for queries in keeping_back.values() for query in queries})


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


def _compared(validation: Validation, words: Words) -> list[dict[str, Any]]:
    rules = rules_by_id(validation)
    return [
        {
            "rule": rule,
            "sentence": words.sentence(rules[rule]),
            "pairs": [
                ((compared_label(said, words), compared_label(derived, words), differs), count)
                for (said, derived, differs), count in sorted(pairs.items())
            ],
            "differing": sum(count for (_, _, differs), count in pairs.items() if differs),
        }
        for rule, pairs in validation.compared.items()
        if pairs
    ]


def _waivers(validation: Validation) -> list[Mapping[str, Any]]:
    """The waivers given; who is not in the cohort, such as a withdrawn patient, is not named."""
    used = {waiver for _, waiver in validation.waived}
    known = {each.partition("/")[2] for each in validation.patients}  # as keys write them
    return [
        {
            **vars(each),
            "patient": each.patient if row_key((each.patient,)) in known else each.place or "–",
            "used": each in used,
        }
        for each in validation.waivers
    ]
