"""What a stream says in the place of a sign that its encoding lacks, such as cp1252 of a redirected file."""

import codecs

NAME = "imnm-fhir-plain"
SIGNS = {
    "−": "-", "–": "-", "—": "-", "─": "-", "█": "#", "≥": ">=", "≧": ">=", "≤": "<=", "≦": "<=", "×": "x",
    "±": "+/-", "·": "-", "→": "->", "…": "...", "µ": "u", "μ": "u", "’": "'", "‘": "'", "“": '"', "”": '"',
    "„": '"', "«": '"', "»": '"', "✓": "+", "✗": "x", "†": "+", "\u00a0": " ", "\u2009": " ", "\u202f": " ",
}  # fmt: skip
RAISED = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789", strict=True))


def plain_or_escaped(error: UnicodeError) -> tuple[str, int]:
    r"""The plain sign that says the same; anything else is written as `\u2603`, so that nothing is lost."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text, start, end = error.object, error.start, error.end
    return "".join(_plain(text, place) for place in range(start, end)), end


def _plain(text: str, place: int) -> str:
    sign = text[place]
    if sign in RAISED:
        begins = place == 0 or text[place - 1] not in RAISED
        return f"^{RAISED[sign]}" if begins else RAISED[sign]
    return SIGNS.get(sign) or sign.encode("ascii", "backslashreplace").decode()


def register() -> str:
    """The name under which streams take it for their `errors`."""
    codecs.register_error(NAME, plain_or_escaped)
    return NAME
