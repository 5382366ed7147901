"""What a validation says of a cohort: findings with places, verdict, waivers, errors of rules."""

import dataclasses
import logging
from pathlib import Path

import pytest

from imnm_fhir.cohort import read_cohort, read_manifest, table_hashes, write_cohort
from imnm_fhir.errors import ImnmFhirError, Problems
from imnm_fhir.findings import Finding, Waiver
from imnm_fhir.harmonise import harmonise_tables
from imnm_fhir.issues import Issue
from imnm_fhir.study import load_study
from imnm_fhir.validation import RuleError, load_catalogue, load_waivers, validate, validate_folder
from imnm_fhir.validation.expectations import build_expectations, failing_rows, new_source
from imnm_fhir.validation.frames import known_columns
from imnm_fhir.validation.run import run_rules
from imnm_fhir.validation.study_rules import for_study
from imnm_fhir.validation.suites import read_suites
from tests.unit.small_cohort import Row, cohort, observation, person
from tests.unit.small_site import SEX, patients, site
from tests.unit.validation.test_suites import GOOD, suites

CANARY = "7654321.25"
WAIVER = Waiver("P2", "M01", "Dr. Ana Ruiz", "scale of 0 to 10", "2022-07-01")


def findings(validation_findings: tuple[Issue, ...], rule: str) -> list[Finding]:
    return [each for each in validation_findings if isinstance(each, Finding) and each.rule == rule]


def broken() -> tuple[dict[str, list[Row]], ...]:
    weak = observation("P2", "worst_mrc", time_point="baseline", value_number="6", unit="{score}")
    flag = observation("P2", "severe_weakness_reported", value_boolean=True)
    return person("P1"), person("P2"), weak, flag


def test_a_finding_says_patient_place_and_value() -> None:
    found = validate(cohort(*broken()))
    (finding,) = findings(found.findings, "M01")
    assert (finding.patient, finding.file, finding.row, finding.column) == (
        "P2", "data.csv", 4, "worst_mrc",
    )  # fmt: skip
    assert finding.value == "6 {score}"
    assert "6" not in finding.message.replace("0 to 5", "")
    assert found.patients_failing == {"madrid/P2": ("M01",)}
    assert (found.passed, found.verdict) == (False, "without")


def test_a_refused_value_feeds_no_other_rule() -> None:
    found = validate(cohort(*broken()))
    assert not findings(found.findings, "M02")
    assert next(each for each in found.outcomes if each.rule == "M02").violated == 0


def test_findings_show_header_and_word_of_every_cell_that_they_read() -> None:
    mapping = site(
        SEX
        + '"Inicio" = { element = "imnm", field = "onset_date", set = { value_code = "imnm" } }\n'
        '"Fecha dx" = { element = "imnm", field = "date", set = { value_code = "imnm" } }\n'
        '"MRC 6m" = { element = "worst_mrc", time_point = "month_6" }\n'
    )
    cells = {"Inicio": ["1/5/2019"], "Fecha dx": ["04.03.2019"], "MRC 6m": ["6,0"]}
    found = validate(harmonise_tables([patients(cells)], mapping))
    (high,) = findings(found.findings, "M01")
    assert (high.column, high.places[0].word) == ("MRC 6m", "6,0")
    (finding,) = findings(found.findings, "D01")
    assert [(each.column, each.word, each.value) for each in finding.places] == [
        ("Inicio", "1/5/2019", "2019-05-01"),
        ("Fecha dx", "04.03.2019", "2019-03-04"),
    ]


def test_issues_of_harmonising_are_counted_and_do_not_fail_who_was_refused() -> None:
    refused = Issue(
        "duplicate-patient", "impossible", "conformance", "twice", "madrid", patient="P9"
    )
    unread = Issue(
        "unreadable-number", "improbable", "conformance", "no number", "madrid", patient="P1"
    )
    found = validate(cohort(person("P1"), issues=[refused, unread]))
    assert [each for each in found.findings if not isinstance(each, Finding)] == [refused, unread]
    assert found.counts()["impossible"] == 1
    assert found.passed


def test_a_waiver_lets_a_finding_through_and_is_kept() -> None:
    found = validate(cohort(*broken()), waivers=[WAIVER])
    assert found.passed
    assert [(each.rule, by.who) for each, by in found.waived] == [("M01", "Dr. Ana Ruiz")]
    assert not findings(found.findings, "M01")


def test_waivers_without_effect_are_told_and_an_unknown_rule_stops() -> None:
    given = [
        dataclasses.replace(WAIVER, patient="P22"),
        dataclasses.replace(WAIVER, rule="D01"),
        dataclasses.replace(WAIVER, until="2022-07-02"),
        dataclasses.replace(WAIVER, site="elsewhere", patient="X"),
    ]
    found = validate(cohort(*broken()), waivers=given)
    assert "P2" in " ".join(found.patients_failing)
    assert found.lines()[-3:] == [
        "waiver without effect: waiver 1: the cohort has no such patient: withdrawn, of another site "
        "(site = ...), or mistyped",
        "waiver without effect: waiver 3: it held until 2022-07-02",
        "waiver without effect: waiver 2: the patient does not break D01",
    ]
    with pytest.raises(Problems, match="waiver 1: no rule is called 'M1'; near: M01"):
        validate(cohort(*broken()), waivers=[dataclasses.replace(WAIVER, rule="M1")])


def test_an_impossible_finding_about_nobody_who_is_there_is_no_contradiction() -> None:
    refused = Issue("duplicate-patient", "impossible", "conformance", "two rows", "madrid",
                    "patients", "P9", file="data.csv", row=9)  # fmt: skip
    said = validate(cohort(person("P1"), issues=[refused])).lines()
    assert said[0] == "passed: all 1 patients may go on"
    assert said[2] == (
        "the impossible finding is about what was refused or a whole column, and holds no patient of "
        "the cohort back"
    )


