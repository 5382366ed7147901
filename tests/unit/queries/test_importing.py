"""Lists come back as people send them: what is understood is taken, the rest is named by row."""

import csv
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from openpyxl import load_workbook
from openpyxl.utils import get_column_letter

from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.queries.lists.columns import answer_words, headings
from imnm_fhir.queries.lists.importing import Taken, import_answers
from imnm_fhir.queries.record.answers import corrections_of, standing_answers
from imnm_fhir.queries.record.log import Log
from tests.unit.queries.one_loop import (
    MRC,
    MRS,
    WHO,
    fill,
    finding,
    log_of,
    place,
    round_of,
    written,
)


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    return written(round_of(tmp_path, [MRC, MRS]), tmp_path)


@pytest.fixture
def take(tmp_path: Path, listed: Path) -> Callable[..., tuple[Log, Taken]]:
    def taking(rows: dict[str, dict[str, Any]], **how: Any) -> tuple[Log, Taken]:
        return import_answers(log_of(tmp_path), fill(listed, rows), **how)

    return taking


Take = Callable[..., tuple[Log, Taken]]


def test_a_correction_is_taken_and_the_rest_stays_open(take: Take) -> None:
    log, taken = take({"P1": {"Answer": "corrected", "New value": "4", "Comment": "typo", **WHO}})
    assert (len(taken.entries), taken.blank, taken.problems) == (1, 1, [])
    (entry,) = log.of("answered")
    assert (entry["old"], entry["new"], entry["by"], entry["role"]) == (
        "6",
        "4",
        "Eva",
        "data-manager",
    )
    assert entry["wording"] == "Which grade does your source give, and on which scale?"
    (correction,) = corrections_of(log)
    assert (correction.patient, correction.column, set(correction.old)) == (
        "P1",
        "WORST_MRC",
        {"6"},
    )


def test_importing_twice_changes_nothing(take: Take) -> None:
    rows = {"P1": {"Answer": "corrected", "New value": "4", **WHO}}
    first, _ = take(rows)
    again, taken = take(rows)
    assert again == first
    assert taken.lines()[0] == "0 answers taken, 1 known already, 1 left open"


def test_a_date_that_excel_typed_is_canonical(take: Take) -> None:
    log, _ = take({"P1": {"Answer": "corrected", "New value": date(1988, 2, 4), **WHO}})
    (correction,) = corrections_of(log)
    assert (correction.new, correction.typed) == ("1988-02-04", True)


def test_a_row_is_as_high_as_its_longest_text(tmp_path: Path) -> None:
    """Not every program finds the height of wrapped text when it opens a file."""
    sheet = load_workbook(written(round_of(tmp_path, [MRC, MRS]), tmp_path)).worksheets[0]
    for row in range(1, sheet.max_row + 1):
        longest = max(
            len(str(cell.value or "")) / sheet.column_dimensions[get_column_letter(place)].width
            for place, cell in enumerate(sheet[row], 1)
        )
        height = sheet.row_dimensions[row].height
        assert height is not None and height >= 15 * longest


def test_moved_columns_sorted_rows_notes_and_german_headings(tmp_path: Path) -> None:
    listed = written(round_of(tmp_path, [MRC, MRS], language="de"), tmp_path, "de")
    sheet = load_workbook(listed).worksheets[0]
    header, *cells = [[str(cell.value or "") for cell in row] for row in sheet.iter_rows()]
    said = headings("de")
    filled = {
        said["answer"]: answer_words("de")[1],
        said["by"]: "Eva",
        said["role"]: "x",
        "our notes": "y",
    }
    rows = [dict(zip(header, each, strict=True)) | filled for each in reversed(cells)]
    names = [*reversed(header), "our notes"]
    path = tmp_path / "back.csv"
    with path.open("w", encoding="cp1252", newline="") as lines:
        writer = csv.writer(lines, delimiter=";")
        writer.writerow(["Liste vom Montag"])
        writer.writerow(names)
        writer.writerows([[row[name] for name in names] for row in rows])
        writer.writerow(["", "fertig"])
    log, taken = import_answers(log_of(tmp_path), path)
    assert [each["answer"] for each in log.of("answered")] == ["confirmed", "confirmed"]
    assert taken.problems == []
    assert "columns not read: our notes" in taken.notes
    assert "rows without a query, not read: 1, 5" in taken.notes


