"""An endorsement travels in FHIR, is seen where it arrives, and holds for what was signed alone."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from imnm_fhir.cohort import (
    Cohort,
    read_cohort,
    read_manifest,
    table_hashes,
    write_cohort,
    write_manifest,
)
from imnm_fhir.errors import FindingsError, ImnmFhirError
from imnm_fhir.fhir import as_model
from imnm_fhir.fhir.endorsement import read_endorsement
from imnm_fhir.flow import Gate, export, import_fhir, pass_gate, pool_folders
from imnm_fhir.flow.endorsed import endorsed, endorsement_faults
from tests.unit.small_cohort import cohort, observation, person

SIGNED = {"by": "Dr. B. Gil", "role": "investigator", "statement": "I endorse <this> & that.",
          "at": "2026-11-28T15:00:00+00:00", "state": "a" * 64, "states": {"closed": 3}}  # fmt: skip


def people(*patients: str) -> Cohort:
    """A cohort of patients who may leave."""
    basis = [observation(each, "legal_basis", value_text="ethics committee") for each in patients]
    return cohort(*map(person, patients), *basis)


def pass_rules(folder: Path) -> None:
    """As validate notes it where no rule finds anything."""
    manifest = read_manifest(folder)
    entry = {
        "passed": True,
        "table_hashes": table_hashes(manifest),
        "findings": {},
        "patients_failing": {},
    }
    write_manifest({**manifest, "validation": entry}, folder)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A validated and signed cohort of two patients."""
    folder = tmp_path / "site"
    write_cohort(people("P1", "P2"), folder)
    pass_rules(folder)
    manifest = read_manifest(folder)
    write_manifest({**manifest, "signed": {**SIGNED, "tables": table_hashes(manifest)}}, folder)
    return folder


@pytest.fixture
def demands(tmp_path: Path) -> Gate:
    """A study that pools only what is endorsed."""
    (tmp_path / "study.toml").write_text("[study]\nsigned = true\n", "utf-8")
    return Gate(study=tmp_path / "study.toml")


def imported(source: Path, out: Path) -> list[str]:
    lines = import_fhir(str(source), out).lines()
    pass_rules(out)
    return lines


@pytest.mark.parametrize("target", ["ndjson", "bundle.json"])
def test_it_travels_and_the_pool_honours_it(
    site: Path, tmp_path: Path, demands: Gate, target: str
) -> None:
    exported = export([site], str(tmp_path / target))
    assert exported.counts["Provenance"] == 1
    lines = imported(tmp_path / target, tmp_path / "here")
    (said,) = [line for line in lines if "endorsed by" in line]
    assert said == (
        "madrid: endorsed by Dr. B. Gil (investigator) on 2026-11-28; what was read is what was signed"
    )
    assert pass_gate(tmp_path / "here", demands).people.num_rows == 2
    pool_folders([tmp_path / "here"], tmp_path / "pool", gate=demands)
    assert endorsed(tmp_path / "pool") == {
        "madrid": {name: SIGNED[name] for name in ("by", "role", "statement", "at", "state")}
    }


def test_what_was_changed_on_the_way_is_not_what_was_signed(
    site: Path, tmp_path: Path, demands: Gate
) -> None:
    export([site], str(tmp_path / "out"))
    file = tmp_path / "out" / "Observation.ndjson"
    text = file.read_text("utf-8")
    file.write_text(text.replace('"value":5000', '"value":500'), "utf-8")
    assert file.read_text("utf-8") != text
    (tmp_path / "out" / "manifest.json").unlink()
    assert any("is of another state" in line for line in imported(tmp_path / "out", tmp_path / "x"))
    with pytest.raises(FindingsError, match="what is here is not what was signed"):
        pass_gate(tmp_path / "x", demands)


def test_nothing_travels_once_the_cohort_has_changed(site: Path, tmp_path: Path) -> None:
    write_cohort(replace(read_cohort(site), tables=people("P1").tables), site)
    assert "Provenance" not in export([site], str(tmp_path / "out")).counts
    imported(tmp_path / "out", tmp_path / "x")
    (fault,) = endorsement_faults(tmp_path / "x")
    assert fault.startswith("madrid: was not endorsed")


def test_a_patient_who_leaves_the_import_voids_it(
    site: Path, tmp_path: Path, demands: Gate
) -> None:
    export([site], str(tmp_path / "out"))
    imported(tmp_path / "out", tmp_path / "x")
    write_cohort(replace(read_cohort(tmp_path / "x"), tables=people("P1").tables), tmp_path / "x")
    with pytest.raises(FindingsError, match="of another state"):
        pass_gate(tmp_path / "x", demands, need_validation=False)


@pytest.mark.parametrize("key", ["extension", "agent", "extra"])
def test_an_endorsement_that_was_edited_is_refused(site: Path, tmp_path: Path, key: str) -> None:
    export([site], str(tmp_path / "out"))
    file = tmp_path / "out" / "Provenance.ndjson"
    resource = json.loads(file.read_text("utf-8"))
    as_model(resource)
    assert read_endorsement({**resource, "id": "77", "text": {"div": "<div/>"}})["site"] == "madrid"
    hostile = {**resource, "agent": [{**resource["agent"][0], "who": {"display": "A\x1b[2J"}}]}
    with pytest.raises(ImnmFhirError, match="is no endorsement"):
        read_endorsement(hostile)
    with pytest.raises(ImnmFhirError, match="is no endorsement"):
        read_endorsement({**resource, "recorded": "0001-01-01"})
    edited = {**resource, key: [{"policy": ["x"]}]}
    file.write_text(json.dumps(edited) + "\n", "utf-8")
    (tmp_path / "out" / "manifest.json").unlink()
    lines = imported(tmp_path / "out", tmp_path / "x")
    assert any("Provenance refused: is no endorsement" in line for line in lines)
    assert "endorsements" not in read_manifest(tmp_path / "x")
