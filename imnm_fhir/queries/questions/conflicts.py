"""The question that a contradiction asks: between two answers, or between an answer and the source."""

from dataclasses import replace

from imnm_fhir.languages import translatable, translate
from imnm_fhir.queries.model import Query, Target
from imnm_fhir.queries.record.answers import Standing

ANSWERS_DIFFER = translatable("Two people answered this differently. Which answer is right?")
SOURCE_DIFFERS = translatable(
    "A correction is recorded for this cell, and the source now says something else. Which is right?"
)


def conflict_question(why: str, language: str) -> str:
    """What a contradiction asks: `why` is `answers` or `source`."""
    asked = ANSWERS_DIFFER if why == "answers" else SOURCE_DIFFERS
    return translate(asked, language)


def conflict_query(query: Query, why: str, standing: Standing, language: str) -> Query:
    """The query with the question that settles the contradiction; what was said stands in its thread."""
    question = conflict_question(why, language)
    if why == "answers":
        return replace(query, question=question)
    last = standing.last
    key = Target(**last["cell"]).key if last is not None and last.get("cell") else None
    first = [each for each in query.targets if each.key == key]
    others = [each for each in query.targets if each.key != key]
    return replace(query, question=question, targets=(*first, *others))
