"""What the site is asked, neutrally, and apart from it what speaks for the finding."""

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from imnm_fhir.cohort import Cohort
from imnm_fhir.findings import Finding, Rule
from imnm_fhir.issues import Issue
from imnm_fhir.languages import translate
from imnm_fhir.queries.model import Target
from imnm_fhir.queries.questions.found import Found
from imnm_fhir.queries.questions.unit_evidence import cell_unit_evidence, unit_evidence

UNIT_RULES = ("unit-missing", "unknown-unit", "unit-conflict", "unit")


@cache
def _readings() -> dict[str, str]:
    """The questions about cells that could not be read, by rule."""
    text = (files("imnm_fhir.expectations") / "queries.toml").read_text("utf-8")
    raw: dict[str, Any] = tomllib.loads(text)
    found: dict[str, str] = raw["readings"]["words"]
    return found


def question_of(asked: Issue | str, language: str, rules: Mapping[str, Rule] | None = None) -> str:
    """The neutral question about a finding, or a question of the configuration, in `language`."""
    if isinstance(asked, str):
        return translate(asked, language)
    if isinstance(asked, Finding) and rules is not None:
        return rules[asked.rule].asked(language, asked.part)
    readings = _readings()
    return translate(readings.get(asked.rule, readings["other"]), language)


def cell_evidence(
    findings: Iterable[Issue],
    targets: Sequence[Target],
    language: str,
    rules: Mapping[str, Rule],
) -> str:
    """What the rules say of the cells, and what stands in the others that they read."""
    asked = list(findings)
    said = [_said(each, language, rules) for each in asked]
    if any(each.rule in UNIT_RULES for each in asked):
        said += cell_unit_evidence(targets[0], language)
    others = [f"{each.said(language)}: {each.word or '-'}" for each in targets[1:]]
    return "; ".join(dict.fromkeys([*said, *others]))


def _said(finding: Issue, language: str, rules: Mapping[str, Rule]) -> str:
    if not isinstance(finding, Finding):
        return translate(finding.message, language).partition("; ")[0]  # not what to do
    rule = rules[finding.rule]
    return rule.evidenced(language, finding) or rule.said(language, finding.part)


def column_evidence(
    found: Sequence[Found], cohort: Cohort, language: str, rules: Mapping[str, Rule], numeric: bool
) -> str:
    """How many rows of the column are affected, and what their numbers would be in which unit."""
    own = found[0].own
    rows = len({each.own.row for each in found})
    in_all = _rows_of(cohort, own)
    said = [
        translate("{rows} of {all} rows are affected", language, rows=rows, all=max(in_all, rows))
    ]
    if numeric:
        said += unit_evidence([each.own for each in found], language)
    said += [_said(each.finding, language, rules) for each in found[:1]]
    return "; ".join(said)


def _rows_of(cohort: Cohort, own: Target) -> int:
    """The rows of the file that the column stands in."""
    return sum(
        source["rows_in"]
        for about in cohort.manifest["sites"].values()
        for source in about.get("sources") or []
        if source["file"] == own.file and source.get("sheet") == own.sheet
    )
