"""imnm-fhir import from a server as a person calls it: what is said, exit codes, nothing lost."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.canaries import check_refusal, check_silence, harmonise, write_site
from tests.acceptance.command_line import contents, done, run
from tests.unit.server.fhir_source import FhirSource
from tests.unit.server.stand_in import Answer, stand_in


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FhirSource]:
    """A server that holds the two patients of a small site."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("imnm_fhir.server.reading.bulk.sleep", lambda seconds: None)
    write_site()
    harmonise()
    done("export", "cohort", "--to", "fhir")
    with stand_in() as server:
        server.answer = store = FhirSource(server.base_url)
        for path in Path("fhir").glob("*.ndjson"):
            store.load(json.loads(line) for line in path.read_text("utf-8").splitlines())
        yield store


@pytest.mark.parametrize("method", ["search", "everything", "bulk"])
def test_each_method_gives_the_cohort_back(method: str, store: FhirSource) -> None:
    ran = done("import", store.base_url, "--out", "back", "--method", method, "--page-size", "2")
    check_silence(ran)
    assert "(asked for)" in ran.messages[0]
    assert done("compare", "cohort", "back").out == "identical\n"
    assert not Path("back.import").exists()


def test_only_changes_the_second_time(store: FhirSource) -> None:
    done("import", store.base_url, "--out", "back", "--since", "last")
    assert (Path("back.import").stat().st_mode & 0o077) == 0
    ident = next(ident for kind, ident in store.kept if kind == "Condition")
    store.delete("Condition", ident)
    ran = done("import", store.base_url, "--out", "back", "--since", "last")
    check_silence(ran)
    assert "read changes (since 20" in ran.messages[0]
    assert "1 Condition are not at the server any more, and left" in ran.err
    assert run("compare", "cohort", "back").code == 1


def test_listed_patients(store: FhirSource) -> None:
    Path("list.txt").write_text("teststadt/T-1\n")
    ran = done("import", store.base_url, "--out", "back", "--patients", "list.txt")
    assert "1 patients" in ran.err
    Path("list.txt").write_text("teststadt/T-1\nKANARIE/4513\n")
    before = contents(Path("back"))
    ran = run("import", store.base_url, "--out", "back", "--patients", "list.txt")
    check_refusal(ran, 3, "list.txt: 1 patient is not at", "(line 2)", "--keep-going")
    assert contents(Path("back")) == before


def test_what_broke_off_leaves_the_old_cohort_and_goes_on(store: FhirSource) -> None:
    done("import", store.base_url, "--out", "back")
    before = contents(Path("back"))
    store.fault = lambda asked: Answer(500, b"KANARIE") if "Procedure" in asked.path else None
    check_refusal(run("import", store.base_url, "--out", "back"), 4, "answered 500")
    assert contents(Path("back")) == before and Path("back.import").is_dir()
    store.fault = lambda asked: None
    assert "goes on from where" in done("import", store.base_url, "--out", "back").err
    assert done("compare", "cohort", "back").out == "identical\n"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--group", "g", "--patients", "list.txt"], "give one of them"),
        (["--all", "--tag", "s|c"], "leave out --tag"),
        (["--tag", "code"], "is no system|code"),
    ],
)
def test_options_that_do_not_go_together(options: list[str], said: str, store: FhirSource) -> None:
    check_refusal(run("import", store.base_url, "--out", "back", *options), 2, said)
    assert not Path("back").exists() and not Path("back.import").exists()


def test_options_of_servers_for_files(store: FhirSource) -> None:
    ran = run("import", "fhir", "--out", "back", "--method", "bulk")
    check_refusal(ran, 2, "are for a server's URL")


def test_a_tag_that_nothing_carries(store: FhirSource) -> None:
    ran = run("import", store.base_url, "--out", "back", "--tag", "https://x.example|none")
    check_refusal(ran, 3, "holds no resource with that tag")
