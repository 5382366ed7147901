"""The study's TOML: defaults, a study's own over them, every fault at once."""

from datetime import date
from pathlib import Path

import pytest

from imnm_fhir.errors import ImnmFhirError, Problems
from imnm_fhir.study import CHOICES, load_study
from imnm_fhir.validation.catalogue import load_catalogue
from imnm_fhir.validation.study_rules import for_study


def written(folder: Path, text: str) -> Path:
    path = folder / "study.toml"
    path.write_text(text, "utf-8")
    return path


def test_the_defaults_are_those_of_the_domain() -> None:
    study = load_study()
    assert study.variants == {
        "severe_weakness": "any",
        "strategy": "started-by-day",
        "ck_baseline": "before-treatment",
        "good_response": "response",
        "minor_cancers": "excluded",
    }
    assert study.serogroup == ()
    assert study.limit("onset_class", "acute_days") == 28
    assert study.limit("strategy", "induction_days") == 42
    assert study.visits["month_6"].before_days == 60
    assert study.data_date is None and study.adults_only is False


def test_a_study_says_only_what_differs(tmp_path: Path) -> None:
    own = '[study]\nname = "Trial"\ndata_date = 2022-06-30\n[strategy]\ninduction_days = 56\n'
    study = load_study(written(tmp_path, own))
    assert (study.name, study.data_date) == ("Trial", date(2022, 6, 30))
    assert study.limit("strategy", "induction_days") == 56
    assert study.limit("strategy", "before_diagnosis_days") == 365


def test_a_further_visit_is_added_to_the_default_ones(tmp_path: Path) -> None:
    own = "[visits.month_36]\nmonths = 36\nbefore_days = 90\nafter_days = 90\n"
    study = load_study(written(tmp_path, own))
    assert list(study.visits) == [
        "baseline", "month_3", "month_6", "month_12", "month_24", "month_36",
    ]  # fmt: skip


@pytest.mark.parametrize("variable", [name for name in CHOICES if name != "serogroup"])
def test_every_choice_can_be_made(variable: str, tmp_path: Path) -> None:
    for choice in CHOICES[variable]:
        study = load_study(written(tmp_path, f'[variants]\n{variable} = "{choice}"\n'))
        assert study.variants[variable] == choice


def test_all_faults_are_reported_together_with_lines_and_near_names(tmp_path: Path) -> None:
    own = """[study]
adults_onl = true
data_date = "yesterday"
[variants]
strategy = "by-day"
serogroup = "other-msa"
[onset_clas]
acute_days = 28
[ck_baseline]
window_days = -1
[visits.month_7]
months = 7
"""
    with pytest.raises(Problems) as raised:
        load_study(written(tmp_path, own))
    said = [problem.split(": ", 1)[1] for problem in raised.value.problems]
    lines = [problem.split(":")[0] for problem in raised.value.problems]
    assert lines == ["line 2", "line 3", "line 5", "line 6", "line 7", "line 10", "line 11"]
    assert said[0] == "study.adults_onl: no key is called 'adults_onl'; near: adults_only"
    assert said[1] == "study.data_date: must be a date such as 2022-06-30"
    assert said[2].startswith("variants.strategy: 'by-day' is none of started-by-day, concurrent")
    assert said[3] == "variants.serogroup: must be a list of srp-unconfirmed, other-msa"
    assert said[4] == "onset_clas: no section is called 'onset_clas'; near: onset_class"
    assert said[5] == "ck_baseline.window_days: must be a whole number, 0 or more"
    assert "no time point is called 'month_7'; near: month_" in said[6]


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ('[variants]\nserogroup = ["srp"]', "'srp' is none of srp-unconfirmed, other-msa"),
        ("[visits.month_36]\nmonths = 36", "lacks before_days, after_days"),
        ("[visits]\nmonth_6 = 3", "must be a table with months"),
        ("[study]\nadults_only = 1", "must be true or false"),
        ("[study]\nname = 3", "must be text"),
        ("[study]\nquestions = 0", "must be a number from 1 on"),
        ("[study]\nquestions = true", "must be a number from 1 on"),
        ("study = 1", "must be a section of its own"),
        ("[relapse]\nck_x_uln = true", "must be a whole number"),
    ],
)
def test_a_fault_says_what_is_wrong(own: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(Problems, match=said):
        load_study(written(tmp_path, own))


def test_what_is_no_toml_or_no_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ImnmFhirError, match="is not TOML"):
        load_study(written(tmp_path, "[study\n"))
    with pytest.raises(ImnmFhirError, match="is not TOML"):
        load_study(written(tmp_path, "a = " + "[" * 10_000))
    with pytest.raises(ImnmFhirError, match="cannot be read"):
        load_study(tmp_path / "absent.toml")


def test_the_hash_is_that_of_what_changes_results(tmp_path: Path) -> None:
    default = load_study()
    same = load_study(written(tmp_path, '[study]\nname = "Other"\ntoday = 2024-01-01\n'))
    other = load_study(written(tmp_path, "[cancer]\nyears_after_onset = 5\n"))
    assert len(default.hash) == 64
    assert same.hash == default.hash != other.hash


