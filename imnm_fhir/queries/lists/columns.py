"""The columns of the list and the words of its drop-downs, in every language that it is written in."""

from collections.abc import Mapping

from imnm_fhir.languages import known_languages, translatable, translate
from imnm_fhir.queries.model import ANSWERS, PROPOSAL_ANSWERS
from imnm_fhir.values import fold

HEADINGS = {
    "query": translatable("Query"),
    "state": translatable("State"),
    "patient": translatable("Patient"),
    "file": translatable("File"),
    "sheet": translatable("Sheet"),
    "row": translatable("Row"),
    "column": translatable("Column"),
    "value": translatable("Value as written"),
    "question": translatable("Question"),
    "evidence": translatable("What speaks for it"),
    "said": translatable("What was said so far"),
    "answer": translatable("Answer"),
    "cell": translatable("Cell that the new value is for"),
    "new": translatable("New value"),
    "comment": translatable("Comment"),
    "by": translatable("By"),
    "role": translatable("Role"),
    "date": translatable("Date"),
    "due": translatable("Answer by"),
    "list": translatable("List"),
}
ASKED = ("answer", "cell", "new", "comment", "by", "role", "date")  # what the site fills in
WORDS = {
    "corrected": translatable("corrected"),
    "confirmed": translatable("confirmed as is"),
    "not-available": translatable("not available"),
    "not-our-patient": translatable("not our patient"),
    "fixed-in-source": translatable("fixed in our source, see next delivery"),
    "accepted": translatable("proposal accepted"),
    "declined": translatable("proposal not accepted"),
}
ROLES = {
    "data-manager": translatable("data manager of the site"),
    "investigator": translatable("investigator of the site"),
    "consortium": translatable("consortium"),
}
STATE_WORDS = {
    "open": translatable("open"),
    "answered": translatable("answered"),
    "closed": translatable("closed"),
    "re-opened": translatable("asked again: it was closed before"),
    "miscorrected": translatable("asked again: the correction is not plausible either"),
    "conflict": translatable("asked again: answers or sources contradict each other"),
}
WHY = {  # what lies behind a state, where the answer does not say it
    ("closed", "source"): translatable("not found any more"),
    ("closed", "corrected at the source"): translatable("corrected at the source"),
    ("conflict", "answers"): translatable("two answers contradict each other"),
    ("conflict", "source"): translatable("the source says something else by now"),
    ("answered", "not applied yet"): translatable("the answer is not put on top of the source yet"),
    ("answered", "next delivery"): translatable("waits for the next delivery"),
    ("answered", "other delivery"): translatable("this delivery does not hold its row"),
    ("answered", "mapping"): translatable("waits for the mapping of the site"),
    ("miscorrected", "unreadable"): translatable("the new value cannot be read"),
    ("miscorrected", "not plausible"): translatable("the new value breaks a rule"),
    ("re-opened", "row not found"): translatable("its row is not found any more"),
    ("re-opened", "found again"): translatable("found again after it was settled"),
    ("re-opened", "the consortium asks on"): translatable("the consortium asks on"),
    ("re-opened", "not fixed at the source"): translatable("not fixed at the source"),
    ("re-opened", "a value changed"): translatable("a value that the rules read has changed"),
}
WHOLE_COLUMN = translatable("the whole column")


def headings(language: str) -> dict[str, str]:
    """The heading of each column."""
    return {name: translate(text, language) for name, text in HEADINGS.items()}


def answer_words(language: str, proposed: bool = False) -> list[str]:
    """The answers of the drop-down; those to a proposal where there is one."""
    names = (*ANSWERS, *(PROPOSAL_ANSWERS if proposed else ()))
    return [translate(WORDS[name], language) for name in names]


def role_words(language: str) -> list[str]:
    """The roles of the drop-down."""
    return [translate(text, language) for text in ROLES.values()]


def known_words(words: Mapping[str, str]) -> dict[str, str]:
    """The name of each word in every language, folded; the names themselves are known too."""
    found = {fold(name): name for name in words}
    for language in known_languages():
        found |= {fold(translate(text, language)): name for name, text in words.items()}
    return found
