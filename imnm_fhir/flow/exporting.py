"""From a cohort's folder, or site files, to FHIR on disk or on a server."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imnm_fhir.errors import UsageError
from imnm_fhir.flow.gate import NOTHING_ALLOWED, Gate, pass_gate
from imnm_fhir.flow.harmonising import harmonise_files
from imnm_fhir.flow.places import NO_FOLDERS, Progress, is_url

if TYPE_CHECKING:
    from imnm_fhir.server import Sent, ServerOptions


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


def export(
    source: Sequence[Path],
    target: str,
    *,
    site: str | None = None,
    gate: Gate = NOTHING_ALLOWED,
    bundle_size: int = 100,
    server: "ServerOptions | None" = None,
    progress: Progress | None = None,
) -> Exported:
    """Export a cohort's folder, or site files with their mapping, as FHIR.

    `target` is a URL, a `.json` file (one Bundle) or a folder (NDJSON). A server takes only a cohort
    that passed validation; wherever it goes, a patient without valid consent stays at home.
    `server` says how a server is talked to.
    """
    with tempfile.TemporaryDirectory(prefix="imnm-fhir-") as temporary:
        folder = _source_folder(source, site, Path(temporary) / "cohort", gate)
        if is_url(target):
            return _export_to_server(
                folder, target, Path(temporary), gate, bundle_size, server, progress
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
    folder: Path, url: str, temporary: Path, gate: Gate, bundle_size: int,
    server: "ServerOptions | None", progress: Progress | None,
) -> Exported:  # fmt: skip
    from imnm_fhir.fhir import write_ndjson
    from imnm_fhir.server import connect, export_resources, read_credentials

    leaving = pass_gate(folder, gate)
    with connect(url, read_credentials(), server) as connection:
        manifest = write_ndjson(
            folder, temporary / "ndjson", allowed=leaving.people, stamps=leaving.stamps
        )
        files = {
            about["resourceType"]: temporary / "ndjson" / name
            for name, about in manifest["files"].items()
        }
        sent = export_resources(connection, files, bundle_size=bundle_size, progress=progress)
    return Exported(url, _counts(manifest), leaving.flow.lines(), sent)
