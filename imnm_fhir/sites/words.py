"""The words of a column: a table of the mapping, a built-in set, or the dictionary's own labels."""

from collections.abc import Iterable, Mapping
from functools import cache

from imnm_fhir.dictionary import Dictionary, Element, ValueSet, load_dictionary
from imnm_fhir.dictionary.drugs import drug_words
from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.sites.faults import listed, near
from imnm_fhir.sites.mapping import FILL_IN, SiteMapping, Words
from imnm_fhir.terminology import load_project
from imnm_fhir.units import is_ucum
from imnm_fhir.values import (
    MISSING_REASONS,
    Unreadable,
    canonical_number,
    fold,
    fold_words,
    load_words,
    read_date,
    word_sets,
)
from imnm_fhir.values.words import FoldedWords

TRUTHS = {"true": "true", "false": "false"}


def column_words(
    words: Words, mapping: SiteMapping, kind: str, values: Mapping[str, str] | None
) -> tuple[FoldedWords[str] | None, bool]:
    """What the words of a column mean, folded, and whether the mapping wrote them itself.

    `values` are the keys that a code may have, each with itself; None where any text may stand.
    None instead of words where the column has none. Raises `ImnmFhirError` with what is wrong.
    """
    if words is None:
        return default_words(kind, values, mapping.language), False
    own = mapping.words.get(words) if isinstance(words, str) else words
    if own is None:
        return fold_words(_allowed(built_in_words(str(words), mapping), values)), False
    open_words = [word for word, meaning in own.items() if meaning == FILL_IN]
    if open_words:
        raise ImnmFhirError(f"fill in what these words mean: {listed(map(repr, open_words), 12)}")
    if words == "drug":  # [words.drug] adds a site's own words to all that are known
        drugs = set(drug_words().values())
        own = _allowed(own, values) if set(own.values()) <= drugs else own
    for word, meaning in own.items():
        _check_meaning(word, meaning, kind, values)
    if words == "drug":
        known = {fold(word): meaning for word, meaning in _allowed(drug_words(), values).items()}
        return fold_words({**known, **fold_words(own)}), True
    return fold_words(own), True


def built_in_words(name: str, mapping: SiteMapping) -> Mapping[str, str]:
    """The words of a set such as `yes-no/es`, or of a value set such as `drug`, in every language."""
    if name in word_sets():
        return load_words(name)
    value_sets = load_dictionary().value_sets
    if name == "drug":
        return drug_words()
    if name in value_sets:
        return value_set_words(value_sets[name])
    known = [*mapping.words, *word_sets(), *value_sets]
    raise ImnmFhirError(f"no words are called '{name}'{near(name, known)}; write [words.{name}]")


@cache
def _labels(name: str, languages: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, set[str]] = {}
    codes = load_dictionary().value_sets[name].codes.values()
    for code in codes:
        labels = [label for language, label in code.labels.items() if language in languages]
        for word in (*labels, *code.attributes.get("names", ())):
            found.setdefault(fold(word), set()).add(code.key)
    clear = {word: min(keys) for word, keys in found.items() if len(keys) == 1}
    return clear | {fold(code.key): code.key for code in codes}


def value_set_words(value_set: ValueSet, languages: Iterable[str] | None = None) -> dict[str, str]:
    """Key by folded word: keys, labels of the languages (None: of all), further names of a value set.

    A label that two values share means neither.
    """
    return dict(_labels(value_set.name, tuple(languages or load_project().languages)))


def default_words(
    kind: str, values: Mapping[str, str] | None, language: str
) -> FoldedWords[str] | None:
    """The words of a column that declares none: the dictionary's, or yes and no of the language."""
    if kind == "boolean":
        name = f"yes-no/{language}"
        return fold_words({**TRUTHS, **(load_words(name) if name in word_sets() else {})})
    return None if values is None else FoldedWords(values)


def code_values(element: Element | None, column: str, language: str) -> dict[str, str] | None:
    """Key by folded word of a coded column, None where it holds no codes.

    Drugs and diseases of other groups than the element takes are left out.
    """
    value_set = value_set_of(load_dictionary(), element, column)
    if value_set is None:
        return None
    takes = element.attributes.get("takes") if element and column == "value_code" else None
    words = value_set_words(value_set, (language, "en"))
    return {
        word: key
        for word, key in words.items()
        if not takes or value_set.codes[key].attributes.get("group") in takes
    }


def value_set_of(dictionary: Dictionary, element: Element | None, column: str) -> ValueSet | None:
    """The value set of a coded column, None where it holds no codes."""
    name = dictionary.column_value_sets.get(column)
    if column == "value_code":
        name = element.value_set if element else None
    return dictionary.value_sets[name] if name is not None else None


def _allowed(words: Mapping[str, str], values: Mapping[str, str] | None) -> Mapping[str, str]:
    """The words whose meaning the column may have."""
    if values is None:
        return words
    keys = set(values.values())
    return {word: meaning for word, meaning in words.items() if meaning in keys}


def _check_meaning(word: str, meaning: str, kind: str, values: Mapping[str, str] | None) -> None:
    """Raise where a column of this kind cannot take the meaning."""
    if values is not None and meaning not in (keys := set(values.values())):
        if meaning in MISSING_REASONS:
            raise ImnmFhirError(
                f"'{word}': '{meaning}' is a missing reason; put it in missing = {{ }}"
            )
        raise ImnmFhirError(
            f"'{word}': no value is called '{meaning}'{near(meaning, keys) or hint(keys)}"
        )
    if kind == "boolean" and meaning not in TRUTHS:
        raise ImnmFhirError(f"'{word}': expected \"true\" or \"false\", not '{meaning}'")
    if kind == "unit" and not is_ucum(meaning):
        raise ImnmFhirError(f"'{word}': '{meaning}' is no UCUM unit")
    try:
        if kind == "number":
            canonical_number(meaning)
        if kind == "date":
            read_date(meaning)
    except Unreadable as error:
        raise ImnmFhirError(f"'{word}': its meaning is no {kind}: {error}") from None


def hint(keys: Iterable[str]) -> str:
    """The end of a message: the values there are."""
    return f"; there are {listed(sorted(keys), 12)}"


def many_to_one(words: Mapping[str, str]) -> list[tuple[str, list[str]]]:
    """Each meaning that several words of a table share, with them."""
    by_meaning: dict[str, dict[str, str]] = {}
    for word, meaning in words.items():
        by_meaning.setdefault(meaning, {}).setdefault(fold(word), word)
    return [
        (meaning, list(found.values())) for meaning, found in by_meaning.items() if len(found) > 1
    ]
