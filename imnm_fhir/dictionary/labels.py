"""The labels of elements and time points, in the language of whoever reads."""

from imnm_fhir.dictionary.declarations import Code, Element
from imnm_fhir.dictionary.load import load_dictionary


def label_of(each: Code | Element, language: str) -> str:
    """The label of a code or element in a language, English where it lacks one."""
    return each.labels.get(language, each.labels["en"])


def element_label(element: str | None, language: str) -> str | None:
    """The label of an element in a language; the name where it is none of the dictionary's."""
    if element is None:
        return None
    known = load_dictionary().elements.get(element)
    return label_of(known, language) if known else element


def time_point_label(time_point: str | None, language: str) -> str | None:
    """The label of a time point in a language."""
    if time_point is None:
        return None
    code = load_dictionary().value_sets["time_point"].codes.get(time_point)
    return label_of(code, language) if code else time_point


def element_at_label(fact: str, language: str) -> str:
    """The label of `element` or `element@time_point`: `Creatine kinase, month 6`."""
    element, _, time_point = fact.partition("@")
    said = (element_label(element, language), time_point_label(time_point or None, language))
    return ", ".join(each for each in said if each)
