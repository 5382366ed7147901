"""The log as a table, what must be corrected in the source, the proposals for the mapping, the chart."""

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from imnm_fhir.errors import UsageError
from imnm_fhir.queries.lists.importing import import_answers
from imnm_fhir.queries.lists.proposed_lines import FILE, mapping_lines, write_mapping_lines
from imnm_fhir.queries.record.answers import corrections_of
from imnm_fhir.queries.record.audit import (
    AUDIT_COLUMNS,
    audit_rows,
    csv_lines,
    to_fix_rows,
    write_audit,
)
from imnm_fhir.queries.record.chart import write_chart
from imnm_fhir.queries.record.log import Log, redact
from imnm_fhir.queries.record.status import status_of
from imnm_fhir.written import read_own_csv
from tests.unit.queries.one_loop import MRC, MRS, WHO, fill, issue, log_of, round_of, written
from tests.unit.small_site import SEX, site


@pytest.fixture
def log(tmp_path: Path) -> Log:
    listed = written(round_of(tmp_path, [MRC, MRS]), tmp_path)
    rows = {"P1": {"Answer": "corrected", "New value": "'=4", **WHO},
            "P2": {"Answer": "fixed in our source, see next delivery", **WHO}}  # fmt: skip
    return import_answers(log_of(tmp_path), fill(listed, rows))[0]


def test_every_entry_is_told_and_no_cell_runs(log: Log, tmp_path: Path) -> None:
    write_audit(tmp_path / "audit.csv", AUDIT_COLUMNS, audit_rows(log))
    rows = read_own_csv(tmp_path / "audit.csv")
    assert [row["event"] for row in rows] == ["opened", "asked", "asked", "answered", "answered"]
    assert (rows[3]["old"], rows[3]["new"], rows[3]["by"]) == ("6", "=4", "Eva")
    assert rows[3]["wording"].startswith("Which grade")
    assert ",'=4," in "\n".join(csv_lines(AUDIT_COLUMNS, audit_rows(log)))
    write_audit(tmp_path / "audit.xlsx", AUDIT_COLUMNS, audit_rows(log))
    assert (tmp_path / "audit.xlsx").stat().st_size > 0


def test_what_was_redacted_is_said(log: Log) -> None:
    rows = audit_rows(redact(log, "P1"))
    assert [row[1] for row in rows].count("redacted") == 3  # the states that named the query, too
    (account,) = [row for row in rows if row[1] == "redaction"]
    assert "3 entries of a withdrawn patient taken out" in account
    assert "P1" not in str(rows)


def test_what_the_source_says_by_now_need_not_be_fixed(log: Log) -> None:
    (correction,) = corrections_of(log)
    left = to_fix_rows(log, {correction.id: "applied"})
    assert [(row[0], row[5], row[6]) for row in left] == [("P1", "6", "=4"), ("P2", "7", "")]
    assert [row[0] for row in to_fix_rows(log, {correction.id: "at-source"})] == ["P2"]


def test_a_correction_that_is_asked_again_is_none_for_the_source(log: Log, tmp_path: Path) -> None:
    (correction,) = corrections_of(log)
    round_of(tmp_path, [MRC], corrections={correction.id: "applied"})  # M01 is broken still
    left = to_fix_rows(log_of(tmp_path), {correction.id: "applied"})
    assert [row[0] for row in left] == ["P2"]


def test_answers_about_columns_are_lines_of_a_mapping(tmp_path: Path) -> None:
    units = [issue("unit-missing", row, "CK", "3") for row in range(2, 12)]
    listed = written(round_of(tmp_path, units), tmp_path)
    log, _ = import_answers(
        log_of(tmp_path),
        fill(listed, {"None": {"Answer": "corrected", "New value": 'ukat/"L"', **WHO}}),
    )
    assert write_mapping_lines(log) == 1
    proposed = tomllib.loads((tmp_path / "q" / FILE).read_text("utf-8"))
    assert proposed == {"CK": {"element": "ck", "unit": 'ukat/"L"'}}


ANTIBODY = """\
"Jo1" = { element = "anti_jo1", words = { neg = "negative", pos = "positive" } }
"Agent" = { element = "statin", field = "value_code", words = "drug" }
"""


@pytest.mark.parametrize(
    ("column", "element", "new", "said"),
    [
        ("Jo1", "anti_jo1", "NEG",
         '"Jo1" = { element = "anti_jo1", words = { "?" = "negative" }, many_to_one = true }'),
        ("Jo1", "anti_jo1", "borderline", '"Jo1" = { element = "anti_jo1", words = { "?" = "borderline" } }'),
        ("Agent", "statin", "Sortis", '# in [words.drug], which column "Agent" names:\n"?" = "atorvastatin"'),
        ("Agent", "statin", "x", '# "x" is no word that this column knows: write what it means\n'
                                 '# in [words.drug], which column "Agent" names:\n"?" = "x"'),
    ],
)  # fmt: skip
def test_a_word_is_proposed_as_what_the_site_s_own_word_means(
    tmp_path: Path, column: str, element: str, new: str, said: str
) -> None:
    words = [
        replace(issue("unknown-word", row, column, "?"), element=element) for row in range(2, 6)
    ]
    listed = written(round_of(tmp_path, words), tmp_path)
    answered = {"None": {"Answer": "corrected", "New value": new, **WHO}}
    log, _ = import_answers(log_of(tmp_path), fill(listed, answered))
    (line,) = mapping_lines(log, site(SEX + ANTIBODY))
    assert line.partition("\n")[2] == said


def test_without_such_an_answer_there_is_no_file(log: Log) -> None:
    (log.folder / FILE).write_text("# of answers that nobody stands by any more\n", "utf-8")
    assert write_mapping_lines(log) == 0
    assert not (log.folder / FILE).exists()


def test_the_chart_is_the_same_for_the_same_log(log: Log, tmp_path: Path) -> None:
    for name in ("a.svg", "b.svg"):
        write_chart([status_of(log)], tmp_path / name)
    drawn = (tmp_path / "a.svg").read_bytes()
    assert b"<svg" in drawn and drawn == (tmp_path / "b.svg").read_bytes()
    write_chart([status_of(log)], tmp_path / "c.png")
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(UsageError, match=r"ends in \.svg or \.png"):
        write_chart([status_of(log)], tmp_path / "c.pdf")