@pytest.mark.parametrize(
    ("cells", "problem"),
    [
        ({"Answer": "corrected", **WHO}, "says corrected and gives no new value"),
        ({"New value": "4", **WHO}, "has a value or a comment and no answer"),
        ({"Answer": "yes", **WHO}, "the answer is none of the list"),
        ({"Answer": "corrected", "New value": "6", **WHO}, "the new value is the old one"),
        ({"Answer": "confirmed as is", "New value": "4", **WHO}, "has another new value"),
        ({"Answer": "not available", "New value": "4", **WHO}, "goes with corrected alone"),
        ({"Answer": "corrected", "New value": "=2+2", **WHO}, "a formula stands under new"),
        ({"Answer": "confirmed as is", "Role": "x"}, "says not by whom"),
        ({"Answer": "confirmed as is", "By": "x"}, "says not in which role"),
        ({"Answer": "proposal accepted", **WHO}, "nothing was proposed"),
        ({"Answer": "confirmed as is", "Query": "Q00000000000", **WHO}, "no such query was asked"),
        ({"Answer": "confirmed as is", "List": "other:x:1:2", **WHO}, "of another site"),
        ({"Answer": "confirmed as is", "List": " ", **WHO}, "code under List is missing"),
        ({"Answer": "confirmed as is", "List": "madrid:x:1:2", **WHO}, "of another cohort"),
        ({"Answer": "confirmed as is", "Cell that the new value is for": "Z", **WHO}, "none of this query's"),
    ],
)  # fmt: skip
def test_what_is_not_understood_is_named_by_row_and_nothing_else_is_lost(
    take: Take, cells: dict[str, Any], problem: str
) -> None:
    log, taken = take({"P1": cells, "P2": {"Answer": "confirmed as is", **WHO}})
    assert [each["patient"] for each in log.of("answered")] == ["P2"]
    (said,) = taken.problems
    assert said.startswith("queries.xlsx, row 2: ") and problem in said


def test_an_id_exchanged_for_another_one_is_refused(take: Take, tmp_path: Path) -> None:
    other = next(each["query"] for each in log_of(tmp_path).of("asked") if each["patient"] == "P2")
    _, taken = take({"P1": {"Query": other, "Answer": "confirmed as is", **WHO}})
    assert "query and patient do not belong together" in taken.problems[0]


def test_a_list_of_an_older_delivery_is_refused_by_row(listed: Path, tmp_path: Path) -> None:
    round_of(tmp_path, [MRC, MRS], delivery="2")
    filled = fill(listed, {"P1": {"Answer": "confirmed as is", **WHO}})
    log, taken = import_answers(log_of(tmp_path), filled)
    assert log.of("answered") == []
    assert "row 2: is of a list of another delivery" in taken.problems[0]


def test_a_formula_in_a_comment_is_text_and_said(take: Take) -> None:
    log, taken = take({"P1": {"Answer": "confirmed as is", "Comment": "=1+1", **WHO}})
    assert log.of("answered")[0]["comment"] == "=1+1"
    assert "queries.xlsx, row 2: a formula was kept as its text" in taken.notes


def test_our_escape_is_undone(take: Take) -> None:
    log, _ = take({"P1": {"Answer": "corrected", "New value": "'-4", **WHO}})
    assert log.of("answered")[0]["new"] == "-4"


def two_copies(listed: Path, folder: Path, *said: tuple[str, str]) -> tuple[Log, Taken]:
    """The log, and what was taken from the last copy, after each person's copy came in."""
    for who, new in said:
        answers = {"P1": {"Answer": "corrected", "New value": new, **WHO, "By": who}}
        result = import_answers(log_of(folder), fill(listed, answers, folder / f"{who}.xlsx"))
    return result


