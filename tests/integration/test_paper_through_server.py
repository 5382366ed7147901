"""The whole road on the paper's patients: file, validation, real server, back, and the 83 figures."""

from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

import pytest
import requests
from click.testing import CliRunner, Result

from imnm_fhir.cli.main import imnm_fhir
from imnm_fhir.cohort import read_cohort
from imnm_fhir.flow.endorsed import endorsement_faults, endorsement_lines
from imnm_fhir.terminology import load_project
from tests.acceptance.paper import paper_figures

MADRID = Path(str(files("imnm_fhir") / "demo_data" / "madrid"))


def run(*arguments: object) -> Result:
    """The command line in this process; an exception other than an exit is the test's failure."""
    return CliRunner().invoke(imnm_fhir, [str(each) for each in arguments], catch_exceptions=False)


@pytest.fixture(scope="module")
def road(fhir_server: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Madrid harmonised, validated, exported twice to the server, and imported from it."""
    folder = tmp_path_factory.mktemp("road")
    tag = f"{load_project().base}/site|madrid"
    there, back = folder / "madrid", folder / "back"
    for arguments in (
        ("harmonise", MADRID / "madrid16.csv", "--site", "madrid_en", "--out", there),
        ("validate", there, "--report", folder / "report"),
        ("queries", "sign", "--cohort", there, "--by", "Dr. B. Gil", "--role", "investigator"),
        ("export", there, "--to", fhir_server),
        ("import", fhir_server, "--out", back, "--tag", tag),  # others use this server too
    ):
        result = run(*arguments)
        assert result.exit_code == 0, result.output
    return folder


def test_what_comes_back_is_identical(road: Path) -> None:
    result = run("compare", road / "madrid", road / "back")
    assert result.output == "identical\n"


def test_the_endorsement_comes_with_it_and_holds(road: Path) -> None:
    assert endorsement_faults(road / "back") == []
    assert endorsement_lines(road / "back") == [
        f"madrid: endorsed by Dr. B. Gil (investigator) on {datetime.now(UTC):%Y-%m-%d}; "
        "what was read is what was signed"
    ]


def test_the_papers_figures_come_from_the_imported_cohort(road: Path) -> None:
    figures = paper_figures(read_cohort(road / "back"))
    assert len(figures) == 83
    assert {label: pair for label, pair in figures.items() if pair[0] != pair[1]} == {}


def test_a_second_export_makes_no_resource_and_no_version(road: Path, fhir_server: str) -> None:
    before = _versions(fhir_server)
    result = run("export", road / "madrid", "--to", fhir_server)
    assert result.exit_code == 0
    assert _versions(fhir_server) == before
    assert set(before.values()) == {"1"}


def test_a_corrected_value_makes_one_new_version(
    road: Path, fhir_server: str, tmp_path: Path
) -> None:
    before = _versions(fhir_server)
    text = (MADRID / "madrid16.csv").read_text("utf-8").replace(",4512,", ",4513,")
    (tmp_path / "madrid16.csv").write_text(text, "utf-8")
    known = ("--journal", road / "madrid.journal")  # of the cohort that was sent before
    arguments = ("--site", "madrid_en", "--to", fhir_server, *known)
    result = run("export", tmp_path / "madrid16.csv", *arguments)
    assert result.exit_code == 0, result.output
    after = _versions(fhir_server)
    changed = {key for key in after if after[key] != before.get(key)}
    assert len(changed) == 1 and after.keys() == before.keys()


def test_a_cohort_that_was_not_validated_is_not_sent(fhir_server: str, tmp_path: Path) -> None:
    run("harmonise", MADRID / "madrid16_es.csv", "--site", "madrid_es", "--out", tmp_path / "es")
    result = CliRunner().invoke(imnm_fhir, ["export", str(tmp_path / "es"), "--to", fhir_server])
    assert "imnm-fhir validate" in str(result.exception)


def _versions(server: str) -> dict[str, str]:
    """Version by type/id of everything on the server with the project's tag."""
    found: dict[str, str] = {}
    kinds = (
        "Organization",
        "Patient",
        "Observation",
        "Condition",
        "MedicationStatement",
        "Procedure",
    )
    for kind in kinds:
        url: str | None = (
            f"{server}/{kind}?_tag=https://imnm-fhir.github.io/fhir/site|madrid&_count=1000"
        )
        while url:
            page = requests.get(url, timeout=60).json()
            for entry in page.get("entry", []):
                resource = entry["resource"]
                found[f"{kind}/{resource['id']}"] = resource["meta"]["versionId"]
            url = next((each["url"] for each in page["link"] if each["relation"] == "next"), None)
    return found
