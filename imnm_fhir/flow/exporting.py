"""From a cohort's folder, or site files, to FHIR on disk or on a server."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imnm_fhir.cohort import read_manifest
from imnm_fhir.errors import UsageError
from imnm_fhir.flow.endorsed import endorsed
from imnm_fhir.flow.gate import NOTHING_ALLOWED, Gate, Leaving, pass_gate
from imnm_fhir.flow.places import NO_FOLDERS, Progress, is_url
from imnm_fhir.languages import counted
from imnm_fhir.owner import temporary_folder

if TYPE_CHECKING:
    from imnm_fhir.server import Connection, ServerOptions
    from imnm_fhir.transfer import Choices, Failure, Transferred, Watch


@dataclass(frozen=True)
class Exported:
    """What an export did.

    `counts` are resources by type, `stayed` says who stayed at home and why, `sent` what became of
    them at a server.
    """

    target: str
    counts: Mapping[str, int]
    stayed: Sequence[str] = field(default=())
    sent: "Transferred | None" = None

    @property
    def failures(self) -> "Sequence[Failure]":
        """Each resource that the server does not hold as it should."""
        return self.sent.failures if self.sent else ()

    def lines(self) -> list[str]:
        """What happened, a line each."""
        counts = ", ".join(f"{count} {kind}" for kind, count in self.counts.items())
        lines = [
            f"{self.target}: {counted(sum(self.counts.values()), 'resource')} ({counts})",
            *self.stayed,
        ]
        return [*lines, *self.sent.lines()] if self.sent else lines

    def record(self) -> dict[str, Any]:
        """The same as JSON for programs."""
        about = {"target": self.target, "resources": dict(self.counts), "stayed": list(self.stayed)}
        return {**about, **(self.sent.record() if self.sent else {})}


def export(
    source: Sequence[Path],
    target: str,
    *,
    site: str | None = None,
    gate: Gate = NOTHING_ALLOWED,
    server: "ServerOptions | None" = None,
    choices: "Choices | None" = None,
    progress: Progress | None = None,
    watch: "Watch | None" = None,
    log: Path | None = None,
) -> Exported:
    """Export a cohort's folder, or site files with their mapping, as FHIR.

    `target` is a URL, a `.json` file (one Bundle) or a folder (NDJSON). A server takes only a cohort
    that passed validation; wherever it goes, a patient without valid consent stays at home.
    `server` says how a server is talked to, `choices` what is done there; the journal of what it
    holds stands beside the cohort, or beside the first site file. `watch` is told of the progress
    at a server, `progress` of that on disk. `log` is the folder of the site's answers, whose
    corrections are put on top of site files.
    """
    with temporary_folder() as temporary:
        folder = _source_folder(source, site, temporary / "cohort", gate, log)
        if is_url(target):
            leaving = pass_gate(folder, gate)
            sending = _Sending(
                source[0], site is not None, target, temporary, server, choices, watch
            )
            return _export_to_server(leaving, sending)
        return _export_to_disk(folder, Path(target), gate, progress)


def _source_folder(
    source: Sequence[Path], site: str | None, temporary: Path, gate: Gate, log: Path | None
) -> Path:
    if site is None:
        if len(source) != 1 or not source[0].is_dir():
            raise UsageError("give one cohort folder, or site files with --site")
        return source[0]
    from imnm_fhir.flow.harmonising import harmonise_files
    from imnm_fhir.validation import validate_folder

    harmonise_files(source, site, temporary, log=log)
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
        folder,
        target,
        allowed=leaving.people,
        stamps=leaving.stamps,
        endorsed=endorsed(folder),
        progress=progress,
    )
    return Exported(str(target), _counts(manifest), stayed)


def _counts(manifest: Mapping[str, Any]) -> dict[str, int]:
    return {about["resourceType"]: about["resources"] for about in manifest["files"].values()}


@dataclass(frozen=True)
class _Sending:
    """Where to send, how, and what the journal stands beside: the cohort, or the first site file."""

    beside: Path
    one_step: bool
    url: str
    temporary: Path
    server: "ServerOptions | None"
    choices: "Choices | None"
    watch: "Watch | None"


def _export_to_server(leaving: Leaving, to: _Sending) -> Exported:
    from imnm_fhir.fhir import write_ndjson
    from imnm_fhir.server import connect, read_credentials
    from imnm_fhir.terminology import load_project
    from imnm_fhir.transfer import TransferStoppedError, transfer

    with connect(to.url, read_credentials(), to.server) as connection:
        ndjson = to.temporary / "ndjson"
        said = endorsed(leaving.folder)
        untaken = said and not _takes_endorsements(connection)
        manifest = write_ndjson(
            leaving.folder,
            ndjson,
            allowed=leaving.people,
            stamps=leaving.stamps,
            endorsed=None if untaken else said,
        )
        files = {about["resourceType"]: ndjson / name for name, about in manifest["files"].items()}
        sites = read_manifest(leaving.folder)["sites"]
        send = partial(
            transfer,
            connection,
            files,
            to.beside,
            to.choices,
            tags=[(f"{load_project().base}/site", site) for site in sorted(sites)],
            # A cohort's folder holds all of the site, an increment in one step what changed.
            partial=to.one_step and _is_increment(sites),
            watch=to.watch,
        )
        try:
            sent = send()
        except TransferStoppedError as error:
            error.transferred = _placed(error.transferred, leaving.folder)
            raise
    sent = _placed(sent, leaving.folder)
    stayed = [*leaving.flow.lines(), *([UNTAKEN] if untaken else [])]
    return Exported(to.url, _counts(manifest), stayed, sent)


UNTAKEN = (
    "the endorsement stays at home: the server says that it takes no Provenance; hand the cohort's folder "
    "or an NDJSON export to a study that asks for it"
)


def _takes_endorsements(connection: "Connection") -> bool:
    """Whether a server that names its types names Provenance; one that does not tell is tried."""
    from imnm_fhir.errors import ServerError
    from imnm_fhir.fhir.endorsement import KIND
    from imnm_fhir.server.capabilities import read_capabilities

    try:
        types = read_capabilities(connection).types
    except ServerError:
        return True
    return not types or KIND in types


def _is_increment(sites: Mapping[str, Any]) -> bool:
    from imnm_fhir.harmonise.deliveries import INCREMENTAL

    return any(about.get("kind") == INCREMENTAL for about in sites.values())


def _placed(sent: "Transferred", folder: Path) -> "Transferred":
    """The same, each failure with the cell that it came from."""
    from imnm_fhir.transfer import with_places

    return replace(sent, failures=with_places(folder, sent.failures))
