"""Withdrawn patients kept out of what comes in and what leaves."""

import logging
from collections.abc import Collection, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from imnm_fhir.cohort import Cohort, keep_patients, read_cohort, write_cohort
from imnm_fhir.issues import Issue
from imnm_fhir.withdrawal.tombstones import (
    HELD_BACK,
    like_withdrawn,
    read_tombstones,
    said_of,
    tombstones_beside,
    withdrawn_among,
)

if TYPE_CHECKING:
    import pyarrow as pa

    from imnm_fhir.harmonise.patients import Suspect

logger = logging.getLogger(__name__)


def suspect_beside(site: str, *beside: Path) -> "Suspect | None":
    """What tells whether an identifier is a withdrawn patient's in another spelling; None where nobody was."""
    known = [read_tombstones(place) for place in _places(beside)]
    if not known:
        return None
    return lambda name, also: any(each.is_like(site, name, also) for each in known if each)


def _places(beside: Iterable[Path]) -> list[Path]:
    return sorted({place for each in beside if (place := tombstones_beside(each)).exists()})


def leave_out_withdrawn(cohort: Cohort, *beside: Path) -> Cohort:
    """The cohort without patients whose tombstone stands beside one of the places; the manifest counts them.

    A patient whose rows were refused is named by issues alone, and leaves with them. Who differs from a
    withdrawn patient in spelling only is held back, and that is said.
    """
    places = _places(beside)
    if not places:
        return cohort
    people = {(each.site or "", each.patient) for each in cohort.issues if each.patient}
    for table in cohort.tables.values():
        people |= _pairs(table)
    withdrawn = {pair for place in places for pair in withdrawn_among(people, place)}
    alike = {pair for place in places for pair in like_withdrawn(people, place)} - withdrawn
    if not withdrawn and not alike:
        return cohort
    said = [*said_of(withdrawn), *said_of(alike, HELD_BACK)]
    for line in said:
        logger.warning("%s", line)
    nameless = [_nameless(each, alike) for each in cohort.issues]
    kept = keep_patients(replace(cohort, issues=tuple(nameless)), people - withdrawn - alike)
    return replace(kept, manifest={**kept.manifest, "withdrawn": said})


def _nameless(issue: Issue, alike: Collection[tuple[str, str]]) -> Issue:
    """The issue that says which row is held back, without whom it names."""
    from imnm_fhir.harmonise.patients import LIKE_WITHDRAWN

    if issue.rule != LIKE_WITHDRAWN or (issue.site or "", issue.patient) not in alike:
        return issue
    return replace(issue, patient=None, value=None)


def leave_out_of_folder(folder: Path) -> None:
    """Write the cohort in `folder` again without withdrawn patients, where it has any."""
    if not tombstones_beside(folder).exists():
        return
    cohort = read_cohort(folder)
    kept = leave_out_withdrawn(cohort, folder)
    if kept is not cohort:
        write_cohort(kept, folder)


def _pairs(people: "pa.Table") -> set[tuple[str, str]]:
    names = ["site", "patient"]
    each = people.select(names).group_by(names).aggregate([])
    return set(zip(*(each[name].to_pylist() for name in names), strict=True))
