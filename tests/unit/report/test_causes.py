"""The page by cause: one block per cause, with the ids and states of the queries."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from imnm_fhir.findings import Finding, Outcome, Validation
from imnm_fhir.issues import Issue
from imnm_fhir.queries.asking import Asked
from imnm_fhir.report.causes import NOT_ASKED, Block, blocks_of, page_causes
from imnm_fhir.report.page import report_page
from imnm_fhir.report.query_states import turns_of
from imnm_fhir.report.rows import rules_by_id
from imnm_fhir.report.words import load_words
from tests.unit.queries.one_loop import (
    MRC,
    MRS,
    finding,
    issue,
    place,
    round_of,
    site_cohort,
    validation,
)

WORDS = load_words("en")
LOW = finding("K03", "P1", place("ck", 4, "148"), kind="improbable")
UNITS = [issue("unit-missing", row, "CK", str(row * 3)) for row in range(2, 42)]


def judged(*findings: Issue) -> Validation:
    """A validation of these findings whose outcomes count two patients."""
    found = validation(*findings)
    return replace(found, patients=("madrid/P1", "madrid/P2"),
                   outcomes=(Outcome("M01", 1, 25, 3, 0),))  # fmt: skip


def blocks(*findings: Issue, asked: Asked | None = None) -> list[Block]:
    found = judged(*findings)
    causes = page_causes(found, site_cohort(), "en", asked)
    return blocks_of(found, site_cohort(), causes, WORDS, None, asked)


def test_a_block_is_shared_with_the_list_by_its_id(tmp_path: Path) -> None:
    asked = round_of(tmp_path, [MRC, MRS, *UNITS])
    found = blocks(MRC, MRS, *UNITS, asked=asked)
    assert [each.query for each in found] == [each.query.id for each in asked.listed]
    assert [each.question for each in found] == [each.query.question for each in asked.listed]
    page = report_page(judged(MRC, MRS, *UNITS), site_cohort(), WORDS, None, asked)
    for each in asked.listed:
        assert page.count(f'id="{each.query.id}"') == 1


def test_a_column_is_one_block_with_every_row(tmp_path: Path) -> None:
    (block,) = blocks(*UNITS, asked=round_of(tmp_path, UNITS))
    assert (block.rows, block.all_rows, block.file, block.patients) == (40, 50, "site.csv", 40)
    assert len(block.units) == 40 and not block.several
    assert block.evidence is not None and "30 of 40 values" in block.evidence


def test_neutral_says_nothing_of_what_speaks_for_it(tmp_path: Path) -> None:
    asked = round_of(tmp_path, UNITS, neutral=True)
    (block,) = blocks(*UNITS, asked=asked)
    assert block.evidence is None
    assert {each["evidence"] for each in asked.log.of("asked")} == {None}


def test_queries_about_the_same_rule_stand_in_one_block(tmp_path: Path) -> None:
    other = finding("M01", "P2", place("worst_mrc", 3, "8"))
    asked = round_of(tmp_path, [MRC, other])
    (block,) = blocks(MRC, other, asked=asked)
    assert block.several and block.patients == 2
    assert {each.query for each in block.units} == {each.query.id for each in asked.listed}
    (rule,) = block.rules
    assert (rule.rule, rule.judged, rule.unjudged) == ("M01", 26, 3)


def test_a_cell_shows_header_word_and_value_as_read() -> None:
    onset = place("imnm", 2, "01.02.2020", table="conditions", field="onset_date",
                  value="2020-02-01", column="Onset")  # fmt: skip
    dated = place("imnm", 2, "01.02.2019", table="conditions", field="date",
                  value="2019-02-01", column="Dx")  # fmt: skip
    (block,) = blocks(finding("D01", "P1", onset, dated, part="onset-diagnosis"))
    (unit,) = block.units
    assert [(each.column, each.word, each.value, each.row) for each in unit.cells] == [
        ("Onset", "01.02.2020", "2020-02-01", 2), ("Dx", "01.02.2019", "2019-02-01", 2),
    ]  # fmt: skip


def test_every_finding_has_one_block() -> None:
    note = replace(LOW, kind="note", patient="P2")
    twins = [replace(issue("duplicate-patient", row, "ID", "P9"), patient="P9", element=None)
             for row in (2, 9)]  # fmt: skip
    refused = replace(issue("refused-patient", 5, "ID", "P9"), element=None)
    found = blocks(MRC, note, *twins, refused)
    assert [(each.topic, each.rules[0].rule) for each in found] == [
        ("eligibility", "duplicate-patient"), ("rest", "M01"),
        (NOT_ASKED, "refused-patient"), (NOT_ASKED, "K03"),
    ]  # fmt: skip


def test_states_of_earlier_deliveries_are_shown(tmp_path: Path) -> None:
    first = round_of(tmp_path, [MRC, MRS])
    second = round_of(tmp_path, [MRC, LOW], "2")
    shown = {each.rules[0].rule: each.standing for each in blocks(MRC, LOW, asked=second)}
    assert {rule: each.name for rule, each in shown.items() if each} == {
        "M01": "open",
        "K03": "new",
    }
    turns = turns_of(second, rules_by_id(validation()), WORDS)
    assert turns is not None
    (turn,) = turns.turns
    assert (turn.patient, turn.rule, turn.before, turn.now.name) == ("P2", "M08", "open", "closed")
    assert turn.now.why == "not found any more"
    third = round_of(tmp_path, [MRC, MRS, LOW], "3")
    again = {each.rules[0].rule: each.standing for each in blocks(MRC, MRS, LOW, asked=third)}
    assert (again["M08"] and again["M08"].name) == "re-opened"
    assert turns_of(first, rules_by_id(validation()), WORDS) is None


def test_what_the_cap_holds_back_is_said(tmp_path: Path) -> None:
    many: list[Finding] = [finding("M01", f"P{row}", place("worst_mrc", row, "6"))
                           for row in range(2, 62)]  # fmt: skip
    asked = round_of(tmp_path, many)
    (block,) = blocks(*many, asked=asked)
    names = [each.standing.name for each in block.units if each.standing]
    assert (names.count("open"), names.count("held")) == (50, 10)
    page = report_page(judged(*many), site_cohort(), WORDS, None, asked)
    assert "Further questions, held back for the next list: 10." in page


@pytest.mark.parametrize(
    ("graver", "said"), [(MRC, True), (replace(MRC, kind="improbable"), False)]
)
def test_the_verdict_says_after_which_queries(tmp_path: Path, graver: Finding, said: bool) -> None:
    asked = round_of(tmp_path, [graver])
    page = report_page(judged(graver), site_cohort(), WORDS, None, asked)
    assert ("Can be pooled without 1 of 2 patients" in page) == said
    assert ("Or with all of them once these queries are answered: 1" in page) == said
    (listed,) = asked.listed
    assert (f'href="#{listed.query.id}"' in page) == said


def test_a_page_of_several_sites_has_causes_and_no_ids() -> None:
    page = report_page(judged(MRC), site_cohort(), WORDS)
    assert "Which grade does your source give, and on which scale?" in page
    assert not re.search(r"\bQ[0-9A-F]{11}\b", page)
