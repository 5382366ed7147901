"""Findings that a cell which could not be read explains: the cell is asked about, not the gap that it left."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from imnm_fhir.findings import Finding
from imnm_fhir.queries.questions.found import Found

Unread = Mapping[tuple[str | None, str | None], set[str | None]]  # patients by site and element


def without_explained(
    found: Sequence[Found], explained: Mapping[str, Iterable[str]]
) -> list[Found]:
    """The findings that no unread cell explains.

    `explained` names, by rule, the elements of whose unread cells the rule's finding may be the
    consequence. What the study demands of a site counts an unread cell as sent: it is asked about.
    """
    unread: dict[tuple[str | None, str | None], set[str | None]] = defaultdict(set)
    for each in found:
        issue = each.finding
        if not isinstance(issue, Finding) and issue.patient is not None:
            unread[issue.site, issue.element].add(issue.patient)
    return [each for each in found if not _is_explained(each, unread, explained)]


def _is_explained(found: Found, unread: Unread, explained: Mapping[str, Iterable[str]]) -> bool:
    finding = found.finding
    if not isinstance(finding, Finding):
        return False
    if finding.rule == "completeness":
        return _is_met(finding, unread)
    return any(
        finding.patient in unread.get((finding.site, element), ())
        for element in explained.get(found.rule, explained.get(finding.rule, ()))
    )


def _is_met(finding: Finding, unread: Unread) -> bool:
    """Whether a demand is met once the unread cells of its element are read."""
    numbers = {
        name: float("".join(text.split())) for name, text in finding.numbers if name in COUNTS
    }
    waiting = len(unread.get((finding.site, finding.element), ()))
    sent = numbers["given"] + numbers["reasons"] + waiting
    return bool(waiting) and sent * 100 >= numbers["demanded"] * numbers["patients"]


COUNTS = ("given", "reasons", "patients", "demanded")
