"""Whatever is wrong with what a user gives: one line that says where and what to do, nothing lost.

Each patient's values here are canaries: none may come back on stderr or stdout.
"""

import gzip
from pathlib import Path

import pytest

from imnm_fhir.cohort import read_cohort
from imnm_fhir.compare import compare
from imnm_fhir.written import read_own_csv
from tests.acceptance.canaries import (
    HEADER,
    MAPPING,
    ROWS,
    check_refusal,
    check_silence,
    harmonise,
    write_site,
)
from tests.acceptance.command_line import done, run


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_site()


# ------------------------------------------------------------------------------ files of a site


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(None, ["there is no such file", "check name"], id="no file"),
        pytest.param(b"", ["it is empty", "send the file"], id="empty"),
        pytest.param(HEADER.encode(), ["no row below", "send the file"], id="header only"),
        pytest.param(
            (HEADER + ROWS).encode() + b"T-3,w,1951,17,KANARIE\n",
            ["row 4", "5 cells, the header has 6", "correct the row"],
            id="ragged",
        ),
        pytest.param(
            (HEADER.replace("Onset", "CK") + ROWS).encode(),
            ["same header", "rename one"],
            id="duplicate header",
        ),
        pytest.param(
            (HEADER + ROWS).encode() + b"T-3,w,1951,1\x007,2019,KANARIE\n",
            ["row 4", "NUL byte", "save it again"],
            id="NUL byte",
        ),
        pytest.param(b"\x89PNG\r\n\x1a\n" + bytes(range(256)), [], id="no text at all"),
        pytest.param(b"<html><body>KANARIE</body></html>", [], id="web page"),
    ],
)
def test_file_that_cannot_be_used(content: bytes | None, said: list[str]) -> None:
    if content is not None:
        Path("patients_bad.csv").write_bytes(content)
    ran = harmonise("patients_bad.csv")
    check_refusal(ran, 3, "patients_bad.csv", *said)
    assert not Path("cohort").exists()


def test_wrong_encoding() -> None:
    Path("site.toml").write_text(MAPPING + '[format]\nencoding = "utf-8"\n', "utf-8")
    text = HEADER + ROWS.replace("KANARIE\n", "KANARIE é\n")
    Path("patients.csv").write_bytes(text.encode("cp1252"))
    check_refusal(harmonise(), 3, "patients.csv, row 2", "not utf-8", "save it as")
    assert not Path("cohort").exists()


def test_unreadable_workbook() -> None:
    Path("patients.xlsx").write_bytes(b"PK\x03\x04 KANARIE")
    check_refusal(harmonise("patients.xlsx"), 3, "patients.xlsx")


def test_unknown_column_is_listed_kept_out_and_counted() -> None:
    lines = (HEADER + ROWS).splitlines()
    wider = ["Telefon," + lines[0], *("KANARIE," + line for line in lines[1:])]
    Path("patients.csv").write_text("\n".join(wider) + "\n", "utf-8")
    ran = harmonise()
    check_silence(ran)
    assert ran.code == 0 and "patients.csv: 1 column not read: Telefon\n" in ran.err
    rows = read_cohort(Path("cohort")).tables["observations"].to_pylist()
    assert not any("KANARIE" in str(row["column"]) for row in rows)


def test_everything_undeclared_stops_at_once_with_lines_and_rows() -> None:
    """Missing column, two styles that matter and a word without a mapping: all in one refusal."""
    Path("patients.csv").write_text(
        "Patient,Sex,Birth,CK,Onset\n"
        "T-1,w,03/04/1951,4.513,2019\nT-2,d,13/04/1951,17,2019\nT-3,d,1951,2.519,05.06.2019\n",
        "utf-8",
    )
    ran = harmonise()
    assert (ran.code, ran.out) == (3, "")
    assert ran.messages[0] == "imnm-fhir: site.toml does not fit, so nothing was written:"
    faults = {line.split("column '")[1].split("'")[0]: line for line in ran.messages[1:]}
    assert {"Sex", "Birth", "CK", "Onset", "Comorbidity"} == set(faults)
    assert all(line.startswith("  site.toml, line ") for line in faults.values())
    for column, said in {
        "Sex": ["words without a mapping", "row"],
        "Birth": ["rows 2, 3", "date_order"],
        "CK": ["rows 2, 4", "decimal"],
        "Onset": ["row 4", "date_order"],
        "Comorbidity": ["is not in patients.csv"],
    }.items():
        assert [words for words in said if words not in faults[column]] == [], faults[column]
    assert [c for c in ("03/04/1951", "4.513", "2.519", "05.06.2019") if c in ran.err] == []
    assert not Path("cohort").exists()


def test_word_without_a_mapping_is_not_said() -> None:
    """What stands in a column of codes by mistake may be a name or a telephone number."""
    Path("patients.csv").write_text(HEADER + "T-1,KANARIE,1951,17,2019,x\n", "utf-8")
    ran = harmonise()
    assert ran.code == 3 and "row 2" in ran.err
    check_silence(ran)


def test_mapping_with_faults_says_all_of_them() -> None:
    text = MAPPING.replace('"sex", ', '"sexx", ').replace('"U/L"', '"kg"').replace("keep", "kept")
    Path("site.toml").write_text(text, "utf-8")
    ran = harmonise()
    assert (ran.code, ran.out) == (3, "")
    line = text.splitlines().index('pseudonymise = "kept"') + 1
    assert f"site.toml, line {line}: patients.pseudonymise" in ran.err
    Path("site.toml").write_text(text.replace("kept", "keep"), "utf-8")
    ran = harmonise()
    assert ran.code == 3 and "sexx" in ran.err and "kg" in ran.err
    assert not Path("cohort").exists()


