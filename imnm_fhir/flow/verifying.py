"""Proof that a server holds a cohort: read back, compared, certified."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imnm_fhir.cohort import read_manifest, table_hashes
from imnm_fhir.errors import ImnmFhirError, UsageError
from imnm_fhir.flow.gate import NOTHING_ALLOWED, Gate, Leaving, pass_gate
from imnm_fhir.flow.places import Progress, is_url
from imnm_fhir.languages import load_sentences
from imnm_fhir.owner import temporary_folder
from imnm_fhir.written import replace_atomically

if TYPE_CHECKING:
    from imnm_fhir.proof import Verification
    from imnm_fhir.server import Connection, ServerOptions

REPORT = "report.ndjson"


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
    language: str = "en",
) -> Verified:
    """Compare what the server at `url` holds of the sites of the cohort in `folder` with the cohort.

    Those patients are expected there whom `gate` lets leave today. `certificate` is the `.json` file
    to write, with a page in `language` and a report of every resource beside it. A journal that is
    missing, damaged or of another server is made anew from what the server holds; `journal` is its
    folder.
    """
    from imnm_fhir.proof import make_certificate, write_certificate
    from imnm_fhir.server import connect, read_credentials

    if not is_url(url):
        raise UsageError(f"{url}: give the server's address, such as https://fhir.example.org/fhir")
    load_sentences(language)  # a language that nobody knows is told before the server is read
    if certificate is not None and certificate.suffix != ".json":
        raise UsageError(f"{certificate}: give a .json file; the page stands beside it")
    leaving = pass_gate(folder, gate, need_validation=False)
    with (
        temporary_folder() as place,
        connect(url, read_credentials(), server) as connection,
    ):
        files = _write_expected(leaving, place / "sent")
        found = _compare(connection, leaving, files, place, progress)
        ends = _ends(leaving, connection)
        listed = _publish_report(place / REPORT, certificate)
        rebuilt = _rebuild_journal(folder, url, journal, files, place / REPORT)
    made = make_certificate(found, **ends, at=_now(), report=listed)
    written = write_certificate(made, certificate, language) if certificate else ()
    return Verified(url, found, made, written, rebuilt)


def _write_expected(leaving: Leaving, folder: Path) -> dict[str, Path]:
    """What the server should hold, written as an export would; a file by type."""
    from imnm_fhir.fhir import write_ndjson

    manifest = write_ndjson(leaving.folder, folder, allowed=leaving.people)
    return {about["resourceType"]: folder / name for name, about in manifest["files"].items()}


def _compare(
    connection: "Connection", leaving: Leaving, files: Mapping[str, Path], place: Path,
    progress: Progress | None,
) -> "Verification":  # fmt: skip
    """What the server holds compared with `files`; each resource stands in a report in `place`."""
    from imnm_fhir.proof import open_shelf, verify_files
    from imnm_fhir.proof.at_server import is_deleted, look_again, read_held

    with open_shelf(place) as shelf, (place / REPORT).open("wb") as report:
        for site in sorted(read_manifest(leaving.folder)["sites"]):
            shelf.put(read_held(connection, place / "held", site))
        return verify_files(
            files,
            shelf,
            look_again=partial(look_again, connection),
            is_deleted=partial(is_deleted, connection),
            report=report,
            progress=progress,
        )


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
