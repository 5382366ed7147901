"""What a column's header says: an element, exactly by its synonyms, and perhaps a visit and a unit."""

from dataclasses import dataclass
from functools import cache

from imnm_fhir.dictionary import fold_header, load_dictionary
from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.sites.unit_of import IN_HEADER, source_unit_of_header, unit_in_header


@dataclass(frozen=True)
class Match:
    """An element with the field that the column fills, the visit and the unit that the header names."""

    element: str
    field: str
    time_point: str | None = None
    unit: str | None = None


@cache
def _names() -> dict[str, tuple[str, str]]:
    """Element and field by folded header: the dictionary's synonyms, and labels that are one's alone."""
    elements = load_dictionary().elements.values()
    labels: dict[str, set[tuple[str, str]]] = {}
    for each in elements:
        for label in each.labels.values():
            labels.setdefault(fold_header(label), set()).add((each.name, each.column))
    clear = {label: min(found) for label, found in labels.items() if len(found) == 1}
    return clear | load_dictionary().headers


@cache
def _visits() -> list[tuple[str, str]]:
    """Folded name and key of every time point, the longest first, so that 12m is not 2m."""
    codes = load_dictionary().value_sets["time_point"].codes.values()
    named = {
        fold_header(name): code.key
        for code in codes
        for name in (*code.labels.values(), *code.attributes.get("names", ()))
    }
    return sorted(named.items(), key=lambda each: -len(each[0]))


def match_header(header: str) -> Match | None:
    """What the header exactly means, None where no synonym of the dictionary is in it.

    The header as a whole first, then without the unit in its last brackets, then without the name
    of a visit at its end or beginning. Nothing is matched nearly.
    """
    bare = IN_HEADER.sub("", header)
    for text in dict.fromkeys((header, bare)):
        if (found := _names().get(fold_header(text))) is not None:
            return Match(*found, unit=_unit(found[0], found[1], header))
    folded = fold_header(bare)
    for name, key in _visits():
        for rest in (folded.removesuffix(name), folded.removeprefix(name)):
            if rest != folded and (found := _names().get(rest)) is not None:
                return Match(*found, time_point=key, unit=_unit(found[0], found[1], header))
    return None


def _unit(element: str, field: str, header: str) -> str | None:
    """The unit in the header's brackets, if it is one that the element takes."""
    text = unit_in_header(header)
    if text is None or not field.endswith(("_number", "_high")):
        return None
    try:
        source_unit_of_header(load_dictionary().elements[element], field, text)
    except ImnmFhirError:
        return None
    return text
