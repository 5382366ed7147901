"""The road from one place to the next: what each command does with files, folders and servers.

Every function reads from one place, calls the room that does the work, and writes to another.
"""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imnm_fhir.cohort import (
    MANIFEST,
    Cohort,
    keep_patients,
    read_cohort,
    read_issues,
    read_manifest,
    read_people,
    write_cohort,
)
from imnm_fhir.errors import ImnmFhirError, UsageError
from imnm_fhir.terminology import load_project

if TYPE_CHECKING:
    import pyarrow as pa

    from imnm_fhir.server import Sent
    from imnm_fhir.validation import Flow

Progress = Callable[[int], None]
NO_FOLDERS = (
    ".xml",
    ".ndjson",
    ".csv",
    ".xlsx",
    ".zip",
    ".gz",
    ".txt",
)  # meant as files, not as folders


@dataclass(frozen=True)
class Gate:
    """What a user allows at the gate: waiver file, failing patients left out, errors allowed."""

    waivers: Path | None = None
    exclude_failing: bool = False
    allow_errors: bool = False


@dataclass(frozen=True)
class Exported:
    """What an export did.

    `counts` are resources by type, `stayed` says who stayed at home and why, `sent` what a server
    answered.
    """

    target: str
    counts: Mapping[str, int]
    stayed: Sequence[str] = field(default=())
    sent: "Sent | None" = None

    @property
    def failures(self) -> tuple[str, ...]:
        """One line for each resource that a server refused."""
        failures = self.sent.failures if self.sent else ()
        return tuple(f"{f.type}/{f.id}: {f.status or 'not sent'}: {f.said}" for f in failures)

    def lines(self) -> list[str]:
        """What happened, a line each."""
        counts = ", ".join(f"{count} {kind}" for kind, count in self.counts.items())
        lines = [f"{self.target}: {sum(self.counts.values())} resources ({counts})", *self.stayed]
        return [*lines, self.sent.summary()] if self.sent else lines


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


def is_url(target: str) -> bool:
    """Whether a target is a server's address."""
    return "://" in target


def export(
    source: Sequence[Path],
    target: str,
    *,
    site: str | None = None,
    gate: Gate = Gate(),
    bundle_size: int = 100,
    timeout: float = 60,
    progress: Progress | None = None,
) -> Exported:
    """Export a cohort's folder, or site files with their mapping, as FHIR.

    `target` is a URL, a `.json` file (one Bundle) or a folder (NDJSON). A server takes only a cohort
    that passed validation; wherever it goes, a patient without valid consent stays at home.
    """
    with tempfile.TemporaryDirectory(prefix="imnm-fhir-") as temporary:
        folder = _source_folder(source, site, Path(temporary) / "cohort", gate)
        if is_url(target):
            return _export_to_server(
                folder, target, Path(temporary), gate, bundle_size, timeout, progress
            )
        return _export_to_disk(folder, Path(target), gate, progress)


def _source_folder(source: Sequence[Path], site: str | None, temporary: Path, gate: Gate) -> Path:
    if site is None:
        if len(source) != 1 or not source[0].is_dir():
            raise UsageError("give one cohort folder, or site files with --site")
        return source[0]
    from imnm_fhir.validation import validate_folder

    harmonise_files(source, site, temporary)
    validate_folder(temporary, waivers=gate.waivers)
    return temporary


@dataclass(frozen=True)
class Leaving:
    """Who may leave a cohort's folder: their keys (site, patient), the flow, what was allowed."""

    folder: Path
    people: "pa.Table"
    flow: "Flow"

    @property
    def stamps(self) -> list[str]:
        """What was allowed against the rules."""
        return [self.flow.stamp] if self.flow.stamp else []

    def cohort(self) -> Cohort:
        """The part of the cohort that may leave, with the flow in its manifest."""
        kept = keep_patients(read_cohort(self.folder), self.people)
        stamps = [*kept.manifest.get("stamps", []), *self.stamps]
        return replace(
            kept, manifest={**kept.manifest, "flow": self.flow.record(), "stamps": stamps}
        )


def pass_gate(folder: Path, gate: Gate = Gate(), need_validation: bool = True) -> Leaving:
    """Pass the gate with the patients and their consent alone, however large the cohort is."""
    from imnm_fhir import validation

    gated, flow = validation.gate(
        read_people(folder, validation.CONSENT_ELEMENTS),
        today=date.today(),
        exclude_failing=gate.exclude_failing,
        allow_errors=gate.allow_errors,
        waivers=validation.load_waivers(gate.waivers) if gate.waivers else (),
        need_validation=need_validation,
    )
    return Leaving(folder, gated.tables["patients"].select(["site", "patient"]), flow)


