"""The loops of several sites side by side, in counts that name nobody."""

import json
from pathlib import Path

import pytest

from imnm_fhir.cohort import write_cohort
from imnm_fhir.errors import ImnmFhirError, UsageError
from imnm_fhir.flow import follow
from imnm_fhir.queries.record.log import Log, append, read_log
from imnm_fhir.queries.record.status import status_of
from imnm_fhir.queries.record.status_of_sites import read_status, write_status
from tests.unit.queries.one_loop import MRC, MRS, round_of
from tests.unit.small_cohort import cohort, person


def loop(folder: Path, site: str) -> Log:
    """A site's cohort of which two queries were asked; its log stands beside it."""
    folder.mkdir(parents=True)
    made = round_of(folder / "made", [MRC, MRS]).log
    entries = [{**made.entries[0], "site": site}, *made.entries[1:]]
    return append(read_log(folder.with_name(f"{folder.name}.queries")), entries)


def test_sites_stand_side_by_side_and_no_patient_is_named(tmp_path: Path) -> None:
    for site in ("lyon", "madrid"):
        loop(tmp_path / "build" / site, site)
    lines = follow([tmp_path / "build"])
    assert lines[:4] == [
        "site    queries  open", "lyon          2     2", "madrid        2     2", "all           4     4",
    ]  # fmt: skip
    assert "still to answer  up to a week" in lines
    assert lines[-1].split() == ["M08", "2", "0", "-"]
    assert "P1" not in "".join(lines) and "P2" not in "".join(lines)


def test_counts_travel_as_a_file_without_patients_and_queries(tmp_path: Path) -> None:
    log = loop(tmp_path / "madrid", "madrid")
    follow([tmp_path / "madrid"], counts=tmp_path / "counts.json", chart=tmp_path / "c.svg")
    text = (tmp_path / "counts.json").read_text("utf-8")
    assert read_status(tmp_path / "counts.json") == status_of(log)
    asked = {each["query"] for each in log.of("asked")}
    assert not any(each in text for each in (*asked, "P1", "P2", "site.csv"))
    loop(tmp_path / "lyon", "lyon")
    lines = follow([tmp_path / "counts.json", tmp_path / "lyon"], chart=tmp_path / "both.svg")
    assert lines[3].split() == ["all", "4", "4"]


def test_cohorts_of_which_nothing_was_asked_have_their_site(tmp_path: Path) -> None:
    for site in ("lyon", "madrid"):
        write_cohort(cohort(person("P1"), name=site), tmp_path / site)
    assert follow([tmp_path / "lyon"]) == ["lyon: 0 queries"]
    lines = follow([tmp_path / "lyon", tmp_path / "madrid"])
    assert [line.split()[0] for line in lines if line] == ["site", "lyon", "madrid", "all"]


def test_what_cannot_be_put_together_is_told(tmp_path: Path) -> None:
    loop(tmp_path / "madrid", "madrid")
    with pytest.raises(ImnmFhirError, match="madrid: is given twice"):
        follow([tmp_path / "madrid", tmp_path / "madrid"])
    with pytest.raises(ImnmFhirError, match="holds no cohort with queries"):
        follow([tmp_path / "nowhere"])
    loop(tmp_path / "lyon", "lyon")
    with pytest.raises(UsageError, match="--json writes the counts of one site"):
        follow([tmp_path / "lyon", tmp_path / "madrid"], counts=tmp_path / "x.json")


@pytest.mark.parametrize(
    "edit", [{"counts": {"open": -1}}, {"site": 3}, {"format": "x"}, {"ages": []}]
)
def test_a_file_of_counts_that_was_edited_is_refused(
    tmp_path: Path, edit: dict[str, object]
) -> None:
    path = tmp_path / "counts.json"
    write_status(status_of(loop(tmp_path / "madrid", "madrid")), path)
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **edit}), "utf-8")
    with pytest.raises(ImnmFhirError, match="is no file of counts"):
        read_status(path)
