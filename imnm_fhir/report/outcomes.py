"""The findings as FHIR: a Bundle of OperationOutcomes, one per patient, without values or words of the site.

https://hl7.org/fhir/R4/operationoutcome.html
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from imnm_fhir.dictionary import load_dictionary
from imnm_fhir.fhir.definitions import RULES, rule_code
from imnm_fhir.findings import Finding, Place, Rule, Validation
from imnm_fhir.issues import Issue
from imnm_fhir.keys import resource_id, row_key
from imnm_fhir.report.rows import place_id, rules_by_id, sentence
from imnm_fhir.report.words import Words
from imnm_fhir.terminology import load_project

SEVERITY = {
    "impossible": "error",
    "improbable": "warning",
    "definition": "information",
    "note": "information",
}
CODES = {  # issue type by Kahn category, https://hl7.org/fhir/R4/valueset-issue-type.html
    "conformance": "value",
    "completeness": "incomplete",
    "plausibility": "business-rule",
}


def outcome_bundle(validation: Validation, words: Words) -> dict[str, Any]:
    """A Bundle of type collection, as a dict: one OperationOutcome for each patient, or site, with findings.

    `details` names the rule and says its sentence, `expression` the resources and paths that it
    read. An entry's `fullUrl` is made from the patient's key, the same each time.
    """
    rules = rules_by_id(validation)
    by_patient: dict[str, list[Issue]] = defaultdict(list)
    for each in validation.findings:
        by_patient[row_key((each.site, each.patient))].append(each)
    return {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [
            {"fullUrl": _url(key), "resource": _outcome(found, rules, words)}
            for key, found in sorted(by_patient.items())
        ],
    }


def _url(key: str) -> str:
    return f"urn:uuid:{uuid5(NAMESPACE_URL, f'{load_project().base}/findings/{resource_id(key)}')}"


def _outcome(found: list[Issue], rules: Mapping[str, Rule], words: Words) -> dict[str, Any]:
    return {
        "resourceType": "OperationOutcome",
        "issue": [_issue(each, rules, words) for each in found],
    }


def _issue(finding: Issue, rules: Mapping[str, Rule], words: Words) -> dict[str, Any]:
    issue: dict[str, Any] = {
        "severity": SEVERITY[finding.kind],
        "code": CODES[finding.category],
        "details": _details(finding, rules, words),
    }
    paths = list(dict.fromkeys(_expressions(finding)))
    return {**issue, "expression": paths} if paths else issue


def _details(finding: Issue, rules: Mapping[str, Rule], words: Words) -> dict[str, Any]:
    """The rule by its code; what could not be read has no rule, and is said by its name."""
    said = sentence(finding, rules, words)
    if not isinstance(finding, Finding):
        return {"text": f"{finding.rule}: {said}"}
    system = load_project().local("CodeSystem", RULES)
    return {
        "coding": [{"system": system, "code": rule_code(finding.rule, finding.part)}],
        "text": said,
    }


def _expressions(finding: Issue) -> Iterator[str]:
    """FHIRPath of each resource that the finding speaks of."""
    places = finding.places if isinstance(finding, Finding) else ()
    for place in places:
        yield _expression(finding, place)
    if not places and finding.patient and finding.site:
        yield f"Patient.where(id='{resource_id(row_key((finding.site, finding.patient)))}')"


def _expression(finding: Issue, place: Place) -> str:
    resource = load_dictionary().tables[place.table].resource
    return f"{resource}.where(id='{place_id(finding, place)}')"
