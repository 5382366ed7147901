"""Packets hold keys and people's words, nothing of a site's rows, and only what was written is read."""

import json
from pathlib import Path

import pytest

from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.queries.asking import open_log
from imnm_fhir.queries.lists.importing import import_answers
from imnm_fhir.queries.model import Target
from imnm_fhir.queries.packets import (
    FORMAT,
    TO_CONSORTIUM,
    TO_SITE,
    Packet,
    answers_of,
    new_said,
    own_words,
    questions_of,
    read_packet,
    typed_question,
    write_packet,
)
from imnm_fhir.queries.questions.causes import queries_of
from imnm_fhir.queries.questions.locate import locate
from imnm_fhir.queries.record.log import Log, append, read_log
from imnm_fhir.queries.record.status import query_states
from tests.unit.queries.one_loop import MRC, WHO, fill, log_of, round_of, site_cohort, validation
from tests.unit.queries.one_loop import written as listing_of


def written(folder: Path) -> Path:
    found = questions_of(queries_of(validation(MRC), site_cohort()), "madrid")
    said = ({"query": "Q1", "text": "When?", "by": "Mora", "role": "monitor", "at": "2026-01-01"},)
    write_packet(Packet("madrid", TO_SITE, tuple(found), said), folder / "p.json")
    return folder / "p.json"


def test_a_packet_holds_keys_and_no_word_row_or_value(tmp_path: Path) -> None:
    raw = json.loads(written(tmp_path).read_text("utf-8"))
    (question,) = raw["questions"]
    assert question["targets"] == [
        {"table": "observations", "element": "worst_mrc", "time_point": None, "n": None,
         "field": "value_number"}
    ]  # fmt: skip
    assert set(question) == {"query", "patient", "kind", "topic", "rules", "targets"}
    assert "site.csv" not in json.dumps(raw) and "WORST_MRC" not in json.dumps(raw)


def test_what_was_written_is_read(tmp_path: Path) -> None:
    packet = read_packet(written(tmp_path))
    assert (packet.site, packet.to, len(packet.questions), len(packet.said)) == (
        "madrid",
        TO_SITE,
        1,
        1,
    )
    assert written(tmp_path).stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("x", "is no packet"),
        ("[" * 100_000, "is no packet"),
        ("[]", "is no packet of this format"),
        (json.dumps({"format": FORMAT, "to": "x"}), "says not for whom it is"),
        (json.dumps({"format": FORMAT, "site": "a", "to": "site", "questions": 3}), "'questions' is no list"),
        (json.dumps({"format": FORMAT, "site": "a", "to": "site", "said": [], "questions": [
            {"query": "Q1", "rules": ["x"], "targets": [{"file": "../x"}]}]}), "question 1 is not as"),
        (json.dumps({"format": FORMAT, "site": "a", "to": "site", "said": [{}], "questions": []}), "was said, 1"),
        (json.dumps({"format": FORMAT, "site": "a", "to": "site", "said": [], "questions": []}), "was changed after"),
    ],
)  # fmt: skip
def test_what_is_no_packet_is_refused(tmp_path: Path, content: str, problem: str) -> None:
    (tmp_path / "p.json").write_text(content, "utf-8")
    with pytest.raises(ImnmFhirError, match=problem):
        read_packet(tmp_path / "p.json")


def test_a_typed_question_needs_words_and_a_day() -> None:
    about = ("madrid", None, "ck", "observations", "value_number", None)
    entry = typed_question(*about, "Which laboratory?", "2026-03-31", "Mora", "monitor")
    again = typed_question(*about, " Which laboratory? ", None, "Mora", "monitor")
    assert entry["query"] == again["query"]
    with pytest.raises(ImnmFhirError, match="has no text"):
        typed_question(*about, " ", None, "Mora", "monitor")
    with pytest.raises(ImnmFhirError, match="give a day such as"):
        typed_question(*about, "x", "31.03.2026", "Mora", "monitor")


def test_a_packet_that_was_changed_on_the_way_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path)
    path.write_text(path.read_text("utf-8").replace("worst_mrc", "mrs"), "utf-8")
    with pytest.raises(
        ImnmFhirError, match="was changed after it was written; ask for the packet again"
    ):
        read_packet(path)


def _pool_log(folder: Path) -> Log:
    """The log of a pool that typed one question."""
    log = open_log(read_log(folder / "pool"), "consortium")
    return append(log, [typed_question("madrid", None, "ck", "observations", "value_number", None,
                                       "Which laboratory?", None, "Mora", "monitor")])  # fmt: skip


def _answer(query: str) -> Packet:
    said = {"query": query, "text": "confirmed as is: ours", "by": "Ruiz", "role": "data-manager",
            "at": "2026-01-02", "answer": "confirmed"}  # fmt: skip
    return Packet("madrid", TO_CONSORTIUM, (), (said,))


def test_an_answer_closes_the_question_at_the_pool_and_does_not_travel_back(tmp_path: Path) -> None:
    log = _pool_log(tmp_path)
    (query,) = (each["query"] for each in log.of("typed"))
    assert query_states(log) == {query: ("open", "")}
    log = append(log, new_said(_answer(query), log))
    assert query_states(log) == {query: ("closed", "confirmed")}
    assert new_said(_answer(query), log) == []  # opened twice
    assert own_words(log, "madrid") == []
    log = append(log, [{"event": "said", "site": "madrid", "query": query, "text": "Since when?",
                        "by": "Mora", "role": "monitor", "from": "consortium"}])  # fmt: skip
    assert query_states(log) == {query: ("re-opened", "the consortium asks on")}
    assert [each["text"] for each in own_words(log, "madrid")] == ["Since when?"]


def test_what_the_consortium_said_something_of_is_answered_to_it(tmp_path: Path) -> None:
    listed = listing_of(round_of(tmp_path, [MRC]), tmp_path)
    log, _ = import_answers(
        log_of(tmp_path), fill(listed, {"P1": {"Answer": "confirmed as is", **WHO}})
    )
    assert answers_of(log, {"confirmed": "confirmed as is"}) == []
    (query,) = (each["query"] for each in log.of("asked"))
    said = Packet("madrid", TO_SITE, (), ({"query": query, "text": "Same scale?", "by": "Mora"},))
    log = append(log, new_said(said, log))
    assert [each["text"] for each in answers_of(log, {"confirmed": "confirmed as is"})] == [
        "confirmed as is"
    ]


def test_a_question_that_leaves_the_visit_out_is_put_to_the_only_one() -> None:
    asked = Target("observations", "ck", None, None, "value_number")
    (found,) = locate(site_cohort(), "madrid", "P1", [asked])
    assert (found.time_point, found.n, found.row) == ("baseline", None, 2)
