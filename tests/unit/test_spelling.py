"""Spellings of one identifier are alike; identifiers of two people are not."""

import pytest

from imnm_fhir.values.spelling import spelling_key, spellings


@pytest.mark.parametrize(
    "other",
    ["mad-03", "Mad-03", " MAD-03 ", "MAD\u201103", "MAD\u201303", "MAD\u221203",
     "\uff2d\uff21\uff24\uff0d\uff10\uff13",
     "MAD 03", "MAD_03", "MAD03", "MAD-3", "MAD-\u200b03", "M\u00c1D-03", "MAD\u00a0-\u00a003"],
)  # fmt: skip
def test_spellings_of_one_identifier(other: str) -> None:
    assert spelling_key(other) == spelling_key("MAD-03")


@pytest.mark.parametrize(
    ("one", "other"), [("MAD-03", "MAD-30"), ("1-12", "11-2"), ("P1", "P10"), ("A-1", "B-1")]
)
def test_identifiers_of_two_people(one: str, other: str) -> None:
    assert spelling_key(one) != spelling_key(other)


def test_likely_spellings_of_an_identifier_that_will_be_keyed() -> None:
    assert {"MAD-03", "mad-03", "MAD03"} <= spellings("Mad\u201303")
    assert {"00123", "000123"} <= spellings("123")
    assert "123" in spellings("00123") and "00123" not in spellings("00123")
