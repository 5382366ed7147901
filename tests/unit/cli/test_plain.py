"""What is printed where the encoding of a console or of a redirected file lacks a sign."""

import io

import pytest

from imnm_fhir.cli.plain import register


def printed(text: str, encoding: str) -> str:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding, errors=register(), newline="")
    stream.write(text)
    stream.flush()
    return raw.getvalue().decode(encoding)


@pytest.mark.parametrize(
    ("text", "encoding", "expected"),
    [
        ("−21 – 29", "cp1252", "-21 – 29"),
        ("−21 – 29", "ascii", "-21 - 29"),
        ("days ⁴", "cp1252", "days ^4"),
        ("at 6 months ¹⁰", "cp1252", "at 6 months ¹0"),
        ("at 6 months ¹⁰", "ascii", "at 6 months ^10"),
        ("──", "cp850", "──"),
        ("──", "cp1252", "--"),
        ("≥ 3,1 µkat/l", "cp1252", ">= 3,1 µkat/l"),
        ("≥ 3,1 µkat/l", "ascii", ">= 3,1 ukat/l"),
        ("Müller", "ascii", "M\\xfcller"),
        ("診断日", "cp1252", "\\u8a3a\\u65ad\\u65e5"),
        ("−診", "utf-8", "−診"),
    ],
)
def test_signs(text: str, encoding: str, expected: str) -> None:
    assert printed(text, encoding) == expected
