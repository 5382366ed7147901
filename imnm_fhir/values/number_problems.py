"""Why a text is no number of the declared style: a rule and a message for each way."""

import re

from imnm_fhir.languages import translatable
from imnm_fhir.values.unreadable import Unreadable
from imnm_fhir.values.words import is_approximate

DIGITS = r"[0-9][0-9.,'’ ]*"
ANY_NUMBER = rf"[<>≤≥≦≧=]* *[+-]?{DIGITS}"

# The first that fits explains; the signs of {style} come from the mapping.
PROBLEMS = [
    (r"", "unreadable-number", translatable("expected a number, the cell is blank")),
    (
        r"[0-9]{1,4}([-/.])[0-9]{1,2}\1[0-9]{1,4}( .*)?|[0-9]{1,2}[-. ]+[^\W\d]{3,}\.?",
        "date-in-number",
        translatable(
            "expected a number, found a date; a spreadsheet may have made it of other text"
        ),
    ),
    (
        rf"{ANY_NUMBER} *[-–—~〜] *{ANY_NUMBER}",
        "range",
        translatable(
            "expected one number, found a range; write one of the two, or < or > before it"
        ),
    ),
    (
        r"[0-9]+ */ *[0-9]+",
        "fraction",
        translatable(
            "expected one number, found two with a slash; write the first, or map the column's words"
        ),
    ),
    (
        rf"{DIGITS}[+-]+|[+-]*\({DIGITS}\)",
        "graded-number",
        translatable("expected a number, found one with a grade; map the column's words to values"),
    ),
    (
        r"[IVX]+(/[IVX]+)?",
        "roman-number",
        translatable(
            "expected a number in digits, found Roman ones; map the column's words to values"
        ),
    ),
    (
        r"[<>]?[+-]?[0-9]+([.,][0-9]+)?E[+-]?[0-9]+",
        "exponent",
        translatable(
            "expected a number written out; a spreadsheet's short form has lost its last digits"
        ),
    ),
]
SIGNS_ONLY = re.compile(r"[<>≤≥≦≧=]* *[+-]?[0-9.,'’ ]*[0-9][0-9.,'’ ]*")
STARTS_WITH_NUMBER = re.compile(rf"{ANY_NUMBER} *[^\W\d_]|{ANY_NUMBER}.*[%°/µ]")


def why_not_a_number(written: str, decimal: str, thousands: str) -> Unreadable:
    """The reason, to be raised. `written` is plain text that is no number of the style."""
    for pattern, rule, message in PROBLEMS:
        if re.fullmatch(pattern, written):
            return Unreadable(rule, message)
    if SIGNS_ONLY.fullmatch(written):
        return _wrong_signs(written, decimal, thousands)
    if is_approximate(re.split(r"[0-9<>≤≥≦≧=]", written)[0].strip()):
        return Unreadable(
            "approximate", "expected a number, found an approximate one; give the number measured"
        )
    if STARTS_WITH_NUMBER.match(written):
        return Unreadable(
            "number-with-text",
            "expected a number alone, found text after it; put the unit into the mapping or a "
            "column of its own",
        )
    return Unreadable("unreadable-number", "expected a number, found other text")


def _wrong_signs(written: str, decimal: str, thousands: str) -> Unreadable:
    style = f"decimal '{decimal}'" + (f", thousands '{thousands}'" if thousands else "")
    if thousands and thousands in written:
        said = translatable("expected groups of three digits in the declared style: {style}")
        return Unreadable("thousands", said.format(style=style))
    said = translatable("expected the declared style, found other signs; correct it: {style}")
    return Unreadable("number-style", said.format(style=style))
