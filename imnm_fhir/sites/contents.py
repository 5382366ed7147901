"""A plan against what the cells say: words without a mapping, styles and units nobody declared.

All of it stops before anything is written, with rows. Words are shown, since the list is for the
site that wrote them; no other cell is.
"""

from collections.abc import Iterable, Iterator

from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.sites.faults import Faults, listed, near
from imnm_fhir.sites.fit import TablePlan
from imnm_fhir.sites.plan import FactPlan, Reading
from imnm_fhir.sites.split import split_cell
from imnm_fhir.sites.styles import TO_DECLARE, undeclared_style
from imnm_fhir.sites.titres import read_titre
from imnm_fhir.sites.totals import totals_rows
from imnm_fhir.sites.unit_of import source_unit
from imnm_fhir.values import Unreadable, fold

CODED = ("code", "boolean", "element", "text")
MANY = 10  # more than one patient in ten on several rows makes a long table


def check_contents(fitted: TablePlan, faults: Faults) -> None:
    """Note every word, style and unit of the table that the mapping does not cover."""
    totals = set(totals_rows(fitted)[0])  # their counts are no words of the column
    for reading, rows in _readings(fitted):
        if totals:
            places = range(len(fitted.table.row_numbers)) if rows is None else rows
            rows = [place for place in places if place not in totals]
        if reading.unmapped == "stop":
            _check_words(fitted, reading, rows, faults)
            _check_styles(fitted, reading, rows, faults)
            _check_units(fitted, reading, rows, faults)
    for fact in fitted.plan.facts:
        _check_told_apart(fitted, fact, faults)


def _readings(fitted: TablePlan) -> Iterator[tuple[Reading, list[int] | None]]:
    """Every reading of the file with the rows that it is for; None for all of them."""
    seen: set[int] = set()
    if fitted.plan.time_point:
        yield fitted.plan.time_point, None
    for fact in fitted.plan.facts:
        rows = element_rows(fitted, fact)
        for reading in (*fact.readings, *([fact.when] if fact.when else [])):
            if id(reading) not in seen:
                seen.add(id(reading))
                yield reading, None if reading is fact.when else rows


def element_rows(fitted: TablePlan, fact: FactPlan) -> list[int] | None:
    """The places of the rows that name the fact's element; None where all of them are its own."""
    if fact.when is None or fact.when.words is None:
        return None
    words, name = fact.when.words, fact.element.name
    cells = fitted.cells(fact.when.column)
    own = {text for text in set(cells) if words.get(fold(text)) == name}
    return [place for place, text in enumerate(cells) if text in own]


def _check_words(
    fitted: TablePlan, reading: Reading, rows: list[int] | None, faults: Faults
) -> None:
    if reading.kind not in CODED or reading.words is None:
        return
    unknown = [
        text
        for text in _distinct(fitted, reading, rows)
        if any(not known_word(reading, part) for part, _ in split_cell(reading, text))
    ]
    if unknown:
        counted = listed(_counted(fitted, reading.column, unknown), 30)
        hint = near(unknown[0], reading.words) if len(unknown) == 1 else ""
        faults.at(
            reading.line,
            f"column '{reading.column}' of {fitted.said}: words without a mapping: {counted}; "
            f'add them to words or missing, or say unmapped = "issue"{hint}',
        )


def known_word(reading: Reading, text: str) -> bool:
    """Whether the word of a coded column is mapped, to a value or to a missing reason."""
    folded = fold(text)
    known = folded in reading.missing or folded in (reading.words or {})
    return not folded or known or reading.leaves(folded) or _is_titre(reading, text)


def _is_titre(reading: Reading, text: str) -> bool:
    try:
        return read_titre(reading, text) is not None
    except Unreadable:  # a titre in another style: an issue of its cell
        return True


