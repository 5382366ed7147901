"""The query loop of a cohort's folder: lists out, answers in, and what they change."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imnm_fhir.cohort import read_manifest, write_manifest
from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.flow.earlier import DELIVERIES
from imnm_fhir.flow.harmonising import READ_FROM, harmonise_files
from imnm_fhir.harmonise.corrections import APPLIED, AT_SOURCE, CONFLICT, GONE, UNREADABLE
from imnm_fhir.languages import counted
from imnm_fhir.queries.lists.importing import Taken, import_answers
from imnm_fhir.queries.lists.proposed_lines import FILE, write_mapping_lines
from imnm_fhir.queries.record.answers import changing_entries
from imnm_fhir.queries.record.audit import (
    AUDIT_COLUMNS,
    TO_FIX_COLUMNS,
    audit_rows,
    csv_lines,
    to_fix_rows,
    write_audit,
)
from imnm_fhir.queries.record.log import Log, log_folder, read_log, repair
from imnm_fhir.queries.record.signing import sign, signature
from imnm_fhir.queries.record.status import status_of
from imnm_fhir.written import file_hash

if TYPE_CHECKING:
    from imnm_fhir.sites.mapping import SiteMapping


@dataclass(frozen=True)
class AnswersTaken:
    """What an import of answers came to, and whether the cohort holds them by now."""

    taken: Taken
    said: tuple[str, ...]

    def lines(self) -> list[str]:
        """What happened, a line each."""
        return [*self.taken.lines(), *self.said]


def log_of(cohort: Path, log: Path | None = None) -> Log:
    """The log of a cohort's folder (or that in `log`), its chain checked."""
    return read_log(log or log_folder(cohort))


def take_answers(
    cohort: Path, path: Path, *, by: str | None = None, role: str | None = None,
    log: Path | None = None,
) -> AnswersTaken:  # fmt: skip
    """Take the answers of a filled-in list, and put the corrections on top of the site's files.

    The cohort is made again from the files that it was made from; where they are not there any more,
    what to do is said.
    """
    kept, taken = import_answers(log_of(cohort, log), path, by=by, role=role)
    said = []
    if write_mapping_lines(kept, _mapping(cohort)):
        said.append(f"proposed lines of the site mapping: {kept.folder / FILE}")
    applied = replayed_of(cohort)
    if not taken.entries and all(each["hash"] in applied for each in changing_entries(kept)):
        return AnswersTaken(taken, tuple(said))
    return AnswersTaken(taken, (*said, refresh(cohort, kept)))


def refresh(cohort: Path, log: Log) -> str:
    """Make the cohort again from its files, with what was answered; what happened, in a line."""
    sources = _sources(cohort)
    if sources is None:
        return "run imnm-fhir harmonise again with the site's files, so that the answers count"
    files, mapping = sources
    harmonise_files(files, mapping, cohort, log=log.folder)
    replayed = replayed_of(cohort)
    states = Counter(replayed.get(each["hash"], GONE) for each in changing_entries(log))
    corrections = counted(states[APPLIED], "correction")
    made = f"{cohort}: made again from the site's files with {corrections} on top"
    others = [f"{states[state]} {said}" for state, said in UNUSED.items() if states[state]]
    return "; ".join([made, *others, "validate it"])


UNUSED = {
    AT_SOURCE: "said by the source by now",
    UNREADABLE: "that cannot be read and will be asked again",
    CONFLICT: "against what the source says, which will be asked",
    GONE: "whose row is not there",
}


def _mapping(cohort: Path) -> "SiteMapping | None":
    """The mapping that the cohort was made with, where its files are still there."""
    from imnm_fhir.sites import load_site_mapping

    sources = _sources(cohort)
    return load_site_mapping(sources[1]) if sources else None


def _sources(cohort: Path) -> tuple[list[Path], str] | None:
    """The files that a cohort was made from, unchanged, and their mapping; None where they are gone."""
    manifest = read_manifest(cohort)
    about: dict[str, Any] = next(iter(manifest["sites"].values()))
    found = about.get(READ_FROM)
    if not isinstance(found, dict):
        return None
    files = [Path(each) for each in found.get("files", ())]
    if not files or not all(each.is_file() for each in files):
        return None
    newest = (about.get(DELIVERIES) or [{}])[-1]
    known = set(newest.get("sha256") or (each["sha256"] for each in about.get("sources") or []))
    return (files, str(found["mapping"])) if known <= {file_hash(each) for each in files} else None


def sign_delivery(
    cohort: Path, *, by: str, role: str, statement: str, log: Path | None = None
) -> list[str]:
    """Endorse the cohort as it is; the manifest and the log say so. What was signed, a line each."""
    manifest = read_manifest(cohort)
    kept = log_of(cohort, log)
    if not kept.entries:
        raise ImnmFhirError(
            f"{kept.folder}: holds no queries; run imnm-fhir validate --report on the cohort first"
        )
    _, entry = sign(kept, manifest, by, role, statement)
    write_manifest({**manifest, "signed": signature(entry)}, cohort)
    states = ", ".join(f"{count} {state}" for state, count in entry["states"].items()) or "none"
    return [f"signed: state {entry['state'][:16]}; queries: {states}"]


def replayed_of(cohort: Path) -> dict[str, str]:
    """What became of each correction in the cohort's delivery, by the entry of the log."""
    sites = read_manifest(cohort)["sites"].values()
    return {name: state for about in sites for name, state in about.get("corrections", {}).items()}


def list_queries(
    cohort: Path, out: Path, *, study: Path | None = None, waivers: Path | None = None,
    language: str | None = None, neutral: bool = False, log: Path | None = None,
) -> list[str]:  # fmt: skip
    """Validate a cohort and write its list of queries into `out`; what was asked, a line each.

    `language` is that of the list (default: the site's own).
    """
    from imnm_fhir.validation import validate_folder

    validate_folder(
        cohort, queries=out, study=study, waivers=waivers, asked_in=language, neutral=neutral,
        log=log,
    )  # fmt: skip
    return [f"queries: {out / 'queries.xlsx'}", *status_of(log_of(cohort, log)).lines()]


def repair_log(cohort: Path, log: Path | None = None) -> str:
    """Cut a damaged log before its first bad line, and say where the copy of the whole is."""
    copy, cut = repair(log or log_folder(cohort))
    return f"{counted(cut, 'line')} cut, from the first bad one on; the whole log is kept as {copy}"


def audit_table(
    cohort: Path, out: Path | None, *, to_fix: bool = False, log: Path | None = None
) -> list[str]:
    """Write the log as a table into `out`, or give it as lines of CSV."""
    kept = log_of(cohort, log)
    columns = TO_FIX_COLUMNS if to_fix else AUDIT_COLUMNS
    rows = to_fix_rows(kept, replayed_of(cohort)) if to_fix else audit_rows(kept)
    said = [f"redacted: {kept.redacted}"] if kept.redacted else []
    if out is None:
        return [*csv_lines(columns, rows), *said]
    write_audit(out, columns, rows)
    return [f"{out}: {counted(len(rows), 'row')}", *said]
