"""Numbers: what is read, what is refused and by which rule, and that nothing is ever rounded."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.values import (
    Number,
    Unreadable,
    ambiguous_number,
    canonical_number,
    damaged_cell,
    read_approximate,
    read_number,
)

CANONICAL = [
    ("1.50", "1.5"),
    ("-0", "0"),
    ("-0.000", "0"),
    ("0e5", "0"),
    ("1e3", "1000"),
    ("1E-3", "0.001"),
    ("+7", "7"),
    ("007", "7"),
    (".5", "0.5"),
    ("-.5", "-0.5"),
    ("100", "100"),
    ("1.0", "1"),
    ("0.000001", "0.000001"),
    ("0.10000000000000000000", "0.1"),
    ("999999999999999", "999999999999999"),
    ("123456789.123456", "123456789.123456"),
    ("1e14", "100000000000000"),
]


@pytest.mark.parametrize(("text", "value"), CANONICAL)
def test_canonical_number(text: str, value: str) -> None:
    assert canonical_number(text) == value


@pytest.mark.parametrize(
    "text",
    ["1e15", "1234567890123456", "0.0000001", "1.1234567", "1234567890.123456", "1e-7", "9e999"],
)
def test_too_precise_a_number_is_refused_and_not_rounded(text: str) -> None:
    with pytest.raises(Unreadable) as caught:
        canonical_number(text)
    assert caught.value.rule == "too-precise"


@pytest.mark.parametrize(
    "text",
    ["", " 1", "1 ", "1,5", "NaN", "Infinity", "0x1", "1_000", "5.", "1e", "--1", "１", "1e1000"],
)
def test_what_is_no_machine_number(text: str) -> None:
    with pytest.raises(Unreadable) as caught:
        canonical_number(text)
    assert caught.value.rule == "unreadable-number"


def exact_numbers() -> st.SearchStrategy[Decimal]:
    """Numbers of at most 15 digits and 6 decimals, each exactly a digit string and a scale."""
    return st.builds(
        lambda digits, scale: Decimal(digits).scaleb(-scale),
        st.integers(-(10**15) + 1, 10**15 - 1),
        st.integers(0, 6),
    )


@given(exact_numbers())
def test_canonical_text_is_the_same_number_and_its_own_canonical_text(number: Decimal) -> None:
    canonical = canonical_number(str(number))
    assert Decimal(canonical) == number
    assert canonical_number(canonical) == canonical
    assert "E" not in canonical
    assert "." not in canonical or not canonical.endswith(("0", "."))
    assert canonical != "-0"


@given(exact_numbers())
def test_numbers_that_are_equal_have_one_text(number: Decimal) -> None:
    assert canonical_number(f"{number:f}") == canonical_number(f"{number:e}")


@given(
    exact_numbers(), st.sampled_from([(",", "."), (".", ","), (",", " "), (".", "'"), (",", "")])
)
def test_a_number_written_in_a_style_is_read_back(number: Decimal, style: tuple[str, str]) -> None:
    decimal, thousands = style
    written = f"{number:,f}".replace(",", "|").replace(".", decimal).replace("|", thousands)
    assert read_number(written, decimal, thousands).value == canonical_number(f"{number:f}")


READ = [
    ("4512", ".", "", "4512", None),
    ("4.512", ",", ".", "4512", None),
    ("4.512,5", ",", ".", "4512.5", None),
    ("1.234.567", ",", ".", "1234567", None),
    ("4512,50", ",", ".", "4512.5", None),
    ("4,512.5", ".", ",", "4512.5", None),
    ("4\u00a0512", ",", " ", "4512", None),
    ("4\u202f512,5", ",", " ", "4512.5", None),
    ("4'512.5", ".", "'", "4512.5", None),
    ("4’512", ".", "'", "4512", None),
    ("1,0", ",", ".", "1", None),
    ("1,0", ",", "", "1", None),
    ("4.512", ".", "", "4.512", None),
    ("<20", ".", "", "20", "<"),
    ("< 20", ".", "", "20", "<"),
    ("> 10000", ".", "", "10000", ">"),
    (">10.000", ",", ".", "10000", ">"),
    ("<=1,5", ",", "", "1.5", "<="),
    ("≤ 1,5", ",", "", "1.5", "<="),
    ("≥3", ".", "", "3", ">="),
    ("≧3", ".", "", "3", ">="),
    ("１２．５", ".", "", "12.5", None),
    ("＞１，０００", ".", ",", "1000", ">"),
    ("-5", ".", "", "-5", None),
    ("−5", ".", "", "-5", None),
    ("+5", ".", "", "5", None),
    (" 7 ", ".", "", "7", None),
    ("7\u200b", ".", "", "7", None),
    ("007", ".", "", "7", None),
    (",5", ",", "", "0.5", None),
    ("1e+05", ".", "", "100000", None),
]


@pytest.mark.parametrize(("text", "decimal", "thousands", "value", "comparator"), READ)
def test_read_number(
    text: str, decimal: str, thousands: str, value: str, comparator: str | None
) -> None:
    assert read_number(text, decimal, thousands) == Number(value, comparator)


REFUSED = [
    ("", ".", "", "unreadable-number"),
    ("4.51", ",", ".", "thousands"),
    ("45.12", ",", ".", "thousands"),
    ("4.5123", ",", ".", "thousands"),
    ("0.512", ",", ".", "thousands"),
    ("1234.567", ",", ".", "thousands"),
    ("1,23,456", ".", ",", "thousands"),
    ("4 51", ",", " ", "thousands"),
    ("4,512", ".", "", "number-style"),
    ("4.512", ",", "", "number-style"),
    ("4 512", ".", "", "number-style"),
    ("4'512", ".", "", "number-style"),
    ("1.2.3", ".", "", "date-in-number"),
    ("1,2,3", ".", "", "number-style"),
    ("1-2", ".", "", "range"),
    ("1–2", ".", "", "range"),
    ("5.000-6.000", ",", ".", "range"),
    ("5000 - 6000", ".", "", "range"),
    ("2～3", ".", "", "range"),
    ("4/5", ".", "", "fraction"),
    ("4+", ".", "", "graded-number"),
    ("4-", ".", "", "graded-number"),
    ("4++", ".", "", "graded-number"),
    ("(4)", ".", "", "graded-number"),
    ("aprox. 4000", ".", "", "approximate"),
    ("Aprox 4000", ".", "", "approximate"),
    ("> ca. 4000", ".", "", "unreadable-number"),
    ("ca. 4000", ".", "", "approximate"),
    ("circa 4000", ".", "", "approximate"),
    ("~4000", ".", "", "approximate"),
    ("約4000", ".", "", "approximate"),
    ("IV", ".", "", "roman-number"),
    ("IV/V", ".", "", "roman-number"),
    ("1,23E+15", ",", "", "exponent"),
    ("1.5E3", ".", "", "exponent"),
    (">5x", ".", "", "number-with-text"),
    ("3,000IU/l", ".", ",", "number-with-text"),
    ("10³", ".", "", "number-with-text"),
    ("50 %", ".", "", "number-with-text"),
    ("4-mar", ".", "", "date-in-number"),
    ("04. Mrz", ".", "", "date-in-number"),
    ("2019-03-04", ".", "", "date-in-number"),
    ("04/03/2019", ".", "", "date-in-number"),
    ("normal", ".", "", "unreadable-number"),
    ("NA", ".", "", "unreadable-number"),
    ("?", ".", "", "unreadable-number"),
    ("-", ".", "", "unreadable-number"),
    ("½", ".", "", "unreadable-number"),
    ("٤", ".", "", "unreadable-number"),
    ("<", ".", "", "unreadable-number"),
    ("<<5", ".", "", "number-style"),
    ("5.", ".", "", "number-style"),
    ("1.1234567", ".", "", "too-precise"),
    ("12345678901234567", ".", "", "too-precise"),
]


@pytest.mark.parametrize(("text", "decimal", "thousands", "rule"), REFUSED)
def test_what_is_refused_and_why(text: str, decimal: str, thousands: str, rule: str) -> None:
    with pytest.raises(Unreadable) as caught:
        read_number(text, decimal, thousands)
    assert caught.value.rule == rule
    assert str(caught.value).startswith("expected ")


@given(st.text())
def test_any_text_is_a_number_or_unreadable_and_the_message_does_not_repeat_it(text: str) -> None:
    try:
        value = read_number(f"7731{text}", ",", ".").value
    except Unreadable as error:
        assert "7731" not in str(error)
    else:
        assert canonical_number(value) == value


@pytest.mark.parametrize(("decimal", "thousands"), [(".", "."), (",", ","), (";", ""), (".", ";")])
def test_a_style_that_cannot_be(decimal: str, thousands: str) -> None:
    with pytest.raises(ImnmFhirError, match="is no style of numbers"):
        read_number("1", decimal, thousands)


@pytest.mark.parametrize(
    ("text", "words", "value"),
    [("ca. 4.000", "ca.", "4000"), ("~ 4000", "~", "4000"), ("CIRCA 12", "CIRCA", "12")],
)
def test_an_approximate_number_keeps_its_words(text: str, words: str, value: str) -> None:
    assert read_approximate(text, ",", ".") == (words, Number(value, None))


@pytest.mark.parametrize("text", ["4000", "etwas 4000", "ca.", "ca. viel", ""])
def test_nothing_else_is_approximate(text: str) -> None:
    with pytest.raises(Unreadable):
        read_approximate(text)


@pytest.mark.parametrize("text", ["4.512", "4,512", "<4.512", "-4,512", "４．５１２", "999.999"])
def test_a_number_that_depends_on_the_style(text: str) -> None:
    assert ambiguous_number(text)


@pytest.mark.parametrize(
    "text", ["4512", "4.51", "0.512", "1.234.567", "4.512,5", "4 512", "4'512", "x", "", "1000.512"]
)
def test_a_number_that_has_one_meaning_at_most(text: str) -> None:
    assert not ambiguous_number(text)


@given(st.from_regex(r"[0-9]{1,4}[.,][0-9]{1,4}", fullmatch=True))
def test_ambiguous_is_exactly_two_styles_that_read_two_values(text: str) -> None:
    values = set()
    for style in [(".", ","), (",", ".")]:
        try:
            values.add(read_number(text, *style).value)
        except Unreadable:
            continue
    assert ambiguous_number(text) == (len(values) == 2)


@pytest.mark.parametrize("text", ["04. Mrz", "4-mar", "4 mar.", "04-Mar", "Mar-04", "mar. 4"])
def test_a_grade_that_became_a_date_is_explained_both_ways(text: str) -> None:
    said = damaged_cell(text)
    assert said is not None
    assert "3-4" in said
    assert "4-3" in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1,23E+15", "last digits are lost"),
        ("1.23E+15", "last digits are lost"),
        ("#####", "too narrow"),
        ("#N/A", "error of a formula"),
        ("#¡REF!", "error of a formula"),
        ("#DIV/0!", "error of a formula"),
    ],
)
def test_other_damage_of_a_spreadsheet(text: str, said: str) -> None:
    assert said in (damaged_cell(text) or "")


@pytest.mark.parametrize(
    "text", ["", "4", "3-4", "2019-03-04", "marzo 2019", "4 foo", "MAD-01", "E+15", "1e+05", "# 5"]
)
def test_a_sound_cell_is_not_called_damaged(text: str) -> None:
    assert damaged_cell(text) is None
