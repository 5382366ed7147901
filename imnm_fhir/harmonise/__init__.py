"""Site files to a cohort: cells to values, rows to facts, nothing lost and nothing guessed."""

import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imnm_fhir.cohort import Cohort, new_manifest
from imnm_fhir.dictionary import TABLES
from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.harmonise.corrected_rows import Correction
from imnm_fhir.harmonise.corrections import apply_corrections, refuse_foreign
from imnm_fhir.harmonise.facts import Work, make_facts
from imnm_fhir.harmonise.limits import add_upper_limits, note_imputed
from imnm_fhir.harmonise.origins import cells_of
from imnm_fhir.harmonise.outcomes import ISSUE, MISSING
from imnm_fhir.harmonise.patients import Suspect, open_table, refuse_unknown, settle_patients
from imnm_fhir.harmonise.tables import make_table, refuse_rows_without_facts
from imnm_fhir.issues import Issue
from imnm_fhir.languages import translatable
from imnm_fhir.pseudonyms import KEY, KEY_FILE, fingerprint, read_pseudonym_key
from imnm_fhir.sites import SiteMapping, plan_tables
from imnm_fhir.sites.fit import TablePlan, consent_left_unread, fits

if TYPE_CHECKING:
    import pyarrow as pa

    from imnm_fhir.readers import TextTable

Progress = Callable[[int], None]
GUESSED = translatable("{said}; see encoding in the mapping")
CONSENT_UNREAD = translatable(
    "the column speaks of consent and is not read, while a legal basis stands in for consent; map it to "
    "consent_reuse, or make sure that it may be left out"
)


def harmonise(
    files: Sequence[Path],
    mapping: SiteMapping,
    *,
    pseudonym_key: bytes | None = None,
    corrections: Sequence[Correction] = (),
    foreign: Collection[str] = (),
    known: Mapping[str, Mapping[str, Any]] | None = None,
    asked_of: str | None = None,
    suspect: Suspect | None = None,
    progress: Progress | None = None,
) -> Cohort:
    """The cohort that the files of one site make through its mapping, with every issue found.

    `pseudonym_key` is asked for where the mapping says `hmac` (default: from the environment, see
    `imnm_fhir.pseudonyms`). `corrections` are put on top of what the files say; what became of each
    stands in `manifest["sites"][site]["corrections"]`. Rows of `foreign` patients are refused;
    `known` patients are those of earlier deliveries, with what is known of them: they need no row of
    their own. `asked_of` is the id of the deliveries that were asked about, where these files are one
    of several. Rows of patients who are `suspect`, since a withdrawn one is spelt nearly so, are refused.
    `progress` takes how many more cells are done. Counts per file stand in
    `manifest["sites"][site]["sources"]`. Raises `Problems` with everything that does not fit, before
    anything is converted, and `ImnmFhirError` for a file that cannot be read or a key that lacks.
    """
    key = _key(mapping, pseudonym_key)
    tables = [table for path in files for table in _read(path, mapping)]
    return harmonise_tables(
        tables, mapping, pseudonym_key=key, corrections=corrections, foreign=foreign,
        known=known, asked_of=asked_of, suspect=suspect, progress=progress,
    )  # fmt: skip


def harmonise_tables(
    tables: Sequence["TextTable"],
    mapping: SiteMapping,
    *,
    pseudonym_key: bytes | None = None,
    corrections: Sequence[Correction] = (),
    foreign: Collection[str] = (),
    known: Mapping[str, Mapping[str, Any]] | None = None,
    asked_of: str | None = None,
    suspect: Suspect | None = None,
    progress: Progress | None = None,
) -> Cohort:
    """As `harmonise`, from tables that were read already."""
    fitted = plan_tables(mapping, tables)
    replayed: dict[str, str] = {}
    if corrections:
        fitted, replayed = apply_corrections(fitted, mapping, pseudonym_key, corrections, asked_of)
    works = [open_table(each, mapping, pseudonym_key, suspect) for each in fitted]
    refuse_foreign(works, foreign)
    for work in works:
        _read_time_points(work)
    patients, refused = settle_patients(works)
    known = known or {}
    about_them = {
        each: {**known.get(each, {}), **patients.get(each, {})} for each in {*known, *patients}
    }
    add_upper_limits(works, about_them, mapping.cut_off)
    for work in works:
        refuse_unknown(work, {*patients, *known}, refused)
        for fact in work.fitted.plan.facts:
            if fact.element.table != "patients":
                make_facts(work, fact)
        if progress:
            progress(len(work.patients) * len(work.account.outcomes))
    made = {name: _table(name, works, patients, mapping) for name in TABLES}
    for work in works:
        refuse_rows_without_facts(work)
        note_imputed(work)
        _settle_row_columns(work)
        work.account.close()
    issues = _warnings(mapping, fitted)
    issues += [issue for work in works for issue in work.account.found()]
    about = _about(mapping, pseudonym_key, [work.account.counts() for work in works])
    about |= {"corrections": replayed} if replayed else {}
    cells = cells_of(works, made["patients"])
    return Cohort(new_manifest("site file", {mapping.id: about}), made, tuple(issues), cells)


def _key(mapping: SiteMapping, given: bytes | None) -> bytes | None:
    """The pseudonym key, where the mapping needs one."""
    if mapping.pseudonymise == "keep" or mapping.to_fill_in:  # the check says what to fill in
        return None
    key = given or read_pseudonym_key(os.environ)
    if key is None:
        raise ImnmFhirError(
            f'{mapping.source}: pseudonymise = "hmac" needs a key; set {KEY} or {KEY_FILE}'
        )
    return key


