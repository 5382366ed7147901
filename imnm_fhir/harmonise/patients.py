"""Patients: who each row is, which rows are refused, and one row per patient."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from imnm_fhir.harmonise.account import IMPOSSIBLE_RULES, Account, Fact
from imnm_fhir.harmonise.columns import Columns, Converted
from imnm_fhir.harmonise.facts import Work
from imnm_fhir.harmonise.identifiers import (
    alike,
    damaged_identifier,
    missing_words,
    names_nobody,
)
from imnm_fhir.harmonise.outcomes import ISSUE, MISSING
from imnm_fhir.languages import translatable
from imnm_fhir.pseudonyms import pseudonym
from imnm_fhir.sites.fit import TablePlan
from imnm_fhir.sites.mapping import SiteMapping
from imnm_fhir.sites.totals import totals_rows
from imnm_fhir.values import damaged_cell
from imnm_fhir.values.characters import plain
from imnm_fhir.values.spelling import spellings

UNKNOWN = translatable(
    "the patient is in no table of patients; send that row too, or correct the identifier"
)
UNKNOWN_WITH_ZEROS = translatable(
    "the patient is in no table of patients; send that row too, or correct the identifier; a spreadsheet "
    "probably took leading zeros off"
)
DECEASED = ("deceased_boolean", "deceased_date")


TOTALS = "totals-row"
A_TOTAL = translatable(
    "is a line of totals by its first word, and has neither sex nor date of birth: it is no patient and is left "
    "out; if it is one, give the patient another identifier"
)
PERHAPS_A_TOTAL = translatable(
    "reads like a line of totals, but has a sex or a date of birth: kept as a patient; if it is none, take the "
    "line out of the sheet"
)
LIKE_WITHDRAWN = "like-withdrawn"
HELD_BACK = translatable(
    "differs from a withdrawn patient in spelling only (case, dashes, spaces, zeros), so the row is held "
    "back: take it out of the source; if it is another person, see imnm-fhir withdraw --another-person"
)
# Whether an identifier of the cohort, or one that another spelling makes, is like a withdrawn patient's.
Suspect = Callable[[str, Iterable[str]], bool]


def open_table(
    fitted: TablePlan, mapping: SiteMapping, key: bytes | None, suspect: Suspect | None = None
) -> Work:
    """The table with the patient of each row; rows without one, or with a damaged one, are refused.

    So are those of a patient who is `suspect`.
    """
    import numpy as np
    import pyarrow as pa

    file = fitted.plan.file
    who = str(file.patient)
    cells = fitted.cells(who)
    names = {text: patient_name(text, mapping, key) for text in set(cells)}
    patients = [names[text] for text in cells]
    suspects = _suspects(names, mapping, key, suspect) if suspect else ()
    records = fitted.cells(file.record) if file.record else None
    private = who if mapping.pseudonymise == "hmac" else None
    account = Account(mapping.id, fitted, patients, private)
    typed, missing = fitted.typed(who), missing_words(file)
    for row, text in enumerate(cells):
        if names_nobody(text, missing):
            account.refuse(row, who, "no-patient", "says no patient; the row cannot be kept")
        elif damage := damaged_identifier(text, row in typed):
            account.refuse(row, who, "damaged-identifier", damage)
        elif text in suspects:
            account.refuse(row, who, LIKE_WITHDRAWN, HELD_BACK)
    _set_totals_apart(fitted, account)
    for row, text in enumerate(records or ()):
        if not text:
            account.refuse(
                row, str(file.record), "no-record", "has no record id, which its key needs"
            )
        elif damage := damaged_cell(text):
            account.refuse(row, str(file.record), "damaged-identifier", damage)
    alive = np.ones(len(cells), bool)
    alive[sorted(account.refused)] = False
    return Work(fitted, account, Columns(fitted), records, pa.array(patients, pa.string()), alive)


def _set_totals_apart(fitted: TablePlan, account: Account) -> None:
    """Refuse the lines of totals of a table of persons; where a line may be a person, ask."""
    who = str(fitted.plan.file.patient)
    totals, doubtful = totals_rows(fitted)
    for row in sorted(set(totals) - account.refused):
        account.refuse(row, who, TOTALS, A_TOTAL)
    for row in sorted(set(doubtful) - account.refused):
        account.note(row, who, TOTALS, "improbable", PERHAPS_A_TOTAL)


def _suspects(
    names: Mapping[str, str | None], mapping: SiteMapping, key: bytes | None, suspect: Suspect
) -> set[str]:
    """The identifiers of the file that are like a withdrawn patient's; keyed ones are tried as spelt otherwise."""
    keyed = mapping.pseudonymise == "hmac"
    return {
        text
        for text, name in names.items()
        if name is not None
        and suspect(
            name,
            [str(patient_name(each, mapping, key)) for each in spellings(text)] if keyed else (),
        )
    }


