"""From site files to a cohort's folder, with what the site corrected put on top."""

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imnm_fhir.cohort import MANIFEST, Cohort, read_cohort, read_manifest, write_cohort
from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.flow.earlier import (
    DELIVERIES,
    SEARCHED,
    Answered,
    Delivery,
    deliveries_of,
    delivery_of,
    holds_all,
    made_again,
    people_of,
    source_ids,
    waiting,
)
from imnm_fhir.flow.places import Progress
from imnm_fhir.flow.withdrawn import leave_out_withdrawn, suspect_beside
from imnm_fhir.harmonise.corrections import APPLIED
from imnm_fhir.harmonise.deliveries import INCREMENTAL, changes, kept_of, put_on_top, site_of
from imnm_fhir.languages import counted
from imnm_fhir.queries.asking import delivery_id
from imnm_fhir.queries.record.answers import corrections_of, foreign_patients
from imnm_fhir.queries.record.log import log_folder, read_log
from imnm_fhir.sites.mapping import SiteMapping
from imnm_fhir.written import file_hash

if TYPE_CHECKING:
    from imnm_fhir.harmonise.patients import Suspect

logger = logging.getLogger(__name__)

READ_FROM = "read_from"  # where the site's files are, so that an answer counts without typing them


def harmonise_files(
    files: Sequence[Path],
    site: str,
    out: Path | None,
    progress: Progress | None = None,
    log: Path | None = None,
) -> Cohort:
    """The cohort that site files hold, read through a mapping (a built-in name or a path).

    Written into `out` unless that is None. The corrections of the site stand in the folder `log`
    (default: beside `out`). An incremental delivery is put on top of the cohort in `out`; what changed
    since the cohort there stands in the manifest's `changes`, in which a file counts the patients who
    are gone and does not name them. Raises `ImnmFhirError` (`Problems`)
    where the mapping does not fit; nothing is written then.
    """
    from imnm_fhir.harmonise import harmonise
    from imnm_fhir.pseudonyms import check_fingerprint
    from imnm_fhir.sites import load_site_mapping

    place = log or (log_folder(out) if out else None)
    kept = read_log(place) if place else None
    answered = Answered(corrections_of(kept), foreign_patients(kept)) if kept else Answered()
    mapping = load_site_mapping(site)
    before = _earlier(out, mapping) if out else None
    if before is not None and place is not None:
        _warn_of_lost(before, place, {each["hash"] for each in kept.entries} if kept else ())
    beside = [*([out] if out else []), files[0], *_earlier_files(before, mapping)]
    suspect = suspect_beside(mapping.id, *beside)
    base = _base(before, files, mapping, answered, suspect)
    known = people_of(base.cohort if mapping.kind == INCREMENTAL else None)
    cohort = harmonise(
        list(files),
        mapping,
        corrections=answered.corrections,
        foreign=answered.foreign,
        known=known,
        asked_of=base.asked_of,
        suspect=suspect,
        progress=progress,
    )
    delivery = delivery_of(files, mapping, cohort)
    cohort = leave_out_withdrawn(cohort, *beside)
    if out is None:
        return cohort
    if (out / MANIFEST).is_file():
        check_fingerprint(read_manifest(out), cohort.manifest)
    if mapping.kind == INCREMENTAL and base.cohort is not None:
        sent = source_ids(files, mapping, cohort, known)
        cohort = leave_out_withdrawn(put_on_top(base.cohort, cohort, sent), *beside)
    site_of(cohort)[READ_FROM] = _read_from(files, site)
    made_of = (*base.chain, delivery) if base.recorded else ()
    site_of(cohort)[DELIVERIES] = [each.record() for each in made_of]
    site_of(cohort)[SEARCHED] = base.searched
    return _write(cohort, before, out)


def _write(cohort: Cohort, before: Cohort | None, out: Path) -> Cohort:
    """Write the cohort with what changed since `before`; only what is returned names who is gone."""
    if before is None:
        return write_cohort(cohort, out)
    found = changes(before, cohort)
    counts = {**found, "withdrawn": len(found["withdrawn"])}
    written = write_cohort(replace(cohort, manifest={**cohort.manifest, "changes": counts}), out)
    return replace(written, manifest={**written.manifest, "changes": found})


