"""The paper is the acceptance test: its 83 figures come out of derive and Table 1 again."""

from pathlib import Path

import pytest

from imnm_fhir.cohort import Cohort
from imnm_fhir.fhir import from_fhir, to_fhir
from imnm_fhir.harmonise import harmonise
from imnm_fhir.sites import load_site_mapping
from tests.acceptance.madrid_cohort import madrid_cohort
from tests.acceptance.paper import paper_figures, wanted_figures

REPOSITORY = Path(__file__).resolve().parents[2]


def harmonised() -> Cohort:
    """The same patients as the built-in mapping reads them from the site's file."""
    file = REPOSITORY / "imnm_fhir" / "demo_data" / "madrid" / "madrid16.csv"
    return harmonise([file], load_site_mapping("madrid_en"))


def imported() -> Cohort:
    """The harmonised patients as FHIR resources and back."""
    return from_fhir(to_fhir(harmonised()))


@pytest.fixture(scope="module", params=[madrid_cohort, harmonised, imported])
def cohort(request: pytest.FixtureRequest) -> Cohort:
    made: Cohort = request.param()
    return made


def test_every_figure_of_the_check_script_is_computed(cohort: Cohort) -> None:
    figures = paper_figures(cohort)
    assert len(figures) == 83
    assert [label for label, (got, _) in figures.items() if got == "not computed"] == []


def test_every_figure_is_that_of_the_paper(cohort: Cohort) -> None:
    wrong = {label: pair for label, pair in paper_figures(cohort).items() if pair[0] != pair[1]}
    assert wrong == {}


def test_a_changed_patient_changes_the_figures(cohort: Cohort) -> None:
    """The figures come from the cohort: without one patient many of them are others."""
    import pyarrow.compute as pc

    tables = {
        name: table.filter(pc.not_equal(table["patient"], "MAD-09"))
        for name, table in cohort.tables.items()
    }
    figures = paper_figures(Cohort(cohort.manifest, tables))
    wrong = {label for label, (got, want) in figures.items() if got != want}
    assert {"patients", "one death, one cancer", "response 7/4/2/3"} <= wrong


def test_the_wanted_figures_are_those_of_the_script() -> None:
    wanted = wanted_figures()
    assert wanted["HLA-I tested / positive"] == (14, 9)
    assert len(wanted) == 83
