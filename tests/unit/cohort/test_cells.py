"""The site's own cells behind the rows of a cohort: header and word of every field, kept at the site."""

import stat
import sys
from pathlib import Path

import pytest

from imnm_fhir.cohort import Cohort, keep_patients, read_cohort, read_manifest, write_cohort
from imnm_fhir.cohort.cells import SiteCell, cells_schema, find_cells
from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.flow.gate import pass_gate
from imnm_fhir.harmonise import harmonise_tables
from imnm_fhir.pool import pool
from imnm_fhir.validation import remove_patient
from tests.unit.small_site import CK, LONG, SEX, long_table, one_cell, patients, site, table

DRUG = (
    '"Drogas" = { element = "immunosuppressant", field = "value_code", split = ["+"], words = "drug" }\n'
    '"Inicio" = { element = "imnm", field = "onset_date", set = { value_code = "imnm" } }\n'
)


def said(cohort: Cohort, name: str, field: str, at: int = 0) -> list[tuple[str, str]]:
    """Header and text of the cells behind one field of a row."""
    row = [each for each in cohort.tables[name].to_pylist() if each.get("element") != "legal_basis"]
    found = find_cells(cohort.cells, [row[at]["id"]]).of(name, row[at]["id"], field)
    return [(each.column, each.text) for each in found]


def test_good_cells_are_kept_as_the_site_wrote_them() -> None:
    made = harmonise_tables([patients({"CPK": ["4.512,0", ""]})], site(SEX + CK))
    assert said(made, "observations", "value_number") == [("CPK", "4.512,0")]
    assert said(made, "observations", "unit") == [("CPK", "4.512,0")]
    assert said(made, "patients", "sex", at=1) == [("Sexo", "M")]
    (row,) = [each for each in made.tables["observations"].to_pylist() if each["element"] == "ck"]
    cell = find_cells(made.cells, [row["id"]]).of("observations", row["id"], "value_number")[0]
    assert cell == SiteCell(
        "observations", row["id"], "value_number", "site.csv", None, 2, "CPK", "4.512,0"
    )


def test_each_field_has_its_own_cell_and_a_composite_one_stands_behind_each_part() -> None:
    cells = {"Drogas": ["PDN + MTX"], "Inicio": ["3/2019"]}
    made = harmonise_tables([patients(cells)], site(SEX + DRUG))
    assert [said(made, "medications", "value_code", at) for at in (0, 1)] == [
        [("Drogas", "PDN + MTX")]
    ] * 2
    assert said(made, "conditions", "onset_date") == [("Inicio", "3/2019")]
    assert said(made, "conditions", "onset_missing") == [("Inicio", "3/2019")]
    assert said(made, "conditions", "value_code") == []


def test_a_reason_and_a_unit_column_stand_in_their_cells() -> None:
    column = (
        '"X" = { element = "ck", time_point = "baseline", with = { unit = "U" }, '
        'missing = { ND = "not-performed" } }\n'
    )
    made = one_cell(column, "5", U="ukat/L")
    assert said(made, "observations", "value_number") == [("X", "5")]
    assert said(made, "observations", "unit") == [("U", "ukat/L")]
    assert said(one_cell(column, "ND", U=""), "observations", "missing") == [("X", "ND")]


def test_rows_of_long_tables_keep_their_own_rows_and_doubles_none() -> None:
    first = patients({"CPK": [""]})
    long = long_table(("P1", "1", "04/03/2019", "5"), ("P1", "1", "04/03/2019", "5,0"))
    made = harmonise_tables([first, long], site(SEX + CK, more=LONG))
    assert said(made, "observations", "date") == [("Fecha", "04/03/2019")]
    numbers = [each["text"] for each in made.cells.table().to_pylist() if each["column"] == "CK"]  # type: ignore[union-attr]
    assert numbers == ["5"]
    refused = harmonise_tables(
        [table({"ID": ["P1", "P1"], "Sexo": ["M", "V"], "CPK": ["1", "2"]})], site(SEX + CK)
    )
    assert refused.cells is not None
    assert refused.cells.table().num_rows == 0


def test_words_of_refused_rows_are_not_in_the_file(tmp_path: Path) -> None:
    lines = {"ID": ["P1", "P2", "P2"], "Sexo": ["M", "M", "M"], "CPK": ["4.512,0", "7771", "8881"]}
    write_cohort(harmonise_tables([table(lines)], site(SEX + CK)), tmp_path / "cohort")
    (path,) = (tmp_path / "cohort" / "tables").glob("cells.*")
    assert b"4.512,0" in path.read_bytes()
    assert b"7771" not in path.read_bytes()


def test_record_numbers_are_no_cells() -> None:
    text = site(SEX + '"ID" = { element = "worst_mrc", time_point = "baseline" }\n')
    hmac = text.__class__(**{**vars(text), "identifier": "record-number", "pseudonymise": "hmac"})
    numbered = table({"ID": ["4", "5"], "Sexo": ["M", "M"]})
    made = harmonise_tables([numbered], hmac, pseudonym_key=b"k" * 32)
    assert made.cells is not None
    assert {each["column"] for each in made.cells.table().to_pylist()} == {"Sexo"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = harmonise_tables([patients({"CPK": ["4.512,0", "<20"]})], site(SEX + CK))
    write_cohort(made, tmp_path / "cohort")
    return tmp_path / "cohort"


def test_cells_are_in_the_folder_hashed_and_for_the_owner_alone(folder: Path) -> None:
    entry = read_manifest(folder)["cells"]
    assert entry["rows"] == 4
    cohort = read_cohort(folder)
    assert said(cohort, "observations", "comparator", at=1) == [("CPK", "<20")]
    path = folder / entry["file"]
    if sys.platform != "win32":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(ImnmFhirError, match="was changed after it was written"):
        read_cohort(folder)


def test_a_patient_who_is_taken_out_takes_the_cells_along(folder: Path) -> None:
    before = b"".join(path.read_bytes() for path in (folder / "tables").iterdir())
    assert b"4.512,0" in before
    write_cohort(remove_patient(read_cohort(folder), "here", "P1"), folder)
    left = read_cohort(folder)
    assert left.cells is not None
    assert {each["text"] for each in left.cells.table().to_pylist()} == {"M", "<20"}
    twice = keep_patients(keep_patients(left, {("here", "P2")}), set())
    assert twice.cells is not None
    assert twice.cells.table().num_rows == 0
    assert b"4.512" not in b"".join(path.read_bytes() for path in (folder / "tables").iterdir())


def test_no_cell_leaves_the_site(folder: Path, tmp_path: Path) -> None:
    leaving = pass_gate(folder, need_validation=False).cohort()
    assert leaving.cells is None
    pooled = write_cohort(pool([read_cohort(folder)]), tmp_path / "pool")
    assert (pooled.cells, pooled.manifest["cells"]) == (None, None)


def test_the_schema_has_a_kind_for_every_column() -> None:
    assert find_cells(None, ["i1"]).of("patients", "i1", "sex") == ()
    assert cells_schema().empty_table().to_pylist() == []
