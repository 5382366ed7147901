"""What stands under a place on disk, told apart by what it is, and taken care of by its kind."""

import json
from collections.abc import Collection, Iterator
from pathlib import Path

from imnm_fhir.cohort import MANIFEST
from imnm_fhir.fhir.files import ENDINGS, own_manifest
from imnm_fhir.queries.log import LOG, read_log, redact
from imnm_fhir.withdrawal.cohorts import Redacted, redact_cohort
from imnm_fhir.withdrawal.fhir_files import redact_fhir_file, redact_ndjson_folder
from imnm_fhir.withdrawal.journals import redact_journal, redact_lines
from imnm_fhir.withdrawal.person import Person
from imnm_fhir.withdrawal.traces import holds

LINES = (".audit.jsonl", ".resources.ndjson")  # of an export, of a verification
# What a command makes anew at any time: it is removed where it names the patient.
MADE_ANEW = ("report.html", "findings.", "queries.", "issues.")


def cohort_folders(place: Path) -> list[Path]:
    """The cohorts under a place, itself included."""
    return sorted(path.parent for path in _named(place, MANIFEST) if _is_cohort(path))


def journals(place: Path) -> list[Path]:
    """The journals of exports under a place."""
    if not place.is_dir():
        return []
    return sorted(path for path in place.rglob("*.sqlite") if ".journal" in path.parent.name)


def redact_place(place: Path, ids: Collection[str], person: Person) -> Iterator[Redacted]:
    """Take a patient out of everything of ours under a place; one entry for each thing changed."""
    cohorts = cohort_folders(place)
    for folder in cohorts:
        if done := redact_cohort(folder, person):
            yield done
    exports = [path.parent for path in _named(place, MANIFEST) if own_manifest(path.parent)]
    for folder in exports:
        if done := redact_ndjson_folder(folder, person):
            yield done
    for path in journals(place):
        if done := redact_journal(path, ids, person):
            yield done
    for path in _named(place, LOG):
        if done := _redact_log(path.parent, person):
            yield done
    for path in _files(place):
        if path.parent in exports or any(path.is_relative_to(each) for each in cohorts):
            continue
        if done := _redact_file(path, ids, person):
            yield done


def _redact_log(folder: Path, person: Person) -> Redacted | None:
    """Take a patient out of a log of queries, whose chain still holds."""
    log = read_log(folder)
    after = redact(log, person.patient, person.site)
    taken = after.redacted - log.redacted
    return Redacted(folder / LOG, f"{taken} entries taken out (1 redacted)") if taken else None


def _redact_file(path: Path, ids: Collection[str], person: Person) -> Redacted | None:
    if path.name.endswith(LINES):
        return redact_lines(path, ids, person)
    if path.name.endswith(ENDINGS):
        done = redact_fhir_file(path, person)
        if done:
            return done
    if path.name.startswith(MADE_ANEW) and holds(path, person.pattern(ids)):
        path.unlink()
        return Redacted(path, "removed, since it names the patient; validate makes it anew")
    return None


def _files(place: Path) -> list[Path]:
    if place.is_file():
        return [place]
    return sorted(path for path in place.rglob("*") if path.is_file() and not path.is_symlink())


def _named(place: Path, name: str) -> list[Path]:
    return [path for path in _files(place) if path.name == name]


def _is_cohort(manifest: Path) -> bool:
    try:
        content = json.loads(manifest.read_text("utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and "tables" in content and "sites" in content
