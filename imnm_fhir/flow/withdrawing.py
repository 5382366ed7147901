"""A patient's withdrawal: tombstone first, then servers, then disk, then a search for what is left."""

import sqlite3
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from imnm_fhir.dictionary import load_dictionary
from imnm_fhir.errors import ImnmFhirError, ServerError, UsageError
from imnm_fhir.flow.places import is_url
from imnm_fhir.owner import temporary_folders
from imnm_fhir.withdrawal.tombstones import bury, tombstones_beside
from imnm_fhir.withdrawal.tombstones import tell_apart as note_another
from imnm_fhir.withdrawal.unfinished import FILE, keep_unfinished, read_unfinished

if TYPE_CHECKING:
    from imnm_fhir.server import ServerOptions
    from imnm_fhir.withdrawal import AtServer, Person

Say = Callable[[str], None]


@dataclass
class Withdrawn:
    """What a withdrawal left undone: problems by place, files that still name the patient.

    `reports` say what happened at each server; `changed` counts what was redacted on disk. `is_known`:
    something of the patient was found, now or in an earlier withdrawal.
    """

    reports: list["AtServer"] = field(default_factory=list)
    changed: int = 0
    is_known: bool = False
    problems: list[str] = field(default_factory=list)
    server_problems: list[str] = field(default_factory=list)
    traces: list[Path] = field(default_factory=list)

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left anywhere that was looked at."""
        undone = self.problems or self.server_problems or self.traces
        return not undone and all(each.is_absent for each in self.reports)


def withdraw(
    patient: str,
    places: Sequence[Path],
    urls: Sequence[str] = (),
    *,
    cascade: bool = False,
    expunge: bool = True,
    server: "ServerOptions | None" = None,
    say: Say = lambda line: None,
) -> Withdrawn:
    """Take a patient (`site/pseudonym`) out of `places` on disk and off the servers at `urls`.

    Everything of ours under a place is found by what it is: cohorts, exports, Bundles, journals,
    logs, reports. Each place stands for itself: what fails at one is noted, and the others go on.
    Safe to repeat. Raises `UsageError` where no patient or no place is named.
    """
    from imnm_fhir.withdrawal import parse_person

    person = parse_person(patient)
    _check(places, urls)
    done = Withdrawn()
    known = _known(places, person, done) | _unfinished(places, done)
    _bury(places, person, done, say)
    if urls:
        _keep_unfinished(places, known, done)
    for url in urls:
        _at_server(url, person, places, known, cascade, expunge, server, done, say)
    if urls and not done.server_problems:
        _keep_unfinished(places, (), done)
    ids = {ident for _, ident in known} | {i for each in done.reports for _, i in each.removed}
    _on_disk(places, ids, person, done, say)
    _search(places, ids, person, done)
    done.is_known |= bool(done.changed or done.traces or any(each.removed for each in done.reports))
    return done


def tell_apart(patient: str, places: Sequence[Path]) -> list[str]:
    """Note beside every cohort that a patient is another person than the withdrawn one spelt alike.

    What was noted, a line each. Raises `UsageError` where no place is named, or nobody was withdrawn there.
    """
    from imnm_fhir.withdrawal import parse_person

    person = parse_person(patient)
    _check(places, ())
    files = _tombstone_files(places)
    noted = [path for path in files if note_another(path, person.site, person.patient)]
    if not noted:
        raise UsageError(
            "--another-person: nobody was withdrawn there; name the folder that the tombstones stand in"
        )
    return [f"{path}: noted as another person; harmonise again" for path in noted]


def _check(places: Sequence[Path], urls: Sequence[str]) -> None:
    if not places and not urls:
        raise UsageError("give the folders that hold the patient, and servers with --at")
    for url in urls:
        if not is_url(url):
            raise UsageError(
                "--at: give the server's address, such as https://fhir.example.org/fhir"
            )
    for place in places:
        if not place.exists():
            raise ImnmFhirError(f"{place}: no such file or folder")


def _known(places: Sequence[Path], person: "Person", done: Withdrawn) -> set[tuple[str, str]]:
    """Types and ids of the patient's resources, as cohorts and journals tell of them."""
    from imnm_fhir.withdrawal import cohort_folders, journal_ids, resource_ids
    from imnm_fhir.withdrawal.places import journals

    tables = load_dictionary().tables
    known: set[tuple[str, str]] = {("Patient", person.id)}
    for place in places:
        for folder in cohort_folders(place):
            try:
                rows = resource_ids(folder, person)
            except ImnmFhirError as error:
                done.problems.append(str(error))
                continue
            known |= {(tables[name].resource, ident) for name, ids in rows.items() for ident in ids}
        for path in journals(place):
            try:
                known |= journal_ids(path, person)
            except sqlite3.DatabaseError:
                continue  # damaged: it is removed with the rest
    return known