def test_a_study_changes_rules_and_the_validation_says_what_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "study.toml"
    path.write_text('[rules]\noff = ["K03"]\nkind = { D04 = "note" }\n', "utf-8")
    study = load_study(path)
    assert study.rules == {"off": ["K03"], "kind": {"D04": "note"}}
    assert study.hash != load_study().hash
    rules, _ = for_study(load_catalogue(), study.rules)
    assert "K03" not in rules and rules["D04"].kind == "note"
    with pytest.raises(Problems, match="K033"):
        for_study(load_catalogue(), {"off": ["K033"]})


def test_an_element_is_demanded_at_visits_or_at_any_time(tmp_path: Path) -> None:
    own = """[visits.month_36]
months = 36
before_days = 90
after_days = 90
[demanded]
ck = { any = 100, month_36 = 50, baseline = 0 }
sex = 0
[demanded.mrs]
month_6 = 80
"""
    study = load_study(written(tmp_path, own))
    said = {(each.element, each.time_point): each.percent for each in study.demanded}
    assert said["ck", None] == 100 and said["ck", "month_36"] == 50
    assert said["mrs", "month_6"] == 80
    assert said["birth_date", None] == 90, "the default of another element stays"
    assert not {("ck", "baseline"), ("ck", "month_6"), ("sex", None)} & set(said)


def test_wrong_demands_are_reported_together_with_lines(tmp_path: Path) -> None:
    own = """[demanded]
ck = { month-6 = 80, month_9 = 70, baseline = 101 }
cks = 90
sex = { baseline = 90 }
mrs = "90"
aldolase = {}
[demanded.haq]
month_6 = 8.5
"""
    with pytest.raises(Problems) as caught:
        load_study(written(tmp_path, own))
    told = [line.strip() for line in str(caught.value).splitlines()[1:]]
    assert [each.partition(": ")[2] for each in told] == [
        "demanded.ck: no time point is called 'month-6'; near: month_6, month_60, month_36",
        "demanded.ck: month_9 has no window in this study; add [visits.month_9]",
        "demanded.ck: baseline must be a percentage, 0 to 100 (0: not demanded)",
        "demanded.cks: no element is called 'cks'; near: ck",
        "demanded.sex: is no observation, so no visit has it; write sex = 90",
        "demanded.mrs: must be a percentage, 0 to 100 (0: not demanded)",
        "demanded.aldolase: names no visit; write a percentage, or { baseline = 90, month_6 = 80 }",
        "demanded.haq: month_6 must be a percentage, 0 to 100 (0: not demanded)",
    ]
    lines = [each.partition(":")[0].rpartition(" ")[2] for each in told]
    assert lines == ["2", "2", "2", "3", "4", "5", "6", "7"]


def test_faults_of_the_rules_are_reported_together_with_file_and_line(tmp_path: Path) -> None:
    own = """[rules]
off = [
    "D02",
    "D99",
    "D01.birth-onset",
]
extra = 1
[rules.kind]
"D01.birth-onst" = "note"
D03 = "warn"
D01.birth-onset = "note"
[rules.limits]
K03 = 900
D07.first_day = "2010-13-01"
D02 = { days = 5 }
[rules.limits.K10]
ceilings = ["9999"]
least = nan
"""
    path = written(tmp_path, own)
    study = load_study(path)
    with pytest.raises(Problems) as caught:
        for_study(load_catalogue(), study.rules, study.place)
    told = [each.removeprefix(f"{path}, line ") for each in caught.value.problems]
    assert [int(each.partition(":")[0]) for each in told] == [
        4,
        5,
        7,
        9,
        10,
        11,
        13,
        14,
        15,
        17,
        18,
    ]
    assert told[0] == "4: no rule is called 'D99'; near: D09"
    assert told[-1] == "18: limits.K10.least: give it as a number, 0 or more"


@pytest.mark.parametrize("text", ["rules = 5", "[rules]\noff = 'D01'", "[rules]\nkind = 'note'",
                                  "[rules]\nlimits = 3", "[[rules]]\noff = []"])  # fmt: skip
def test_rules_of_another_type_are_a_fault(text: str, tmp_path: Path) -> None:
    study = load_study(written(tmp_path, text))
    with pytest.raises(Problems, match=r"study\.toml, line [12]: "):
        for_study(load_catalogue(), study.rules, study.place)


def test_a_limit_may_be_a_day_of_toml(tmp_path: Path) -> None:
    study = load_study(written(tmp_path, "[rules.limits.D07]\nfirst_day = 2011-01-01\n"))
    rules, _ = for_study(load_catalogue(), study.rules)
    assert rules["D07"].limits == {"first_day": "2011-01-01"}


def test_an_editor_s_mark_of_utf_8_is_no_fault(tmp_path: Path) -> None:
    assert load_study(written(tmp_path, '\ufeff[study]\nname = "x"\n')).name == "x"
