"""The state of a query after each validation, from what was found, answered and replayed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from imnm_fhir.queries.asking import Asked
from imnm_fhir.queries.lists.importing import import_answers
from imnm_fhir.queries.record.answers import corrections_of, foreign_patients
from imnm_fhir.queries.record.log import append
from imnm_fhir.queries.record.status import query_states, status_of
from tests.unit.queries.one_loop import (
    MRC,
    MRS,
    WHO,
    fill,
    finding,
    issue,
    log_of,
    place,
    round_of,
    written,
)

WRONG = finding("M01", "P1", place("worst_mrc", 2, "9"))


def answer(folder: Path, **cells: Any) -> None:
    """Answer the question about P1 in the newest list."""
    listed = written(round_of(folder, [MRC, MRS]), folder)
    cells = {name.replace("_", " "): value for name, value in cells.items()}
    _, taken = import_answers(log_of(folder), fill(listed, {"P1": {**cells, **WHO}}))
    assert taken.problems == []


def applied(folder: Path, what: str = "applied") -> Mapping[str, str]:
    return {each.id: what for each in corrections_of(log_of(folder))}


def state(asked: Asked, patient: str | None = "P1") -> tuple[str, str]:
    (name,) = {each["query"] for each in asked.log.of("asked") if each["patient"] == patient}
    return asked.states[name]


def test_without_an_answer_it_is_open_until_it_is_not_found(tmp_path: Path) -> None:
    assert state(round_of(tmp_path, [MRC])) == ("open", "")
    assert state(round_of(tmp_path, [], delivery="2")) == ("closed", "source")
    assert state(round_of(tmp_path, [MRC], delivery="3")) == ("re-opened", "found again")
    assert state(round_of(tmp_path, [MRC], delivery="4")) == ("re-opened", "found again")


def test_an_answer_waits_until_the_cohort_holds_it(tmp_path: Path) -> None:
    answer(tmp_path, Answer="corrected", New_value="4")
    assert "answered" in {each[0] for each in query_states(log_of(tmp_path)).values()}
    assert state(round_of(tmp_path, [MRC, MRS])) == ("answered", "not applied yet")


def test_corrected_and_right(tmp_path: Path) -> None:
    answer(tmp_path, Answer="corrected", New_value="4")
    assert state(round_of(tmp_path, [MRS], corrections=applied(tmp_path))) == (
        "closed",
        "corrected",
    )
    there = round_of(tmp_path, [MRS], "2", applied(tmp_path, "at-source"))
    assert state(there) == ("closed", "corrected at the source")


def test_corrected_and_wrong_again_is_asked_again(tmp_path: Path) -> None:
    answer(tmp_path, Answer="corrected", New_value="9")
    asked = round_of(tmp_path, [WRONG], corrections=applied(tmp_path))
    assert state(asked) == ("miscorrected", "not plausible")
    assert asked.listed[0].query.target.word == "9"
    unread = round_of(tmp_path, [MRC], corrections=applied(tmp_path, "unreadable"))
    assert state(unread) == ("miscorrected", "unreadable")


def test_a_correction_whose_row_is_not_found_is_asked_again(tmp_path: Path) -> None:
    answer(tmp_path, Answer="corrected", New_value="4")
    asked = round_of(tmp_path, [MRC], "2", applied(tmp_path, "gone"))
    assert state(asked) == ("re-opened", "row not found")


def test_a_source_that_says_something_else_is_a_conflict_even_if_no_rule_minds(
    tmp_path: Path,
) -> None:
    answer(tmp_path, Answer="corrected", New_value="4")
    asked = round_of(tmp_path, [], "2", applied(tmp_path, "conflict"))
    assert state(asked) == ("conflict", "source")
    (listed,) = [each for each in asked.listed if each.query.patient == "P1"]
    assert listed.query.question.startswith("A correction is recorded for this cell")


def test_confirmed_holds_until_a_value_changes(tmp_path: Path) -> None:
    answer(tmp_path, Answer="confirmed as is")
    assert state(round_of(tmp_path, [MRC, MRS])) == ("closed", "confirmed")
    moved = finding("M01", "P1", place("worst_mrc", 30, "6"))
    assert state(round_of(tmp_path, [moved], "2")) == ("closed", "confirmed")
    assert state(round_of(tmp_path, [WRONG], "3")) == ("re-opened", "a value changed")


def test_confirmed_and_impossible_needs_a_waiver(tmp_path: Path) -> None:
    answer(tmp_path, Answer="confirmed as is")
    status = status_of(round_of(tmp_path, [MRC, MRS]).log)
    assert status.to_waive == 1


def test_not_available_is_asked_once(tmp_path: Path) -> None:
    answer(tmp_path, Answer="not available")
    blank = finding("M01", "P1", place("worst_mrc", 2, None))
    assert state(round_of(tmp_path, [blank], corrections=applied(tmp_path))) == (
        "closed",
        "not-available",
    )
    assert state(round_of(tmp_path, [blank], "2", applied(tmp_path))) == ("closed", "not-available")


def test_fixed_at_the_source_waits_for_the_next_delivery(tmp_path: Path) -> None:
    answer(tmp_path, Answer="fixed in our source, see next delivery")
    assert state(round_of(tmp_path, [MRC, MRS])) == ("answered", "next delivery")
    assert state(round_of(tmp_path, [MRC], "2")) == ("re-opened", "not fixed at the source")
    assert state(round_of(tmp_path, [], "3")) == ("closed", "fixed-in-source")


def test_not_our_patient_leaves_the_cohort(tmp_path: Path) -> None:
    answer(tmp_path, Answer="not our patient")
    assert foreign_patients(log_of(tmp_path)) == {"P1"}


def test_a_column_waits_for_the_mapping(tmp_path: Path) -> None:
    rows = [issue("unit-missing", row, "CK", "3") for row in range(2, 12)]
    listed = written(round_of(tmp_path, rows), tmp_path)
    import_answers(
        log_of(tmp_path),
        fill(listed, {"None": {"Answer": "corrected", "New value": "ukat/L", **WHO}}),
    )
    assert corrections_of(log_of(tmp_path)) == []
    assert state(round_of(tmp_path, rows), None) == ("answered", "mapping")
    assert state(round_of(tmp_path, rows, "2"), None) == ("re-opened", "found again")
    assert state(round_of(tmp_path, [], "3"), None)[0] == "closed"


def test_what_the_consortium_asks_stands_until_it_is_answered(tmp_path: Path) -> None:
    asked = round_of(tmp_path, [MRC])
    (entry,) = asked.log.of("asked")
    kept = {
        name: entry[name] for name in entry if name not in ("seq", "prev", "hash", "at", "user")
    }
    append(asked.log, [{**kept, "query": "QTYPED", "patient": "P2", "origin": "consortium"}])
    assert state(round_of(tmp_path, []), "P2") == ("open", "")
    listed = written(round_of(tmp_path, []), tmp_path)
    import_answers(log_of(tmp_path), fill(listed, {"P2": {"Answer": "confirmed as is", **WHO}}))
    asked = round_of(tmp_path, [])
    assert state(asked, "P2") == ("closed", "confirmed")
    append(
        asked.log,
        [{"event": "said", "site": "madrid", "query": "QTYPED", "text": "And?", "by": "Mora"}],
    )
    assert state(round_of(tmp_path, []), "P2") == ("re-opened", "the consortium asks on")


def test_the_share_of_queries_that_changed_a_value(tmp_path: Path) -> None:
    answer(tmp_path, Answer="corrected", New_value="4")
    listed = written(round_of(tmp_path, [MRC, MRS]), tmp_path)
    import_answers(log_of(tmp_path), fill(listed, {"P2": {"Answer": "confirmed as is", **WHO}}))
    asked = round_of(tmp_path, [MRS], corrections=applied(tmp_path))
    used = {
        each.rule: (each.asked, each.settled, each.share) for each in status_of(asked.log).rules
    }
    assert used == {"M01": (1, 1, 1.0), "M08": (1, 1, 0.0)}


def test_a_status_names_no_patient_and_draws_deliveries(tmp_path: Path) -> None:
    round_of(tmp_path, [MRC, MRS])
    asked = round_of(tmp_path, [MRC], "2")
    text = "\n".join(status_of(asked.log).lines())
    assert "P1" not in text
    assert " 1 2022-06-30    2 of    2 " in text and " 2 2022-06-30    1 of    2 " in text
