import pytest
from hypothesis import given
from hypothesis import strategies as st

from imnm_fhir.server.request.words import cut_values, words_of
from tests.unit.server.stand_in import outcome_json

OURS = "i" + "0123456789abcdef" * 2


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ('Invalid value "1950-13-41": no date', "Invalid value …: no date"),
        ("Unknown code 'Müller'", "Unknown code …"),
        ("name 'O'Brien' isn't valid", "name … isn't valid"),
        ('value "with \\"quotes\\" inside" here', "value … here"),
        ('never closed "Müller is ill', "never closed …"),
        ("CK was 9856.5 on 2019-03-04 at 12:30", "CK was … on … at …"),
        ("dose <0,5mg/kg>", "dose <…,…>"),
        ("„Müller“ or «Müller» or “Müller” or `Müller`", "… or … or … or …"),
        ("HAPI-1094: Resource Patient/nobody7 not found", "HAPI-1094: Resource … not found"),
        (f"Resource Patient/{OURS} not found", f"Resource Patient/{OURS} not found"),
        ("two\nlines\tof text", "two lines of text"),
        ("", ""),
    ],
)
def test_values_are_cut(said: str, shown: str) -> None:
    assert cut_values(said) == shown


def test_what_was_sent_is_cut_without_quotes_too() -> None:
    said = "Ana García lives in Getafe, says ana garcía"
    assert cut_values(said, ["Ana García", "Getafe"]) == "… lives in …, says …"
    assert cut_values("final word", ["al", "or"]) == "final word"


def test_names_of_elements_stay_and_their_values_go() -> None:
    patient = {
        "resourceType": "Patient",
        "id": OURS,
        "name": [{"text": "birthDate"}],
        "gender": "Mujer",
        "birthDate": "1950-13-41",
    }
    said = '[element="gender"] Mujer is unknown; [element="birthDate"] "1950-13-41" of Patient'
    shown = '[element="gender"] … is unknown; [element="…"] … of Patient'
    found = words_of(outcome_json(said), [patient])
    assert found == shown.replace('"…"', "…")


def test_long_words_are_shortened() -> None:
    assert len(cut_values("word " * 1000)) == 300


def test_only_an_operation_outcome_has_words() -> None:
    assert words_of({"resourceType": "Patient", "issue": [{"diagnostics": "x"}]}) == ""
    assert words_of(None) == ""
    details = {"resourceType": "OperationOutcome", "issue": [{"details": {"text": "Too big"}}, 7]}
    assert words_of(details) == "Too big"


@given(st.text(), st.text(alphabet="abcdefghijkü", min_size=5), st.text())
def test_no_value_survives(before: str, value: str, after: str) -> None:
    said = f'{before} {value} "{value}" {after}'
    assert value not in cut_values(said, [value]).split()


@given(st.text())
def test_no_digit_survives_but_in_what_is_kept(text: str) -> None:
    assert not any(character.isdecimal() for character in cut_values(text.replace("HAPI", "")))
