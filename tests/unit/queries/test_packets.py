"""Packets hold keys and people's words, nothing of a site's rows, and only what was written is read."""

import json
from pathlib import Path

import pytest

from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.queries.causes import queries_of
from imnm_fhir.queries.packets import (
    FORMAT,
    TO_SITE,
    Packet,
    questions_of,
    read_packet,
    typed_question,
    write_packet,
)
from tests.unit.queries.one_loop import MRC, site_cohort, validation


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
        ("[]", "is no packet of this format"),
        (json.dumps({"format": FORMAT, "to": "x"}), "says not for whom it is"),
        (json.dumps({"format": FORMAT, "site": "a", "to": "site", "questions": 3}), "'questions' is no list"),
        (json.dumps({"format": FORMAT, "site": "a", "to": "site", "said": [], "questions": [
            {"query": "Q1", "rules": ["x"], "targets": [{"file": "../x"}]}]}), "question 1 is not as"),
        (json.dumps({"format": FORMAT, "site": "a", "to": "site", "said": [{}], "questions": []}), "was said, 1"),
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
