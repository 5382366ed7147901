"""A second delivery of a site: full ones say what changed and who is gone, incremental ones update by key."""

from dataclasses import replace
from pathlib import Path

import pytest

from imnm_fhir.cohort import Cohort, read_cohort
from imnm_fhir.cohort.cells import find_cells
from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.flow import harmonise_files
from imnm_fhir.harmonise import harmonise_tables
from imnm_fhir.harmonise.deliveries import change_lines, changes, put_on_top
from tests.unit.small_site import CK, DATED, LONG, SEX, long_table, patients, rows, site, site_text

MAPPING = site(SEX + CK, more=LONG)
FIRST = {"CPK": ["5", "6", "x7"]}


def full() -> Cohort:
    lines = (("P1", "1", "04/03/2019", "5"), ("P1", "2", "05/03/2019", "7"))
    return harmonise_tables([patients(FIRST), long_table(*lines)], MAPPING)


def later(*lines: tuple[str, str, str, str]) -> Cohort:
    wide = patients({"CPK": [""]})
    wide.columns["ID"] = ["P9"]
    later = replace(MAPPING, kind="incremental", cut_off="2023-06-30")
    tables = [replace(each, sha256="1" * 64) for each in (wide, long_table(*lines))]
    return harmonise_tables(tables, later, known={"P1": {}, "P2": {}, "P3": {}})


def test_an_increment_updates_by_key_and_leaves_the_rest() -> None:
    both = put_on_top(full(), later(("P1", "2", "05/03/2019", "8"), ("P2", "3", "06/03/2019", "9")))
    found = {
        (row["patient"], row.get("n"), row["value_number"]) for row in rows(both, "observations")
    }
    assert found == {
        ("P1", None, "5"), ("P2", None, "6"), ("P1", "1", "5"), ("P1", "2", "8"), ("P2", "3", "9"),
    }  # fmt: skip
    assert sorted(row["patient"] for row in rows(both, "patients")) == ["P1", "P2", "P3", "P9"]
    assert [each.rule for each in both.issues] == ["unreadable-number"]
    about = both.manifest["sites"]["here"]
    assert (about["cut_off"], len(about["sources"])) == ("2023-06-30", 4)
    changed = next(row for row in both.tables["observations"].to_pylist() if row["n"] == "2")
    (cell,) = find_cells(both.cells, [changed["id"]]).of(
        "observations", changed["id"], "value_number"
    )
    assert cell.text == "8"


def test_what_changed_is_counted_and_who_is_gone_is_listed() -> None:
    second = harmonise_tables(
        [patients({"CPK": ["5", "7"]})], replace(MAPPING, files=MAPPING.files[:1])
    )
    found = changes(full(), second)
    assert found["rows"]["observations"] == {"new": 0, "changed": 1, "gone": 3}
    assert found["withdrawn"] == ["P3"]
    lines = change_lines({"changes": found})
    assert lines[0] == "since 2022-06-30: patients 0 new, 0 changed, 1 gone"
    assert lines[2].startswith("not in this full delivery any more and taken out: 1 patient")
    assert "P3" not in "".join(lines)


def test_an_older_increment_and_one_of_another_cohort_are_refused() -> None:
    new = later(("P1", "2", "05/03/2019", "8"))
    with pytest.raises(ImnmFhirError, match="is before 2023-06-30"):
        put_on_top(new, full())
    pooled = replace(full(), manifest={**full().manifest, "origin": "pool"})
    with pytest.raises(ImnmFhirError, match="needs its earlier deliveries"):
        put_on_top(pooled, new)


def test_deliveries_follow_each_other_into_one_folder(tmp_path: Path) -> None:
    mapping, out = tmp_path / "site.toml", tmp_path / "cohort"
    text = site_text(SEX + CK, more=LONG.replace("patient =", "optional = true\npatient ="))
    mapping.write_text(text, "utf-8")
    (tmp_path / "site.csv").write_text("ID;Sexo;CPK\nP1;M;5\nP2;V;6\n", "utf-8")
    first = harmonise_files([tmp_path / "site.csv"], str(mapping), out)
    assert "changes" not in first.manifest
    text = text.replace('"full"', '"incremental"').replace(
        'name = "site.csv"', 'name = "site.csv"\noptional = true'
    )
    mapping.write_text(text, "utf-8")
    (tmp_path / "long.csv").write_text(
        "ID;N;Fecha;CK\nP2;1;04/03/2019;7\nP3;1;04/03/2019;7\n", "utf-8"
    )
    second = harmonise_files([tmp_path / "long.csv"], str(mapping), out)
    assert [each.rule for each in second.issues] == ["unknown-patient"]
    assert second.manifest["changes"]["rows"]["observations"] == {"new": 1, "changed": 0, "gone": 0}
    again = harmonise_files([tmp_path / "long.csv"], str(mapping), out)
    assert again.manifest["changes"]["rows"]["observations"] == {"new": 0, "changed": 0, "gone": 0}
    assert len(rows(read_cohort(out), "observations")) == 3


def test_who_is_gone_is_told_and_named_in_no_file(tmp_path: Path) -> None:
    mapping, out, file = tmp_path / "site.toml", tmp_path / "cohort", tmp_path / "site.csv"
    mapping.write_text(site_text(SEX + CK), "utf-8")
    file.write_text("ID;Sexo;CPK\nP1;M;5\nCANARY;V;6\n", "utf-8")
    harmonise_files([file], str(mapping), out)
    file.write_text("ID;Sexo;CPK\nP1;M;5\n", "utf-8")
    second = harmonise_files([file], str(mapping), out)
    assert second.manifest["changes"]["withdrawn"] == ["CANARY"]
    assert read_cohort(out).manifest["changes"]["withdrawn"] == 1
    assert not any(b"CANARY" in path.read_bytes() for path in out.rglob("*") if path.is_file())


def test_an_unreadable_cell_of_a_dated_row_is_settled_when_the_row_comes_again() -> None:
    dated = site(SEX + CK, more=DATED)
    people = patients({"CPK": ["5"]})

    def delivery(ck: str, kind: str) -> Cohort:
        lines = (("P1", "", "04/03/2019", ck),)
        return harmonise_tables([people, long_table(*lines)], replace(dated, kind=kind))

    first = delivery("1o", "full")
    assert [(each.rule, each.n) for each in first.issues] == [("number-with-text", "2019-03-04")]
    assert put_on_top(first, delivery("10", "incremental")).issues == ()


def test_the_same_increment_again_is_the_same_delivery() -> None:
    once = put_on_top(full(), later(("P1", "2", "05/03/2019", "8")))
    twice = put_on_top(once, later(("P1", "2", "05/03/2019", "8")))
    assert twice.manifest["sites"]["here"]["sources"] == once.manifest["sites"]["here"]["sources"]
