"""From site files to a cohort's folder, with what the site corrected put on top."""

import logging
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from imnm_fhir.cohort import MANIFEST, Cohort, read_cohort, read_manifest, write_cohort
from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.flow.places import Progress
from imnm_fhir.flow.withdrawn import leave_out_withdrawn
from imnm_fhir.harmonise.corrections import APPLIED
from imnm_fhir.harmonise.deliveries import INCREMENTAL, changes, put_on_top
from imnm_fhir.queries.answers import corrections_of, foreign_patients
from imnm_fhir.queries.log import log_folder, read_log
from imnm_fhir.sites.mapping import SiteMapping

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
    answered = read_log(place) if place else None
    mapping = load_site_mapping(site)
    before = _earlier(out, mapping) if out else None
    if before is not None and place is not None:
        _warn_of_lost(
            before, place, {each["hash"] for each in answered.entries} if answered else ()
        )
    cohort = harmonise(
        list(files),
        mapping,
        corrections=corrections_of(answered) if answered else (),
        foreign=foreign_patients(answered) if answered else (),
        known=_known(before, mapping),
        progress=progress,
    )
    cohort = leave_out_withdrawn(cohort, *([out] if out else []), files[0])
    if out is None:
        return cohort
    if (out / MANIFEST).is_file():
        check_fingerprint(read_manifest(out), cohort.manifest)
    for about in cohort.manifest["sites"].values():
        about[READ_FROM] = _read_from(files, site)
    if before is None:
        return write_cohort(cohort, out)
    if mapping.kind == INCREMENTAL:
        cohort = leave_out_withdrawn(put_on_top(before, cohort), out)
    found = changes(before, cohort)
    counted = {**found, "withdrawn": len(found["withdrawn"])}  # who is gone is named in no file
    written = write_cohort(replace(cohort, manifest={**cohort.manifest, "changes": counted}), out)
    return replace(written, manifest={**written.manifest, "changes": found})


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


def _known(before: Cohort | None, mapping: SiteMapping) -> Collection[str]:
    if before is None or mapping.kind != INCREMENTAL:
        return ()
    known: list[str] = before.tables["patients"]["patient"].to_pylist()
    return known


def _read_from(files: Sequence[Path], site: str) -> dict[str, Any]:
    mapping = Path(site)
    return {
        "files": [str(each.resolve()) for each in files],
        "mapping": str(mapping.resolve()) if mapping.is_file() else site,
    }