def _distinct(fitted: TablePlan, reading: Reading, rows: list[int] | None) -> list[str]:
    """The different cells of a column that say something, typed ones left out of numbers and dates."""
    typed = fitted.typed(reading.column) if reading.kind in ("number", "date") else frozenset()
    if rows is None and not typed:
        return fitted.distinct(reading.column)
    cells = fitted.cells(reading.column)
    places = range(len(cells)) if rows is None else rows
    found = dict.fromkeys(cells[place] for place in places if place not in typed)
    return [text for text in found if text]


def _counted(fitted: TablePlan, column: str, texts: Iterable[str]) -> list[str]:
    """Where each text stands. The text itself is not said: it may be a name that slipped in here."""
    rows: dict[str, list[int]] = {text: [] for text in texts}
    for row, text in zip(fitted.table.row_numbers, fitted.cells(column), strict=True):
        if text in rows:
            rows[text].append(row)
    return [f"one in {_rows(at)}" for at in rows.values()]


def _rows(rows: list[int]) -> str:
    return f"row {rows[0]}" if len(rows) == 1 else f"rows {listed(rows, 5)}"


def _check_styles(
    fitted: TablePlan, reading: Reading, rows: list[int] | None, faults: Faults
) -> None:
    if reading.kind not in ("number", "date"):
        return
    unclear: dict[str, set[str]] = {}
    for text in _distinct(fitted, reading, rows):
        if fold(text) in reading.missing or fold(text) in (reading.words or {}):
            continue
        if key := undeclared_style(reading, text):
            unclear.setdefault(key, set()).add(text)
    for key, texts in unclear.items():
        cells = zip(fitted.table.row_numbers, fitted.cells(reading.column), strict=True)
        at = [row for row, text in cells if text in texts]
        faults.at(
            reading.line,
            f"column '{reading.column}' of {fitted.said}: {len(at)} cell{'s' * (len(at) > 1)} cannot be read without "
            f"a declared style ({_rows(at)}); declare {TO_DECLARE[key]}",
        )


def _check_units(
    fitted: TablePlan, reading: Reading, rows: list[int] | None, faults: Faults
) -> None:
    """Every unit that the rows name must be one of the element's."""
    unit = reading.unit_column
    if unit is None or reading.element is None:
        return
    wrong: dict[str, list[str]] = {}
    for text in _distinct(fitted, unit, rows):
        if fold(text) in unit.missing:
            continue
        try:
            source_unit(reading.element, reading.field, unit_text(unit, text))
        except ImnmFhirError as error:
            wrong.setdefault(str(error), []).append(text)
    for message, texts in wrong.items():
        counted = listed(_counted(fitted, unit.column, texts), 30)
        faults.at(unit.line, f"column '{unit.column}' of {fitted.said}: {counted}: {message}")


def unit_text(unit: Reading, text: str) -> str:
    """The unit that a cell of a unit's column names, through its words if it has any."""
    return unit.words.get(fold(text), text) if unit.words else text


def _check_told_apart(fitted: TablePlan, fact: FactPlan, faults: Faults) -> None:
    """Rows of one patient in a long table must differ in their key."""
    plan = fitted.plan
    dated = fact.element.key_by == "date" and any(each.field == "date" for each in fact.readings)
    if plan.one_per_patient or plan.file.record or plan.time_point or fact.time_point or dated:
        return
    patients = fitted.cells(str(plan.file.patient))
    columns = [fitted.cells(each.column) for each in fact.readings if each.carries]
    seen: dict[str, set[tuple[str, ...]]] = {}
    for place, patient in enumerate(patients):
        said = tuple(cells[place] for cells in columns)
        if patient.strip() and any(text.strip() for text in said):
            seen.setdefault(patient, set()).add(said)
    several = [patient for patient, said in seen.items() if len(said) > 1]
    if len(several) * MANY > len(seen):
        instead = ", or map a time_point or a date" if fact.element.key_by == "date" else ""
        faults.at(
            fact.line,
            f"{fitted.said}: {len(several)} patient(s) with several rows of '{fact.element.name}', and "
            'nothing tells them apart; name record = "…", a column with a number of each row (add one '
            f"where there is none){instead}",
        )
