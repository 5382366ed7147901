"""A demand that unread cells would meet is not asked besides the cells."""

from typing import Any

import pytest

from imnm_fhir.findings import DemandCount, Finding
from imnm_fhir.issues import Issue
from imnm_fhir.queries.questions.explained import without_explained
from imnm_fhir.queries.questions.found import Found


def found(issue: Issue) -> Found:
    """A finding as queries see it; what else it says is not read here."""
    members: dict[str, Any] = dict.fromkeys(Found.__dataclass_fields__)
    return Found(**{**members, "finding": issue, "rule": issue.rule})


def unread(patient: str, time_point: str | None = None) -> Found:
    """A cell of the patient that could not be read."""
    return found(Issue("unreadable", "note", "conformance", "", site="m", patient=patient,
                       element="ck", time_point=time_point))  # fmt: skip


def demand(given: int, patients: int, time_point: str | None = None) -> DemandCount:
    """Nine of ten must have it; those who do not are P1, P2 and so on."""
    lacking = tuple(f"P{number}" for number in range(1, patients - given + 1))
    return DemandCount("m", "ck", time_point, 90, patients, given, 0, 0, 0, 0, 0, 0, lacking)


def asked(count: DemandCount, *cells: Found) -> bool:
    """Whether the demand is asked for besides the cells."""
    lacking = found(Finding("completeness", "note", "completeness", "", site="m", element="ck",
                            time_point=count.time_point))  # fmt: skip
    kept = without_explained([*cells, lacking], {}, [count])
    assert kept[: len(cells)] == list(cells)
    return lacking in kept


@pytest.mark.parametrize(("given", "is_asked"), [(2699, False), (2698, True)])
def test_an_unread_cell_counts_as_sent(given: int, is_asked: bool) -> None:
    assert asked(demand(given, 3000), unread("P1"), unread("P1")) is is_asked


def test_an_unread_cell_of_somebody_who_has_another_value_explains_no_gap() -> None:
    assert asked(demand(8, 10), unread("P9"))
    assert not asked(demand(8, 10), unread("P2"))


def test_an_unread_cell_of_another_visit_explains_no_gap() -> None:
    at_visit = demand(8, 10, "month_6")
    assert asked(at_visit, unread("P1", "baseline"))
    assert not asked(at_visit, unread("P1", "month_6"))
    assert not asked(at_visit, unread("P1"))  # by its date it may be of that visit
    assert not asked(demand(8, 10), unread("P1", "baseline"))
