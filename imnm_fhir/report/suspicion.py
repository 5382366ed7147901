"""Which facts the findings speak of, so that figures can mark them."""

from collections.abc import Mapping

from imnm_fhir.findings import Finding, Validation
from imnm_fhir.report.words import Words

MARKED = ("impossible", "improbable")  # the kinds that a person is asked to look at
Fact = tuple[str, str | None, str | None, str | None, str | None, str | None, str]


def suspicious(validation: Validation, words: Words) -> Mapping[Fact, str]:
    """Table, site, patient, element, time point, n and field of each fact, with what a rule says of it."""
    rules = {each.rule.id: each.rule for each in validation.rules}
    facts: dict[Fact, str] = {}
    for finding in validation.findings:
        if finding.kind in MARKED and isinstance(finding, Finding):
            said = words.sentence(rules[finding.rule], finding.part)
            for at in finding.places:
                where = (at.table, finding.site, finding.patient, at.element, at.time_point, at.n)
                facts.setdefault((*where, at.field), f"{finding.rule}: {said}")
    return facts