def test_no_such_mapping() -> None:
    ran = run("harmonise", "patients.csv", "--site", "madrid_ess", "--out", "cohort")
    check_refusal(ran, 3, "madrid_ess", "madrid_es")


def test_unreadable_value_is_a_null_and_an_issue() -> None:
    Path("patients.csv").write_text(
        HEADER + "T-1,w,1951-13-45,KANARIE,2019-03-09,x\nT-2,m,1950,17,2019,x\n", "utf-8"
    )
    ran = harmonise()
    check_silence(ran)
    assert ran.code == 0
    assert "2 rows in = 1 clean + 1 with an issue + 0 refused" in ran.err
    assert "patients.csv, row 2, column 'Birth': " in ran.err
    assert "patients.csv, row 2, column 'CK': expected a number" in ran.err
    cohort = read_cohort(Path("cohort"))
    assert cohort.tables["patients"].to_pylist()[0]["birth_date"] is None
    assert {issue.value for issue in cohort.issues} == {"1951-13-45", "KANARIE"}  # for the site


def test_patient_twice_with_other_values_is_refused_twice() -> None:
    Path("patients.csv").write_text(HEADER + ROWS + "T-1,m,1952,17,2019,x\n", "utf-8")
    ran = harmonise()
    check_silence(ran)
    assert ran.code == 0 and "3 rows in = 1 clean + 0 with an issue + 2 refused" in ran.err
    assert "patients.csv, row 2, column 'Patient'" in ran.err and "row 4 " in ran.err
    left = read_cohort(Path("cohort")).tables["patients"].to_pylist()
    assert [row["patient"] for row in left] == ["T-2"]


def test_cells_that_a_spreadsheet_would_run() -> None:
    """Escaped in all that we write for people, and unescaped when we read our own file."""
    from openpyxl import load_workbook

    patient = "@T-3"
    Path("patients.csv").write_text(
        HEADER + f"{patient},w,1951,=1+cmd|'/C calc'!A0,2019,\t=KANARIE\n", "utf-8"
    )
    harmonise()
    run("validate", "cohort", "--report", "report")
    rows = read_own_csv(Path("report/findings.csv"))
    assert any(row["value"].startswith("=1+cmd|") for row in rows), "unescaped by our reader"
    assert any(row["patient"] == patient for row in rows)
    for cell in (c for row in csv_cells(Path("report/findings.csv")) for c in row):
        assert not cell.startswith(("=", "+", "-", "@", "\t")), cell
    book = load_workbook("report/findings.xlsx")
    cells = [cell for sheet in book for row in sheet.iter_rows() for cell in row]
    assert not [cell.coordinate for cell in cells if cell.data_type == "f"]
    started = [str(cell.value) for cell in cells if isinstance(cell.value, str)]
    assert not [text for text in started if text.startswith(("=", "+", "-", "@", "\t"))]


def csv_cells(path: Path) -> list[list[str]]:
    """The cells as any other program reads them."""
    import csv

    with path.open(encoding="utf-8-sig", newline="") as lines:
        return list(csv.reader(lines))


# ------------------------------------------------------------------------------ FHIR files


@pytest.fixture
def ndjson() -> Path:
    """An NDJSON folder without a manifest, as another program would send it."""
    harmonise()
    done("export", "cohort", "--to", "ndjson")
    Path("ndjson/manifest.json").unlink()
    return Path("ndjson")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"resourceType": "Patient", "id": "KANARIE', "no JSON"),
        ('{"id": "KANARIE"}', "no resourceType"),
        ('["KANARIE"]', "no JSON object"),
    ],
)
def test_line_that_is_no_resource(line: str, said: str, ndjson: Path) -> None:
    with (ndjson / "Patient.ndjson").open("a", encoding="utf-8") as lines:
        lines.write(line + "\n")
    check_refusal(run("import", ndjson, "--out", "back"), 3, "Patient.ndjson, line 3", said)
    assert not Path("back").exists()
    ran = done("import", ndjson, "--out", "back", "--keep-going")
    check_silence(ran)
    assert "Patient.ndjson, row 3" in ran.err and said in ran.err
    assert compare(read_cohort(Path("cohort")), read_cohort(Path("back"))) == []


def test_truncated_gz(ndjson: Path) -> None:
    whole = gzip.compress((ndjson / "Observation.ndjson").read_bytes())
    (ndjson / "Observation.ndjson").unlink()
    (ndjson / "Observation.ndjson.gz").write_bytes(whole[:-20])
    ran = run("import", ndjson, "--out", "back")
    check_refusal(ran, 3, "Observation.ndjson.gz", "line", "truncated or damaged")
    assert not Path("back").exists()
    ran = done("import", ndjson, "--out", "back", "--keep-going")
    check_silence(ran)
    assert "Observation.ndjson.gz" in ran.err and "truncated" in ran.err


@pytest.mark.parametrize("name", ["nothing", "empty", "patients.csv"])
def test_source_that_is_no_fhir(name: str) -> None:
    Path("empty").mkdir()
    check_refusal(run("import", name, "--out", "back"), 3, name)
    assert not Path("back").exists()
