"""A demand that unread cells would meet is not asked besides the cells."""

from typing import Any

import pytest

from imnm_fhir.findings import Finding
from imnm_fhir.issues import Issue
from imnm_fhir.languages import number_text
from imnm_fhir.queries.questions.explained import without_explained
from imnm_fhir.queries.questions.found import Found


def found(issue: Issue) -> Found:
    """A finding as queries see it; what else it says is not read here."""
    members: dict[str, Any] = dict.fromkeys(Found.__dataclass_fields__)
    return Found(**{**members, "finding": issue, "rule": issue.rule})


@pytest.mark.parametrize(
    ("given", "left"), [(2699, ["unreadable"]), (2698, ["unreadable", "completeness"])]
)
def test_counts_above_a_thousand_are_read_as_they_are_written(given: int, left: list[str]) -> None:
    numbers = {"given": given, "reasons": 0, "patients": 3000, "demanded": 90}
    lacking = Finding(
        "completeness", "note", "completeness", "", site="m", element="ck",
        numbers=tuple((name, number_text(value)) for name, value in numbers.items()),
    )  # fmt: skip
    cell = Issue("unreadable", "note", "conformance", "", site="m", patient="P1", element="ck")
    kept = without_explained([found(cell), found(lacking)], {})
    assert [each.finding.rule for each in kept] == left
