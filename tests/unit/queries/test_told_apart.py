"""Cells of one patient without visit, date or record number: an answer to one settles no other."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from imnm_fhir.issues import Issue
from imnm_fhir.queries.asking import Asked
from imnm_fhir.queries.lists.importing import import_answers
from tests.unit.queries.one_loop import WHO, fill, issue, log_of, round_of, written


def cells(rows: Mapping[int, str]) -> list[Issue]:
    """Cells of P1 that cannot be read, by row."""
    return [
        replace(issue("unreadable-number", row, "CK", word), patient="P1")
        for row, word in rows.items()
    ]


def round_(folder: Path, rows: Mapping[int, str], delivery: str = "1") -> Asked:
    return round_of(folder, cells(rows), delivery)


def by_word(asked: Asked) -> dict[str | None, str]:
    return {each.query.target.word: each.query.id for each in asked.listed}


def confirmed(folder: Path, asked: Asked, words: set[str]) -> None:
    """Confirm the cells that say these words."""
    path = written(asked, folder)
    said = {"Answer": "confirmed as is", **WHO}
    fill(path, {word: said for word in words}, by="Value as written")
    _, taken = import_answers(log_of(folder), path)
    assert (len(taken.entries), taken.problems) == (len(words), [])


def test_rows_that_move_stay_the_questions_that_they_were(tmp_path: Path) -> None:
    first = by_word(round_(tmp_path, {5: "oops", 6: "nope"}))
    moved = by_word(round_(tmp_path, {6: "oops", 7: "nope", 9: "new"}, "2"))
    assert {word: moved[word] for word in first} == first
    assert len(set(moved.values())) == 3


def test_the_one_that_is_left_stays_the_question_that_it_was(tmp_path: Path) -> None:
    first = by_word(round_(tmp_path, {5: "oops", 6: "nope"}))
    left = round_(tmp_path, {5: "nope"}, "2")
    assert by_word(left) == {"nope": first["nope"]}
    assert left.states[first["oops"]] == ("closed", "source")


def test_a_second_one_leaves_the_first_its_question(tmp_path: Path) -> None:
    first = by_word(round_(tmp_path, {5: "oops"}))
    both = by_word(round_(tmp_path, {4: "nope", 5: "oops"}, "2"))
    assert both["oops"] == first["oops"] != both["nope"]


def test_an_answer_to_one_closes_no_other(tmp_path: Path) -> None:
    asked = round_(tmp_path, {5: "oops", 6: "nope"})
    ids = by_word(asked)
    confirmed(tmp_path, asked, {"oops"})
    again = round_(tmp_path, {5: "oops", 6: "nope"})
    assert again.states[ids["oops"]] == ("closed", "confirmed")
    assert by_word(again) == {"nope": ids["nope"]}
    later = round_(tmp_path, {4: "nope", 5: "else", 6: "oops"}, "2")
    assert later.states[ids["oops"]] == ("closed", "confirmed")
    assert later.states[ids["nope"]] == ("open", "")
    assert {each for each in by_word(later) if each} == {"nope", "else"}


def test_another_value_at_the_place_of_a_confirmed_one_is_asked(tmp_path: Path) -> None:
    asked = round_(tmp_path, {5: "oops", 6: "nope"})
    ids = by_word(asked)
    confirmed(tmp_path, asked, {"oops"})
    later = round_(tmp_path, {5: "else", 6: "nope"}, "2")
    assert later.states[ids["oops"]] == ("re-opened", "a value changed")
    assert set(by_word(later)) == {"else", "nope"}
