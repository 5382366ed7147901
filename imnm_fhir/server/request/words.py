"""The server's own words, fit to be shown: what could be a patient's value is cut out."""

import re
from collections.abc import Iterable, Iterator

_CUT = "…"
_LONGEST = 300  # characters of a server's words that are shown
# Kept: HAPI's message numbers, and our own ids (a letter and 32 digits of a hash).
_KEPT = re.compile(r"(HAPI-\d{4}\b|\b[a-z][0-9a-f]{32}\b)")
# Quoted text; the apostrophe of "isn't" opens nothing. A quote that never closes takes all.
_QUOTED = re.compile(
    r'"(?:\\.|[^"\\])*(?:"|\\?$)|(?<!\w)\'.*?(?:\'(?!\w)|$)|`[^`]*(?:`|$)|“[^”]*(?:”|$)'
    r"|„[^“”]*(?:[“”]|$)|«[^»]*(?:»|$)|‘.*?(?:’(?!\w)|$)",
    re.DOTALL,
)
_WITH_DIGIT = re.compile(r"[^\s,;()\[\]{}=<>|…]*\d[^\s,;()\[\]{}=<>|…]*")
_CUTS = re.compile(rf"{_CUT}(?:[\s.:/-]*{_CUT})+")
_NO_VALUES = frozenset({"resourceType", "id", "reference"})  # types and our own ids


def cut_values(text: str, values: Iterable[str] = (), names: Iterable[str] = ()) -> str:
    """Return `text` in one line without quoted strings, numbers, dates, and any of `values`.

    `values` are the texts of the resource that the words are about: a server may echo them without
    quotes. What is cut becomes `…`. HAPI's message numbers, our own ids, and a quoted word that is
    one of `names`, the resource's element names, stay.
    """
    known = frozenset(names)
    cut = text
    for value in sorted({value for value in values if len(value) > 1}, key=len, reverse=True):
        if value.casefold() in cut.casefold():
            cut = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", _CUT, cut, flags=re.IGNORECASE)
    cut = _QUOTED.sub(lambda quoted: quoted[0] if quoted[0][1:-1] in known else _CUT, cut)
    parts = _KEPT.split(cut)
    parts[::2] = [_WITH_DIGIT.sub(_CUT, part) for part in parts[::2]]
    cut = _CUTS.sub(_CUT, " ".join("".join(parts).split()))
    return cut if len(cut) <= _LONGEST else cut[: _LONGEST - 1] + _CUT


def words_of(answer: object, sent: Iterable[object] = ()) -> str:
    """Return what an OperationOutcome says of the resources `sent`, their values cut.

    The text is empty for anything but an OperationOutcome.
    """
    resources = list(sent)
    return cut_values("; ".join(_sentences(answer)), _texts(resources), _names(resources))


def outcome_codes(outcome: object) -> set[str]:
    """Return the codes in the details of an OperationOutcome's issues."""
    codes: set[str] = set()
    for issue in issues_of(outcome):
        details = issue.get("details")
        codings = details.get("coding") if isinstance(details, dict) else None
        for coding in codings if isinstance(codings, list) else ():
            if isinstance(coding, dict) and isinstance(coding.get("code"), str):
                codes.add(coding["code"])
    return codes


def issues_of(outcome: object) -> list[dict[str, object]]:
    """Return the issues of an OperationOutcome, none for anything else."""
    if not isinstance(outcome, dict) or outcome.get("resourceType") != "OperationOutcome":
        return []
    issues = outcome.get("issue")
    if not isinstance(issues, list):
        return []
    return [issue for issue in issues if isinstance(issue, dict)]


def _texts(resource: object) -> Iterator[str]:
    if isinstance(resource, dict):
        for name, value in resource.items():
            if name not in _NO_VALUES:
                yield from _texts(value)
    elif isinstance(resource, list):
        for value in resource:
            yield from _texts(value)
    elif isinstance(resource, str):
        yield resource


def _names(resource: object) -> Iterator[str]:
    if isinstance(resource, dict):
        yield from resource
        yield from _names(list(resource.values()))
    elif isinstance(resource, list):
        for value in resource:
            yield from _names(value)


def _sentences(outcome: object) -> Iterator[str]:
    for issue in issues_of(outcome):
        details = issue.get("details")
        text = details.get("text") if isinstance(details, dict) else None
        said = issue.get("diagnostics") or text or issue.get("code")
        if isinstance(said, str):
            yield said
