"""From site files to a cohort's folder."""

from collections.abc import Sequence
from pathlib import Path

from imnm_fhir.cohort import MANIFEST, Cohort, read_manifest, write_cohort
from imnm_fhir.flow.places import Progress


def harmonise_files(
    files: Sequence[Path], site: str, out: Path | None, progress: Progress | None = None
) -> Cohort:
    """The cohort that site files hold, read through a mapping (a built-in name or a path).

    Written into `out` unless that is None. Raises `ImnmFhirError` (`Problems`) where the mapping
    does not fit; nothing is written then.
    """
    from imnm_fhir.harmonise import harmonise
    from imnm_fhir.pseudonyms import check_fingerprint
    from imnm_fhir.sites import load_site_mapping

    cohort = harmonise(list(files), load_site_mapping(site), progress=progress)
    if out is None:
        return cohort
    if (out / MANIFEST).is_file():
        check_fingerprint(read_manifest(out), cohort.manifest)
    return write_cohort(cohort, out)