def patient_name(text: str, mapping: SiteMapping, key: bytes | None) -> str | None:
    """How the cohort calls the patient that a cell names: as the site does, or by a pseudonym."""
    if not text:
        return None
    if mapping.pseudonymise == "keep":
        return plain(text)
    assert key is not None  # harmonise refuses to begin without it
    return pseudonym(plain(text), key)


def settle_patients(works: Sequence[Work]) -> tuple[dict[str, dict[str, Any]], set[str]]:
    """The row of each patient, and the patients refused because their rows contradict each other."""
    note_alike(works)
    refused = settle_duplicates(works)
    return patient_rows(works, refused), refused


def note_alike(works: Iterable[Work]) -> None:
    """Ask about patients whose identifiers differ in spelling only."""
    places: dict[str, tuple[Work, int]] = {}
    for work in works:
        if work.fitted.plan.one_per_patient:
            for row, text in enumerate(work.fitted.cells(str(work.fitted.plan.file.patient))):
                if work.alive[row]:
                    places.setdefault(text, (work, row))
    for text, other in alike(places).items():
        (work, row), (first, at) = places[text], places[other]
        message = translatable(
            "differs from row {row} of {file} in case, dashes, spaces or leading zeros only; if they are one "
            "patient, correct the identifier"
        ).format(row=first.fitted.table.row_numbers[at], file=first.fitted.said)
        who = str(work.fitted.plan.file.patient)
        work.account.note(row, who, "similar-identifier", "improbable", message)


def settle_duplicates(works: Iterable[Work]) -> set[str]:
    """Refuse conflicting rows of one patient and set identical ones aside; the patients refused.

    Only tables of one row per patient. Rows are compared in the columns that the mapping reads.
    """
    rows: dict[tuple[int, str], list[tuple[Work, int]]] = {}
    for work in works:
        if work.fitted.plan.one_per_patient:
            for row, patient in enumerate(work.patients):
                if work.alive[row] and patient is not None:
                    rows.setdefault((work.fitted.plan.file.place, patient), []).append((work, row))
    refused = set()
    for (_, patient), places in rows.items():
        if len(places) > 1 and not _set_aside_identical(places):
            refused.add(patient)
            for work, row in places:
                refuse_patient(work, row, _others(places, work, row))
    return refused


def _said(work: Work, row: int) -> tuple[tuple[str, str], ...]:
    """What the mapping reads of a row."""
    return tuple((column, work.fitted.cells(column)[row]) for column in work.account.outcomes)


def _set_aside_identical(places: Sequence[tuple[Work, int]]) -> bool:
    """Whether all rows are the same; then the later ones are set aside, with a note."""
    (first, kept), *others = places
    if any(_said(work, row) != _said(first, kept) for work, row in others):
        return False
    for work, row in others:
        who = str(work.fitted.plan.file.patient)
        message = translatable("is the same as row {row} of {file}; kept once").format(
            row=first.fitted.table.row_numbers[kept], file=first.fitted.said
        )
        work.account.note(row, who, "duplicate-row", "note", message)
        work.alive[row] = False
        work.account.same_as[row] = (first.account, kept)
    return True


def _others(places: Sequence[tuple[Work, int]], work: Work, row: int) -> str:
    at = [
        f"row {other.fitted.table.row_numbers[place]}"
        + (f" of {other.fitted.said}" if other is not work else "")
        for other, place in places
        if (other, place) != (work, row)
    ]
    return translatable(
        "the same patient stands in {others} with other values; both are refused: keep one"
    ).format(others=", ".join(at))


def refuse_patient(work: Work, row: int, message: str) -> None:
    """Refuse a row because its patient is in doubt."""
    who = str(work.fitted.plan.file.patient)
    work.account.refuse(row, who, "duplicate-patient", message)
    work.alive[row] = False


def patient_rows(works: Sequence[Work], refused: set[str]) -> dict[str, dict[str, Any]]:
    """The row of each patient, by patient; those whose tables contradict each other join `refused`."""
    doubted: set[str] = set()
    found: dict[str, dict[str, Any]] = {}
    places: dict[str, list[tuple[Work, int]]] = {}
    for work in works:
        if not work.fitted.plan.one_per_patient:
            continue
        values, mains = _patient_columns(work)
        for row in range(len(work.patients)):
            patient = work.patients[row]
            if not work.alive[row] or patient is None or patient in refused:
                continue
            mine = {name: column[row] for name, column in values.items() if column[row] is not None}
            places.setdefault(patient, []).append((work, row))
            known = found.setdefault(patient, _new_row(work, row, patient, mains))
            if any(known.get(name, value) != value for name, value in mine.items()):
                doubted.add(patient)
            known |= mine
    for patient in doubted:
        del found[patient]
        for work, row in places[patient]:
            refuse_patient(work, row, _others(places[patient], work, row))
    refused |= doubted
    return found


def _new_row(work: Work, row: int, patient: str, column: str) -> dict[str, Any]:
    table = work.fitted.table
    return {
        "site": work.account.site,
        "patient": patient,
        "file": table.file,
        "sheet": table.sheet,
        "row": table.row_numbers[row],
        "column": column,
    }


