"""Whatever is wrong with what a user gives: one line that says where and what to do, nothing lost.

Each patient's values here are canaries: none may come back on stderr or stdout.
"""

import errno
import gzip
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trustme

from imnm_fhir.cohort import read_cohort
from imnm_fhir.compare import compare
from imnm_fhir.written import read_own_csv
from tests.acceptance.command_line import Ran, contents, done, run
from tests.unit.server.stand_in import Answer, Asked, StandIn, Store, metadata, outcome, stand_in

MAPPING = """
[site]
id = "teststadt"
name = "Teststadt (synthetic)"
country = "DE"
language = "de"
legal_basis = "synthetic"
[patients]
identifier = "pseudonym"
pseudonymise = "keep"
[delivery]
cut_off = "2023-06-30"
kind = "full"
[[file]]
name = "patients*"
patient = "Patient"
[file.columns]
"Sex" = { element = "sex", words = { w = "female", m = "male" } }
"Birth" = { element = "birth_date" }
"CK" = { element = "ck", time_point = "baseline", unit = "U/L" }
"Onset" = { element = "imnm", field = "onset_date", set = { value_code = "imnm" } }
"Comorbidity" = { element = "comorbidity", field = "value_text" }
"""
HEADER = "Patient,Sex,Birth,CK,Onset,Comorbidity\n"
ROWS = "T-1,w,1951-07-13,4513,2019-03-09,KANARIE\nT-2,m,1950-02-17,2519,2018-11-23,=KANARIE+1\n"
CANARIES = ("KANARIE", "4513", "2519", "1951-07", "1950-02", "2019-03-09", "2018-11-23", "13.07.")


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("site.toml").write_text(MAPPING, "utf-8")
    Path("patients.csv").write_text(HEADER + ROWS, "utf-8")


def harmonise(name: str = "patients.csv", out: str = "cohort") -> Ran:
    return run("harmonise", name, "--site", "site.toml", "--out", out)


def check_silence(ran: Ran) -> None:
    """No patient's value, and no traceback, on either stream."""
    assert [canary for canary in CANARIES if canary in ran.err + ran.out] == []
    assert "Traceback" not in ran.err


def check_refusal(ran: Ran, code: int, *said: str) -> None:
    """One line of ours with these words, and nothing on stdout."""
    check_silence(ran)
    assert (ran.code, ran.out, len(ran.messages)) == (code, "", 1), ran
    assert ran.err.startswith("imnm-fhir: ")
    assert [words for words in said if words not in ran.err] == [], ran.err


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


# ------------------------------------------------------------------------------ servers