def _export_to_disk(folder: Path, target: Path, gate: Gate, progress: Progress | None) -> Exported:
    from imnm_fhir.fhir import to_fhir, write_bundle, write_ndjson

    if target.suffix.lower() in NO_FOLDERS:
        raise UsageError(
            f"{target}: give a folder (NDJSON), a .json file (one Bundle) or a URL as --to"
        )
    leaving = pass_gate(folder, gate, need_validation=False)
    stayed = leaving.flow.lines()
    if target.suffix == ".json":
        return Exported(str(target), write_bundle(to_fhir(leaving.cohort()), target), stayed)
    manifest = write_ndjson(
        folder, target, allowed=leaving.people, stamps=leaving.stamps, progress=progress
    )
    return Exported(str(target), _counts(manifest), stayed)


def _counts(manifest: Mapping[str, Any]) -> dict[str, int]:
    return {about["resourceType"]: about["resources"] for about in manifest["files"].values()}


def _export_to_server(
    folder: Path, url: str, temporary: Path, gate: Gate, bundle_size: int, timeout: float,
    progress: Progress | None,
) -> Exported:  # fmt: skip
    from imnm_fhir.fhir import write_ndjson
    from imnm_fhir.server import connect, export_resources, read_credentials

    leaving = pass_gate(folder, gate)
    with connect(url, read_credentials(), timeout=timeout) as connection:
        manifest = write_ndjson(
            folder, temporary / "ndjson", allowed=leaving.people, stamps=leaving.stamps
        )
        files = {
            about["resourceType"]: temporary / "ndjson" / name
            for name, about in manifest["files"].items()
        }
        sent = export_resources(connection, files, bundle_size=bundle_size, progress=progress)
    return Exported(url, _counts(manifest), leaving.flow.lines(), sent)


@dataclass(frozen=True)
class Imported:
    """What an import read: rows by table, and the issues (refused resources, leaves not read)."""

    source: str
    rows: Mapping[str, int]
    issues: Sequence[str]

    def lines(self) -> list[str]:
        """What was read and what was not, a line each."""
        rows = ", ".join(f"{count} {name}" for name, count in self.rows.items())
        return [f"{self.source}: {rows}", *self.issues]


def import_fhir(
    source: str,
    out: Path,
    *,
    site: str | None = None,
    everything: bool = False,
    keep_going: bool = False,
    timeout: float = 60,
    progress: Progress | None = None,
) -> Imported:
    """Import FHIR from a server's URL, NDJSON or a Bundle into the cohort folder `out`."""
    from imnm_fhir.fhir import import_files

    if not is_url(source):
        manifest = import_files(Path(source), out, site=site, keep_going=keep_going)
    else:
        with tempfile.TemporaryDirectory(prefix="imnm-fhir-") as temporary:
            _download(source, Path(temporary), everything, timeout, progress)
            manifest = import_files(Path(temporary), out, site=site, keep_going=keep_going)
    issues = [f"{issue.place()}: {issue.message}" for issue in read_issues(out)]
    return Imported(
        source, {name: about["rows"] for name, about in manifest["tables"].items()}, issues
    )


def _download(
    url: str, folder: Path, everything: bool, timeout: float, progress: Progress | None
) -> None:
    from imnm_fhir.server import connect, import_resources, read_credentials
    from imnm_fhir.shapes.tree import load_shapes

    types = [shape.resource for shape in load_shapes().values()]
    tag = None if everything else (f"{load_project().base}/project", "imnm-fhir")
    with connect(url, read_credentials(), timeout=timeout) as connection:
        files = import_resources(connection, folder, types, tag=tag, progress=progress)
    if not files:
        hint = "" if everything else " with our tag; --all reads resources of others too"
        raise ImnmFhirError(f"{url}: holds no resource{hint}")


def pool_folders(folders: Sequence[Path], out: Path, *, gate: Gate = Gate()) -> list[str]:
    """Pool validated cohorts into the folder `out`; what happened, a line each."""
    from imnm_fhir.pool import pool

    leaving = [pass_gate(folder, gate) for folder in folders]
    pooled = write_cohort(pool([each.cohort() for each in leaving]), out)
    stayed = [line for each in leaving for line in each.flow.lines()]
    people = pooled.tables["patients"].num_rows
    sites = "1 site" if len(pooled.sites) == 1 else f"{len(pooled.sites)} sites"
    return [*stayed, f"{out}: {people} patients of {sites} pooled"]


def table1_of(
    folder: Path, out: Sequence[Path] = (), *, study: Path | None = None, language: str = "en"
) -> str:
    """Table 1 of the cohort in `folder` as text; also written to each of `out` by its ending."""
    from imnm_fhir.derive import derive_cases
    from imnm_fhir.study import load_study
    from imnm_fhir.table1 import table1, write_table1

    chosen = load_study(study)
    table = table1(derive_cases(read_cohort(folder), chosen), chosen, language=language)
    for path in out:
        write_table1(table, path)
    return table.text()
