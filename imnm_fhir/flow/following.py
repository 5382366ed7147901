"""How the loop stands: of one cohort's log, or of several sites side by side."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from imnm_fhir.cohort import MANIFEST, read_manifest
from imnm_fhir.errors import ImnmFhirError, UsageError
from imnm_fhir.queries.record.log import LOG, log_folder, read_log
from imnm_fhir.queries.record.status import Status, status_of
from imnm_fhir.queries.record.status_of_sites import (
    check_sites,
    read_status,
    together_lines,
    write_status,
)

LOGS = ".queries"


def follow(
    places: Sequence[Path], *, log: Path | None = None, chart: Path | None = None,
    counts: Path | None = None,
) -> list[str]:  # fmt: skip
    """The status of the queries of all `places`, a line each; side by side where there are several.

    A place is a cohort's folder, a folder of such, or a file of counts that a site has sent. `log` is
    the folder of the log of a single cohort (default: beside it). Also a `chart`, and the `counts` of one
    site as a file that may leave it. Raises `UsageError` where several stand against an option for one.
    """
    if log is not None and len(places) != 1:
        raise UsageError("--log is for one cohort; name one")
    found = [each for place in places for each in _statuses(place, log)]
    check_sites(found)
    if counts is not None:
        if len(found) != 1:
            raise UsageError("--json writes the counts of one site; name one cohort")
        write_status(found[0], counts)
    if chart is not None:
        from imnm_fhir.queries.record.chart import write_chart

        write_chart(found, chart)
    return found[0].lines() if len(found) == 1 else together_lines(found)


def _statuses(place: Path, log: Path | None) -> list[Status]:
    if place.is_file():
        return [read_status(place)]
    if log is not None or (place / MANIFEST).is_file() or (log_folder(place) / LOG).is_file():
        found = status_of(read_log(log or log_folder(place)))
        return [found if found.site else replace(found, site=_site(place))]
    inside = sorted(place.iterdir()) if place.is_dir() else []
    known = [status_of(read_log(each)) for each in inside if _is_log(each)]
    known += [read_status(each) for each in inside if each.suffix == ".json"]
    known = [each for each in known if each.site != "consortium"]  # the pool's own, of no site
    if not known:
        raise ImnmFhirError(
            f"{place}: holds no cohort with queries; name a cohort's folder, a folder of cohorts, or the "
            "file of imnm-fhir queries status --json"
        )
    return known


def _site(cohort: Path) -> str:
    """The site of a cohort that nobody was asked about."""
    return ", ".join(read_manifest(cohort)["sites"]) if (cohort / MANIFEST).is_file() else ""


def _is_log(folder: Path) -> bool:
    return folder.name.endswith(LOGS) and (folder / LOG).is_file()