@pytest.fixture
def passed(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cohort that may leave, made once; and a clock that does not wait."""
    kept = tmp_path_factory.getbasetemp() / "passed"
    if not kept.exists():
        harmonise()
        done("validate", "cohort")
        shutil.copytree("cohort", kept)
    shutil.copytree(kept, "cohort", dirs_exist_ok=True)
    now = [0.0]
    monkeypatch.setattr("imnm_fhir.server.connection.monotonic", lambda: now[0])
    monkeypatch.setattr(
        "imnm_fhir.server.connection.sleep", lambda seconds: now.__setitem__(0, now[0] + seconds)
    )


def html(_: Asked) -> Answer:
    return Answer(200, b"<html>KANARIE</html>", {"Content-Type": "text/html"})


WRONG: dict[str, tuple[Callable[[Asked], Answer], str]] = {
    "no FHIR": (html, "FHIR"),
    "R5": (lambda _: metadata("5.0.0"), "R5"),
    "STU3": (lambda _: metadata("3.0.2"), "STU3"),
    "401": (lambda _: outcome("who is 'KANARIE' 4513?", 401), "who is"),
    "404": (lambda _: outcome('no "KANARIE" here', 404), "404"),
}


def both_ways(url: str) -> list[Ran]:
    """An export to the address and an import from it; the import must write nothing."""
    ran = [run("export", "cohort", "--to", url, "-q"), run("import", url, "--out", "back", "-q")]
    assert not Path("back").exists()
    return ran


@pytest.mark.parametrize("name", WRONG)
def test_server_that_is_wrong(name: str, passed: None) -> None:
    answer, said = WRONG[name]
    with stand_in() as server:
        server.metadata = answer
        for ran in both_ways(server.base_url):
            check_refusal(ran, 4, server.base_url, said)
        assert server.asked == []  # nothing was sent


def test_server_that_is_not_there(passed: None) -> None:
    for ran in both_ways("http://127.0.0.1:1/fhir"):
        check_refusal(ran, 4, "http://127.0.0.1:1/fhir", "unreachable", "check address")


def test_server_with_a_strange_certificate(passed: None) -> None:
    with stand_in(trustme.CA().issue_cert("127.0.0.1")) as server:
        for ran in both_ways(server.base_url):
            check_refusal(ran, 4, "certificate")


def test_credentials_never_over_plain_http(passed: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMNM_FHIR_TOKEN", "geheim")
    for ran in both_ways("http://192.0.2.1/fhir"):
        check_refusal(ran, 4, "credentials are never sent over plain http")
        assert "geheim" not in ran.err


def test_address_that_is_none(passed: None) -> None:
    for ran in both_ways("ftp://127.0.0.1/fhir"):
        check_refusal(ran, 2, "no http or https address")


def test_refused_resources_are_listed(passed: None) -> None:
    def refuses(resource: dict[str, Any]) -> str | None:
        echoed = resource.get("code", {}).get("text")  # a server may repeat what it was sent
        return f"HAPI-0389 bad {echoed} 4513" if echoed else None

    with stand_in() as server:
        server.answer = Store(refuses)
        ran = run("export", "cohort", "--to", server.base_url)
    assert ran.code == 4
    check_silence(ran)
    refused = [line for line in ran.messages if line.startswith("not loaded: ")]
    assert len(refused) == 2  # the comorbidities; everything else was loaded
    assert all("Condition/i" in line and "HAPI-0389 bad" in line for line in refused)


def test_server_that_breaks_off_says_what_was_sent(passed: None) -> None:
    store = Store()

    def breaks(server: StandIn) -> Callable[[Asked], Answer]:
        return lambda asked: store(asked) if len(server.asked) < 3 else outcome("no such user", 401)

    with stand_in() as server:
        server.answer = breaks(server)
        ran = run("export", "cohort", "--to", server.base_url, "--bundle-size", "2")
    check_silence(ran)
    assert ran.code == 4
    assert "no such user" in ran.err and "2 Patient stored" in ran.err and "repeat" in ran.err


# ------------------------------------------------------------------------------ outputs

OTHER = HEADER + ROWS.replace("T-2", "T-9")


def make_all(source: str, suffix: str = "") -> None:
    """Everything that the commands write, of one source."""
    Path("patients.csv").write_text(source, "utf-8")
    done("harmonise", "patients.csv", "--site", "site.toml", "--out", f"cohort{suffix}")
    done("export", f"cohort{suffix}", "--to", f"ndjson{suffix}")
    done("export", f"cohort{suffix}", "--to", f"bundle{suffix}.json")
    done("import", f"ndjson{suffix}", "--out", f"back{suffix}")
    out = [word for end in ("csv", "xlsx", "html") for word in ("--out", f"table1{suffix}.{end}")]
    done("table1", f"cohort{suffix}", *out)


@pytest.fixture
def everything(tmp_path_factory: pytest.TempPathFactory) -> None:
    """All outputs of one source, and of another with the ending 2, made once."""
    kept = tmp_path_factory.getbasetemp() / "everything"
    if not kept.exists():
        make_all(HEADER + ROWS)
        make_all(OTHER, "2")
        shutil.copytree(".", kept)
    shutil.copytree(kept, ".", dirs_exist_ok=True)


COMMANDS = {
    "harmonise": ("harmonise", "patients.csv", "--site", "site.toml", "--out", "cohort"),
    "ndjson": ("export", "cohort2", "--to", "ndjson"),
    "bundle": ("export", "cohort2", "--to", "bundle.json"),
    "import": ("import", "ndjson2", "--out", "back"),
    "table1 csv": ("table1", "cohort2", "--out", "table1.csv"),
    "table1 xlsx": ("table1", "cohort2", "--out", "table1.xlsx"),
    "table1 html": ("table1", "cohort2", "--out", "table1.html"),
}
FAILURES: dict[str, tuple[BaseException, int, str]] = {
    "disk full": (OSError(errno.ENOSPC, "No space left on device"), 3, "the disk is full"),
    "no permission": (PermissionError(errno.EACCES, "Permission denied"), 3, "no permission"),
    "Ctrl-C": (KeyboardInterrupt(), 130, "interrupted"),
}


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("failure", FAILURES)
def test_output_that_fails_at_any_moment(
    name: str, failure: str, everything: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At each file that is put in its place: what was there is readable as it was, and no rest."""
    error, code, said = FAILURES[failure]
    before = {path: contents(Path(path)) for path in ("ndjson", "back", "cohort")}
    cohorts = {path: read_cohort(Path(path)) for path in ("cohort", "back")}
    single = {path.name: path.read_bytes() for path in Path().iterdir() if path.is_file()}
    replace, moment, ran = os.replace, 0, Ran(0, "", "")
    while True:
        moment += 1
        left = [moment]

        def failing(*arguments: Any, left: list[int] = left) -> None:
            left[0] -= 1
            if left[0] == 0:
                raise error
            replace(*arguments)

        monkeypatch.setattr("imnm_fhir.written.os.replace", failing)
        ran = run(*COMMANDS[name])
        monkeypatch.setattr("imnm_fhir.written.os.replace", replace)
        if left[0] > 0:  # there were fewer files than that: the command went through
            break
        assert ran.code == code and said in ran.err, (moment, ran)
        check_silence(ran)
        assert len(ran.err.strip().splitlines()) == 1
        assert [str(p) for p in Path().rglob("*.part*")] == [], "half-written"
        for path, cohort in cohorts.items():
            assert compare(cohort, read_cohort(Path(path))) == [], f"{path} at moment {moment}"
        assert {n: Path(n).read_bytes() for n in single} == single, f"moment {moment}"
        if name == "ndjson":
            assert contents(Path("ndjson")) == before["ndjson"], f"moment {moment}"
    assert ran.code == 0 and moment > 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("harmonise", "patients.csv", "--site", "site.toml", "--out", "kept"), "kept: exists"),
        (("harmonise", "patients.csv", "--site", "site.toml", "--out", "site.toml"), "is a file"),
        (("export", "cohort", "--to", "kept"), "holds other files"),
        (("export", "cohort", "--to", "site.toml"), "is a file"),
        (("import", "ndjson", "--out", "kept"), "kept: exists"),
        (("new-site", "patients.csv", "--out", "site.toml"), "exists"),
        (("table1", "cohort", "--out", "table1.docx"), "table1.docx"),
        (("table1", "cohort", "--out", "nowhere/table1.csv"), "does not exist"),
        (("export", "cohort", "--to", "nowhere/bundle.json"), "does not exist"),
    ],
)
def test_place_that_is_taken_or_not_there(arguments: tuple[str, ...], said: str) -> None:
    harmonise()
    done("export", "cohort", "--to", "ndjson")
    Path("kept").mkdir()
    Path("kept/thesis.docx").write_text("KANARIE", "utf-8")
    before = contents(Path())
    ran = run(*arguments)
    check_silence(ran)
    assert ran.code in (2, 3) and said in ran.err and len(ran.messages) == 1, ran
    assert contents(Path()) == before


def test_changed_table_is_found_out() -> None:
    harmonise()
    (path,) = Path("cohort/tables").glob("patients.*")
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    for arguments in (
        ("validate", "cohort"),
        ("table1", "cohort"),
        ("export", "cohort", "--to", "x"),
    ):
        check_refusal(run(*arguments), 3, path.name, "was changed", "harmonise again")


@pytest.mark.parametrize("text", ["", "KANARIE", "[]", '{"format": 99}'])
def test_manifest_that_is_none(text: str) -> None:
    harmonise()
    Path("cohort/manifest.json").write_text(text, "utf-8")
    check_refusal(run("table1", "cohort"), 3, "manifest.json", "harmonise again")


@pytest.mark.parametrize("option", ["--study", "--waivers"])
@pytest.mark.parametrize("text", [None, "KANARIE", "[nonsense]\nx = 1\n"])
def test_study_and_waiver_files_with_faults(option: str, text: str | None) -> None:
    harmonise()
    if text is not None:
        Path("chosen.toml").write_text(text, "utf-8")
    ran = run("validate", "cohort", option, "chosen.toml")
    assert (ran.code, ran.out) == (3, "") and "chosen.toml" in ran.err
    check_silence(ran)
