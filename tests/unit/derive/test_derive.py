"""The table of cases as a whole: its columns, its order, what it refuses, what it remembers."""

import re
from dataclasses import replace
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest

from imnm_fhir.cohort import table_from_rows
from imnm_fhir.derive import CASE_COLUMNS, case_columns, derive_cases, facts, names
from imnm_fhir.derive.columns import TYPES, VISITS
from imnm_fhir.dictionary import load_dictionary
from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.study import load_study
from tests.acceptance.madrid_cohort import madrid_cohort
from tests.spec.one_patient import case, cohort_of, had, saw, study_with, took, underwent

ARROW = {
    "text": pa.string(),
    "integer": pa.int32(),
    "number": pa.float64(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
}


def test_cases_have_the_columns_that_are_declared_each_with_type_and_sentence() -> None:
    cases = derive_cases(madrid_cohort(), load_study())
    assert cases.schema.names == list(case_columns())
    for name, (kind, sentence) in case_columns().items():
        assert kind in TYPES and sentence and not sentence.endswith("."), name
        assert cases.schema.field(name).type == ARROW[kind]


def test_the_default_visits_are_those_that_the_columns_promise() -> None:
    assert tuple(load_study().visits) == VISITS


def test_a_further_visit_has_columns_of_its_own(tmp_path: Path) -> None:
    study = study_with(
        tmp_path, "[visits.month_36]\nmonths = 36\nbefore_days = 90\nafter_days = 90\n"
    )
    derived = case(saw("mrs", 2, "month_36"), study=study, diagnosis="2015-01-01")
    assert derived["mrs_month_36"] == 2
    assert set(CASE_COLUMNS) < set(derived)


def test_one_row_per_patient_in_the_order_of_site_and_patient() -> None:
    cohort = madrid_cohort()
    shuffled = {
        name: table.take(list(reversed(range(table.num_rows))))
        for name, table in cohort.tables.items()
    }
    cases = derive_cases(replace(cohort, tables=shuffled), load_study())
    assert cases.equals(derive_cases(cohort, load_study()))
    assert cases["patient"].to_pylist() == sorted(cohort.tables["patients"]["patient"].to_pylist())


def test_batches_do_not_change_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = derive_cases(madrid_cohort(), load_study())
    monkeypatch.setattr(facts, "BATCH", 3)
    monkeypatch.setattr("imnm_fhir.derive.cases.CHUNK", 5)
    assert (
        derive_cases(madrid_cohort(), load_study()).combine_chunks().equals(whole.combine_chunks())
    )


def test_a_cohort_without_patients_gives_a_table_without_rows() -> None:
    cohort = madrid_cohort()
    empty = {name: table.slice(0, 0) for name, table in cohort.tables.items()}
    cases = derive_cases(replace(cohort, tables=empty), load_study())
    assert (cases.num_rows, cases.schema.names) == (0, list(case_columns()))


@pytest.mark.parametrize("stranger", ["A", "ZZZ"])
def test_rows_of_a_patient_who_is_not_there_are_refused(stranger: str) -> None:
    cohort = cohort_of(onset="2019-03-04")
    row = {"site": "anywhere", "patient": stranger, "element": "myalgia", "value_boolean": True}
    tables = {**cohort.tables, "observations": table_from_rows("observations", [row])}
    with pytest.raises(
        ImnmFhirError, match="observations: rows of a patient of site anywhere"
    ) as said:
        derive_cases(replace(cohort, tables=tables), load_study())
    assert stranger not in str(said.value).split()


def test_a_patient_of_whom_nothing_is_known_is_judged_in_nothing() -> None:
    derived = case()
    answers = {"False", "0", "", "unknown", "none", "undetermined", "no-date"}
    told = {n: v for n, v in derived.items() if v is not None and str(v) not in answers}
    assert told == {"site": "anywhere", "patient": "P"}
    assert {name for name, value in derived.items() if value is False} == {
        "adults_only", "serogroup_other_untested",
    }  # fmt: skip


def test_every_name_that_the_definitions_use_is_in_the_dictionary() -> None:
    dictionary = load_dictionary()
    values = {key for each in dictionary.value_sets.values() for key in each.codes}
    groups = {
        str(code.attributes.get("group"))
        for each in dictionary.value_sets.values()
        for code in each.codes.values()
    }
    known = {*dictionary.elements, *values, *groups, names.UNTESTED}
    said = {n: v for n, v in vars(names).items() if n.isupper() and isinstance(v, str)}
    assert {name: value for name, value in said.items() if value not in known} == {}


def test_every_element_that_a_definition_names_is_in_the_dictionary() -> None:
    """Elements named in the text of derive, but for those that later dictionaries may bring."""
    folder = Path(facts.__file__).parent
    text = "".join(path.read_text("utf-8") for path in folder.glob("*.py"))
    asked = re.findall(r'facts\.(?:ever|answer|code|rows|at|reported_number)\("([a-z_0-9]+)"', text)
    assert len(asked) > 10
    assert set(asked) - set(load_dictionary().elements) <= {"worst_mrc_proximal_axial"}


def test_the_data_date_is_the_studys_else_the_sites(tmp_path: Path) -> None:
    study = study_with(tmp_path, "[study]\ndata_date = 2021-01-31")
    assert case(cut_off="2022-06-30")["data_date"] == date(2022, 6, 30)
    assert case(cut_off="2022-06-30", study=study)["data_date"] == date(2021, 1, 31)
    assert case()["data_date"] is None
    with pytest.raises(ImnmFhirError, match="the cut-off of site anywhere is no date"):
        case(cut_off="June")


def test_the_oldest_and_newest_dates_name_their_elements() -> None:
    derived = case(
        saw("ck", 4000, date="2020"),
        saw("consent_valid_to", "2099-12-31", None),
        took("prednisone", "2019-05-07", "2021-02-03"),
        born="1948-03-04",
        died="2020-12-31",
    )
    assert (derived["oldest_date"], derived["oldest_date_element"]) == (
        date(1948, 3, 4),
        "birth_date",
    )
    assert (derived["last_event"], derived["last_event_element"]) == (
        date(2021, 2, 3),
        "immunosuppressant",
    )
    assert derived["newest_date"] == date(2021, 2, 3)


def test_the_last_day_on_a_statin() -> None:
    contact = saw("last_contact", "2020-05-01", None)
    stopped = case(took("atorvastatin", "2015", "2019-04-01"), contact)
    ongoing = case(took("atorvastatin", "2015", status="active"), contact)
    unknown = case(took("atorvastatin", "2015-02-01"), contact)
    days = [
        (derived["statin_last_day_earliest"], derived["statin_last_day_latest"])
        for derived in (stopped, ongoing, unknown)
    ]
    assert days == [
        (date(2019, 4, 1), date(2019, 4, 1)),
        (date(2020, 5, 1), date(2020, 5, 1)),
        (date(2015, 2, 1), None),
    ]


def test_examinations_are_done_where_there_is_a_procedure_or_the_answer_is_yes() -> None:
    assert case(underwent("biopsy", "2019-05-04"))["biopsy_done"] is True
    assert case(saw("biopsy_done", True))["biopsy_done"] is True
    assert case(saw("biopsy_done", False))["biopsy_done"] is False
    assert case(saw("biopsy_done", missing="not-performed"))["biopsy_done"] is False
    assert case(saw("biopsy_done", missing="unknown"))["biopsy_done"] is None


def test_findings_without_the_examination_are_listed_for_the_rules() -> None:
    derived = case(
        saw("biopsy_done", False),
        saw("biopsy_hla1", "positive"),
        saw("biopsy_mac", missing="not-performed"),
    )
    assert (derived["biopsy_done"], derived["biopsy_findings"]) == (False, "biopsy_hla1")
    assert derived["biopsy_mac"] == "untested"


def test_an_infiltrate_is_absent_only_where_both_kinds_are() -> None:
    lymphocytes, macrophages = "biopsy_lymphocytic_infiltrate", "biopsy_macrophagic_infiltrate"
    assert case(saw(lymphocytes, False), saw(macrophages, False))["biopsy_infiltrate"] is False
    assert case(saw(lymphocytes, False))["biopsy_infiltrate"] is None
    assert case(saw(lymphocytes, True))["biopsy_infiltrate"] is True


def test_overlaps_and_reversed_periods_of_drugs() -> None:
    def overlaps(*drugs: dict[str, object]) -> str:
        return str(case(*drugs)["drug_overlaps"])

    first = took("prednisone", "2019-05-07", "2019-07-01")
    assert overlaps(first, took("prednisone", "2019-06-01", "2019-08-01")) == "prednisone"
    assert overlaps(first, took("prednisone", "2019-07-01")) == ""  # the stop day is not taken
    assert overlaps(first, took("prednisone", "2019-07")) == ""  # not surely
    assert overlaps(first, took("methotrexate", "2019-06-01")) == ""
    routes = [
        {**first, "route": "oral"},
        took("prednisone", "2019-06-01", "2019-06-05", route="intravenous"),
    ]
    assert overlaps(*routes) == ""
    pulse = took(
        "methylprednisolone", "2019-06-01", "2019-06-04",
        route="intravenous", dose_number="1000", dose_unit="mg",
    )  # fmt: skip
    oral = took("methylprednisolone", "2019-05-20", "2019-07-01")
    assert overlaps(pulse, oral) == ""
    small = {**pulse, "dose_number": "249"}
    assert overlaps(small, oral) == "methylprednisolone"
    assert case(took("ivig", "2019-05-07", "2019-05-06"))["drug_stops_before_start"] == "ivig"


def test_what_the_visits_say_against_each_other() -> None:
    severe = [saw("worst_mrc", 3, "month_6"), saw("mrs", 1, "month_6")]
    assert case(*severe)["mild_mrs_while_severe"] is True
    assert (
        case(saw("worst_mrc", 3, "month_6"), saw("mrs", 1, "month_12"))["mild_mrs_while_severe"]
        is None
    )
    complete = saw("response", "complete", "month_6")
    assert case(complete, saw("worst_mrc", 4, "month_6"))["complete_while_weak"] is True
    assert case(complete, saw("worst_mrc", 5, "month_6"))["complete_while_weak"] is False
    minus = saw("worst_mrc", 5, "month_6", value_text="5-")
    assert case(complete, minus)["complete_while_weak"] is True
    improved = saw("subjective_change", "improved", "month_6")
    assert (
        case(improved, saw("response", "still_severe", "month_6"))["improved_while_not_better"]
        is True
    )
    assert case(improved, complete)["improved_while_not_better"] is False


def test_mrs_against_death() -> None:
    def says(mrs: int, day: str, died: str | None) -> tuple[bool | None, bool | None]:
        derived = case(saw("mrs", mrs, "month_6", date=day), died=died)
        return derived["mrs_6_without_death"], derived["mrs_below_6_after_death"]

    assert says(6, "2019-12-04", "2019-12-04") == (False, None)
    assert says(6, "2019-12-03", "2019-12-04") == (True, None)
    assert says(6, "2019-12-04", None) == (True, None)
    assert says(6, "2019-12", "2019-12-04") == (None, None)
    assert says(4, "2019-12-05", "2019-12-04") == (None, True)
    assert says(4, "2019-12-04", "2019-12-04") == (None, False)


def test_an_extramuscular_disease_answers_the_question() -> None:
    assert case(had("extramuscular_disease", "vasculitis"))["extramuscular"] is True
    assert case(saw("extramuscular", False))["extramuscular"] is False
    assert case()["extramuscular"] is None
