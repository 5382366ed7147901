"""What an answer is about is what its list showed; codes that were edited, and texts that break lines."""

from dataclasses import replace
from pathlib import Path
from shutil import copy
from typing import Any

import pytest

from imnm_fhir.queries.lists.importing import Taken, import_answers
from imnm_fhir.queries.record.answers import corrections_of
from tests.unit.queries.one_loop import MRC, WHO, fill, finding, log_of, place, round_of, written


def take(folder: Path, listed: Path, **cells: Any) -> Taken:
    filled = fill(listed, {"P1": {**WHO, **cells}}, folder / "filled.xlsx")
    return import_answers(log_of(folder), filled)[1]


def test_confirming_in_an_older_list_confirms_what_stood_there(tmp_path: Path) -> None:
    first = tmp_path / "first.xlsx"
    copy(written(round_of(tmp_path, [MRC]), tmp_path), first)
    other = replace(MRC, places=(place("worst_mrc", 2, "9"),))
    round_of(tmp_path, [other])
    assert take(tmp_path, first, Answer="confirmed as is").problems == []
    (entry,) = log_of(tmp_path).of("answered")
    assert entry["old"] == "6"
    asked = round_of(tmp_path, [other])
    assert [state for state, _ in asked.states.values()] == ["re-opened"]


def test_the_same_answer_to_a_later_list_counts_again(tmp_path: Path) -> None:
    for new in ("4", "5", "4"):
        listed = written(round_of(tmp_path, [MRC]), tmp_path)
        take(tmp_path, listed, **{"Answer": "corrected", "New value": new})
    assert [each.new for each in corrections_of(log_of(tmp_path))] == ["4"]


@pytest.mark.parametrize("end", ["1:²", "1:99999", "1:0", "1:" + "9" * 5000])
def test_a_code_that_was_edited_is_refused(tmp_path: Path, end: str) -> None:
    asked = round_of(tmp_path, [MRC])
    code = ":".join([*asked.code.split(":")[:2], end])
    taken = take(tmp_path, written(asked, tmp_path), Answer="confirmed as is", List=code)
    assert len(taken.problems) == 1 and taken.entries == []


def test_a_column_s_name_alone_chooses_no_cell_of_several(tmp_path: Path) -> None:
    visits = ((2, "baseline"), (3, "month_6"))
    rows = [place("ck", row, "4", column="CK", time_point=when) for row, when in visits]
    asked = round_of(tmp_path, [finding("M01", "P1", *rows)])
    name = "Cell that the new value is for"
    listed = written(asked, tmp_path)
    taken = take(tmp_path, listed, **{"Answer": "corrected", "New value": "5", name: "CK"})
    assert len(taken.problems) == 1 and "the cell is none" in taken.problems[0]


@pytest.mark.parametrize("sign", ["\u2028", "\x85", "\x0c"])
def test_a_text_with_another_line_break_leaves_the_log_whole(tmp_path: Path, sign: str) -> None:
    round_of(tmp_path, [replace(MRC, places=(place("worst_mrc", 2, f"6{sign}x"),))])
    assert log_of(tmp_path).of("asked")[0]["targets"][0]["word"] == f"6{sign}x"
