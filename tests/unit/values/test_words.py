"""Words: what counts as the same word, and that a list of words never contradicts itself."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.values import (
    MISSING_REASONS,
    Unreadable,
    fold,
    fold_words,
    load_words,
    read_word,
    word_sets,
)
from imnm_fhir.values.months import is_joining_word, month_number
from imnm_fhir.values.words import all_words

YES_NO = {"Sí": True, "No": False}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Sí", "SI"),
        ("sí", " si\u0301 "),
        ("Größe", "GRÖSSE"),
        ("no  realizado", "No realizado"),
        ("no\u00a0realizado", "no realizado"),
        ("Ｙｅｓ", "yes"),
        ("ﾊｲ", "ハイ"),
        ("S\u200bí", "sí"),
        ("µg", "μg"),
        ("ŁÓDŹ", "łódź"),
        ("confermato così com’è", "Confermato così com'è"),
    ],
)
def test_the_same_word(first: str, second: str) -> None:
    assert fold(first) == fold(second)


@pytest.mark.parametrize(
    ("first", "second"),
    [("が", "か"), ("ば", "ぱ"), ("+", "-"), ("no", "n"), ("neg.", "neg"), ("=", "≠"), ("o", "ø")],
)
def test_different_words(first: str, second: str) -> None:
    assert fold(first) != fold(second)


@given(st.text())
def test_folding_twice_changes_nothing(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@given(st.text())
def test_case_and_outer_spaces_never_matter(text: str) -> None:
    assert fold(f"  {text}\t") == fold(text)
    assert fold(text.casefold()) == fold(text)


@pytest.mark.parametrize(("text", "meaning"), [("si", True), ("SÍ", True), (" no ", False)])
def test_read_word(text: str, meaning: bool) -> None:
    assert read_word(text, YES_NO) is meaning
    assert read_word(text, fold_words(YES_NO)) is meaning


@pytest.mark.parametrize("text", ["", "s", "sino", "ja", "canary"])
def test_a_word_that_is_not_listed_is_never_guessed(text: str) -> None:
    with pytest.raises(Unreadable) as caught:
        read_word(text, YES_NO)
    assert caught.value.rule == "unknown-word"
    assert "'Sí', 'No'" in str(caught.value)
    assert "canary" not in str(caught.value)


def test_a_long_list_is_cut_in_the_message() -> None:
    with pytest.raises(Unreadable, match="'7', …"):
        read_word("x", {str(number): number for number in range(20)})
    with pytest.raises(Unreadable, match="the list is empty"):
        read_word("x", {})


def test_two_words_that_fold_to_one_with_two_meanings_are_refused() -> None:
    with pytest.raises(ImnmFhirError, match="'Sí' and 'SI' are read as one word"):
        fold_words({"Sí": True, "SI": False})
    assert fold_words({"Sí": True, "SI": True}) == {"si": True}


def test_yes_no_in_spanish() -> None:
    words = load_words("yes-no/es")
    assert words["Sí"] == "true"
    assert words["No"] == "false"
    assert set(words.values()) == {"true", "false"}


def test_every_set_has_words_and_folds_without_contradiction() -> None:
    assert {name.split("/")[1] for name in word_sets()} >= {
        "en",
        "es",
        "de",
        "fr",
        "it",
        "nl",
        "ja",
    }
    for name in word_sets():
        assert fold_words(load_words(name))


def test_a_set_that_is_none_names_those_that_are() -> None:
    with pytest.raises(ImnmFhirError, match=r"no set of words 'yes-no/xx'.*yes-no/es"):
        load_words("yes-no/xx")


def test_missing_words_mean_reasons_and_nothing_doubtful_is_listed() -> None:
    missing = [word for word in all_words() if word.set == "missing"]
    assert {word.meaning for word in missing} == set(MISSING_REASONS)
    listed = {fold(word.word) for word in all_words()}
    assert listed.isdisjoint(
        {"nd", "n.d.", "-", "na", "n/a", "nr", "nc", "99", "-9", "999", ".", "?"}
    )


def test_missing_reasons_are_codes_of_data_absent_reason() -> None:
    assert MISSING_REASONS == (
        "unknown",
        "asked-unknown",
        "not-asked",
        "asked-declined",
        "not-performed",
        "not-applicable",
        "temp-unknown",
    )


@pytest.mark.parametrize(
    ("word", "month"),
    [("März", 3), ("MARZ", 3), ("ene", 1), ("août", 8), ("dic", 12), ("mei", 5), ("foo", None)],
)
def test_month_number(word: str, month: int | None) -> None:
    assert month_number(word) == month


def test_every_language_names_every_month() -> None:
    from imnm_fhir.values.words import read_synonyms

    months: dict[str, set[str]] = {}
    for _, row in read_synonyms("months.csv"):
        months.setdefault(row["language"], set()).add(row["month"])
    assert set(months) == {"en", "es", "de", "fr", "it", "nl"}
    assert all(found >= {str(month) for month in range(1, 13)} for found in months.values())
    assert is_joining_word("De")
    assert not is_joining_word("marzo")
    assert month_number("de") is None
