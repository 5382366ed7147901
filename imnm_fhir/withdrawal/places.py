"""What stands under a place on disk, told apart by what it is, and taken care of by its kind."""

import json
import re
from collections.abc import Callable, Collection, Iterator
from functools import partial
from pathlib import Path

from imnm_fhir.cohort import MANIFEST
from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.fhir.files import ENDINGS, own_manifest
from imnm_fhir.languages import counted
from imnm_fhir.queries.record.log import LOG, read_log, redact
from imnm_fhir.withdrawal.cohorts import Redacted, redact_cohort
from imnm_fhir.withdrawal.fhir_files import redact_fhir_file, redact_ndjson_folder
from imnm_fhir.withdrawal.journals import redact_journal, redact_lines
from imnm_fhir.withdrawal.person import Person
from imnm_fhir.withdrawal.traces import holds
from imnm_fhir.written import replace_atomically

DAMAGED = "log.damaged."  # the copy that the repair of a log of queries leaves
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


def redact_place(
    place: Path, ids: Collection[str], person: Person, problems: list[str]
) -> Iterator[Redacted]:
    """Take a patient out of everything of ours under a place; one entry for each thing changed.

    What fails at one thing is added to `problems`, and the others go on.
    """
    cohorts = cohort_folders(place)
    exports = [path.parent for path in _named(place, MANIFEST) if _is_export(path.parent)]
    work: list[Callable[[], Redacted | None]] = []
    work += [partial(redact_cohort, folder, person) for folder in cohorts]
    work += [partial(redact_ndjson_folder, folder, person) for folder in exports]
    work += [partial(redact_journal, path, ids, person) for path in journals(place)]
    work += [partial(_redact_log, path.parent, person) for path in _named(place, LOG)]
    work += [
        partial(_redact_file, path, ids, person)
        for path in _files(place)
        if path.parent not in exports and not any(path.is_relative_to(each) for each in cohorts)
    ]
    for each in work:
        try:
            done = each()
        except ImnmFhirError as error:
            problems.append(str(error))
            continue
        if done:
            yield done


def _redact_log(folder: Path, person: Person) -> Redacted | None:
    """Take a patient out of a log of queries, whose chain still holds."""
    log = read_log(folder)
    after = redact(log, person.patient, person.site)
    taken = after.redacted - log.redacted
    return (
        Redacted(folder / LOG, f"{counted(taken, 'entry', 'entries')} taken out (1 redacted)")
        if taken
        else None
    )


def _redact_file(path: Path, ids: Collection[str], person: Person) -> Redacted | None:
    if not path.exists():  # an unfinished one, gone meanwhile
        return None
    if path.name.startswith(DAMAGED):
        return _without_lines(path, person.pattern(ids, by_itself=True))
    if path.name.endswith(LINES):
        return redact_lines(path, ids, person)
    if path.name.endswith(ENDINGS):
        done = redact_fhir_file(path, person)
        if done:
            return done
    if path.name.startswith(MADE_ANEW) and holds(
        path, person.pattern(ids, by_itself=True), person.site
    ):
        path.unlink()
        return Redacted(path, "removed, since it names the patient; validate makes it anew")
    return None


def _without_lines(path: Path, pattern: re.Pattern[bytes]) -> Redacted | None:
    """Take the lines that name the patient out of the copy of a damaged log."""
    lines = path.read_bytes().splitlines(keepends=True)
    kept = [each for each in lines if not pattern.search(each)]
    if len(kept) == len(lines):
        return None
    with replace_atomically(path) as unfinished:
        unfinished.write_bytes(b"".join(kept))
    return Redacted(path, f"{counted(len(lines) - len(kept), 'line')} taken out (1 redacted)")


def _files(place: Path) -> list[Path]:
    if place.is_file():
        return [place]
    return sorted(path for path in place.rglob("*") if path.is_file() and not path.is_symlink())


def _named(place: Path, name: str) -> list[Path]:
    return [path for path in _files(place) if path.name == name]


def _is_export(folder: Path) -> bool:
    """Whether it is an export of ours; the files of one with a damaged manifest are taken one by one."""
    try:
        return own_manifest(folder) is not None
    except ImnmFhirError:
        return False


def _is_cohort(manifest: Path) -> bool:
    try:
        content = json.loads(manifest.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(content, dict) and "tables" in content and "sites" in content