@dataclass(frozen=True)
class _Base:
    """What an increment is put on, and the deliveries that this is made of.

    `asked_of` is the id of the deliveries that the newest questions are about, where these are the same
    still; `searched`: every answer was looked for in all of them. Not `recorded`: the cohort does not
    tell all that it is made of, so that it can never be made again.
    """

    cohort: Cohort | None
    chain: tuple[Delivery, ...] = ()
    asked_of: str | None = None
    searched: bool = True
    recorded: bool = True


def _base(
    before: Cohort | None,
    files: Sequence[Path],
    mapping: SiteMapping,
    answered: Answered,
    suspect: "Suspect | None",
) -> _Base:
    """The earlier deliveries: made again where the cohort was not made with just these answers."""
    if before is None or mapping.kind != INCREMENTAL:
        return _Base(before)
    hashes = {file_hash(each) for each in files}
    known = deliveries_of(before)
    if not known:
        return _Base(before, searched=False, recorded=False)
    chain = tuple(each for each in known if not each.hashes <= hashes)
    asked_of = delivery_id(before.manifest) if len(chain) < len(known) else None
    searched = bool(site_of(before).get(SEARCHED))
    if holds_all(before, answered) and searched:
        return _Base(before, chain, asked_of, searched)
    lacking = [path for each in chain for path in each.lacking()]
    if lacking:
        _warn_of_waiting(before, answered, lacking)
        return _Base(before, chain, asked_of, searched=False)
    base = made_again(chain, answered, asked_of, suspect)
    if base is not None:
        base = replace(base, manifest={**base.manifest, **kept_of(before)})
    return _Base(base, chain, asked_of)


def _warn_of_waiting(before: Cohort, answered: Answered, lacking: Sequence[Path]) -> None:
    """Say which files the answers about earlier deliveries wait for."""
    if count := waiting(before, answered):
        logger.warning(
            "%s about rows of earlier deliveries %s not in the cohort, unless the row comes again: "
            "%s is not there any more, or was changed; put it back and harmonise again",
            counted(count, "answer"),
            "is" if count == 1 else "are",
            ", ".join(sorted({str(each) for each in lacking})),
        )


def _warn_of_lost(before: Cohort, place: Path, known: Collection[str]) -> None:
    """Say where the cohort holds corrections that its log does not: they would go without a word."""
    states = [about.get("corrections", {}) for about in before.manifest["sites"].values()]
    lost = [
        name
        for each in states
        for name, state in each.items()
        if state == APPLIED and name not in known
    ]
    if lost:
        logger.warning(
            "%s: lacks %d corrections that the cohort held; they are not put on top again. Put the log "
            "back beside the cohort if it was moved or cut",
            place,
            len(lost),
        )


def _earlier(out: Path, mapping: SiteMapping) -> Cohort | None:
    """The cohort of the site's earlier deliveries in `out`; None where there is none to compare with."""
    if not (out / MANIFEST).is_file():
        return None
    try:
        cohort = read_cohort(out)
    except ImnmFhirError:  # of another version, or damaged: a full delivery replaces it
        if mapping.kind == INCREMENTAL:
            raise
        return None
    own = cohort.manifest["origin"] == "site file" and cohort.sites == (mapping.id,)
    return cohort if own or mapping.kind == INCREMENTAL else None


def _earlier_files(before: Cohort | None, mapping: SiteMapping) -> list[Path]:
    """A file of each earlier delivery that an increment is put on: tombstones may stand beside it."""
    if before is None or mapping.kind != INCREMENTAL:
        return []
    return [each.files[0] for each in deliveries_of(before)]


def _read_from(files: Sequence[Path], site: str) -> dict[str, Any]:
    mapping = Path(site)
    return {
        "files": [str(each.resolve()) for each in files],
        "mapping": str(mapping.resolve()) if mapping.is_file() else site,
    }