def _read(path: Path, mapping: SiteMapping) -> list["TextTable"]:
    """The tables of one file, read as the mapping says of files with its name."""
    from imnm_fhir.readers import EXCEL_NAMES, read_tables

    kinds = [each for each in mapping.files if fits(each, path.name, None)]
    if path.suffix.lower() not in EXCEL_NAMES:
        first = kinds[0] if kinds else None
        return read_tables(
            path,
            encoding=first.encoding if first else None,
            delimiter=first.delimiter if first else None,
            header_row=first.header_row if first else 1,
        )
    if not kinds or any(each.sheet is None for each in kinds):
        return read_tables(path, header_row=kinds[0].header_row if kinds else 1)
    sheets: dict[int, list[str]] = {}
    for each in kinds:
        if not each.skip:
            sheets.setdefault(each.header_row, []).append(str(each.sheet))
    return [
        table
        for header_row, names in sheets.items()
        for table in read_tables(path, sheets=names, header_row=header_row)
    ]


def _read_time_points(work: Work) -> None:
    """The time point of each row; a row whose time point cannot be read has no key and is refused."""
    reading = work.fitted.plan.time_point
    if reading is None:
        return
    work.time_point = work.columns.convert(reading)
    for row, code in enumerate(work.time_point.codes):
        cell = work.time_point.cells[code]
        if cell.outcome == ISSUE and work.alive[row]:
            work.account.refuse(row, reading.column, cell.rule, cell.message)
            work.alive[row] = False
        if cell.outcome == MISSING and work.alive[row]:
            message = translatable(
                "the reason is not kept: the facts of the row stay without a time point"
            )
            work.account.note(row, reading.column, "reason-dropped", "note", message)


def _settle_row_columns(work: Work) -> None:
    """Account for the columns that belong to whole rows: time point and element."""
    import numpy as np

    used = np.zeros(len(work.patients), bool)
    for fact in work.facts:
        used[fact.rows] = True
    plan = work.fitted.plan
    whole = {
        each.column: each for each in (plan.time_point, *(fact.when for fact in plan.facts)) if each
    }
    failed = np.array(
        sorted({row for row, _, _ in work.account.issues if row is not None}), np.int64
    )
    for column, reading in whole.items():
        converted = work.columns.convert(reading)
        outcomes = np.where(used | (converted.outcomes == MISSING), converted.outcomes, 0)
        work.account.take((column,), np.arange(len(outcomes)), outcomes.astype(np.int8))
        for row in np.flatnonzero((converted.outcomes == ISSUE) & work.alive):
            cell = converted.cells[converted.codes[row]]
            work.account.take((column,), np.array([row]), ISSUE)
            work.account.note(int(row), column, cell.rule, "improbable", cell.message)
        work.account.excuse((column,), failed)


def _table(
    name: str, works: Sequence[Work], patients: dict[str, dict[str, Any]], mapping: SiteMapping
) -> "pa.Table":
    if name == "patients":
        return make_table(name, [], patients.values())
    more = _legal_basis(mapping, patients) if name == "observations" else []
    return make_table(
        name, [fact for work in works for fact in work.facts if fact.table == name], more
    )


def _legal_basis(mapping: SiteMapping, patients: Iterable[str]) -> list[dict[str, Any]]:
    """The legal basis that the mapping declares, as a fact of every patient."""
    if mapping.legal_basis is None:
        return []
    return [
        {
            "site": mapping.id,
            "patient": patient,
            "element": "legal_basis",
            "value_text": mapping.legal_basis,
            "file": mapping.source,
            "row": mapping.legal_basis_line,
            "column": "legal_basis",
        }
        for patient in patients
    ]


def _warnings(mapping: SiteMapping, fitted: Sequence[TablePlan]) -> list[Issue]:
    """What the site should know of its mapping: consent that nobody reads or declares."""
    found = [
        Issue(
            "consent-unread", "note", "completeness",
            CONSENT_UNREAD,
            site=mapping.id, file=each.table.file, sheet=each.table.sheet, column=header,
        )
        for each, header in consent_left_unread(mapping, fitted)
    ]  # fmt: skip
    elements = {fact.element.name for each in fitted for fact in each.plan.facts}
    if mapping.legal_basis is None and "consent_reuse" not in elements:
        message = translatable(
            "neither consent nor a legal basis is known, so no patient may leave the site"
        )
        found.append(
            Issue(
                "no-consent", "note", "completeness", message, site=mapping.id, file=mapping.source
            )
        )
    return found + _guessed(mapping, fitted)


def _guessed(mapping: SiteMapping, fitted: Sequence[TablePlan]) -> list[Issue]:
    """Files whose encoding was guessed, so that any word of them may be another."""
    from imnm_fhir.readers.decoding import GUESS

    return [
        Issue(
            "encoding-guessed", "improbable", "conformance", GUESSED.format(said=said),
            site=mapping.id, file=each.table.file,
        )
        for each in fitted for said in each.table.said if GUESS in said
    ]  # fmt: skip


def _about(
    mapping: SiteMapping, key: bytes | None, sources: list[dict[str, Any]]
) -> dict[str, Any]:
    """What the manifest says of the site."""
    return {
        "name": mapping.name,
        "country": mapping.country,
        "language": mapping.language,
        "cut_off": mapping.cut_off,
        "kind": mapping.kind,
        "legal_basis": mapping.legal_basis,
        "relapse_definition": mapping.relapse_definition,
        "pseudonym": {
            "identifier": mapping.identifier,
            "method": mapping.pseudonymise,
            "fingerprint": fingerprint(key) if key else None,
        },
        "mapping": {"file": mapping.source, "sha256": mapping.sha256},
        "sources": sources,
    }
