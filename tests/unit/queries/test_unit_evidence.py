"""What speaks for a unit: where the numbers lie, and where they would in another one."""

import pytest

from imnm_fhir.dictionary import load_dictionary
from imnm_fhir.queries.model import Target
from imnm_fhir.queries.questions.unit_evidence import (
    cell_unit_evidence,
    unit_evidence,
    written_numbers,
)


def cell(word: str | None, value: str | None = None, element: str = "ck") -> Target:
    return Target("observations", element, None, None, "value_number", word=word, value=value)


def test_the_bulk_of_a_column_in_the_other_unit() -> None:
    few = ["3", "5", "8", "9", "9"]
    bulk = [str(10 + round(n * 160 / 29)) for n in range(30)]
    many = ["900", "950", "980", "990", "999"]
    assert unit_evidence([cell(each) for each in [*few, *bulk, *many]], "en") == [
        "30 of 40 values lie between 10 and 170",
        "in ukat/L they would be 600 to 10\u202f200 U/L",
    ]


def test_a_column_that_is_read_in_a_unit_says_so() -> None:
    read = [cell("56,33", "3379.8 U/L"), cell("1.000,5", "60030 U/L")]
    assert unit_evidence(read, "en")[1:] == [
        "read in ukat/L they are 3\u202f380 to 60\u202f030 U/L",
        "in U/L they would be 56.33 to 1\u202f000 U/L",
    ]


def test_a_number_that_may_be_two_is_none() -> None:
    assert written_numbers(["4.512", "3.210"]) == [None, None]
    assert written_numbers(["4.512", "12,5", "7"]) == [4512.0, 12.5, 7.0]
    assert written_numbers(["4,512", "12.5"]) == [4512.0, 12.5]
    assert written_numbers(["<20", None, "high"]) == [None, None, None]
    assert unit_evidence([cell("4.512"), cell("3.210")], "en") == []


@pytest.mark.parametrize(
    ("element", "said"),
    [
        ("ldh", ["in ukat/L it would be 3\u202f600 U/L"]),
        ("physician_global_activity", ["in mm it would be 6 cm"]),
        ("immunosuppressant", ["in g it would be 60\u202f000 mg"]),
        ("weight", []),
    ],
)
def test_one_cell_in_every_other_unit_of_its_element(element: str, said: list[str]) -> None:
    assert cell_unit_evidence(cell("60", element=element), "en") == said


def test_every_enzyme_is_known_in_two_units() -> None:
    enzymes = [each for each in load_dictionary().elements.values() if each.enzyme and each.unit]
    assert enzymes and all(each.other_units for each in enzymes)