def test_two_people_with_two_copies(listed: Path, tmp_path: Path) -> None:
    log, taken = two_copies(listed, tmp_path, ("Eva", "4"), ("Ann", "5"))
    assert len(log.of("answered")) == 2 and taken.problems == []
    assert corrections_of(log) == []
    (standing,) = standing_answers(log).values()
    assert standing.contradicted
    (again,) = [each for each in round_of(tmp_path, [MRC]).listed if each.query.patient == "P1"]
    assert again.state == "conflict"
    assert again.said is not None and "Eva" in again.said and "Ann" in again.said
    settled = fill(
        written(round_of(tmp_path, [MRC]), tmp_path),
        {"P1": {"Answer": "corrected", "New value": "5", **WHO}},
    )
    log, _ = import_answers(log_of(tmp_path), settled)
    assert [each.new for each in corrections_of(log)] == ["5"]


def test_the_same_answer_in_two_copies_is_no_conflict(listed: Path, tmp_path: Path) -> None:
    log, _ = two_copies(listed, tmp_path, ("Eva", "4"), ("Ann", "4"))
    assert [each.new for each in corrections_of(log)] == ["4"]


def test_the_consortium_proposes_and_the_site_accepts(listed: Path, tmp_path: Path) -> None:
    import_answers(
        log_of(tmp_path),
        fill(
            listed,
            {"P1": {"Answer": "corrected", "New value": "4", "By": "Mora", "Role": "consortium"}},
        ),
    )
    assert corrections_of(log_of(tmp_path)) == []
    asked = round_of(tmp_path, [MRC])
    (proposal,) = [each for each in asked.listed if each.query.patient == "P1"]
    assert proposal.proposed and proposal.said is not None and "Mora" in proposal.said
    filled = fill(written(asked, tmp_path), {"P1": {"Answer": "proposal accepted", **WHO}})
    log, _ = import_answers(log_of(tmp_path), filled)
    (correction,) = corrections_of(log)
    assert correction.new == "4"
    assert log.of("answered")[0]["by"] == "Eva"


def test_another_cell_of_the_question_can_be_corrected(tmp_path: Path) -> None:
    onset = place("imnm", 2, "2020", table="conditions", field="onset_date", column="Onset")
    diagnosis = place("imnm", 2, "2019", table="conditions", field="date", column="Dx")
    found = finding("D01", "P1", onset, diagnosis, part="onset-diagnosis")
    listed = written(round_of(tmp_path, [found]), tmp_path)
    cells = {
        "Answer": "corrected",
        "New value": "2021",
        "Cell that the new value is for": "Dx, site.csv row 2",
        **WHO,
    }
    log, _ = import_answers(log_of(tmp_path), fill(listed, {"P1": cells}))
    (correction,) = corrections_of(log)
    assert (correction.column, set(correction.old)) == ("Dx", {"2019"})


def test_what_the_mapping_says_for_everybody_is_corrected_there(tmp_path: Path) -> None:
    method = place("anti_srp", 2, None, field="method", value="dot_blot", column="SRP")
    listed = written(
        round_of(tmp_path, [finding("S11", "P1", method, part="seronegative")]), tmp_path
    )
    cells = {"Answer": "corrected", "New value": "ELISA", **WHO}
    _, taken = import_answers(log_of(tmp_path), fill(listed, {"P1": cells}))
    assert not taken.entries
    assert "the mapping says it for everybody" in taken.problems[0]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04broken", b"a;b\n1;2\n"])
def test_what_is_no_list_is_refused(listed: Path, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.xlsx"
    path.write_bytes(content)
    with pytest.raises(ImnmFhirError, match=r"x\.xlsx: "):
        import_answers(log_of(tmp_path), path)


def test_drop_downs_are_in_place_and_nothing_runs(tmp_path: Path) -> None:
    found = finding("M01", "P1", place("worst_mrc", 2, "=1+1"))
    path = written(round_of(tmp_path, [found]), tmp_path)
    book = load_workbook(path)
    sheet = book.worksheets[0]
    validations = {each.formula1 for each in sheet.data_validations.dataValidation}
    words = [cell.value for cell in book["Lists"]["A"] if cell.value]
    assert words == ["answer", "corrected", "confirmed as is", "not available", "not our patient",
                     "fixed in our source, see next delivery"]  # fmt: skip
    assert "=Lists!$A$2:$A$6" in validations
    assert book["Lists"].sheet_state == "hidden"
    assert all(cell.data_type != "f" for row in sheet.iter_rows() for cell in row)
    places = {cell.value: number for number, cell in enumerate(sheet[1], 1)}
    assert sheet.cell(2, places["Value as written"]).value == "'=1+1"
