"""Pooling: union with sites kept, nobody twice, and a flow that adds up."""

from dataclasses import replace
from importlib import import_module
from importlib.resources import files
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from imnm_fhir.cohort import Cohort, new_manifest, read_cohort, table_from_rows, write_cohort
from imnm_fhir.compare import compare
from imnm_fhir.dictionary import PROVENANCE, TABLES
from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.harmonise import harmonise
from imnm_fhir.issues import Issue
from imnm_fhir.pool import pool
from imnm_fhir.sites import load_site_mapping
from imnm_fhir.validation.gate import Flow, SiteFlow


def cohort_of(site: str, patients: int, about_site: str | None = None) -> Cohort:
    """A cohort with patients and one observation each."""
    people = [{"site": site, "patient": f"P{n}", "id": f"i{site}{n}"} for n in range(patients)]
    facts = [{**each, "element": "myalgia", "value_boolean": True} for each in people]
    tables = {name: table_from_rows(name, []) for name in TABLES}
    tables |= {
        "patients": table_from_rows("patients", people),
        "observations": table_from_rows("observations", facts),
    }
    issue = Issue("D01", "impossible", "plausibility", "a date", site=site)
    return Cohort(new_manifest("site file", {about_site or site: {"name": site}}), tables, (issue,))


def passed_on(cohort: Cohort, received: int, consent: dict[str, int]) -> Cohort:
    """The cohort as the gate gives it."""
    (site,) = cohort.sites
    left = cohort.tables["patients"].num_rows
    count = SiteFlow(site, received, 0, consent, 0, left)
    return replace(cohort, manifest={**cohort.manifest, "flow": Flow((count,)).record()})


def test_the_pool_is_the_union_with_the_sites_kept() -> None:
    pooled = pool([cohort_of("freiburg", 3), cohort_of("madrid", 2)])
    assert pooled.manifest["origin"] == "pool"
    assert pooled.sites == ("freiburg", "madrid")
    assert pooled.tables["patients"]["site"].to_pylist().count("madrid") == 2
    assert pooled.tables["observations"].num_rows == 5
    assert [issue.site for issue in pooled.issues] == ["freiburg", "madrid"]
    assert pooled.manifest["validation"] is None


def test_a_pool_is_written_and_pooled_again(tmp_path: Path) -> None:
    folder = tmp_path / "pool"
    gated = passed_on(cohort_of("a", 2), received=3, consent={"no": 1})
    write_cohort(pool([gated, cohort_of("b", 1)]), folder)
    again = pool([read_cohort(folder), cohort_of("c", 4)])
    assert again.sites == ("a", "b", "c")
    assert [each["received"] for each in again.manifest["flow"]] == [3, 1, 4]
    assert again.manifest["flow"][0] == gated.manifest["flow"][0]


def test_the_same_site_twice_is_refused() -> None:
    with pytest.raises(ImnmFhirError, match="site madrid stands in more than one cohort"):
        pool([cohort_of("madrid", 2), cohort_of("freiburg", 1), cohort_of("madrid", 2)])


def test_patients_of_a_site_that_the_manifest_does_not_name_are_refused() -> None:
    with pytest.raises(ImnmFhirError, match="patients of site madrid"):
        pool([cohort_of("madrid", 2, about_site="barcelona")])


def test_other_versions_of_the_dictionary_are_refused() -> None:
    old = cohort_of("madrid", 2)
    old = replace(old, manifest={**old.manifest, "dictionary_version": "0.9.0"})
    with pytest.raises(ImnmFhirError, match=r"different versions .*madrid: 0\.9\.0"):
        pool([cohort_of("freiburg", 1), old])


def test_a_flow_that_does_not_add_up_is_refused() -> None:
    gated = passed_on(cohort_of("a", 2), received=5, consent={"withdrawn": 1})
    with pytest.raises(ImnmFhirError, match="site a: 5 patients received and 1 kept at home"):
        pool([gated])


def test_a_site_of_which_nobody_may_leave_is_kept_in_the_flow() -> None:
    site = cohort_of("a", 2)
    empty = {
        name: table.filter(pc.equal(table["site"], "x")) for name, table in site.tables.items()
    }
    gated = passed_on(replace(site, tables=empty), received=2, consent={"withdrawn": 2})
    pooled = pool([gated, cohort_of("b", 1)])
    assert pooled.manifest["flow"][0]["consent"] == {"withdrawn": 2}
    assert pooled.tables["patients"].num_rows == 1


def test_the_stamps_of_the_sites_are_kept() -> None:
    stamped = cohort_of("a", 1)
    stamped = replace(stamped, manifest={**stamped.manifest, "stamps": ["errors allowed"]})
    assert pool([stamped, cohort_of("b", 1)]).manifest["stamps"] == ["errors allowed"]


def test_nothing_to_pool_is_refused() -> None:
    with pytest.raises(ImnmFhirError, match="nothing to pool"):
        pool([])


def test_files_headers_and_cells_of_a_site_stay_there() -> None:
    """A pool names no file, row or header of a site, and holds no cell as the site wrote it."""
    folder = Path(str(files("imnm_fhir") / "demo_data" / "freiburg" / "delivery_1"))
    sources = [folder / name for name in ("patienten.csv", "ck.csv", "medikamente.csv")]
    cohort = harmonise(sources, load_site_mapping("freiburg"))
    assert any(issue.value for issue in cohort.issues)
    pooled = pool([cohort])
    assert "sources" not in pooled.manifest["sites"]["freiburg"]
    assert {(i.file, i.row, i.column, i.value) for i in pooled.issues} == {(None,) * 4}
    for name in TABLES:
        for column in PROVENANCE:
            assert pooled.tables[name][column].null_count == pooled.tables[name].num_rows
    assert compare(pooled, cohort) == []


def test_rows_lost_on_the_way_into_the_pool_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    module = import_module("imnm_fhir.pool")
    whole = module._without_places

    def loses_one(table: pa.Table) -> pa.Table:
        return whole(table).slice(0, 2)

    monkeypatch.setattr(module, "_without_places", loses_one)
    with pytest.raises(ImnmFhirError, match=r"patients: .* site freiburg handed over .rule G04"):
        pool([cohort_of("freiburg", 3), cohort_of("madrid", 2)])
