"""Places that cannot be written to: one line, what was there is as it was, nothing half-written."""

import errno
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from imnm_fhir.cohort import read_cohort
from imnm_fhir.compare import compare
from tests.acceptance.canaries import (
    HEADER,
    ROWS,
    check_refusal,
    check_silence,
    harmonise,
    write_site,
)
from tests.acceptance.command_line import Ran, contents, done, run


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_site()


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
