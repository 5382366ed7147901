"""One query per cause, what matters first, and ids that outlive the value."""

from dataclasses import replace
from pathlib import Path

from imnm_fhir.findings import DemandCount
from imnm_fhir.issues import Issue
from imnm_fhir.queries.model import Query
from imnm_fhir.queries.questions.causes import queries_of
from imnm_fhir.queries.questions.configuration import load_asking
from tests.unit.queries.one_loop import (
    MRC,
    MRS,
    SITE,
    finding,
    issue,
    place,
    round_of,
    site_cohort,
    validation,
)

ONSET = place("imnm", 2, "01.02.2020", table="conditions", field="onset_date", column="Onset")
DIAGNOSIS = place("imnm", 2, "01.02.2019", table="conditions", field="date", column="Dx")
BIRTH = place("birth_date", 2, "1888", table="patients", field="birth_date", column="Born")
AGE = place("age_at_onset_reported", 2, "31", column="Age")


def asked(*findings: object) -> list[Query]:
    return queries_of(validation(*findings), site_cohort())  # type: ignore[arg-type]


def test_a_missing_unit_in_forty_rows_is_one_question_about_the_column() -> None:
    (query,) = asked(*(issue("unit-missing", row, "CK", str(row * 3)) for row in range(2, 42)))
    assert (query.patient, query.cells, query.target.column) == (None, 40, "CK")
    assert query.question == "In which unit are the values of this column written?"
    assert query.evidence is not None
    assert query.evidence.startswith(
        "40 of 50 rows are affected; 30 of 40 values lie between 21 and 108; "
        "in ukat/L they would be 1\u202f260 to 6\u202f480 U/L"
    )


def test_in_a_few_rows_it_is_a_question_each() -> None:
    queries = asked(*(issue("unit-missing", row, "CK", "3") for row in range(2, 5)))
    assert [query.patient for query in queries] == ["P2", "P3", "P4"]


def test_a_question_about_a_column_is_the_same_in_the_next_file() -> None:
    units = [issue("unit-missing", row, "CK", "3") for row in range(2, 9)]
    later = [replace(each, file="site_2023.csv") for each in units]
    (first,), (second,) = asked(*units), asked(*later)
    assert first.id == second.id
    both = asked(*units, *later)  # of two files at once it is two questions
    assert len({query.id for query in both}) == 2


def test_one_word_in_several_rows_is_one_question_each_word() -> None:
    words = {2: "neg.", 3: "neg.", 4: "pos.", 5: "pos.", 6: "?"}
    queries = asked(*(issue("unknown-word", row, "Jo1", word) for row, word in words.items()))
    assert sorted((query.cells, query.target.word) for query in queries) == [
        (1, "?"), (2, "neg."), (2, "pos."),
    ]  # fmt: skip


def test_several_rules_at_one_cell_are_one_question() -> None:
    first = place("ck", 2, "1,48", time_point="baseline")
    low = replace(finding("K07", "P1", first), numbers=(("failing", "1"), ("judged", "28")))
    (query,) = asked(finding("K03", "P1", first), low)
    assert query.rules == ("K03", "K07")
    assert query.evidence is not None and "1 of 28 patients" in query.evidence


def test_rules_that_read_the_same_cells_are_one_question() -> None:
    (query,) = asked(
        finding("D01", "P1", ONSET, DIAGNOSIS, part="onset-diagnosis"),
        finding("D02", "P1", DIAGNOSIS, ONSET, kind="improbable"),
    )
    assert query.rules == ("D01.onset-diagnosis", "D02")
    assert [each.column for each in query.targets] == ["Onset", "Dx"]


def test_a_cell_that_is_impossible_by_itself_explains_what_reads_it() -> None:
    (query,) = asked(
        finding("A03", "P1", AGE, BIRTH, ONSET, part="onset"),
        finding("D09", "P1", BIRTH, part="old-birth"),
    )
    assert query.target.column == "Born"
    assert query.rules == ("D09.old-birth", "A03.onset")


def test_other_faults_of_the_same_patient_stay_apart() -> None:
    assert len(asked(finding("D01", "P1", ONSET, DIAGNOSIS, part="onset-diagnosis"), MRC)) == 2


def test_both_rows_of_a_patient_who_stands_twice_are_one_question() -> None:
    rows = [
        replace(issue("duplicate-patient", row, "ID", "P1"), patient="P1", element=None)
        for row in (2, 9)
    ]
    (query,) = asked(*rows, replace(issue("refused-patient", 5, "ID", "P1"), element=None))
    assert [each.row for each in query.targets] == [2, 9]


def test_definitions_and_notes_are_never_asked() -> None:
    assert asked(replace(MRC, kind="definition"), replace(MRS, kind="note")) == []


def test_what_matters_comes_first() -> None:
    serology = place("serogroup_reported", 3, "SRP", field="value_code")
    found = asked(
        MRC,
        finding(
            "T04", "P1", place("immunosuppressant", 3, "x", table="medications", field="end_date")
        ),
        finding("K01", "P2", place("ck", 4, "-3"), part="negative"),
        finding("D01", "P1", ONSET, DIAGNOSIS, part="onset-diagnosis"),
        finding("S01", "P2", serology, part="srp"),
        finding("A04", "P2", place("sex", 2, None, table="patients", field="sex"), part="missing"),
    )
    assert [query.topic for query in found] == [
        "eligibility", "serogroup", "dates", "ck", "treatment", "rest",
    ]  # fmt: skip


