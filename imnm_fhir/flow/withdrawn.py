"""Withdrawn patients kept out of what comes in and what leaves."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from imnm_fhir.cohort import Cohort, keep_patients, read_cohort, write_cohort
from imnm_fhir.withdrawal.tombstones import said_of, tombstones_beside, withdrawn_among

if TYPE_CHECKING:
    import pyarrow as pa

logger = logging.getLogger(__name__)


def leave_out_withdrawn(cohort: Cohort, *beside: Path) -> Cohort:
    """The cohort without patients whose tombstone stands beside one of the places; the manifest counts them.

    A patient whose rows were refused is named by issues alone, and leaves with them.
    """
    places = {tombstones_beside(each) for each in beside}
    if not any(each.exists() for each in places):
        return cohort
    people = {(each.site or "", each.patient) for each in cohort.issues if each.patient}
    for table in cohort.tables.values():
        people |= _pairs(table)
    withdrawn = {pair for place in sorted(places) for pair in withdrawn_among(people, place)}
    if not withdrawn:
        return cohort
    for line in said_of(withdrawn):
        logger.warning("%s", line)
    kept = keep_patients(cohort, people - withdrawn)
    return replace(kept, manifest={**kept.manifest, "withdrawn": said_of(withdrawn)})


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
