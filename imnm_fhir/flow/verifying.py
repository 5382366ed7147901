"""Proof that a server holds a cohort: read back, compared, certified."""

import hashlib
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imnm_fhir.cohort import read_manifest, table_hashes
from imnm_fhir.errors import ImnmFhirError, UsageError
from imnm_fhir.flow.gate import NOTHING_ALLOWED, Gate, Leaving, pass_gate
from imnm_fhir.flow.places import Progress, is_url
from imnm_fhir.terminology import load_project
from imnm_fhir.written import replace_atomically

if TYPE_CHECKING:
    from imnm_fhir.proof import Verification
    from imnm_fhir.server import Connection, ServerOptions


@dataclass(frozen=True)
class Verified:
    """What a verification found, and the certificate's two files."""

    target: str
    verification: "Verification"
    certificate: Mapping[str, Any]
    files: Sequence[Path]
    journal: str = ""

    def lines(self) -> list[str]:
        """What was found, a line each."""
        counts = {state: n for state, n in self.verification.states.items() if n}
        said = ", ".join(f"{count} {state}" for state, count in sorted(counts.items())) or "nothing"
        places = [f"certificate: {', '.join(map(str, self.files))}"] if self.files else []
        journal = [self.journal] if self.journal else []
        return [f"{self.target}: {said}", *places, *journal]


def verify(
    folder: Path,
    url: str,
    *,
    gate: Gate = NOTHING_ALLOWED,
    certificate: Path | None = None,
    journal: Path | None = None,
    server: "ServerOptions | None" = None,
    progress: Progress | None = None,
) -> Verified:
    """Compare what the server at `url` holds of the sites of the cohort in `folder` with the cohort.

    Those patients are expected there whom `gate` lets leave today. `certificate` is the `.json` file
    to write, with a page and a report of every resource beside it. A journal that is missing, damaged
    or of another server is made anew from what the server holds; `journal` is its folder.
    """
    from imnm_fhir.fhir import write_ndjson
    from imnm_fhir.proof import make_certificate, open_shelf, verify_files, write_certificate
    from imnm_fhir.server import connect, read_credentials

    if not is_url(url):
        raise UsageError(f"{url}: give the server's address, such as https://fhir.example.org/fhir")
    if certificate is not None and certificate.suffix != ".json":
        raise UsageError(f"{certificate}: give a .json file; the page stands beside it")
    leaving = pass_gate(folder, gate, need_validation=False)
    with (
        tempfile.TemporaryDirectory(prefix="imnm-fhir-") as temporary,
        connect(url, read_credentials(), server) as connection,
        open_shelf(Path(temporary)) as shelf,
    ):
        place = Path(temporary)
        manifest = write_ndjson(folder, place / "sent", allowed=leaving.people)
        files = {
            about["resourceType"]: place / "sent" / name
            for name, about in manifest["files"].items()
        }
        for site in sorted(read_manifest(folder)["sites"]):
            shelf.put(_held(connection, place / "held", site))
        with (place / "report.ndjson").open("wb") as report:
            found = verify_files(
                files,
                shelf,
                look_again=lambda places: look_again(connection, places),
                is_deleted=lambda kind, ident: is_deleted(connection, kind, ident),
                report=report,
                progress=progress,
            )
        ends = _ends(leaving, connection)
        listed = _publish_report(place / "report.ndjson", certificate)
        rebuilt = _rebuild_journal(folder, url, journal, files, place / "report.ndjson")
        made = make_certificate(found, **ends, at=_now(), report=listed)
    written = write_certificate(made, certificate) if certificate else ()
    return Verified(url, found, made, written, rebuilt)


def _rebuild_journal(
    cohort: Path, url: str, place: Path | None, files: Mapping[str, Path], report: Path
) -> str:
    """Make the journal anew unless it is sound; what was done, in a line, empty for nothing."""
    from imnm_fhir.proof.journals import found_entries
    from imnm_fhir.transfer.journal import read_journal, rebuild

    try:
        with read_journal(cohort, url, folder=place) as sound:
            why = "there was none" if sound is None else ""
    except ImnmFhirError:
        why = "the old one was damaged or of another server, and is kept beside it"
    if not why:
        return ""
    made = rebuild(cohort, url, found_entries(files, report), folder=place)
    return f"{made}: journal made anew from the server ({why})"


def _held(connection: "Connection", folder: Path, site: str) -> Iterator[bytes]:
    """Every resource that the server holds with a site's tag, a line each."""
    from imnm_fhir.server import import_resources
    from imnm_fhir.shapes.tree import load_shapes

    types = [shape.resource for shape in load_shapes().values()]
    tag = f"{load_project().base}/site", site
    for path in import_resources(connection, folder, types, tag=tag).values():
        with path.open("rb") as lines:
            yield from lines
        path.unlink()


def look_again(connection: "Connection", places: Sequence[tuple[str, str]]) -> Iterator[bytes]:
    """Resources asked for by type and id, whatever tags they carry; those that are there."""
    from imnm_fhir.server.search import find

    for kind in sorted({kind for kind, _ in places}):
        ids = [ident for other, ident in places if other == kind]
        yield from find(connection, kind, {"_id": ",".join(ids), "_count": str(len(ids))})


def is_deleted(connection: "Connection", kind: str, ident: str) -> bool:
    """Whether the server says that a resource was there once (410, R4 http.html#read)."""
    return connection.request("GET", f"{kind}/{ident}?_elements=id").status == 410


def _ends(leaving: Leaving, connection: "Connection") -> dict[str, dict[str, Any]]:
    manifest = read_manifest(leaving.folder)
    hashes = json.dumps(table_hashes(manifest), sort_keys=True)
    cut_offs = {about.get("cut_off") for about in manifest["sites"].values()} - {None}
    return {
        "cohort": {
            "sites": sorted(manifest["sites"]),
            "cut_off": sorted(cut_offs),
            "patients": leaving.people.num_rows,
            "sha256": hashlib.sha256(hashes.encode()).hexdigest(),
        },
        "server": {
            "address": connection.base_url,
            "software": connection.software,
            "fhir_version": connection.fhir_version,
        },
    }


def _publish_report(report: Path, certificate: Path | None) -> dict[str, Any]:
    """Put the report beside the certificate; what the certificate says of it."""
    content = report.read_bytes()
    name = f"{certificate.stem if certificate else 'certificate'}.resources.ndjson"
    if certificate:
        with replace_atomically(certificate.with_name(name)) as unfinished:
            unfinished.write_bytes(content)
    return {
        "file": name,
        "resources": content.count(b"\n"),
        "sha256": hashlib.sha256(content).hexdigest(),
    }


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
