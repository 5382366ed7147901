"""The findings as JSON, and what changed since those of the delivery before."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from imnm_fhir.cohort import Cohort
from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.findings import Finding, Validation
from imnm_fhir.issues import Issue
from imnm_fhir.report.rows import place_id

FORMAT = 1
FINDINGS, PREVIOUS = "findings.json", "previous.json"
NAMES = ("rule", "part", "site", "patient", "table", "element", "time_point", "n", "column")
Identity = tuple[str | None, ...]


@dataclass(frozen=True)
class Changes:
    """New, gone and remaining findings by rule, and which of today's are new; `since` is a day."""

    since: str
    new: Mapping[str, int]
    gone: Mapping[str, int]
    still: Mapping[str, int]
    known: frozenset[Identity] = field(repr=False)

    def is_new(self, finding: Issue) -> bool:
        """Whether the delivery before had no such finding."""
        return identity(finding) not in self.known

    @property
    def rules(self) -> tuple[str, ...]:
        """The rules that found something now or then, sorted."""
        return tuple(sorted({*self.new, *self.gone, *self.still}))


def identity(finding: Issue) -> Identity:
    """What makes a finding the same one in the next delivery: never its value, its file or its row."""
    part = finding.part if isinstance(finding, Finding) else None
    known = {**vars(finding), "part": part}
    if not isinstance(finding, Finding) and finding.patient is None:
        return (*(known[name] for name in NAMES), str(finding.row))
    if isinstance(finding, Finding):
        known["column"] = None
    return tuple(known[name] for name in NAMES)


def findings_record(validation: Validation, cohort: Cohort, at: str) -> dict[str, Any]:
    """Everything that a validation found, as JSON: verdict, rules with their counts, findings."""
    outcomes = {each.rule: each for each in validation.outcomes}
    return {
        "format": FORMAT,
        "at": at,
        "judged_on": validation.today,
        "sites": list(cohort.sites),
        "tables": _tables(cohort),
        "study": validation.study,
        "verdict": validation.verdict,
        "counts": validation.counts(),
        "patients": len(validation.patients),
        "patients_failing": {key: list(each) for key, each in validation.patients_failing.items()},
        "rules": [
            {
                "rule": each.rule.id,
                "kind": each.rule.kind,
                "category": each.rule.category,
                "limits": dict(each.rule.limits),
                "changed": list(each.changed),
                "off": each.off,
                **_counts(outcomes.get(each.rule.id)),
            }
            for each in validation.rules
        ],
        "findings": [_record(each) for each in validation.findings],
    }


def _tables(cohort: Cohort) -> dict[str, str]:
    """The hashes of the tables, by which one delivery is told from the next."""
    return {name: about["sha256"] for name, about in cohort.manifest["tables"].items()}


def _counts(outcome: Any) -> dict[str, int]:
    names = ("violated", "satisfied", "unjudged", "not_applicable")
    return {name: getattr(outcome, name) for name in names} if outcome else {}


def _record(finding: Issue) -> dict[str, Any]:
    known: dict[str, Any] = finding.record()
    if isinstance(finding, Finding):
        known |= {
            "part": finding.part,
            "places": [{"id": place_id(finding, each), **vars(each)} for each in finding.places],
        }
    known["identity"] = list(identity(finding))
    return {name: value for name, value in known.items() if value not in (None, [])}


def read_findings(path: Path) -> dict[str, Any]:
    """The record that `findings_record` gave; `ImnmFhirError` where the file holds none."""
    file = path / FINDINGS if path.is_dir() else path
    try:
        record: dict[str, Any] = json.loads(file.read_text("utf-8"))
        if record["format"] != FORMAT:
            raise ValueError
        _identities(record)
        return record
    except OSError as error:
        raise ImnmFhirError(f"{file}: cannot be read ({error.strerror})") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise ImnmFhirError(
            f"{file}: is no findings.json of imnm-fhir; name the folder of an earlier report"
        ) from None


def _identities(record: Mapping[str, Any]) -> list[Identity]:
    return [tuple(each["identity"]) for each in record["findings"]]


def last_findings(folder: Path, cohort: Cohort) -> dict[str, Any] | None:
    """The findings of the delivery before that an earlier report left in `folder`, of the same sites.

    Where the folder holds those of these very tables, the ones that they were compared with.
    """
    for name in (FINDINGS, PREVIOUS):
        if (folder / name).is_file():
            record = read_findings(folder / name)
            if record["sites"] != list(cohort.sites):
                return None
            if record["tables"] != _tables(cohort):
                return record
    return None


def changes_since(findings: Sequence[Issue], previous: Mapping[str, Any]) -> Changes:
    """What is new, gone and still there, compared with an earlier record."""
    now, then = Counter(map(identity, findings)), Counter(_identities(previous))
    return Changes(
        since=str(previous["at"])[:10],
        new=_by_rule(now - then),
        gone=_by_rule(then - now),
        still=_by_rule(now & then),
        known=frozenset(then),
    )


def _by_rule(found: Mapping[Identity, int]) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for key, count in found.items():
        counts[str(key[0])] += count
    return dict(counts)
