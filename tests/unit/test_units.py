"""Units: spellings, exact factors, and everything that must not convert."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.units import convert, factor, is_times_upper_limit, is_ucum, ucum
from imnm_fhir.values import Unreadable
from imnm_fhir.values.words import read_synonyms

SPELLINGS = [
    ("U/L", False, "U/L"),
    ("U/l", False, "U/L"),
    ("u/l", False, "U/L"),
    ("IU/L", True, "U/L"),
    ("IU/l", True, "U/L"),
    ("UI/l", True, "U/L"),
    ("UI / L", True, "U/L"),
    ("U.I./L", True, "U/L"),
    ("E/l", True, "U/L"),
    ("UI/l", False, "[IU]/L"),
    ("IU/mL", False, "[IU]/mL"),
    ("[IU]/L", False, "[IU]/L"),
    ("[iU]/L", False, "[IU]/L"),
    ("[IU]/L", True, "U/L"),
    ("kUI/L", True, "kU/L"),
    ("mU/mL", False, "mU/mL"),
    ("mUI/ml", True, "mU/mL"),
    ("µkat/L", True, "ukat/L"),
    ("μkat/l", True, "ukat/L"),
    ("ukat/l", True, "ukat/L"),
    ("UKAT/L", True, "ukat/L"),
    ("nkat/L", True, "nkat/L"),
    ("mg/kg/Tag", False, "mg/kg/d"),
    ("mg/kg/día", False, "mg/kg/d"),
    ("mg/kg/dia", False, "mg/kg/d"),
    ("mg/kg KG/d", False, "mg/kg/d"),
    ("MG/KG/DAY", False, "mg/kg/d"),
    ("mg/24 h", False, "mg/d"),
    ("mg/semana", False, "mg/wk"),
    ("mg/Woche", False, "mg/wk"),
    ("mg pro Woche", False, "mg/wk"),
    ("mg al día", False, "mg/d"),
    ("mg/m²", False, "mg/m2"),
    ("g/kg", False, "g/kg"),
    ("mm/1h", False, "mm/h"),
    ("AU/mL", False, "[arb'U]/mL"),
    ("CU", False, "{CU}"),
    ("RE/ml", False, "{RU}/mL"),
    ("titre", False, "{titer}"),
    ("años", False, "a"),
    ("xULN", True, "{xULN}"),
    ("veces LSN", True, "{xULN}"),
    ("10*9/L", False, "10*9/L"),
    ("10⁹/L", False, "10*9/L"),
    ("× 10⁹/l", False, "10*9/L"),
    ("10^9/L", False, "10*9/L"),
    ("%", False, "%"),
]


@pytest.mark.parametrize(("text", "enzyme", "code"), SPELLINGS)
def test_spellings(text: str, enzyme: bool, code: str) -> None:
    assert ucum(text, enzyme) == code
    assert is_ucum(code)


@pytest.mark.parametrize(
    ("text", "enzyme", "said"),
    [
        ("UI/ll", True, "is it U/L?"),
        ("ukatt/L", True, "is it ukat/L?"),
        ("mg/kg/Tagg", False, "is it mg/kg/d?"),
        ("zorro", False, "the unit is not known; write its UCUM code"),
        ("mkatt/L", True, "the unit is not known; write its UCUM code"),
        ("", False, "the unit is not known"),
        ("mg/", False, "the unit is not known"),
        ("mg//d", False, "the unit is not known"),
        ("mkat/l", True, "write ukat"),
        ("MU/mL", True, "write mU"),
        ("G/L", False, "gram or giga"),
        ("N", True, "write {xULN}"),
        ("E/l", False, "any unit of an assay"),
    ],
)
def test_an_unknown_or_unclear_unit_is_refused_with_advice(
    text: str, enzyme: bool, said: str
) -> None:
    with pytest.raises(ImnmFhirError) as caught:
        ucum(text, enzyme)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_every_listed_spelling_gives_its_code() -> None:
    for line, row in read_synonyms("units.csv"):
        if row["ucum"]:
            assert ucum(row["written"]) == row["ucum"], line
        if row["enzyme"] or row["ucum"]:
            assert ucum(row["written"], enzyme=True) == (row["enzyme"] or row["ucum"]), line
        else:
            assert row["note"], line


FACTORS = [
    ("ukat/L", "U/L", Fraction(60)),
    ("U/L", "ukat/L", Fraction(1, 60)),
    ("nkat/L", "U/L", Fraction(6, 100)),
    ("kat", "U", Fraction(60_000_000)),
    ("mU/mL", "U/L", Fraction(1)),
    ("U/mL", "U/L", Fraction(1000)),
    ("kU/L", "U/L", Fraction(1000)),
    ("umol/min/L", "U/L", Fraction(1)),
    ("g/d", "mg/d", Fraction(1000)),
    ("mg/d", "mg/wk", Fraction(7)),
    ("mg/wk", "mg/d", Fraction(1, 7)),
    ("g/kg", "mg/kg", Fraction(1000)),
    ("ng/L", "pg/mL", Fraction(1)),
    ("mg/dL", "mg/L", Fraction(10)),
    ("m2", "cm2", Fraction(10_000)),
    ("L", "dm3", Fraction(1)),
    ("wk", "d", Fraction(7)),
    ("a", "mo", Fraction(12)),
    ("10*9/L", "10*3/uL", Fraction(1)),
    ("mg/(kg.d)", "mg/kg/d", Fraction(1)),
    ("l", "L", Fraction(1)),
    ("[iU]/L", "[IU]/L", Fraction(1)),
    ("{score}", "{score}", Fraction(1)),
]


@pytest.mark.parametrize(("source", "target", "exact"), FACTORS)
def test_factors_are_exact(source: str, target: str, exact: Fraction) -> None:
    assert factor(source, target) == exact
    assert factor(target, source) == 1 / exact


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("mg/kg/d", "mg/d"),
        ("mg/kg/d", "/d"),
        ("mg/kg", "%"),
        ("mg", "mL"),
        ("mmol/L", "mg/L"),
        ("[IU]/L", "U/L"),
        ("[IU]/L", "[IU]/mL"),
        ("[arb'U]/mL", "[IU]/mL"),
        ("[arb'U]/mL", "[arb'U]/L"),
        ("{CU}", "{RU}"),
        ("{score}", "{titer}"),
        ("{score}", "1"),
        ("{xULN}", "U/L"),
        ("U/L", "U"),
        ("IU/L", "U/L"),
        ("U/L", "nothing"),
    ],
)
def test_what_does_not_convert(source: str, target: str) -> None:
    with pytest.raises(ImnmFhirError) as caught:
        factor(source, target)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "code",
    ["U/L", "mg/kg/d", "/uL", "1", "10*9/L", "10*-6", "m2", "s-1", "%", "{score}", "{x}",
     "[arb'U]/mL", "mg/(kg.d)", "(mg/kg)/d", "100/L", "mg{dry}/L", "mm/h", "u[IU]/mL"],
)  # fmt: skip
def test_what_is_ucum(code: str) -> None:
    assert is_ucum(code)


@pytest.mark.parametrize(
    "code",
    ["", "IU/L", "IU/l", "µkat/L", "u/l", "Mg", "mg/", "/", "mg//d", "(mg", "mg)", "{", "{}", "{a b}",
     "{{x}}", "mg d", " mg", "mg ", "U/L\n", "0", "m0", "kmin", "x", "mg..d",
     "109/L"],
)  # fmt: skip
def test_what_is_not_ucum(code: str) -> None:
    assert not is_ucum(code)


def test_times_the_upper_limit_is_told_by_its_code() -> None:
    assert is_times_upper_limit(ucum("xULN"))
    assert not is_times_upper_limit("U/L")


@pytest.mark.parametrize(
    ("value", "by", "product"),
    [
        ("125", Fraction(60), "7500"),
        ("16.7", Fraction(60), "1002"),
        ("-1.5", Fraction(2, 3), "-1"),
        ("0", Fraction(60), "0"),
        ("7", Fraction(1, 7), "1"),
        ("0.000001", Fraction(1), "0.000001"),
        ("1.50", Fraction(1), "1.5"),
        ("999999999999999", Fraction(1), "999999999999999"),
    ],
)
def test_convert_is_exact(value: str, by: Fraction, product: str) -> None:
    assert convert(value, by) == product


@pytest.mark.parametrize(
    ("value", "by"),
    [("10", Fraction(1, 7)), ("1", Fraction(1, 60)), ("999999999999999", Fraction(10)),
     ("0.000001", Fraction(1, 10)), ("123456789.123455", Fraction(3, 2))],
)  # fmt: skip
def test_convert_never_rounds(value: str, by: Fraction) -> None:
    with pytest.raises(Unreadable) as caught:
        convert(value, by)
    assert caught.value.rule == "too-precise"


@given(st.integers(-(10**9), 10**9), st.integers(0, 6), st.sampled_from(FACTORS))
def test_convert_gives_the_product_or_refuses(
    digits: int, scale: int, case: tuple[str, str, Fraction]
) -> None:
    value = Fraction(digits, 10**scale)
    written = f"{Decimal(digits).scaleb(-scale):f}0" if scale else f"{digits}"
    product = value * case[2]
    try:
        converted = convert(written, case[2])
    except Unreadable:
        assert (product * 10**6).denominator != 1 or abs(product) * 10**6 >= 10**15
    else:
        assert Fraction(converted) == product


@given(st.text(st.sampled_from("mgkgdLU/.{}()[]'*0123456789-+ukatwh% "), max_size=12))
def test_any_text_is_ucum_or_not_without_an_accident(text: str) -> None:
    if is_ucum(text):
        assert factor(text, text) == 1
