"""The labels of elements and time points, in the language of whoever reads."""

from imnm_fhir.dictionary.load import load_dictionary
from imnm_fhir.languages import Translator


def element_label(element: str | None, say: Translator) -> str | None:
    """The label of an element as `say` says it; the name where it is none of the dictionary's."""
    if element is None:
        return None
    known = load_dictionary().elements.get(element)
    return say.label(known.labels) if known else element


def time_point_label(time_point: str | None, say: Translator) -> str | None:
    """The label of a time point as `say` says it."""
    if time_point is None:
        return None
    code = load_dictionary().value_sets["time_point"].codes.get(time_point)
    return say.label(code.labels) if code else time_point


def element_at_label(fact: str, say: Translator) -> str:
    """The label of `element` or `element@time_point`: `Creatine kinase, month 6`."""
    element, _, time_point = fact.partition("@")
    said = (element_label(element, say), time_point_label(time_point or None, say))
    return ", ".join(each for each in said if each)
