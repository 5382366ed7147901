"""The gate: only who may leave leaves, and everybody else is counted."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from imnm_fhir.cohort import Cohort, keep_patients, read_cohort, write_cohort
from imnm_fhir.errors import FindingsError, ImnmFhirError
from imnm_fhir.findings import Waiver
from imnm_fhir.issues import Issue
from imnm_fhir.validation import gate, remove_patient, validate_folder
from tests.unit.small_cohort import SITE, Row, cohort, observation, person

TODAY = date(2022, 7, 1)
NO_BASIS = {**SITE, "legal_basis": None}


def consent(patient: str, answer: str, **more: str) -> dict[str, list[Row]]:
    rows = observation(patient, "consent_reuse", value_code=answer)
    for element, day in more.items():
        rows["observations"] += observation(patient, f"consent_{element}", value_date=day)[
            "observations"
        ]
    return rows


def weak(patient: str) -> dict[str, list[Row]]:
    return observation(
        patient, "worst_mrc", time_point="baseline", value_number="6", unit="{score}"
    )


def validated(folder: Path, *parts: Any, **about: Any) -> Cohort:
    write_cohort(cohort(*parts, **about), folder)
    validate_folder(folder)
    return read_cohort(folder)


def people(passed: Cohort) -> list[str]:
    return sorted(set(passed.tables["patients"]["patient"].to_pylist()))


@pytest.fixture(scope="module")
def failing(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    """P1 is well, P2 has an impossible MRC grade."""
    return validated(tmp_path_factory.mktemp("failing"), person("P1"), person("P2"), weak("P2"))


def test_a_cohort_that_was_not_validated_does_not_leave() -> None:
    with pytest.raises(FindingsError, match="was not validated; run imnm-fhir validate"):
        gate(cohort(person("P1")), today=TODAY)


def test_a_cohort_that_was_changed_after_its_validation_does_not_leave(failing: Cohort) -> None:
    tables = {**failing.manifest["tables"], "patients": {"sha256": "another"}}
    changed = Cohort({**failing.manifest, "tables": tables}, failing.tables)
    with pytest.raises(FindingsError, match="changed after its validation"):
        gate(changed, today=TODAY)


def test_impossible_findings_stop_the_cohort(failing: Cohort) -> None:
    with pytest.raises(FindingsError, match="1 patient has impossible findings") as raised:
        gate(failing, today=TODAY)
    assert "P2" not in str(raised.value)
    assert raised.value.exit_code == 1


def test_failing_patients_are_left_out_and_counted(failing: Cohort) -> None:
    passed, flow = gate(failing, today=TODAY, exclude_failing=True)
    assert people(passed) == ["P1"]
    assert {row["patient"] for row in passed.tables["observations"].to_pylist()} == {"P1"}
    assert flow.lines() == ["madrid: 2 patients, 1 left out with impossible findings; 1 passed on"]
    assert passed.manifest["stamps"] == []


def test_errors_that_are_allowed_stamp_the_manifest(failing: Cohort) -> None:
    passed, flow = gate(failing, today=TODAY, allow_errors=True)
    assert people(passed) == ["P1", "P2"]
    stamp = "2022-07-01: patients let through with impossible findings: 1"
    assert passed.manifest["stamps"] == [stamp]
    assert flow.lines()[-1] == stamp


def test_a_waiver_lets_a_failing_patient_through(failing: Cohort) -> None:
    waiver = Waiver("P2", "M01", "Dr. Ana Ruiz", "scale of 0 to 10", "2022-07-01")
    passed, _ = gate(failing, today=TODAY, waivers=[waiver])
    assert people(passed) == ["P1", "P2"]
    other = Waiver("P2", "D01", "Dr. Ana Ruiz", "another rule", "2022-07-01")
    with pytest.raises(FindingsError):
        gate(failing, today=TODAY, waivers=[other])


def test_a_waiver_for_nobody_is_told_and_stops_nothing(failing: Cohort) -> None:
    own = Waiver("P2", "M01", "Dr. Ana Ruiz", "scale of 0 to 10", "2022-07-01")
    gone = Waiver("P3", "M01", "A", "b", "2022-07-01", place="waivers.toml, line 8")
    passed, flow = gate(failing, today=TODAY, waivers=[own, gone])
    assert people(passed) == ["P1", "P2"]
    assert flow.lines()[-1].startswith(
        "waiver without effect: waivers.toml, line 8: the cohort has no"
    )
    assert "P3" not in " ".join(flow.lines())
    with pytest.raises(FindingsError):  # it lets nobody else through
        gate(failing, today=TODAY, waivers=[gone])


def test_a_waiver_holds_until_its_last_day(failing: Cohort) -> None:
    def until(day: str) -> list[Waiver]:
        return [Waiver("P2", "M01", "Dr. Ana Ruiz", "scale of 0 to 10", "2022-06-01", until=day)]

    assert people(gate(failing, today=TODAY, waivers=until("2022-07-01"))[0]) == ["P1", "P2"]
    with pytest.raises(FindingsError):
        gate(failing, today=TODAY, waivers=until("2022-06-30"))


CONSENTS = [
    ("yes", {}, NO_BASIS, None),
    ("yes", {"valid_to": "2022-07-01"}, NO_BASIS, None),
    ("yes", {"valid_to": "2022-06-30"}, SITE, "consent expired"),
    ("yes", {"valid_from": "2022-07-02"}, SITE, "consent not yet valid"),
    ("yes", {"valid_to": "2022"}, SITE, "consent holds or not: its dates are too coarse"),
    ("no", {}, SITE, "consent refused"),
    ("withdrawn", {}, SITE, "consent withdrawn"),
    ("unknown", {}, SITE, None),
    ("unknown", {}, NO_BASIS, "consent unknown and no legal basis"),
]


@pytest.mark.parametrize(("answer", "dates", "site", "reason"), CONSENTS)
def test_consent_is_judged_on_the_day(
    answer: str, dates: dict[str, str], site: dict[str, Any], reason: str | None
) -> None:
    given = cohort(person("P1"), consent("P1", answer, **dates), site=site)
    passed, flow = gate(given, today=TODAY, need_validation=False)
    assert people(passed) == ([] if reason else ["P1"])
    assert (f"1 at home ({reason})" in flow.lines()[0]) == bool(reason)
    assert flow.passed_on == (0 if reason else 1)


def test_consent_that_was_not_sent_needs_a_legal_basis() -> None:
    assert gate(cohort(person("P1")), today=TODAY, need_validation=False)[1].passed_on == 1
    without = cohort(person("P1"), site=NO_BASIS)
    passed, flow = gate(without, today=TODAY, need_validation=False)
    assert flow.sites[0].consent == {"none": 1}
    assert passed.tables["conditions"].num_rows == 0


@pytest.mark.parametrize(
    ("answer", "leaves"), [("unknown", True), ("no", False), ("withdrawn", False)]
)
def test_a_committee_overrules_no_patient(answer: str, leaves: bool) -> None:
    waiver = Waiver("P1", "consent", "Ethics committee", "dead, no relatives", "2022-06-01")
    given = cohort(person("P1"), consent("P1", answer), site=NO_BASIS)
    passed, flow = gate(given, today=TODAY, waivers=[waiver], need_validation=False)
    assert people(passed) == (["P1"] if leaves else [])
    assert flow.sites[0].waived == int(leaves)


def test_consent_stops_what_errors_allowed_would_let_through(
    failing: Cohort, tmp_path: Path
) -> None:
    given = validated(tmp_path / "c", person("P1"), weak("P1"), consent("P1", "withdrawn"))
    passed, flow = gate(given, today=TODAY, allow_errors=True)
    assert people(passed) == []
    assert flow.sites[0].consent == {"withdrawn": 1}


def test_who_stays_at_home_leaves_no_issue_behind() -> None:
    issues = [Issue("unreadable-number", "improbable", "conformance", "m", "madrid", patient=name)
              for name in ("P1", "P2")]  # fmt: skip
    given = cohort(person("P1"), person("P2"), consent("P2", "no"), issues=issues)
    passed, _ = gate(given, today=TODAY, need_validation=False)
    assert [each.patient for each in passed.issues] == ["P1"]


def test_the_flow_adds_up_and_stands_in_the_manifest() -> None:
    given = cohort(person("P1"), person("P2"), person("P3"), consent("P2", "no"))
    passed, flow = gate(given, today=TODAY, need_validation=False)
    (site,) = passed.manifest["flow"]
    assert site == {"site": "madrid", "received": 3, "failing": 0, "consent": {"no": 1},
                    "waived": 0, "passed_on": 2}  # fmt: skip
    assert flow.record() == [site]


def test_a_patient_is_taken_out_of_every_file(tmp_path: Path) -> None:
    folder = tmp_path / "cohort"
    issue = Issue(
        "unreadable-number", "improbable", "conformance", "m", "madrid", patient="CANARY-9"
    )
    given = validated(folder, person("P1"), person("CANARY-9"), weak("CANARY-9"), issues=[issue])
    assert any(b"CANARY-9" in path.read_bytes() for path in folder.rglob("*") if path.is_file())
    write_cohort(remove_patient(given, "madrid", "CANARY-9"), folder)
    assert not any(b"CANARY-9" in path.read_bytes() for path in folder.rglob("*") if path.is_file())
    left = read_cohort(folder)
    assert people(left) == ["P1"]
    (entry,) = left.manifest["redactions"]
    assert entry["rows"] == {"patients": 1, "observations": 2, "medications": 0, "conditions": 1,
                             "procedures": 0}  # fmt: skip
    assert left.manifest["validation"] is None


def test_nobody_is_taken_out_twice() -> None:
    with pytest.raises(ImnmFhirError, match="no such patient"):
        remove_patient(cohort(person("P1")), "madrid", "P2")


def test_a_failing_patient_who_was_withdrawn_since_stops_nobody(failing: Cohort) -> None:
    left = keep_patients(failing, {(failing.sites[0], "P1")})
    passed, _ = gate(left, today=TODAY)
    assert passed.tables["patients"]["patient"].to_pylist() == ["P1"]