def test_a_waiver_file_is_read_with_every_fault(tmp_path: Path) -> None:
    path = tmp_path / "waivers.toml"
    path.write_text(
        '[[waiver]]\npatient = "P2"\nrule = "M01"\nwho = "Dr. Ana Ruiz"\n'
        'why = "scale of 0 to 10"\ndate = 2022-07-01\n'
    )
    assert load_waivers(path) == (WAIVER,)
    path.write_text("\ufeff" + path.read_text("utf-8"), "utf-8")
    assert load_waivers(path) == (WAIVER,)
    path.write_text('[[waiver]]\npatient = "P2"\nrule = 1\nwho = "A"\nwhen = 2\ndate = "x"\n')
    with pytest.raises(Problems) as raised:
        load_waivers(path)
    assert [each.partition(": ")[2] for each in raised.value.problems] == [
        "lacks why", "unknown key 'when'", "rule must be text", "when must be text",
        "date must be a day such as 2022-07-01, without quotes",
    ]  # fmt: skip


def test_nobody_to_judge_is_an_error() -> None:
    with pytest.raises(ImnmFhirError, match="no patients"):
        validate(cohort())


def test_a_rule_that_raises_is_an_error_and_says_no_value(tmp_path: Path) -> None:
    import pandas as pd

    checks = read_suites(suites(tmp_path, GOOD), load_catalogue(), known_columns())
    frame = pd.DataFrame({"site": ["m"], "patient": ["P1"], "ck_baseline": [f"x{CANARY}"]})
    with pytest.raises(RuleError, match=r"cases.yaml, line 3: K03 could not run") as raised:
        failing_rows(frame, build_expectations(checks), new_source())
    assert CANARY not in str(raised.value)


def test_a_rule_switched_off_does_not_run() -> None:
    rules, _ = for_study(load_catalogue(), {"off": ["M01"]})
    run = run_rules(cohort(*broken()), load_study(), rules)
    assert "M01" not in run.states
    assert "M01" not in {hit.check.rule for hit in run.hits}


def test_a_changed_limit_changes_what_is_found() -> None:
    rules, _ = for_study(load_catalogue(), {"limits": {"K03": {"least": 5001}}})
    run = run_rules(cohort(person("P1")), load_study(), rules)
    assert [hit.check.rule for hit in run.hits] == ["K03"]


def test_the_manifest_binds_the_outcome_to_the_tables(tmp_path: Path) -> None:
    write_cohort(cohort(*broken()), tmp_path / "cohort")
    found = validate_folder(tmp_path / "cohort", report=tmp_path / "report")
    manifest = read_manifest(tmp_path / "cohort")
    entry = manifest["validation"]
    assert entry["table_hashes"] == table_hashes(manifest)
    assert (entry["passed"], entry["findings"]) == (False, found.counts())
    assert entry["patients_failing"] == {"madrid/P2": ["M01"]}
    assert "M01" in entry["rules"]
    assert entry["study"] == load_study().hash
    written = {path.name for path in (tmp_path / "report").iterdir()}
    assert written == {
        "README.txt", "findings.csv", "findings.json", "findings.parquet", "findings.xlsx",
        "queries.csv", "queries.xlsx", "report.html",
    }  # fmt: skip
    assert read_cohort(tmp_path / "cohort").manifest["validation"] == entry


def test_no_value_of_a_patient_is_logged_or_printed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    high = observation("CANARY-P", "ck", time_point="month_6", value_number=CANARY, unit="U/L")
    write_cohort(cohort(person("CANARY-P"), high), tmp_path / "cohort")
    found = validate_folder(tmp_path / "cohort", report=tmp_path / "report")
    printed = capfd.readouterr()
    said = "\n".join([caplog.text, printed.out, printed.err, *found.lines()])
    said += "\n".join(each.message for each in found.findings)
    assert findings(found.findings, "K02")
    assert CANARY not in said
    assert "CANARY-P" not in said
    assert printed.out == ""
    assert printed.err == ""


def test_lines_say_the_verdict_and_name_nobody() -> None:
    lines = validate(cohort(*broken())).lines()
    assert lines[0] == "not passed: 1 of 2 patients have impossible findings"
    assert lines[1].startswith("findings: 1 impossible, ")
    assert not any("P2" in line for line in lines)


def test_dates_beyond_the_calendar_of_the_engine_are_judged() -> None:
    old = observation("P1", "ck", n="1", value_number="4000", unit="U/L", date="0001-01-01")
    late = observation("P1", "ck", n="2", value_number="4000", unit="U/L", date="9999-12-31")
    found = findings(validate(cohort(person("P1"), old, late)).findings, "D09")
    assert sorted(each.part or "" for each in found) == ["before-date", "future-date", "old-date"]


@pytest.mark.parametrize("text", ["waiver = 5\n", '[waiver]\npatient = "B"\n', "waiver = [1]\n"])
def test_a_waiver_file_of_another_form_is_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "waivers.toml"
    path.write_text(text, "utf-8")
    with pytest.raises(ImnmFhirError, match=r"write \[\[waiver\]\]"):
        load_waivers(path)


def test_every_patient_has_an_outcome_of_each_row_that_is_judged() -> None:
    found = validate(cohort(*broken()))
    counts = {each.rule: each for each in found.outcomes}
    assert (counts["M01"].violated, counts["M01"].not_applicable) == (1, 0)
    assert counts["D09"].satisfied == 2
