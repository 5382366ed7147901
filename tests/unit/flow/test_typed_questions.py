"""Questions that a person types at a pool: only about who and what is there."""

from pathlib import Path
from typing import Any

import pytest

from imnm_fhir.cohort import write_cohort
from imnm_fhir.errors import UsageError
from imnm_fhir.flow import type_question
from imnm_fhir.queries.record.log import log_folder, read_log
from tests.unit.small_cohort import cohort, person

ASKED: dict[str, Any] = {"text": "Is it right?", "by": "Ana", "role": "data manager"}


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    write_cohort(cohort(person("P1"), name="madrid"), tmp_path / "pool")
    return tmp_path / "pool"


def test_a_question_about_a_patient_is_noted(pool: Path) -> None:
    name = type_question(pool, "madrid", patient="P1", element="ck", **ASKED)
    (entry,) = read_log(log_folder(pool)).of("typed")
    assert (entry["query"], entry["patient"]) == (name, "P1")
    assert entry["targets"][0]["element"] == "ck"


@pytest.mark.parametrize(
    ("about", "said"),
    [
        ({"patient": "P9"}, "holds no such patient of 'madrid'"),
        ({"query": "Q123"}, "no query of 'madrid' is called 'Q123'"),
    ],
)
def test_who_or_what_is_not_there_is_refused(pool: Path, about: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        type_question(pool, "madrid", **about, **ASKED)
    assert not read_log(log_folder(pool)).of("typed", "said")
