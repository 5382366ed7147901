"""What a withdrawal leaves of a patient on disk, and the ways by which the patient could come back."""

import json
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from imnm_fhir.cli.main import imnm_fhir
from imnm_fhir.cohort import read_cohort, write_cohort
from imnm_fhir.flow import export, harmonise_files, pool_folders, withdraw
from imnm_fhir.flow.withdrawn import leave_out_withdrawn
from imnm_fhir.issues import Issue
from imnm_fhir.queries.record.log import append, read_log, redact
from imnm_fhir.validation import validate_folder
from imnm_fhir.withdrawal import AtServer, find_traces, parse_person
from imnm_fhir.withdrawal.tombstones import bury, tombstones_beside
from tests.unit.small_cohort import cohort, person
from tests.unit.small_site import CK, SEX, site_text

WHO = parse_person("madrid/MAD-03")
URL = "http://127.0.0.1:9/fhir"


def issue(patient: str) -> Issue:
    return Issue("duplicate-patient", "impossible", "conformance", "m", "madrid", patient=patient)


def test_what_is_exported_from_site_files_lacks_the_withdrawn(tmp_path: Path) -> None:
    (tmp_path / "site.csv").write_text("ID;Sexo;CPK\nMAD-03;M;4\nMAD-04;M;5\n", "utf-8")
    (tmp_path / "site.toml").write_text(site_text(SEX + CK), "utf-8")
    bury(tombstones_beside(tmp_path / "site.csv"), "here", "MAD-03")
    export([tmp_path / "site.csv"], str(tmp_path / "out.json"), site=str(tmp_path / "site.toml"))
    text = (tmp_path / "out.json").read_text("utf-8")
    assert "MAD-04" in text and "MAD-03" not in text
    made = harmonise_files(
        [tmp_path / "site.csv"], str(tmp_path / "site.toml"), tmp_path / "deep" / "c"
    )
    assert made.tables["patients"]["patient"].to_pylist() == ["MAD-04"]


def test_a_pool_lacks_whom_the_pool_withdrew(tmp_path: Path) -> None:
    write_cohort(cohort(person("MAD-03"), person("MAD-04")), tmp_path / "site" / "c")
    validate_folder(tmp_path / "site" / "c")
    (tmp_path / "pools").mkdir()
    (site,) = read_cohort(tmp_path / "site" / "c").sites
    bury(tombstones_beside(tmp_path / "pools" / "p"), site, "MAD-03")
    pool_folders([tmp_path / "site" / "c"], tmp_path / "pools" / "p")
    pooled = read_cohort(tmp_path / "pools" / "p")
    assert pooled.tables["patients"]["patient"].to_pylist() == ["MAD-04"]


def test_who_is_refused_is_withdrawn_too_and_nobody_else_s_issue_is_lost(tmp_path: Path) -> None:
    made = replace(
        cohort(person("P1"), name="madrid"), issues=(issue("MAD-03"), issue("P9"), issue("P1"))
    )
    bury(tombstones_beside(tmp_path / "c"), "madrid", "MAD-03")
    kept = leave_out_withdrawn(made, tmp_path / "c")
    assert [each.patient for each in kept.issues] == ["P9", "P1"]


def test_what_was_said_of_a_patient_s_query_goes_with_the_query(tmp_path: Path) -> None:
    log = append(
        read_log(tmp_path / "q"),
        [
            {"event": "asked", "query": "Q1", "site": "madrid", "patient": "MAD-03"},
            {"event": "said", "query": "Q1", "site": "madrid", "text": "she died"},
            {"event": "said", "query": "Q2", "site": "madrid", "text": "other"},
        ],
    )
    redact(log, "MAD-03", "madrid")
    left = read_log(tmp_path / "q")
    assert [each.get("text") for each in left.entries] == [None, None, "other", None]
    assert left.entries[-1]["event"] == "redaction"


def test_one_damaged_thing_keeps_nothing_else_from_being_redacted(tmp_path: Path) -> None:
    (tmp_path / "a.queries").mkdir()
    (tmp_path / "a.queries" / "log.jsonl").write_text("no json\n", "utf-8")
    copy = tmp_path / "a.queries" / "log.damaged.20260101T000000.jsonl"
    copy.write_text('{"patient":"MAD-03"}\n{"patient":"MAD-04"}\n', "utf-8")
    (tmp_path / "queries.csv").write_text("MAD-03;x\n", "utf-8")
    done = withdraw("madrid/MAD-03", [tmp_path])
    assert len(done.problems) == 1
    assert find_traces([tmp_path], WHO.pattern()) == []
    assert copy.read_text("utf-8") == '{"patient":"MAD-04"}\n'
    assert not (tmp_path / "queries.csv").exists()


