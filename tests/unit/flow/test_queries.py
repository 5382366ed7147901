"""The loop on folders: answers put on top of the site's files, damaged logs, endorsements for a pool."""

from dataclasses import replace
from pathlib import Path

import pytest

from imnm_fhir.cli.harmonise import correction_lines
from imnm_fhir.cohort import read_cohort, read_manifest, write_cohort
from imnm_fhir.errors import FindingsError, ImnmFhirError
from imnm_fhir.flow import Gate, harmonise_files, pass_gate, take_answers
from imnm_fhir.pool import pool
from imnm_fhir.queries.asking import ask, write_queries
from imnm_fhir.queries.record.log import LOG, log_folder, read_log
from tests.unit.queries.one_loop import WHO, fill, finding, place, validation
from tests.unit.small_cohort import cohort, person
from tests.unit.small_site import CK, SEX, site_text


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A cohort of one patient, harmonised from files that are still there."""
    (tmp_path / "site.csv").write_text("ID;Sexo;CPK\nP1;M;-4\n", "utf-8")
    (tmp_path / "site.toml").write_text(site_text(SEX + CK), "utf-8")
    harmonise_files([tmp_path / "site.csv"], str(tmp_path / "site.toml"), tmp_path / "c")
    return tmp_path / "c"


@pytest.fixture
def filled(made: Path) -> Path:
    """The list of a negative CK, corrected."""
    low = replace(
        finding(
            "K01", "P1", place("ck", 2, "-4", column="CPK", time_point="baseline"), part="negative"
        ),
        site="here",
    )
    asked = ask(validation(low), read_cohort(made), read_log(log_folder(made)))
    path = write_queries(asked, made.parent / "list", "en", neutral=False)[0]
    return fill(path, {"P1": {"Answer": "corrected", "New value": "4000", **WHO}})


def values(folder: Path) -> list[str]:
    found: list[str] = (
        read_cohort(folder).tables["observations"]["value_number"].drop_null().to_pylist()
    )
    return found


def test_an_answer_counts_at_once_and_the_file_stays_as_it_is(made: Path, filled: Path) -> None:
    before = (made.parent / "site.csv").read_bytes()
    assert values(made) == ["-4"]
    lines = take_answers(made, filled).lines()
    assert lines[0] == "1 answer taken, 0 known already, 0 left open"
    assert lines[-1].endswith(
        "made again from the site's files with 1 correction on top; validate it"
    )
    assert values(made) == ["4000"]
    assert (made.parent / "site.csv").read_bytes() == before
    assert list(read_manifest(made)["sites"]["here"]["corrections"].values()) == ["applied"]
    assert correction_lines(read_manifest(made)) == ["corrections: 1 put on top of the source"]


def test_where_the_files_are_gone_what_to_do_is_said(made: Path, filled: Path) -> None:
    (made.parent / "site.csv").rename(made.parent / "moved.csv")
    assert take_answers(made, filled).lines()[-1].startswith("run imnm-fhir harmonise again")
    (made.parent / "moved.csv").rename(made.parent / "site.csv")
    assert "made again" in take_answers(made, filled).lines()[-1]  # known already, and applied now


def test_the_next_delivery_in_another_folder_takes_the_log_along(made: Path, filled: Path) -> None:
    take_answers(made, filled)
    mapping = str(made.parent / "site.toml")
    harmonise_files([made.parent / "site.csv"], mapping, made.parent / "d", log=log_folder(made))
    assert values(made.parent / "d") == ["4000"]
    harmonise_files([made.parent / "site.csv"], mapping, made.parent / "e")
    assert values(made.parent / "e") == ["-4"]


def test_a_damaged_log_stops_the_work_and_changes_nothing(made: Path, filled: Path) -> None:
    take_answers(made, filled)
    log = log_folder(made) / LOG
    log.write_text(log.read_text("utf-8").replace('"4000"', '"5000"'), "utf-8")
    with pytest.raises(ImnmFhirError, match=r"log\.jsonl, line 4: was changed"):
        harmonise_files([made.parent / "site.csv"], str(made.parent / "site.toml"), made)
    assert values(made) == ["4000"]


def test_a_pool_knows_no_path_and_no_correction(made: Path, filled: Path) -> None:
    take_answers(made, filled)
    (about,) = pool([read_cohort(made)]).manifest["sites"].values()
    assert {"sources", "mapping", "corrections", "read_from"} & about.keys() == set()


def test_a_study_may_ask_for_an_endorsement(tmp_path: Path) -> None:
    write_cohort(cohort(person("P1")), tmp_path / "c")
    study = tmp_path / "study.toml"
    study.write_text("[study]\nsigned = true\n", "utf-8")
    with pytest.raises(FindingsError, match="run imnm-fhir queries sign"):
        pass_gate(tmp_path / "c", Gate(study=study), need_validation=False)
    study.write_text("[study]\nsigned = false\n", "utf-8")
    assert pass_gate(tmp_path / "c", Gate(study=study), need_validation=False).people.num_rows == 1


def test_a_log_that_was_cut_or_left_behind_is_said(
    made: Path, filled: Path, caplog: pytest.LogCaptureFixture
) -> None:
    take_answers(made, filled)
    site = made.parent / "site.csv"
    harmonise_files([site], str(made.parent / "site.toml"), made)
    assert "corrections" not in caplog.text
    path = log_folder(made) / LOG
    path.write_text("".join(path.read_text("utf-8").splitlines(keepends=True)[:-1]), "utf-8")
    harmonise_files([site], str(made.parent / "site.toml"), made)
    assert "lacks 1 corrections that the cohort held" in caplog.text
    assert values(made) == ["-4"]


def test_a_new_value_that_cannot_be_read_is_not_counted_as_used(made: Path, filled: Path) -> None:
    book = fill(filled, {"P1": {"New value": "a lot"}})
    said = take_answers(made, book).lines()[-1]
    assert "0 corrections on top; 1 that cannot be read and will be asked again" in said
    assert values(made) == ["-4"]