def test_the_id_outlives_the_value_and_the_row_but_not_the_fingerprint() -> None:
    (before,) = asked(MRC)
    (after,) = asked(finding("M01", "P1", place("worst_mrc", 40, "9", column="MRC (worst)")))
    assert after.id == before.id
    assert after.fingerprint != before.fingerprint
    (other,) = asked(finding("M01", "P2", place("worst_mrc", 2, "6")))
    assert other.id != before.id


def test_the_cap_holds_back_and_says_so(tmp_path: Path) -> None:
    many = [finding("M01", f"P{row}", place("worst_mrc", row, "6")) for row in range(2, 62)]
    first = round_of(tmp_path, many)
    assert (len(first.listed), first.held_back) == (50, 10)
    assert "queries held back for the next list: 10" in first.lines()
    again = round_of(tmp_path, many)
    assert {each.query.id for each in again.listed} == {each.query.id for each in first.listed}
    assert again.log == first.log  # nothing new, nothing written


def test_a_study_says_how_many_at_once(tmp_path: Path) -> None:
    many = [finding("M01", f"P{row}", place("worst_mrc", row, "6")) for row in range(2, 12)]
    few = round_of(tmp_path, many, asking=replace(load_asking(), cap=7))
    assert (len(few.listed), few.held_back) == (7, 3)


def test_neutral_leaves_the_evidence_out_and_keeps_the_wording(tmp_path: Path) -> None:
    (entry,) = round_of(tmp_path, [MRC], neutral=True).log.of("asked")
    assert entry["evidence"] is None
    assert entry["question"] == "Which grade does your source give, and on which scale?"


def test_two_cells_whose_rows_have_no_key_are_two_questions() -> None:
    first, second = asked(
        *(replace(issue("number", row, "CK", "1o"), patient="P1") for row in (2, 9))
    )
    assert first.id != second.id
    assert first.target.key != second.target.key
    assert {each.target.row for each in (first, second)} == {2, 9}


def test_rows_that_contradict_each_other_are_one_question() -> None:
    rows = [replace(issue("duplicate-fact", row, "CK", word), patient="P1", time_point=None)
            for row, word in ((7, "-9"), (8, "-10"))]  # fmt: skip
    (query,) = asked(*rows)
    assert [(each.row, each.word) for each in query.targets] == [(7, "-9"), (8, "-10")]


def asked_of_demand(given: int, *unread: Issue) -> list[Query]:
    """What is asked where the study demands an element of nine in ten of 24 patients."""
    lacking = tuple(f"P{row}" for row in range(2, 26 - given))
    count = DemandCount(SITE, "ck", None, 90, 24, given, 0, 0, 0, 0, 0, 0, lacking)
    numbers = {"element_label": "ck", "given": given, "patients": 24, "reasons": 0, "demanded": 90}
    gap = replace(
        finding("completeness", "", place("ck", 0, None), kind="improbable"),
        patient=None, row=None, places=(), numbers=tuple((name, str(said)) for name, said in numbers.items()),
    )  # fmt: skip
    return queries_of(replace(validation(*unread, gap), demands=(count,)), site_cohort())


def test_what_unread_cells_explain_is_not_asked_besides_them() -> None:
    unread = [issue("unit-missing", row, "CK", str(row)) for row in range(2, 20)]  # of 18 patients
    (query,) = asked_of_demand(5, *unread)
    assert query.rules == ("unit-missing",)
    queries = asked_of_demand(3, *unread)  # 3 of 24 are missing besides: more than a tenth
    assert [each.rules for each in queries] == [("unit-missing",), ("completeness",)]
    assert [each.rules for each in asked_of_demand(5)] == [("completeness",)]


def test_a_gap_that_an_unread_cell_left_in_a_patient_is_not_asked() -> None:
    exposed = place("statin_exposure", 2, "yes", field="value_boolean", column="Statin")
    counts = (("statin_agents_unknown", "12"), ("statin_exposed", "12"))
    gap = replace(finding("X04", "P2", exposed, kind="improbable"), numbers=counts)
    word = replace(issue("unknown-word", 2, "Agent", "Torvast"), element="statin")
    assert [each.rules for each in asked(gap, word)] == [("unknown-word",)]
    assert [each.rules for each in asked(gap, replace(word, patient="P3"))] == [
        ("unknown-word",), ("X04",),
    ]  # fmt: skip


def test_statins_that_nobody_named_are_one_question() -> None:
    rows = range(2, 9)
    gaps = [
        replace(finding("X04", f"P{row}", place("statin_exposure", row, "yes"), kind="improbable"),
                numbers=(("statin_agents_unknown", "7"), ("statin_exposed", "9")))
        for row in rows
    ]  # fmt: skip
    (query,) = asked(*gaps)
    assert (query.patient, query.cells, query.question) == (None, 7, "Which statins were taken?")