def test_a_list_that_names_a_short_pseudonym_is_removed(tmp_path: Path) -> None:
    (tmp_path / "queries.csv").write_text("Query;Patient\nQ1;P1\n", "utf-8")
    (tmp_path / "findings.csv").write_text("rule;patient\nK01;P10\n", "utf-8")
    withdraw("madrid/P1", [tmp_path])
    assert [path.name for path in tmp_path.glob("*.csv")] == ["findings.csv"]


FORMS: dict[str, Callable[[Path, str], object]] = {
    "old.csv": lambda path, name: path.write_text(f"x;{name};y", "cp1252"),
    "escaped.json": lambda path, name: path.write_text(json.dumps([name]), "utf-8"),
    "address.log": lambda path, name: path.write_text("?identifier=M%C3%BC%2F%26%201", "utf-8"),
    "page.html": lambda path, name: path.write_text("<td>Mü/&amp; 1</td>", "utf-8"),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_pseudonym_is_found_however_it_is_written(tmp_path: Path, form: str) -> None:
    who = parse_person("madrid/Mü%2F& 1")
    FORMS[form](tmp_path / form, who.patient)
    assert find_traces([tmp_path], who.pattern()) == [tmp_path / form]


def test_the_same_pseudonym_of_another_site_is_no_trace(tmp_path: Path) -> None:
    (tmp_path / "a.ndjson").write_text('{"value":"freiburg/MAD-03/ck//"}', "utf-8")
    rows = pa.table({"site": ["freiburg", "madrid"], "patient": ["MAD-03", "MAD-04"]})
    pq.write_table(rows, tmp_path / "pool.parquet")
    assert find_traces([tmp_path], WHO.pattern(), WHO.site) == []
    pq.write_table(rows.set_column(0, "site", [["freiburg", None]]), tmp_path / "pool.parquet")
    assert find_traces([tmp_path], parse_person("madrid/MAD-04").pattern(), "madrid") != []


def test_a_pseudonym_that_nobody_has_is_said(tmp_path: Path) -> None:
    write_cohort(cohort(person("P01"), name="madrid"), tmp_path / "b" / "c")
    how = ["withdraw", str(tmp_path / "b"), "--patient"]
    wrong = CliRunner().invoke(imnm_fhir, [*how, "madrid/P1"])
    assert "nothing of this patient was found anywhere" in wrong.output
    for _ in range(2):
        right = CliRunner().invoke(imnm_fhir, [*how, "madrid/P01"])
        assert "nothing of this patient was found" not in right.output


def test_what_a_server_may_still_hold_survives_the_end_of_the_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_cohort(cohort(person("MAD-03")), tmp_path / "cohort")
    heard: list[set[tuple[str, str]]] = []

    def stops(_: object, who: object, known: set[tuple[str, str]], **options: Any) -> AtServer:
        heard.append(set(known))
        if len(heard) == 1:
            options["note"]({("Observation", "found-by-search")})
            raise KeyboardInterrupt
        return AtServer(URL)

    monkeypatch.setattr("imnm_fhir.server.connect", lambda *_: nullcontext())
    monkeypatch.setattr("imnm_fhir.withdrawal.withdraw_at", stops)
    with pytest.raises(KeyboardInterrupt):
        withdraw("madrid/MAD-03", [tmp_path / "cohort"], [URL])
    withdraw("madrid/MAD-03", [tmp_path / "cohort"], [URL])
    assert heard[1] == heard[0] | {("Observation", "found-by-search")} and len(heard[0]) == 3
    assert not list(tmp_path.rglob("*.unfinished"))


def test_an_export_with_a_damaged_manifest_is_redacted_file_by_file(tmp_path: Path) -> None:
    write_cohort(cohort(person("MAD-03"), person("MAD-04")), tmp_path / "c")
    export([tmp_path / "c"], str(tmp_path / "out"))
    manifest = tmp_path / "out" / "manifest.json"
    said = json.loads(manifest.read_text("utf-8"))
    manifest.write_text(json.dumps({"format": said["format"]}), "utf-8")
    withdraw("madrid/MAD-03", [tmp_path])
    text = (tmp_path / "out" / "Patient.ndjson").read_text("utf-8")
    assert "MAD-04" in text and "MAD-03" not in text
