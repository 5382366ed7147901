"""An endorsement is bound to the state that was signed; any change asks for a new one."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from imnm_fhir.cohort import table_hashes
from imnm_fhir.dictionary import TABLES
from imnm_fhir.errors import FindingsError
from imnm_fhir.queries.asking import ask
from imnm_fhir.queries.lists.importing import import_answers
from imnm_fhir.queries.record.log import Log, read_log
from imnm_fhir.queries.record.signing import is_signed, sign, signature
from tests.unit.queries.one_loop import MRC, WHO, fill, site_cohort, validation, written


def manifest(hashes: str = "a") -> dict[str, Any]:
    tables = {name: {"file": "x", "sha256": hashes, "rows": 1} for name in TABLES}
    made = {**site_cohort().manifest, "tables": tables}
    return {**made, "validation": {"table_hashes": table_hashes(made)}}


def settled(folder: Path) -> Log:
    cohort = replace(site_cohort(), manifest=manifest())
    asked = ask(validation(MRC), cohort, read_log(folder / "q"))
    written(asked, folder)
    return asked.log


def test_what_is_signed_is_this_state_and_no_other(tmp_path: Path) -> None:
    log, entry = sign(settled(tmp_path), manifest(), "Dr. Gil", "investigator", "I endorse it.")
    assert (entry["by"], entry["role"], entry["states"]) == ("Dr. Gil", "investigator", {"open": 1})
    assert read_log(tmp_path / "q").entries[-1] == entry
    signed = {**manifest(), "signed": signature(entry)}
    assert is_signed(signed)
    assert not is_signed({**manifest("b"), "signed": signature(entry)})
    assert not is_signed(manifest())
    _, again = sign(log, manifest(), "Dr. Gil", "investigator", "I endorse it.")
    assert again["state"] != entry["state"]


def test_a_cohort_that_changed_since_its_validation_is_not_signed(tmp_path: Path) -> None:
    with pytest.raises(FindingsError, match="run imnm-fhir validate first"):
        sign(settled(tmp_path), manifest("b"), "x", "y", "z")


def test_answers_that_the_cohort_does_not_hold_are_not_signed_over(tmp_path: Path) -> None:
    settled(tmp_path)
    filled = fill(
        tmp_path / "list" / "queries.xlsx", {"P1": {"Answer": "corrected", "New value": "4", **WHO}}
    )
    log, _ = import_answers(read_log(tmp_path / "q"), filled)
    with pytest.raises(FindingsError, match="1 answer is not in the cohort yet"):
        sign(log, manifest(), "x", "y", "z")
