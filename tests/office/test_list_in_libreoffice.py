"""The list of queries through LibreOffice: opened, saved, read back. Without it tests fail: they are never skipped."""

import shutil
import subprocess
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from openpyxl import load_workbook

from imnm_fhir.queries.lists.columns import answer_words, headings
from imnm_fhir.queries.lists.importing import import_answers
from imnm_fhir.queries.lists.listing import ANSWERED, LISTS
from tests.unit.queries.one_loop import MRC, MRS, finding, issue, log_of, place, round_of, written

FOUND = [
    MRC,
    MRS,
    finding("M08", "P3", place("mrs", 4, "=1+1", column="-Größe, µ", sheet="Blatt 1")),
    finding(
        "D01", "P1", place("imnm", 2, "01.02.2020", table="conditions", field="onset_date"),
        place("imnm", 2, "01.02.2019", table="conditions", field="date", column="Dx"),
        part="onset-diagnosis",
    ),
    *(issue("unit-missing", row, "CK", str(row * 3)) for row in range(2, 42)),
]  # fmt: skip
MISSING = "sh scripts/need_libreoffice.sh installs it, or says how"


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """LibreOffice's own folder, so that no other one is asked."""
    return tmp_path_factory.mktemp("libreoffice")


def saved(path: Path, profile: Path) -> Path:
    """The workbook as LibreOffice saves it."""
    office = shutil.which("soffice")
    if office is None:
        pytest.fail(f"no LibreOffice; {MISSING}", pytrace=False)
    out = path.parent / "saved"
    subprocess.run(
        [office, "--headless", f"-env:UserInstallation={profile.as_uri()}", "--convert-to", "xlsx",
         "--outdir", out, path],
        check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    return out / path.name


def cells(path: Path) -> dict[str, list[list[Any]]]:
    """Every cell of every sheet."""
    return {
        sheet.title: [[cell.value for cell in row] for row in sheet.iter_rows()]
        for sheet in load_workbook(path).worksheets
    }


def drop_downs(path: Path) -> dict[str, tuple[str, bool]]:
    """By cell, the range of its choices, and whether another answer is refused."""
    sheet: Any = load_workbook(path).worksheets[0]
    return {
        f"{column}{row}": (str(each.formula1).lstrip("="), bool(each.showErrorMessage))
        for each in sheet.data_validations.dataValidation if each.type == "list"
        for part in str(each.sqref).split()
        for line in sheet[part if ":" in part else f"{part}:{part}"]
        for column, row in [(cell.column_letter, cell.row) for cell in line]
    }  # fmt: skip


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    return written(round_of(tmp_path, FOUND, language="de"), tmp_path, "de")


def test_cells_and_drop_downs_are_still_there(listed: Path, profile: Path) -> None:
    again = saved(listed, profile)
    assert cells(again) == cells(listed)
    assert load_workbook(again)[LISTS].sheet_state == "hidden"
    before = drop_downs(listed)
    assert drop_downs(again) == before
    sheet: Any = load_workbook(again)[ANSWERED]
    title = headings("de")["answer"]
    (place,) = [cell.column_letter for cell in sheet[1] if cell.value == title]
    assert {f"{place}{row}" for row in range(2, sheet.max_row + 1)} <= before.keys()
    choices, _ = before[f"{place}2"]
    lists: Any = load_workbook(again)[LISTS]
    first = lists[choices.partition("!")[2].replace("$", "")]
    assert [cell.value for (cell,) in first] == answer_words("de")


def test_answers_that_it_saved_are_taken_as_they_are(
    tmp_path: Path, listed: Path, profile: Path
) -> None:
    said, names = headings("de"), answer_words("de")
    book = load_workbook(listed)
    sheet: Any = book[ANSWERED]
    places = {cell.value: cell.column for cell in sheet[1]}
    for row in range(2, sheet.max_row + 1):
        patient = sheet.cell(row, places[said["patient"]]).value
        sheet.cell(row, places[said["by"]], "Eva")
        sheet.cell(row, places[said["role"]], "Ärztin")
        sheet.cell(row, places[said["date"]], date(2026, 3, 1))
        mine = patient == "P2"
        sheet.cell(row, places[said["answer"]], names[0 if mine else 1])
        if mine:
            sheet.cell(row, places[said["new"]], 4.5)
    book.save(listed)
    again = saved(listed, profile)
    log, taken = import_answers(log_of(tmp_path), again)
    assert (len(taken.entries), taken.problems) == (5, [])
    assert {each["answer"] for each in log.of("answered")} == {"corrected", "confirmed"}
    (corrected,) = [each for each in log.of("answered") if each["answer"] == "corrected"]
    assert (corrected["new"], corrected["date"], corrected["role"]) == (
        "4.5",
        "2026-03-01",
        "Ärztin",
    )
    _, once_more = import_answers(log, listed)
    assert (once_more.entries, once_more.known) == ([], 5)
