"""The whole road by its commands, on the embedded files of Madrid and Freiburg, without a server."""

import csv
import gzip
import json
import re
import shutil
from importlib.resources import as_file, files
from pathlib import Path

import click
import pytest

from imnm_fhir.cli.main import COMMANDS, imnm_fhir
from imnm_fhir.cohort import read_manifest
from imnm_fhir.written import read_own_csv
from tests.acceptance.command_line import Ran, contents, done, run

FREIBURG = ("patienten.csv", "ck.csv", "medikamente.csv")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that both sites send, and those of Freiburg's faulty first delivery."""
    made = tmp_path_factory.mktemp("Bärbel Straße")
    with as_file(files("imnm_fhir") / "demo_data") as data:
        for name in ("madrid/madrid16.csv", "madrid/madrid16_es.csv"):
            shutil.copy(data / name, made)
        shutil.copytree(data / "freiburg" / "delivery_1", made / "first")
        shutil.copytree(data / "freiburg" / "delivery_2", made, dirs_exist_ok=True)
    return made


@pytest.fixture(autouse=True)
def _there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)


@pytest.fixture(scope="module")
def madrid(folder: Path) -> Ran:
    return harmonised(folder, "madrid", "madrid_es", "madrid16_es.csv")


@pytest.fixture(scope="module")
def freiburg(folder: Path) -> Ran:
    return harmonised(folder, "freiburg", "freiburg", *FREIBURG)