def _patient_columns(work: Work) -> tuple[dict[str, list[Any]], str]:
    """The columns of patients that a table fills, by row, and the header of the patient's column."""
    columns: dict[str, list[Any]] = {}
    for fact in work.fitted.plan.facts:
        if fact.element.table != "patients":
            continue
        converted = {each.field: work.columns.convert(each) for each in fact.readings}
        about = Fact("patients", fact.element.name)
        for each in converted.values():
            _account_for(work, each, about)
        by_field = {name: _filled(each, name) for name, each in converted.items()}
        reasons = {each.reading.reason_field: _reasons(each) for each in converted.values()}
        if DECEASED[0] in by_field or DECEASED[1] in by_field:
            columns |= _deceased(work, converted, by_field, about)
        else:
            columns |= by_field | {str(name): values for name, values in reasons.items()}
        for name, value in fact.constants.items():
            columns[name] = [value] * len(work.patients)
    return columns, work.fitted.headers[str(work.fitted.plan.file.patient)]


def _filled(converted: Converted, name: str) -> list[Any]:
    return [converted.cells[code].fields.get(name) for code in converted.codes]


def _reasons(converted: Converted) -> list[str | None]:
    return [converted.cells[code].reason for code in converted.codes]


def _account_for(work: Work, converted: Converted, about: Fact) -> None:
    import numpy as np

    outcomes = np.where(work.alive, converted.outcomes, 0)
    work.account.take(converted.reading.columns, np.arange(len(outcomes)), outcomes.astype(np.int8))
    for row in np.flatnonzero(outcomes == ISSUE):
        cell = converted.cells[converted.codes[row]]
        kind = "impossible" if cell.rule in IMPOSSIBLE_RULES else "improbable"
        work.account.note(int(row), converted.reading.column, cell.rule, kind, cell.message, about)


def _deceased(
    work: Work,
    converted: Mapping[str, Converted],
    values: Mapping[str, list[Any]],
    about: Fact,
) -> dict[str, list[Any]]:
    """Alive, dead and the date of death as one: a date says dead, and beside `false` contradicts it."""
    blank: list[Any] = [None] * len(work.patients)
    dead, dates = (list(values.get(name, blank)) for name in DECEASED)
    reasons: list[str | None] = list(blank)
    for row in range(len(work.patients)):
        if not work.alive[row]:
            continue
        date = converted.get(DECEASED[1])
        doubtful = date is not None and date.cells[date.codes[row]].outcome == ISSUE
        if dead[row] is False and (dates[row] is not None or doubtful):
            _contradiction(work, converted, row, about)
            dead[row] = dates[row] = None
            continue
        if dates[row] is not None:
            dead[row] = None
        reasons[row] = _reason(
            work, converted, row, dead[row] is None and dates[row] is None, about
        )
    return {DECEASED[0]: dead, DECEASED[1]: dates, "deceased_missing": reasons}


def _contradiction(work: Work, converted: Mapping[str, Converted], row: int, about: Fact) -> None:
    import numpy as np

    message = translatable(
        "a date of death stands beside 'not dead'; neither is kept: correct one of them"
    )
    for each in converted.values():
        work.account.take((each.reading.column,), np.array([row]), ISSUE)
        work.account.note(
            row, each.reading.column, "deceased-conflict", "impossible", message, about
        )


def _reason(
    work: Work, converted: Mapping[str, Converted], row: int, alone: bool, about: Fact
) -> str | None:
    """Why it is not known whether the patient is dead; beside an answer a reason has no place."""
    given = {name: each.cells[each.codes[row]] for name, each in converted.items()}
    reasons = [(name, cell.reason) for name, cell in given.items() if cell.outcome == MISSING]
    for name, reason in reasons if not alone else reasons[1:]:
        if alone and reason == reasons[0][1]:
            continue
        message = translatable(
            "the reason is not kept: whether the patient is dead is said beside it"
        )
        work.account.note(
            row, converted[name].reading.column, "reason-dropped", "note", message, about
        )
    return reasons[0][1] if alone and reasons else None


def refuse_unknown(work: Work, known: Iterable[str], refused: set[str]) -> None:
    """Refuse the rows of patients who are in no table of patients, or whose own row was refused."""
    known = set(known)
    bare = {patient.lstrip("0") for patient in known if patient.isdigit()}
    who = str(work.fitted.plan.file.patient)
    for row, patient in enumerate(work.patients):
        if not work.alive[row] or patient is None or patient in known:
            continue
        work.alive[row] = False
        if patient in refused:
            message = translatable("the patient's own row was refused; see duplicate-patient")
            work.account.refuse(row, who, "refused-patient", message)
            continue
        zeros = patient.isdigit() and patient.lstrip("0") in bare
        message = UNKNOWN_WITH_ZEROS if zeros else UNKNOWN
        work.account.refuse(row, who, "unknown-patient", message)
