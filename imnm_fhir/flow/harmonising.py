"""From site files to a cohort's folder, with what the site corrected put on top."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from imnm_fhir.cohort import MANIFEST, Cohort, read_manifest, write_cohort
from imnm_fhir.flow.places import Progress
from imnm_fhir.queries.answers import corrections_of, foreign_patients
from imnm_fhir.queries.log import log_folder, read_log

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
    (default: beside `out`). Raises `ImnmFhirError` (`Problems`) where the mapping does not fit;
    nothing is written then.
    """
    from imnm_fhir.harmonise import harmonise
    from imnm_fhir.pseudonyms import check_fingerprint
    from imnm_fhir.sites import load_site_mapping

    place = log or (log_folder(out) if out else None)
    answered = read_log(place) if place else None
    cohort = harmonise(
        list(files),
        load_site_mapping(site),
        corrections=corrections_of(answered) if answered else (),
        foreign=foreign_patients(answered) if answered else (),
        progress=progress,
    )
    if out is None:
        return cohort
    if (out / MANIFEST).is_file():
        check_fingerprint(read_manifest(out), cohort.manifest)
    for about in cohort.manifest["sites"].values():
        about[READ_FROM] = _read_from(files, site)
    return write_cohort(cohort, out)


def _read_from(files: Sequence[Path], site: str) -> dict[str, Any]:
    mapping = Path(site)
    return {
        "files": [str(each.resolve()) for each in files],
        "mapping": str(mapping.resolve()) if mapping.is_file() else site,
    }
