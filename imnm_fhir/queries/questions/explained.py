"""Findings that a cell which could not be read explains: the cell is asked about, not the gap that it left."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from imnm_fhir.findings import DemandCount, Finding
from imnm_fhir.queries.questions.found import Found

# Patients and time points by site and element.
Unread = Mapping[tuple[str | None, str | None], set[tuple[str, str | None]]]
Demands = Mapping[tuple[str | None, str | None, str | None], DemandCount]


def without_explained(
    found: Sequence[Found],
    explained: Mapping[str, Iterable[str]],
    demands: Iterable[DemandCount] = (),
) -> list[Found]:
    """The findings that no unread cell explains.

    `explained` names, by rule, the elements of whose unread cells the rule's finding may be the
    consequence. Of the `demands` of the study, an unread cell of somebody who lacks the element counts as
    sent: it is asked about.
    """
    unread: dict[tuple[str | None, str | None], set[tuple[str, str | None]]] = defaultdict(set)
    for each in found:
        issue = each.finding
        if not isinstance(issue, Finding) and issue.patient is not None:
            unread[issue.site, issue.element].add((issue.patient, issue.time_point))
    by_place: Demands = {(each.site, each.element, each.time_point): each for each in demands}
    return [each for each in found if not _is_explained(each, unread, explained, by_place)]


def _is_explained(
    found: Found, unread: Unread, explained: Mapping[str, Iterable[str]], demands: Demands
) -> bool:
    finding = found.finding
    if not isinstance(finding, Finding):
        return False
    if finding.rule == "completeness":
        demand = demands.get((finding.site, finding.element, finding.time_point))
        return demand is not None and _is_met(demand, unread)
    return any(
        finding.patient in {patient for patient, _ in unread.get((finding.site, element), ())}
        for element in explained.get(found.rule, explained.get(finding.rule, ()))
    )


def _is_met(demand: DemandCount, unread: Unread) -> bool:
    """Whether a demand is met once the unread cells of those who lack the element are read."""
    waiting = {
        patient
        for patient, time_point in unread.get((demand.site, demand.element), ())
        if None in (demand.time_point, time_point) or time_point == demand.time_point
    }.intersection(demand.lacking)
    sent = demand.given + demand.reasons + len(waiting)
    return bool(waiting) and sent * 100 >= demand.demanded * demand.patients
