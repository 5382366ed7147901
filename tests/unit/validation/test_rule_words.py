"""What a rule says: sentence, neutral question, evidence with the numbers of the data."""

import re

import pytest

from imnm_fhir.findings import Finding, Rule
from imnm_fhir.languages import number_text
from imnm_fhir.validation import load_catalogue
from imnm_fhir.validation.study_rules import for_study

RULES = load_catalogue()
LEADING = re.compile(r"\b(wrong|error|mistake|correct|should|really|sure|missing|typo)\b", re.I)


def asked() -> list[tuple[Rule, str | None]]:
    return [(rule, part) for rule in RULES.values() for part in [None, *rule.parts]]


@pytest.mark.parametrize(
    ("rule", "part"), asked(), ids=lambda each: each.id if isinstance(each, Rule) else each
)
def test_every_rule_asks_a_neutral_question(rule: Rule, part: str | None) -> None:
    question = rule.asked("en", part)
    assert question.endswith("?")
    assert "{" not in question
    assert LEADING.search(question) is None


def finding(**numbers: str) -> Finding:
    return Finding("K07", "improbable", "plausibility", "", numbers=tuple(numbers.items()))


def test_evidence_holds_counts_and_limits_in_the_other_unit() -> None:
    said = RULES["K07"].evidenced("en", finding(failing="30", judged="40"))
    assert said == (
        "30 of 40 patients have a baseline CK between 10 and 170 U/L; read as ukat/L these limits "
        "would be 600 and 10\u202f200 U/L"
    )


def test_evidence_follows_the_limits_of_the_study() -> None:
    rules, _ = for_study(RULES, {"limits": {"K07": {"high": 100}}})
    said = rules["K07"].evidenced("en", finding(failing="1", judged="1"))
    assert said is not None
    assert "between 10 and 100 U/L" in said
    assert "600 and 6\u202f000 U/L" in said


def test_rule_without_evidence_says_none() -> None:
    assert RULES["D02"].evidenced("en", Finding("D02", "improbable", "plausibility", "")) is None


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (5, "5"),
        (10200, "10\u202f200"),
        (0.5, "0.5"),
        (1234.5, "1\u202f234"),
        ("2010-01-01", "2010-01-01"),
    ],
)
def test_numbers_read_alike_in_every_language(value: object, text: str) -> None:
    assert number_text(value) == text