def harmonised(folder: Path, out: str, site: str, *sources: str) -> Ran:
    """Site files harmonised into build/OUT and validated, with the report in build/OUT_report."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        done("harmonise", *sources, "--site", site, "--out", f"build/{out}")
        return done("validate", f"build/{out}", "--report", f"build/{out}_report")


def test_harmonise_says_what_came_of_every_row_and_cell() -> None:
    ran = done("harmonise", "madrid16_es.csv", "--site", "madrid_es", "--out", "build/said")
    assert ran.out == ""
    assert "madrid16_es.csv: encoding cp1252" in ran.err and "delimiter ';'" in ran.err
    rows = re.search(
        r"(\d+) rows in = (\d+) clean \+ (\d+) with an issue \+ (\d+) refused", ran.err
    )
    assert rows and [*map(int, rows.groups())] == [16, 16, 0, 0]
    cells = re.search(r"(\d+) cells = (\d+) values \+ (\d+) missing \+ (\d+) issues", ran.err)
    assert cells
    cells_in, *ends = map(int, cells.groups())
    assert cells_in == sum(ends) > 300
    assert ran.messages[-1] == "build/said: 16 patients, 0 issues"


def test_three_files_and_one_workbook_are_the_same_cohort(freiburg: Ran) -> None:
    done("harmonise", "freiburg.xlsx", "--site", "freiburg", "--out", "build/workbook")
    assert done("compare", "build/freiburg", "build/workbook").out == "identical\n"


def test_validate_writes_the_report(madrid: Ran) -> None:
    assert madrid.out.startswith("passed: all 16 patients may go on\n")
    report = Path("build/madrid_report")
    assert {path.name for path in report.iterdir()} == {
        "README.txt", "report.html", "findings.csv", "findings.xlsx", "findings.parquet",
        "findings.json", "queries.xlsx", "queries.csv",
    }  # fmt: skip
    page = (report / "report.html").read_text("utf-8")
    assert not re.search(r"(src|href)=[\"']?https?:|@import|url\(", page), "asks the network"
    assert read_own_csv(report / "findings.csv")


def test_corrected_delivery_passes(freiburg: Ran) -> None:
    assert freiburg.out.startswith("passed: all 30 patients may go on\n")


def test_faulty_delivery_is_stopped_with_a_report() -> None:
    sources = [f"first/{name}" for name in FREIBURG]
    harmonise = done("harmonise", *sources, "--site", "freiburg", "--out", "build/first")
    assert (
        "patienten.csv, row 29, column 'MRC minimal': a spreadsheet made a date of it"
        in harmonise.err
    )
    ran = run("validate", "build/first", "--report", "build/first_report")
    assert (ran.code, ran.out.split(":")[0]) == (1, "not passed")
    assert Path("build/first_report/report.html").is_file()
    found = {row["rule"] for row in read_own_csv(Path("build/first_report/findings.csv"))}
    assert sorted(planted_rules() - found) == []
    # and neither a pool nor a server takes it, unless what fails is left out
    assert run("pool", "build/first", "--out", "build/refused").code == 1
    assert not Path("build/refused").exists()
    url = "http://127.0.0.1:1/fhir"
    assert run("export", "build/first", "--to", url).code == 1


def planted_rules() -> set[str]:
    """The rules that must find the faults planted in the first delivery."""
    with (files("imnm_fhir") / "demo_data/freiburg/planted.csv").open(encoding="utf-8") as lines:
        rules = {row["rule"].split(";")[0] for row in csv.DictReader(lines, delimiter=";")}
    # A patient twice is refused when harmonising; a cell that begins with + is no fault at all.
    return rules - {"A05", "formula-start"} | {"duplicate-patient"}


def test_ndjson_there_and_back(madrid: Ran) -> None:
    said = done("export", "build/madrid", "--to", "build/fhir")
    manifest = json.loads(Path("build/fhir/manifest.json").read_text("utf-8"))
    total = sum(about["resources"] for about in manifest["files"].values())
    assert said.messages[0].startswith(f"build/fhir: {total} resources (")
    for name, about in manifest["files"].items():
        lines = Path("build/fhir", name).read_text("utf-8").splitlines()
        kinds = {json.loads(line)["resourceType"] for line in lines}
        assert (kinds, len(lines)) == ({about["resourceType"]}, about["resources"])
    done("import", "build/fhir", "--out", "build/back")
    assert done("compare", "build/madrid", "build/back").out == "identical\n"


def test_bundle_there_and_back(madrid: Ran) -> None:
    done("export", "build/madrid", "--to", "build/madrid.json")
    bundle = json.loads(Path("build/madrid.json").read_text("utf-8"))
    assert bundle["resourceType"] == "Bundle"
    done("import", "build/madrid.json", "--out", "build/back_bundle")
    assert done("compare", "build/madrid", "build/back_bundle").out == "identical\n"


def test_compressed_files_are_read(madrid: Ran) -> None:
    done("export", "build/madrid", "--to", "build/plain")
    Path("build/gz").mkdir()
    for path in Path("build/plain").glob("*.ndjson"):
        Path(f"build/gz/{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
    done("import", "build/gz", "--out", "build/back_gz")
    assert done("compare", "build/madrid", "build/back_gz").out == "identical\n"


def test_same_export_twice_is_the_same_bytes(madrid: Ran) -> None:
    done("export", "build/madrid", "--to", "build/twice")
    first = contents(Path("build/twice"))
    done("export", "build/madrid", "--to", "build/twice")
    assert contents(Path("build/twice")) == first


def test_export_of_site_files_in_one_step() -> None:
    ran = done("export", "madrid16_es.csv", "--site", "madrid_es", "--to", "build/one_step")
    assert "16 Patient" in ran.err
    assert json.loads(Path("build/one_step/Patient.ndjson").read_text("utf-8").splitlines()[0])


def test_compare_names_each_difference(madrid: Ran) -> None:
    text = Path("madrid16_es.csv").read_bytes().replace(b"MAD-03", b"MAD-33", 1)
    Path("changed").mkdir(exist_ok=True)
    Path("changed/madrid16_es.csv").write_bytes(text)
    done("harmonise", "changed/madrid16_es.csv", "--site", "madrid_es", "--out", "build/changed")
    ran = run("compare", "build/madrid", "build/changed")
    assert ran.code == 1
    assert "patients / madrid / MAD-03: only in the first\n" in ran.out
    assert "patients / madrid / MAD-33: only in the second\n" in ran.out
    assert [ran.out.count(each) for each in ("MAD-03", "MAD-33")] == [1, 1]  # not a line per row
    assert ran.messages == [f"{len(ran.out.splitlines())} differences"]


def test_pool_and_table_1_in_every_format(madrid: Ran, freiburg: Ran) -> None:
    pooled = done("pool", "build/madrid", "build/freiburg", "--out", "build/pool")
    assert pooled.out == ""
    assert pooled.messages[-1] == "build/pool: 44 patients of 2 sites pooled"  # two did not consent
    assert "consent withdrawn" in pooled.err and "consent refused" in pooled.err
    assert sorted(read_manifest(Path("build/pool"))["sites"]) == ["freiburg", "madrid"]
    out = [f"build/table1.{ending}" for ending in ("csv", "xlsx", "html")]
    ran = done("table1", "build/pool", *[word for path in out for word in ("--out", path)])
    assert ran.out.startswith("Table 1.") and "n=44" in ran.out
    assert ran.messages[1:] == [f"written: {path}" for path in out]
    assert "--small-cells" in ran.messages[0]  # what a shared table may tell of few patients
    assert any("44" in cell for row in read_own_csv(Path(out[0])) for cell in row.values())
    assert Path(out[1]).read_bytes().startswith(b"PK")
    page = Path(out[2]).read_text("utf-8")
    assert not re.search(r"(src|href)=[\"']?https?:|@import", page), "asks the network"


def test_the_same_site_twice_is_refused(madrid: Ran) -> None:
    done("harmonise", "madrid16.csv", "--site", "madrid_en", "--out", "build/madrid_en")
    done("validate", "build/madrid_en")
    ran = run("pool", "build/madrid", "build/madrid_en", "--out", "build/doubled")
    assert ran.code in (1, 3) and len(ran.messages) == 1 and "madrid" in ran.err
    assert not Path("build/doubled").exists()


def test_changed_cohort_needs_a_new_validation(madrid: Ran) -> None:
    done("harmonise", "madrid16_es.csv", "--site", "madrid_es", "--out", "build/unvalidated")
    ran = run("pool", "build/unvalidated", "--out", "build/nothing")
    assert ran.code == 1 and len(ran.messages) == 1 and "imnm-fhir validate" in ran.err
    assert not Path("build/nothing").exists()


def test_elements() -> None:
    assert "U/L" in done("elements", "ck").out
    assert "Creatina" in done("elements", "--search", "creatin", "--language", "es").out
    near = run("elements", "ckk")
    assert (near.code, len(near.messages)) == (3, 1) and "near: " in near.err


def test_new_site_is_a_mapping_that_says_what_is_missing() -> None:
    said = done("new-site", *FREIBURG, "--out", "new.toml")
    assert said.messages[0].startswith("new.toml: fill in")
    text = Path("new.toml").read_text("utf-8")
    for name in FREIBURG:
        header = Path(name).read_text("utf-8-sig").splitlines()[0].split(";")
        assert [column for column in header if f'"{column}"' not in text] == []
    ran = run("harmonise", *FREIBURG, "--site", "new.toml", "--out", "build/new")
    assert ran.code == 3 and "FILL IN" in ran.err + text
    assert not Path("build/new").exists()


@pytest.mark.parametrize("quiet", [True, False])
def test_quiet_is_silent(quiet: bool, madrid: Ran) -> None:
    option = ["--quiet"] if quiet else []
    err = done(
        "harmonise", "madrid16_es.csv", "--site", "madrid_es", "--out", "build/q", *option
    ).err
    err += done("export", "build/madrid", "--to", "build/q_fhir", *option).err
    err += done("import", "build/q_fhir", "--out", "build/q_back", *option).err
    assert (err == "") is quiet


NEEDS_A_SERVER = ("doctor", "verify", "withdraw")  # run in tests/integration/test_help_examples.py


@pytest.mark.parametrize("name", [c for c in COMMANDS if c not in ("demo", *NEEDS_A_SERVER)])
def test_example_of_the_help_runs(name: str, madrid: Ran, freiburg: Ran) -> None:
    """The line that the help shows, with a folder in the place of a server."""
    command = imnm_fhir.get_command(click.Context(imnm_fhir), name)
    assert command is not None and command.epilog is not None
    _, *words = command.epilog.split("Example: ")[1].split()
    done("export", "build/madrid", "--to", "build/server")
    done("import", "build/server", "--out", "build/back")
    if name == "table1":
        done("pool", "build/madrid", "build/freiburg", "--out", "build/pool")
    if name == "check-table":
        Path("table2.csv").write_text("label,n,N,percent\nStatin,13,16,81.3\n", "utf-8")
    if name == "new-site":
        Path("site.toml").unlink(missing_ok=True)
    done(*[word.replace("http://127.0.0.1:8080/fhir", "build/server") for word in words])