def _bury(places: Sequence[Path], person: "Person", done: Withdrawn, say: Say) -> None:
    """A tombstone beside every cohort: also beside one that is harmonised there later."""
    files = _tombstone_files(places)
    for path in files:
        try:
            new = bury(path, person.site, person.patient)
            done.is_known |= not new
            if new:
                say(f"{path}: tombstone set: no later delivery there brings the patient back")
        except ImnmFhirError as error:
            done.problems.append(str(error))
    if not files:
        done.problems.append(
            "no tombstone was set: name the cohort's folder too, or the next delivery brings the "
            "patient back"
        )


def _tombstone_files(places: Sequence[Path]) -> list[Path]:
    from imnm_fhir.withdrawal import cohort_folders

    folders = [folder for place in places for folder in (cohort_folders(place) or [place])]
    return sorted({tombstones_beside(folder) for folder in folders})


def _unfinished(places: Sequence[Path], done: Withdrawn) -> set[tuple[str, str]]:
    """What an earlier withdrawal left at a server that went away."""
    left: set[tuple[str, str]] = set()
    for path in _tombstone_files(places):
        try:
            left |= read_unfinished(path)
        except ImnmFhirError as error:
            done.problems.append(str(error))
    return left


def _keep_unfinished(
    places: Sequence[Path], left: Collection[tuple[str, str]], done: Withdrawn
) -> None:
    """Keep what servers may still hold: before anything is removed, since nobody may see the end."""
    for path in _tombstone_files(places):
        try:
            keep_unfinished(path, left)
        except (ImnmFhirError, OSError) as error:
            done.problems.append(f"{path}: what the server may still hold is not kept: {error}")


def _at_server(
    url: str, person: "Person", places: Sequence[Path], known: set[tuple[str, str]], cascade: bool,
    expunge: bool, server: "ServerOptions | None", done: Withdrawn, say: Say,
) -> None:  # fmt: skip
    from imnm_fhir.server import connect, read_credentials
    from imnm_fhir.withdrawal import withdraw_at

    def note(found: Collection[tuple[str, str]]) -> None:
        known.update(found)
        _keep_unfinished(places, known, done)

    try:
        with connect(url, read_credentials(), server) as connection:
            report = withdraw_at(
                connection, person, set(known), cascade=cascade, expunge=expunge, note=note
            )
    except ServerError as error:
        done.server_problems.append(f"{error}; repeat the command when the server answers")
        return
    done.reports.append(report)
    for line in report.lines():
        say(line)


def _on_disk(
    places: Sequence[Path], ids: set[str], person: "Person", done: Withdrawn, say: Say
) -> None:
    from imnm_fhir.withdrawal import redact_place

    for place in places:
        for each in redact_place(place, ids, person, done.problems):
            done.changed += 1
            say(each.line())


def _search(places: Sequence[Path], ids: set[str], person: "Person", done: Withdrawn) -> None:
    from imnm_fhir.withdrawal import find_traces

    pattern = person.pattern(ids)
    found = find_traces([*places, *temporary_folders()], pattern, person.site, done.problems)
    done.traces = [path for path in found if path.name != FILE]  # ids, until the server answers
