"""The log: bound by hashes, so that a change is seen, and repaired only with a copy."""

import json
from pathlib import Path

import pytest

from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.queries.record.log import LOG, Log, append, read_log, redact, repair
from imnm_fhir.queries.record.status import query_states
from tests.unit.queries.one_loop import MRC, MRS, round_of


@pytest.fixture
def log(tmp_path: Path) -> Log:
    entries = [{"event": "said", "site": "a", "patient": f"P{number % 2}", "text": "CANARY" * (number == 1)}
               for number in range(4)]  # fmt: skip
    return append(Log(tmp_path / "c.queries"), entries)


def lines(log: Log) -> list[str]:
    return (log.folder / LOG).read_text("utf-8").splitlines()


def rewrite(log: Log, new: list[str]) -> None:
    (log.folder / LOG).write_text("".join(f"{line}\n" for line in new), "utf-8")


def test_what_was_written_is_read_and_the_chain_holds(log: Log) -> None:
    again = read_log(log.folder)
    assert again == log
    assert [each["seq"] for each in again.entries] == [0, 1, 2, 3]
    assert all(each["at"].endswith("+00:00") and each["user"] for each in again.entries)


def test_only_the_owner_reads_it(log: Log) -> None:
    assert (log.folder / LOG).stat().st_mode & 0o777 == 0o600
    assert log.folder.stat().st_mode & 0o777 == 0o700


def test_a_changed_line_is_named(log: Log) -> None:
    entries = lines(log)
    rewrite(log, [entries[0], entries[1].replace("CANARY", "other"), *entries[2:]])
    with pytest.raises(ImnmFhirError, match="line 2: was changed after it was written"):
        read_log(log.folder)


@pytest.mark.parametrize(
    "order",
    [(0, 2, 3), (0, 2, 1, 3), (1, 2, 3), (0, 0, 1, 2, 3)],
    ids=["out", "moved", "first", "twice"],
)
def test_a_line_taken_out_moved_or_put_in_is_named(log: Log, order: tuple[int, ...]) -> None:
    entries = lines(log)
    rewrite(log, [entries[place] for place in order])
    with pytest.raises(ImnmFhirError, match=r"line [12]: does not follow the line before it"):
        read_log(log.folder)


def test_a_torn_line_is_named_and_stops_writing(log: Log) -> None:
    entries = lines(log)
    rewrite(log, [*entries[:3], entries[3][:20]])
    with pytest.raises(ImnmFhirError, match="line 4: is no JSON"):
        append(log, [{"event": "said"}])


def test_repair_cuts_at_the_first_bad_line_and_keeps_a_copy(log: Log) -> None:
    entries = lines(log)
    damaged = [*entries[:2], "{}", entries[3]]
    rewrite(log, damaged)
    copy, cut = repair(log.folder)
    assert (cut, copy.read_text("utf-8").splitlines()) == (2, damaged)
    assert read_log(log.folder).entries == log.entries[:2]


def test_nothing_is_cut_from_a_log_whose_chain_holds(log: Log) -> None:
    with pytest.raises(ImnmFhirError, match="there is nothing to repair"):
        repair(log.folder)


def test_two_writers_do_not_lose_each_other(log: Log) -> None:
    append(log, [{"event": "said"}])
    with pytest.raises(ImnmFhirError, match="was written to meanwhile"):
        append(log, [{"event": "said"}])


def test_a_withdrawn_patient_leaves_hashes_alone(log: Log) -> None:
    left = redact(log, "P1", "a")
    assert left == read_log(log.folder)
    assert left.redacted == 2
    assert "CANARY" not in (log.folder / LOG).read_text("utf-8")
    *before, account = left.entries
    assert [each["hash"] for each in before] == [each["hash"] for each in log.entries]
    assert account["event"] == "redaction" and account["user"] and account["at"]
    assert account["of"] == sorted(log.entries[number]["hash"] for number in (1, 3))
    assert set(json.loads(lines(log)[1])) == {"seq", "prev", "hash", "redacted"}
    assert redact(left, "P1") == left
    assert append(left, [{"event": "said"}]).entries[-1]["prev"] == account["hash"]


def test_a_line_that_was_blanked_is_named_unless_a_redaction_accounts_for_it(log: Log) -> None:
    entry = json.loads(lines(log)[2])
    blank = {name: entry[name] for name in ("seq", "prev", "hash")} | {"redacted": True}
    entries = lines(log)
    rewrite(log, [*entries[:2], json.dumps(blank), entries[3]])
    with pytest.raises(ImnmFhirError, match="line 3: was blanked, and no redaction accounts"):
        read_log(log.folder)
    copy, cut = repair(log.folder)
    assert (cut, len(copy.read_text("utf-8").splitlines())) == (0, 4)
    mended = read_log(log.folder)
    assert (mended.redacted, mended.entries[-1]["found"]) == (1, "by a repair")


def test_what_was_judged_of_the_patient_goes_too_and_the_rest_stays_where_it_was(
    tmp_path: Path,
) -> None:
    asked = round_of(tmp_path, [MRC, MRS])
    before = query_states(asked.log)
    ids = {each["patient"]: each["query"] for each in asked.log.of("asked")}
    left = redact(asked.log, "P1", "madrid")
    assert left == read_log(tmp_path / "q")
    assert ids["P1"] not in (tmp_path / "q" / LOG).read_text("utf-8")
    assert query_states(left) == {ids["P2"]: before[ids["P2"]]}
    assert [each["seq"] for each in left.of("judged")] == [
        each["seq"] for each in asked.log.of("judged")
    ]
    assert left.redacted == 2  # the question, and the states that named it
    again = round_of(tmp_path, [MRS])
    assert len(again.log.of("asked")) == 1  # nothing is asked anew


def test_another_site_s_patient_of_the_same_name_stays(log: Log) -> None:
    assert redact(log, "P1", "b") == log
