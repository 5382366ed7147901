"""The dictionary as text: what a search finds, how much is shown unasked."""

import pytest

from imnm_fhir.elements import MOST, describe_element, list_elements
from imnm_fhir.errors import UsageError


def test_a_search_finds_drugs_by_brand_with_the_elements_that_take_them() -> None:
    lines = list_elements("zarator").splitlines()
    assert lines[0].startswith("statin ")
    assert lines[-1] == "value atorvastatin of drug: atorvastatin (Zarator)"
    assert all(not line.startswith("immunosuppressant") for line in lines)
    assert "value methotrexate of drug" in list_elements("MTX")


def test_a_search_that_finds_nothing_names_what_is_near() -> None:
    with pytest.raises(UsageError, match="near: Zarator"):
        list_elements("zarattor")


def test_of_a_long_value_set_the_first_are_shown_unless_all_are_asked_for() -> None:
    short, whole = (describe_element("immunosuppressant", every=every) for every in (False, True))
    assert short.count("  value ") == MOST
    assert "more; --values lists all" in short
    assert whole.count("  value ") > MOST
    assert "atorvastatin" not in whole  # of another group than the element takes
    assert "--values" not in describe_element("anti_hmgcr")
