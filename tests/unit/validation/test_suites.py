"""Suites are read strictly: every fault at load, with file and line, and never a rule less."""

from dataclasses import replace
from pathlib import Path

import pytest

from imnm_fhir.errors import ImnmFhirError, Problems
from imnm_fhir.validation import load_catalogue
from imnm_fhir.validation.across import read_queries
from imnm_fhir.validation.catalogue import expectations, read_catalogue
from imnm_fhir.validation.checks import Bounds
from imnm_fhir.validation.expectations import build_expectations
from imnm_fhir.validation.frames import known_columns
from imnm_fhir.validation.places import CohortRows, places
from imnm_fhir.validation.study_rules import for_study
from imnm_fhir.validation.suites import SUITES, read_place, read_suites, unfinished_rules
from tests.unit.small_cohort import cohort, observation, person

GOOD = """\
- type: expect_column_values_to_be_between
  kwargs: {column: ck_baseline, min_value: {$PARAMETER: least}}
  meta: {rule_id: K03}
  at: [ck.value_number]
"""


def suites(folder: Path, cases: str) -> Path:
    for name in SUITES:
        (folder / f"{name}.yaml").write_text(f"name: {name}\nexpectations: []\n")
    (folder / "cases.yaml").write_text(f"name: cases\nexpectations:\n{cases}")
    return folder


def faults(folder: Path, cases: str) -> list[str]:
    with pytest.raises(Problems) as raised:
        read_suites(suites(folder, cases), load_catalogue(), known_columns())
    return raised.value.problems


def test_a_check_is_read_with_its_limits(tmp_path: Path) -> None:
    (check,) = read_suites(suites(tmp_path, GOOD), load_catalogue(), known_columns())
    assert check.kwargs == {"column": "ck_baseline", "min_value": 1000}
    assert (check.rule, check.line, check.place) == ("K03", 3, "cases.yaml, line 3")
    assert check.needs == ("ck_baseline",)


def test_every_fault_is_reported_together_with_its_line(tmp_path: Path) -> None:
    found = faults(
        tmp_path,
        """\
- type: expect_column_values_to_be_between
  kwargs: {column: ck_basline, min_value: {$PARAMETER: leest}, mostly: 0.9}
  meta: {rule_id: K3}
- type: expect_column_values_to_be_in_set
  kwargs: {column: biopsy_done, value_set: [no]}
  wher: {serogroup: ["srp"]}
  meta: {rule_id: B02}
  at: [biopsi_done.value_boolean, biopsy_done.value_bolean]
""",
    )
    assert len(found) == 8
    text = "\n".join(found)
    for line, said in (
        (4, "cases has no column 'ck_basline'; near: ck_baseline"),
        (4, "no limit of the rule is called 'leest'"),
        (4, "'mostly' is not allowed: a tolerated row would be lost"),
        (5, "no rule is called 'K3'; near: K03"),
        (7, "YAML reads no as a truth value; quote it"),
        (8, "unknown key 'wher'; near: where"),
        (10, "no element or group is called 'biopsi_done'; near: biopsy_done"),
        (10, "the cohort's observations have no column 'value_bolean'; near: value_boolean"),
    ):
        assert f"cases.yaml, line {line}: {said}" in text, said


def test_a_rule_twice_is_a_fault(tmp_path: Path) -> None:
    assert faults(tmp_path, GOOD + GOOD) == [
        "cases.yaml, line 7: K03 is declared in line 3 already; give it a part"
    ]


def test_a_key_twice_is_a_fault(tmp_path: Path) -> None:
    found = faults(tmp_path, GOOD + "  at: [ck.date]\n")
    assert found == ["cases.yaml, line 7: 'at' stands twice; keep one"]


def test_a_part_that_the_catalogue_lacks_is_a_fault(tmp_path: Path) -> None:
    text = GOOD.replace("K03}", "D01, part: onset-dx}").replace("{$PARAMETER: least}", "1")
    assert "D01 has the parts birth-onset, onset-diagnosis" in faults(tmp_path, text)[0]


def test_a_truth_value_in_a_condition_is_a_fault(tmp_path: Path) -> None:
    found = faults(tmp_path, GOOD + "  where: {deceased: true}\n")
    assert found == ["cases.yaml, line 7: quote True: a condition compares text"]


def test_a_suite_that_is_missing_is_a_fault(tmp_path: Path) -> None:
    suites(tmp_path, GOOD)
    (tmp_path / "patients.yaml").unlink()
    with pytest.raises(Problems, match=r"patients.yaml: is missing"):
        read_suites(tmp_path, load_catalogue(), known_columns())


def test_what_is_not_yaml_is_said_with_its_line(tmp_path: Path) -> None:
    assert faults(tmp_path, "- type: [\n")[0].startswith("cases.yaml, line 4: is not YAML")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (GOOD.replace("to_be_between", "to_be_betwen"), "no expectation is called"),
        (GOOD.replace("min_value:", "least_value:"), "extra fields not permitted"),
        (GOOD.replace("column_values_to_be_between", "column_mean_to_be_between"), "as a whole"),
    ],
)
def test_what_great_expectations_refuses_is_said_with_its_line(
    tmp_path: Path, text: str, said: str
) -> None:
    checks = read_suites(suites(tmp_path, text), load_catalogue(), known_columns())
    with pytest.raises(Problems, match=said) as raised:
        build_expectations(checks)
    assert raised.value.problems[0].startswith("cases.yaml, line 3: ")


