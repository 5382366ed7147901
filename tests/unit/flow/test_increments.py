"""Increments and answers: what was corrected stays so in the whole cohort, whichever delivery holds the row."""

from pathlib import Path
from typing import Any

import pytest

from imnm_fhir.cohort import read_cohort, read_manifest, write_manifest
from imnm_fhir.flow import harmonise_files
from imnm_fhir.flow.asking import refresh
from imnm_fhir.pseudonyms import KEY, pseudonym
from imnm_fhir.queries.record.log import append, log_folder, read_log
from imnm_fhir.withdrawal.tombstones import bury, tombstones_beside
from tests.unit.small_site import CK, DATED, SEX, site_text

MAPPING = site_text(
    SEX + CK, more=DATED.replace("patient =", "optional = true\npatient =")
).replace('name = "site.csv"', 'name = "site.csv"\noptional = true')  # fmt: skip
MAPPING = MAPPING.replace('"long.csv"', '"long*.csv"')
N = "2019-03-04"
SECRET = "0123456789abcdef" * 3


class Site:
    """A site's folder: its mapping, deliveries, answers, and what its cohort says."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.out = folder, folder / "cohort"
        folder.mkdir(exist_ok=True)
        self.mapping = folder / "site.toml"
        self.mapping.write_text(MAPPING, "utf-8")

    def deliver(self, name: str, *lines: str, kind: str = "incremental") -> None:
        self.mapping.write_text(MAPPING.replace('"full"', f'"{kind}"'), "utf-8")
        people = self.folder / "site.csv"
        people.write_text("ID;Sexo;CPK\nP1;M;5\nP2;V;6\n", "utf-8")
        rows = self.folder / f"{name}.csv"
        rows.write_text("\n".join(["ID;Fecha;CK", *lines, ""]), "utf-8")
        files = [people, rows] if kind == "full" else [rows]
        harmonise_files(files, str(self.mapping), self.out)

    def answer(self, column: str, old: str, new: str, n: str = N) -> str:
        field = {"Fecha": "date", "CK": "value_number"}[column]
        cell: dict[str, Any] = {
            "table": "observations", "element": "ck", "time_point": None, "n": n, "field": field,
            "file": "long1.csv", "row": 2, "column": column,
        }  # fmt: skip
        entry = {
            "event": "answered", "query": f"Q{column}{n}", "site": "here", "patient": "P1",
            "answer": "corrected", "cell": cell, "old": old, "new": new, "as_of": 0, "by": "A",
            "role": "data-manager", "delivery": "1",
        }  # fmt: skip
        log = append(read_log(log_folder(self.out)), [entry])
        return str(log.entries[-1]["hash"])

    def series(self) -> dict[str, str]:
        return {
            row["n"]: row["value_number"]
            for row in read_cohort(self.out).tables["observations"].to_pylist()
            if row["n"]
        }

    def states(self) -> dict[str, str]:
        found: dict[str, str] = read_manifest(self.out)["sites"]["here"]["corrections"]
        return found


@pytest.fixture
def here(tmp_path: Path) -> Site:
    """A site with a full delivery of one dated CK."""
    made = Site(tmp_path)
    made.deliver("long1", "P1;04/03/2019;10", kind="full")
    return made


def test_a_correction_stays_applied_when_an_increment_lacks_its_row(here: Site) -> None:
    name = here.answer("CK", "10", "1000")
    refresh(here.out, read_log(log_folder(here.out)))
    assert here.series() == {N: "1000"}
    here.deliver("long2", "P1;05/04/2019;20")
    assert here.series() == {N: "1000", "2019-04-05": "20"}
    assert here.states() == {name: "applied"}


def test_an_answer_about_an_earlier_delivery_counts_at_once(here: Site) -> None:
    here.deliver("long2", "P1;05/04/2019;20")
    name = here.answer("CK", "10", "1000")
    said = refresh(here.out, read_log(log_folder(here.out)))
    assert "with 1 correction on top" in said
    assert here.series() == {N: "1000", "2019-04-05": "20"}
    assert here.states() == {name: "applied"}
    assert read_manifest(here.out)["sites"]["here"]["searched"] is True


def test_a_row_whose_date_was_corrected_comes_again_and_is_the_same_row(here: Site) -> None:
    here.deliver("long2", "P1;05/04/2019;20")
    name = here.answer("Fecha", "04/03/2019", "14/03/2019")
    here.deliver("long3", "P1;04/03/2019;11")  # the source has the old date still
    assert here.series() == {"2019-03-14": "11", "2019-04-05": "20"}
    here.deliver("long4", "P1;14/03/2019;12")  # by now it has the right one
    assert here.series() == {"2019-03-14": "12", "2019-04-05": "20"}
    assert here.states() == {name: "at-source"}


def test_it_is_the_same_row_where_the_earlier_files_are_gone(
    here: Site, caplog: pytest.LogCaptureFixture
) -> None:
    here.answer("Fecha", "04/03/2019", "14/03/2019")
    (here.folder / "long1.csv").unlink()
    here.deliver("long2", "P1;05/04/2019;20")
    assert "1 answer about rows of earlier deliveries is not in the cohort" in caplog.text
    assert here.series() == {N: "10", "2019-04-05": "20"}
    here.deliver("long3", "P1;04/03/2019;11")
    assert here.series() == {"2019-03-14": "11", "2019-04-05": "20"}


def test_what_was_corrected_beside_a_date_is_found_when_the_source_has_the_date(here: Site) -> None:
    names = [here.answer("CK", "10", "1000"), here.answer("Fecha", "04/03/2019", "14/03/2019")]
    here.deliver("long1", "P1;14/03/2019;10", kind="full")
    assert here.series() == {"2019-03-14": "1000"}
    assert here.states() == dict(zip(names, ("applied", "at-source"), strict=True))


def test_a_corrected_date_never_takes_the_place_of_another_row(here: Site) -> None:
    here.answer("Fecha", "05/04/2019", "04/03/2019", n="2019-04-05")
    here.deliver("long2", "P1;05/04/2019;20")
    assert here.series() == {}
    (issue,) = [each for each in read_cohort(here.out).issues if each.rule == "duplicate-fact"]
    assert (issue.kind, issue.file, issue.row) == ("impossible", "long2.csv", 2)


def test_the_mapping_of_an_earlier_delivery_is_the_one_of_then(here: Site) -> None:
    global_unit = here.mapping.read_text("utf-8")
    here.answer("CK", "10", "1000")
    assert 'unit = "U/L"' in global_unit
    changed = MAPPING.replace('"full"', '"incremental"').replace('unit = "U/L"', 'unit = "ukat/L"')
    here.mapping.write_text(changed, "utf-8")
    rows = here.folder / "long2.csv"
    rows.write_text("ID;Fecha;CK\nP1;05/04/2019;2\n", "utf-8")
    harmonise_files([rows], str(here.mapping), here.out)
    assert here.series() == {N: "1000", "2019-04-05": "120"}


def test_nor_does_it_where_the_deliveries_are_made_again(here: Site) -> None:
    here.deliver("long2", "P1;05/04/2019;20")
    here.answer("Fecha", "05/04/2019", "04/03/2019", n="2019-04-05")
    here.deliver("long3", "P1;06/05/2019;30")
    here.answer("CK", "30", "31", n="2019-05-06")
    refresh(here.out, read_log(log_folder(here.out)))
    assert here.series() == {"2019-05-06": "31"}
    assert [each.rule for each in read_cohort(here.out).issues] == ["duplicate-fact"]


LIMITS = 'unit = "xLSN", upper_limit = { female = "170", male = "195", unit = "U/L" } }'


def test_a_limit_by_sex_is_found_for_patients_of_earlier_deliveries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "tests.unit.flow.test_increments.MAPPING", MAPPING.replace('unit = "U/L" }', LIMITS)
    )
    made = Site(tmp_path)
    made.deliver("long1", "P1;04/03/2019;10", kind="full")
    made.deliver("long2", "P1;05/03/2019;10", "P2;06/03/2019;10")
    assert made.series() == {N: "1700", "2019-03-05": "1700", "2019-03-06": "1950"}
    assert not read_cohort(made.out).issues


def test_who_is_spelt_like_a_withdrawn_patient_stays_out_when_deliveries_are_made_again(
    here: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEY, SECRET)
    keyed = MAPPING.replace('"pseudonym"', '"record-number"').replace('"keep"', '"hmac"')
    monkeypatch.setattr("tests.unit.flow.test_increments.MAPPING", keyed)
    made = Site(here.folder / "keyed")
    bury(tombstones_beside(made.out), "here", pseudonym("p1", SECRET.encode()))
    made.deliver("long1", "P1;04/03/2019;10", "P2;04/03/2019;20", kind="full")
    assert made.series() == {N: "20"}
    made.answer("CK", "0", "1", n="2020-01-01")
    made.deliver("long2", "P2;05/04/2019;30")
    assert made.series() == {N: "20", "2019-04-05": "30"}
    assert read_cohort(made.out).tables["patients"].num_rows == 1


def test_a_cohort_that_does_not_tell_its_deliveries_loses_none_of_them(here: Site) -> None:
    manifest = read_manifest(here.out)
    for name in ("deliveries", "searched"):  # as older versions wrote it
        manifest["sites"]["here"].pop(name)
    write_manifest(manifest, here.out)
    here.deliver("long2", "P1;05/04/2019;20")
    here.answer("CK", "20", "200", n="2019-04-05")
    here.deliver("long3", "P1;06/05/2019;30")
    assert here.series() == {N: "10", "2019-04-05": "20", "2019-05-06": "30"}
    here.deliver("long2", "P1;05/04/2019;20")  # the row comes again, and the answer with it
    assert here.series() == {N: "10", "2019-04-05": "200", "2019-05-06": "30"}


def test_a_row_that_comes_twice_keeps_its_correction(here: Site) -> None:
    name = here.answer("CK", "10", "1000")
    here.deliver("long2", "P1;04/03/2019;10", "P1;04/03/2019;10")
    assert (here.series(), here.states()) == ({N: "1000"}, {name: "applied"})


def test_dates_that_change_places_are_asked_about(tmp_path: Path) -> None:
    made = Site(tmp_path)
    made.deliver("long1", "P1;04/03/2019;10", "P1;05/03/2019;20", kind="full")
    names = [
        made.answer("Fecha", "04/03/2019", "05/03/2019"),
        made.answer("Fecha", "05/03/2019", "04/03/2019", n="2019-03-05"),
    ]
    as_sent = {N: "10", "2019-03-05": "20"}
    refresh(made.out, read_log(log_folder(made.out)))
    assert (made.series(), made.states()) == (as_sent, dict.fromkeys(names, "conflict"))
    made.deliver("long2", "P1;04/03/2019;10")
    assert (made.series(), made.states()) == (as_sent, dict.fromkeys(names, "conflict"))


def test_a_row_without_date_that_takes_the_place_of_another_is_asked_about(here: Site) -> None:
    here.deliver("long2", "P1;;20")
    here.deliver("long3", "P1;;20")
    assert not read_cohort(here.out).issues
    here.deliver("long4", "P1;;30")
    (issue,) = read_cohort(here.out).issues
    assert (issue.rule, issue.kind, issue.row) == ("duplicate-fact", "improbable", 2)


def test_who_was_withdrawn_beside_the_files_stays_out_when_deliveries_are_made_again(
    tmp_path: Path,
) -> None:
    made = Site(tmp_path)
    made.out = tmp_path / "build" / "cohort"
    bury(tombstones_beside(tmp_path / "long1.csv"), "here", "P1")
    made.deliver("long1", "P1;04/03/2019;10", "P2;04/03/2019;20", kind="full")
    assert made.series() == {N: "20"}
    made.answer("CK", "0", "1", n="2020-01-01")
    made.deliver("long2", "P2;05/04/2019;30")
    assert made.series() == {N: "20", "2019-04-05": "30"}
    assert read_cohort(made.out).tables["patients"]["patient"].to_pylist() == ["P2"]