def test_every_rule_of_the_catalogue_is_run() -> None:
    rules = load_catalogue()
    checks = read_suites(expectations(), rules, known_columns())
    queries = read_queries(expectations(), rules)
    across = [(each.rule, each.part) for each in queries]
    assert unfinished_rules(rules, checks, across) == []
    lost = [check for check in checks if check.rule != "K03"]
    assert unfinished_rules(rules, lost, across) == [
        "rules.toml: K03 is declared but no suite runs it"
    ]


def test_places_name_element_column_visit_and_word() -> None:
    at, fault = read_place("worst_mrc.value_number@month_6", "cases")
    assert at
    assert fault is None
    assert (at.table, at.elements, at.field, at.time_point) == (
        "observations", ("worst_mrc",), "value_number", "month_6",
    )  # fmt: skip
    like, _ = read_place("ck.value_number=$ck_baseline", "cases")
    assert like
    assert (like.like, like.word) == ("ck_baseline", None)


def test_bounds_are_conditions_on_numbers(tmp_path: Path) -> None:
    text = GOOD + "  where: {ck_max: {min: 5}}\n"
    (check,) = read_suites(suites(tmp_path, text), load_catalogue(), known_columns())
    assert check.where == {"ck_max": Bounds(5, None)}


def test_faults_of_the_catalogue_are_reported_together(tmp_path: Path) -> None:
    (tmp_path / "rules.toml").write_text(
        '[K03]\nkind = "odd"\ncategory = "plausibility"\nsource = "P"\n'
        'sentence = "below {leest}"\nadvice = { en = "a", es = "b" }\nquestion = "q?"\n'
        '\n[K04]\nkind = "note"\nsorce = "P"\n'
    )
    with pytest.raises(Problems) as raised:
        read_catalogue(tmp_path)
    text = "\n".join(raised.value.problems)
    for said in (
        "rules.toml, line 1: K03: kind 'odd' is none of",
        "line 1: K03: advice is no text; python -m scripts.catalogues moves translations",
        "line 1: K03: sentence names no limit 'leest'",
        "line 9: K04: lacks advice",
        "line 9: K04: unknown key 'sorce'",
    ):
        assert said in text


def test_a_query_without_a_rule_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "within_sites.sql").write_text("")
    (tmp_path / "across_sites.sql").write_text("-- A55.two-sites\nSELECT 1 WHERE $days;\n")
    with pytest.raises(Problems, match="line 1: no rule is called 'A55'"):
        read_queries(tmp_path, load_catalogue())


def test_a_study_changes_kind_and_limits_and_switches_off() -> None:
    chosen = {
        "off": ["K07"],
        "kind": {"K03": "note", "K02.stop": "improbable"},
        "limits": {"K03": {"least": 500}},
    }
    rules, settings = for_study(load_catalogue(), chosen)
    assert "K07" not in rules
    assert rules["K03"].kind == "note"
    assert rules["K03"].said("en") == "Baseline CK is below 500 U/L"
    assert rules["K02"].parts["stop"].kind == "improbable"
    said = {each.rule.id: each for each in settings}
    assert said["K03"].changed == ("K03: note", "least = 500")
    assert said["K07"].off


def test_faults_of_a_study_are_reported_together() -> None:
    chosen = {
        "of": [],
        "kind": {"K03": "odd", "D01.onset": "note"},
        "limits": {"K03": {"lest": 1}, "K99": {}, "K02": {"stop": "many"}},
    }
    with pytest.raises(ImnmFhirError) as raised:
        for_study(load_catalogue(), chosen)
    text = str(raised.value)
    for said in (
        "unknown key 'of'",
        "kind.K03: 'odd' is none of",
        "kind.D01.onset: D01 has no part 'onset'",
        "limits.K03: no limit is called 'lest'; it has least",
        "no rule is called 'K99'",
        "limits.K02.stop: give it as a number",
    ):
        assert said in text


def test_every_cell_of_a_long_series_is_a_place(tmp_path: Path) -> None:
    (check,) = read_suites(suites(tmp_path, GOOD), load_catalogue(), known_columns())
    at, _ = read_place("ck.value_number", "cases")
    assert at
    values = (observation("P1", "ck", n=str(n), value_number=str(n), unit="U/L") for n in range(40))
    made = cohort(person("P1"), *values)
    who = (made.sites[0], "P1")
    found = places(replace(check, at=(at,)), {}, None, who, CohortRows(made, {who}))
    assert len(found) == 41  # that of the baseline among them


def test_a_mistyped_word_is_a_fault_and_no_rule_that_never_asks(tmp_path: Path) -> None:
    found = faults(
        tmp_path,
        """\
- type: expect_column_values_to_be_in_set
  kwargs: {column: anti_hmgcr, value_set: ["positiv"]}
  where: {serogroup_reported: ["hmgrc"]}
  meta: {rule_id: S01, part: hmgcr}
  at: [msa.value_code=positve, ck.date@basline]
""",
    )
    assert found == [
        "cases.yaml, line 4: nothing is called 'positiv'; near: positive, msa_positive",
        "cases.yaml, line 5: nothing is called 'hmgrc'; near: hmgcr",
        "cases.yaml, line 7: nothing is called 'positve'; near: positive, msa_positive, site",
        "cases.yaml, line 7: no time point is called 'basline'; near: baseline",
    ]
